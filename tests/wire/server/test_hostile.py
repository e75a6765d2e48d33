"""Requests that no honest client sends, and the life of the process."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from support.artifacts import Wire, ok, problem
from support.registry import RunningRegistry, wait_until

from ngc_cli.server import process
from ngc_cli.server.metadata import KeyKind


@pytest.fixture
def models(registry: RunningRegistry) -> Wire:
    org = registry.org()
    return Wire(registry.session(registry.key(org=org)), org)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"x"',
        b"5",
        b"null",
        b"\xff\xfe",
        b'{"name": "\\ud800"}',
        b'{"name": "m", "description": "a\\u0000b"}',
        b'{"name": NaN}',
        b'{"n": ' + b"1" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"name":' + b"[" * 65 + b"]" * 65 + b"}",
        b'{"name":' + b"[" * 600 + b'"\\u0000"' + b"]" * 600 + b"}",
    ],
)
def test_a_body_that_is_no_json_object_is_refused(models: Wire, body: bytes) -> None:
    answer = models.session.post(f"{models.place}/models", data=body)
    problem(answer, 422)


def test_an_escaped_backslash_before_u0000_is_no_nul(models: Wire) -> None:
    ok(models.create("m", description="the text \\u0000"))
    assert ok(models.session.get(models.at("m")))["model"]["description"] == "the text \\u0000"


def test_a_huge_body_is_refused_before_it_is_read(models: Wire) -> None:
    answer = models.session.post(f"{models.place}/models", data=b"{" + b" " * (33 * 1024 * 1024))
    problem(answer, 413)
    ok(models.create("m"))


@pytest.mark.parametrize(
    "path",
    [
        "/v2/org/{org}/models/a%00b",
        "/v2/org/{org}/models/m?x=%00",
        "/v2/org/%00/models/m",
        "/token?scope=%00",
    ],
)
def test_a_nul_in_the_address_is_refused(models: Wire, path: str) -> None:
    problem(models.session.get(path.format(org=models.org)), 422)


@pytest.mark.parametrize(
    "path",
    [
        "/v2/org/{org}/models/../../x",
        "/v2/org/{org}/models/%2e%2e",
        "/etc/passwd",
        "/links/content/../x",
    ],
)
def test_a_path_that_leads_nowhere_is_404(models: Wire, path: str) -> None:
    prepared = requests.Request("GET", models.session._base + path.format(org=models.org)).prepare()  # type: ignore[attr-defined]
    prepared.url = models.session._base + path.format(org=models.org)  # type: ignore[attr-defined]
    prepared.headers["Authorization"] = str(models.session.headers["Authorization"])
    problem(models.session.send(prepared, timeout=60), 404)


def test_a_wrong_method_is_405(models: Wire) -> None:
    problem(models.session.put(f"{models.place}/models", json={}), 405)


@pytest.mark.parametrize(
    "value",
    [
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer a.b.c",
        "Bearer nvapi-x",
        "Basic x",
        "x",
        "Bearer é".encode("latin-1"),
    ],
)
def test_bad_credentials_are_401(models: Wire, value: str | bytes) -> None:
    answer = requests.get(
        models.session._base + models.at("m"),  # type: ignore[attr-defined]
        headers={"Authorization": value},
        timeout=60,
    )
    problem(answer, 401)


def test_a_token_that_was_tampered_with_is_401(registry: RunningRegistry) -> None:
    key = registry.key(org=registry.org(), kind=KeyKind.LEGACY)
    token = registry.session().get("/token", auth=("$oauthtoken", key)).json()["token"]
    header, claims, signature = token.split(".")
    for bad in (
        f"{header}.{claims}.{signature[:-2]}xx",
        f"{header}.{claims}x.{signature}",
        f"{header}.{claims}.",
    ):
        assert registry.session(bad).get("/v2/users/me").status_code == 401


def test_an_expired_token_is_401(start_registry: Callable[..., RunningRegistry]) -> None:
    registry = start_registry("--token-ttl", "1")
    key = registry.key(org=registry.org(), kind=KeyKind.LEGACY)
    answer = registry.session().get("/token", auth=("$oauthtoken", key)).json()
    assert answer["expires_in"] == 1
    session = registry.session(answer["token"])
    wait_until(lambda: session.get("/v2/users/me").status_code == 401)
    registry.stop()


def test_a_body_that_breaks_off_leaves_nothing_behind(registry: RunningRegistry, models: Wire) -> None:
    ok(models.create("m"))
    ok(models.create_version("m", "1"))
    size = 3 * 1024 * 1024
    started = ok(models.start("m", "1", "f", b"x", size=size))
    url = urlsplit(started["urls"][0])
    with socket.create_connection((url.hostname, url.port), timeout=30) as connection:
        head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n"
        connection.sendall(head.encode() + b"x" * (2 * 1024 * 1024))
        wait_until(lambda: any((registry.data_dir / "temp").iterdir()))
    wait_until(lambda: not any((registry.data_dir / "temp").iterdir()))
    again = ok(models.start("m", "1", "f", b"x", size=size, uploadID=started["uploadID"]))
    assert again["receivedParts"] == []


# the process


def test_a_deep_filter_is_refused(registry: RunningRegistry) -> None:
    org = registry.org()
    session = registry.session(registry.key(org=org, role="USER_ADMIN"))
    problem(session.get(f"/v2/org/{org}/users", params={"q": "[" * 5000}), 422)


def test_its_folder_is_private_whoever_made_it_and_whatever_the_umask(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    before = os.umask(0)
    try:
        running = process.start(data, ["--port", "0"])
    finally:
        os.umask(before)
    process.stop(running)
    found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in data.rglob("*")}
    assert found["registry.db"] == found["server.log"] == 0o600
    assert [name for name, mode in found.items() if mode & 0o077] == []
    assert stat.S_IMODE(data.stat().st_mode) == 0o700


def test_it_takes_no_key_and_no_folder_of_its_caller_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NGC_CLI_API_KEY", "canary-of-production")
    monkeypatch.chdir(tmp_path)
    running = process.start(Path("data"), ["--port", "0"])
    environment = Path(f"/proc/{running.pid}/environ").read_bytes()
    folder = Path(f"/proc/{running.pid}/cwd").readlink()
    process.stop(running)
    assert b"canary" not in environment
    assert folder == tmp_path / "data"


def test_it_starts_on_any_port_tells_where_and_ends_on_sigterm(tmp_path: Path) -> None:
    data = tmp_path / "data"
    running = process.start(data, ["--port", "0"])
    facts = json.loads((data / "server.json").read_text())
    assert (facts["url"], facts["pid"]) == (running.url, running.pid)
    assert requests.get(f"{running.url}/health", timeout=60).status_code == 200
    assert (data / "server.log").read_text().splitlines()[0] == f"listening on {running.url}"
    assert process.find(data) == running
    assert running.answers
    process.stop(running)
    assert running.child is not None
    assert running.child.returncode == 0
    assert process.find(data) is None
    assert not (data / "server.json").exists()


def test_a_taken_port_is_told(tmp_path: Path, registry: RunningRegistry) -> None:
    port = registry.url.rpartition(":")[2]
    with pytest.raises(process.StartError, match="in use"):
        process.start(tmp_path / "data", ["--port", port])


def test_the_development_ca_outlives_a_restart(start_registry: Callable[..., RunningRegistry]) -> None:
    registry = start_registry("--tls-self-signed")
    assert registry.url.startswith("https://")
    trusted = Path(registry.ca_bundle).read_bytes()
    for _ in range(2):
        assert registry.session().get("/health").status_code == 200
        localhost = registry.url.replace("127.0.0.1", "localhost")
        assert registry.session().get(f"{localhost}/health").status_code == 200
        registry.restart()
    assert Path(registry.ca_bundle).read_bytes() == trusted
    assert not (registry.data_dir / "tls" / "ca-key.pem").stat().st_mode & 0o077
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"{registry.url}/health", timeout=60)
    registry.stop()


def test_what_was_stored_is_there_after_a_kill(start_registry: Callable[..., RunningRegistry]) -> None:
    registry = start_registry()
    org = registry.org()
    key = registry.key(org=org, kind=KeyKind.LEGACY)
    token = registry.session().get("/token", auth=("$oauthtoken", key)).json()["token"]
    wire = Wire(registry.session(token), org)
    wire.publish_version("m", "1", {"f": b"x"})
    url = wire.links("m", "1")["f"]
    registry.kill()
    registry.start()
    assert requests.get(url, timeout=60).content == b"x"
    assert ok(wire.session.get(wire.at("m")))["model"]["latestVersionIdStr"] == "1"
    registry.stop()


def test_the_operator_makes_orgs_teams_users_and_keys(tmp_path: Path) -> None:
    def run(*words: str, text: str = "") -> str:
        command = [sys.executable, "-m", "ngc_cli.server", *words, "--data-dir", str(tmp_path / "data")]
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode in (0, 1), done.stderr
        return done.stdout.strip() or done.stderr.strip()

    assert run("org", "create", "acme") == "acme"
    assert run("org", "create", "acme") == "acme"
    assert "cannot be the name" in run("org", "create", "Not A Name")
    assert run("team", "create", "red", "--org", "acme") == "red"
    assert "no org 'nosuch'" in run("team", "create", "red", "--org", "nosuch")
    assert (
        run("user", "create", "A@example.com", "--org", "acme", "--role", "registry_read") == "a@example.com"
    )
    assert "no role 'king'" in run("user", "create", "a@example.com", "--org", "acme", "--role", "king")
    key = run("key", "create", "a@example.com", "--org", "acme", "--team", "red", "--role", "TEAM_ADMIN")
    assert key.startswith("nvapi-")
    assert "nobody" in run("key", "create", "nobody@example.com")
    running = process.start(tmp_path / "data", ["--port", "0"])
    headers = {"Authorization": f"Bearer {key}"}
    me = requests.get(f"{running.url}/v2/users/me", headers=headers, timeout=60).json()["user"]
    assert [entry.get("orgRoles", entry.get("teamRoles")) for entry in me["roles"]] == [
        ["REGISTRY_READ"],
        ["REGISTRY_ADMIN"],
    ]
    assert run("key", "revoke", text=key) == "revoked"
    assert "no such key" in run("key", "revoke", text="x")
    assert requests.get(f"{running.url}/v2/users/me", headers=headers, timeout=60).status_code == 401
    process.stop(running)
