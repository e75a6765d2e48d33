"""Who may have an API key as password: anybody, or with --strict-user only ``$oauthtoken`` (container guide 5.2.1)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.registry import RunningRegistry


@pytest.mark.parametrize("path", ["/token?service=ngc", "/proxy_auth?service=registry"])
def test_only_oauthtoken_has_a_key(
    start_registry: Callable[..., RunningRegistry], registry: RunningRegistry, path: str
) -> None:
    strict = start_registry("--strict-user")
    answers = [
        place.session().get(path, auth=(user, place.key(org=place.org()))).status_code
        for place, user in ((registry, "someone"), (strict, "someone"), (strict, "$oauthtoken"))
    ]
    assert answers == [200, 401, 200]
