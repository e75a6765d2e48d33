"""Why links live for hours: the official client never asks for a new one, and does not tell that it has failed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.artifacts import Wire
from support.registry import RunningRegistry
from support.sdk import Sdk

from ngc_cli.server.metadata import KeyKind

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("sdk"), pytest.mark.timeout(600)]


def test_a_link_that_has_ended_is_tried_again_and_never_renewed(
    sdk_python: Path, start_registry: Callable[..., RunningRegistry], tmp_path: Path
) -> None:
    registry = start_registry("--tls-self-signed", "--link-ttl", "0")
    org = registry.org()
    sdk = Sdk(sdk_python, tmp_path, registry, registry.key(org=org, kind=KeyKind.LEGACY), org)
    wire = Wire(registry.session(registry.key(org=org)), org)
    registry.options = ("--tls-self-signed",)
    registry.restart()
    wire.publish_version("m", "1", {"f": b"the content"})
    registry.options = ("--tls-self-signed", "--link-ttl", "0")
    registry.restart()
    with registry.watching() as lines:
        sdk.run(f'clt.registry.model.download_version("{org}/m:1", destination={str(tmp_path)!r})')
    asked = [line.path for line in lines if line.path.endswith("/m/1/files")]
    tried = [line.status for line in lines if line.path.startswith("/links/content/")]
    assert set(tried) == {403}
    assert len(tried) > len(asked)
    assert (tmp_path / "m_v1" / "f").read_bytes() == bytes(len(b"the content"))  # and it calls that a success
    registry.stop()
