"""No command shows or keeps the key, or a token that came of it: in success, in failure, and with --debug."""

from __future__ import annotations

import base64
from collections.abc import Callable
from urllib.parse import quote

import pytest
from support import faultproxy
from support.faultproxy import FaultProxy
from support.program import Ngc
from support.registry import RunningRegistry

from ngc_cli.server.metadata import KeyKind

LINES = """
registry model create {org}/m --short-desc s
registry model update {org}/m --label fast
registry model upload-version --source model {org}/m:1
registry model upload-version --dry-run --source model {org}/m:2
registry model list
registry model list {org}/m:*
registry model info {org}/m
registry model info --files {org}/m:1
registry model download-version {org}/m:1 --dest out
registry model download-version {org}/m:1 --dest out --verify-only
registry model update {org}/m:1 --desc d
registry model-script list
registry model-script info {org}/none
registry image list
registry image info {org}/none
registry image pull {org}/none:1 --output oci:img
registry image remove -y {org}/none:1
org list
org info {org}
org add-team red Red
org list-users
org add-user new@example.com
org update-team red Redder
team list
team info red
team list-users --team red
team add-user new@example.com --team red
user who
config current
config current --explain
config list
diag user
diag server --no-external-ip
registry model remove -y {org}/m:1
registry model remove -y {org}/m
"""


@pytest.mark.parametrize("kind", [KeyKind.LEGACY, KeyKind.PERSONAL], ids=lambda kind: kind.name)
@pytest.mark.parametrize("failing", [False, True], ids=["success", "failure"])
def test_the_key_is_never_seen(
    registry: RunningRegistry,
    make_proxy: Callable[[str], FaultProxy],
    make_ngc: Callable[..., Ngc],
    kind: KeyKind,
    failing: bool,
) -> None:
    org = registry.org()
    canary = registry.key(org=org, role="REGISTRY_ADMIN", kind=kind)
    proxy = make_proxy(registry.url)
    ngc = make_ngc(None, canary, NGC_CLI_API_URL=proxy.url, NGC_CLI_ORG=org)
    (ngc.folder / "model").mkdir()
    (ngc.folder / "model" / "f").write_bytes(b"content")
    if failing:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            proxy.spoil(method, "^/v[23]/", faultproxy.status(401), times=None)
    seen = ""
    for line in LINES.strip().splitlines():
        done = ngc.run(f"--debug --retries 0 {line.format(org=org)}", code=None)
        assert "this is a bug" not in done.stderr, f"{line}\n{done.stderr}"
        assert (
            not failing
            or done.returncode != 0
            or line.startswith(("config", "registry model upload-version --dry"))
        ), line
        seen += done.stdout + done.stderr
    for path in ngc.folder.rglob("*"):
        if path.is_file():
            seen += path.read_bytes().decode("latin-1")
    secrets = {canary, *proxy.secrets}
    assert kind is not KeyKind.LEGACY or len(secrets) > 1
    for secret in secrets:
        for form in (secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()):
            assert form not in seen
    basic = base64.b64encode(f"$oauthtoken:{canary}".encode()).decode()
    assert basic not in seen
