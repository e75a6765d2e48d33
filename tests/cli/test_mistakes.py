"""Typical mistakes and broken servers: the exit code, at most six lines, the cause and the next step."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from support.commands import Done, MakeShell, Shell
from support.registry import RunningRegistry

MOST_LINES = 6


@dataclass
class Broken:
    """A server that answers everything alike."""

    status: int = 200
    body: bytes = b"{}"
    url: str = ""

    @property
    def host(self) -> str:
        return self.url.partition("//")[2]


@pytest.fixture(scope="module")
def broken() -> Iterator[Broken]:
    state = Broken()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(state.status)
            self.send_header("Content-Length", str(len(state.body)))
            self.end_headers()
            self.wfile.write(state.body)

        do_POST = do_CONNECT = do_GET

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield state
        server.shutdown()


@pytest.fixture
def ngc(shell: MakeShell, registry: RunningRegistry) -> Shell:
    """Somebody with org ``acme``, team ``my-team`` and a model in it, and a guest's right to make mistakes."""
    org = registry.org("acme")
    registry.team(org, "my-team")
    person = shell(registry, registry.key(org=org, role="REGISTRY_ADMIN"), org)
    person("registry model create acme/my-team/unet")
    return person


def check(done: Done, code: int, cause: str, step: str) -> None:
    assert done.code == code, done.err
    assert done.out == ""
    assert len(done.err.splitlines()) <= MOST_LINES
    assert cause in done.err
    assert step in done.err
    assert "Traceback" not in done.err
    assert "bug in ngc" not in done.err


MISTAKES = [
    # words of the command line
    ("registy model list", 2, "No such command 'registy'", "Did you mean 'registry'?"),
    ("registry modle list", 2, "No such command 'modle'", "Did you mean 'model'?"),
    ("registry model lst", 2, "No such command 'lst'", "Did you mean 'list'?"),
    ("config shw", 2, "No such command 'shw'", "-h'"),
    ("registry model list --limt 3", 2, "--limt", "--limit"),
    ("registry model list --limit ten", 2, "ten", "-h'"),
    ("registry model list --limit", 2, "--limit", "-h"),
    ("registry model info", 2, "Missing argument", "-h'"),
    ("registry model list --format json", 2, "--format", "--format_type json"),
    ("registry model list --format_type jsn", 2, "'jsn' is not an output format", "Did you mean 'json'?"),
    ("registry model list --org", 2, "--org needs a value", ""),
    ("registry model list --column nmae", 2, "there is no column 'nmae'", "Did you mean 'name'?"),
    ("registry model list --column name --column name", 2, "given twice", "Give it once."),
    ("registry model list --owner a/b/c", 2, "--owner takes ORG or ORG/TEAM", ""),
    # targets
    ("registry model info acme/my-team/unett", 12, "was not found", "Did you mean 'acme/my-team/unet'?"),
    ("registry model info acme/my-teem/unet", 12, "no team 'my-teem'", "Did you mean 'my-team'?"),
    ("registry model info acmee/my-team/unet", 11, "org 'acmee' does not exist", "Did you mean 'acme'?"),
    ("registry model info acme/my-team/unet:9", 12, "unet:9 was not found", "list 'acme/my-team/unet:*'"),
    ("registry model info acme/my-team/", 2, "ends in '/'", "join the line"),
    ("registry model info a/b/c/d", 2, "is not a target", "Write org/[team/]name[:version]."),
    ("registry model info 'acme/*'", 2, "has wildcards", "'list' takes wildcards"),
    ("registry model create acme/my-team/x:1", 2, "names a version", "Write acme/my-team/x."),
    ("registry model create acme/my-team/unet", 13, "exists", "update"),
    ("registry model upload-version acme/my-team/unet", 2, "names no version", "unet:VERSION"),
    ("registry model upload-version acme/my-team/unet:1 --source nowhere", 17, "nowhere", ""),
    ("registry model upload-version acme/my-team/nosuch:1 --source .", 12, "nosuch", "model create"),
    ("registry model download-version acme/my-team/unet", 12, "no complete version", "Name another one"),
    ("registry model update acme/my-team/unet", 2, "nothing to update", "-h lists them"),
    ("registry model remove acme/my-team/unet", 2, "no terminal to ask", "-y"),
    ("registry image info acme/UPPER", 2, "UPPER", "Write [host/]org/[team/]name"),
    ("registry image pull acme/nosuch:1", 12, "was not found", "ngc registry image list"),
    ("registry image list quay.io/x/y", 2, "is not in the registry", "profile"),
    # people
    ("org info acmee", 11, "acmee", ""),
    ("team info my-teem", 12, "no team 'my-teem'", "Did you mean 'my-team'?"),
    ("team list-users", 1, "no team is chosen", "--team TEAM"),
    ("org add-user not-an-address", 2, "neither an e-mail address nor a number", ""),
    ("org add-user a@b.c --role REGISTRY_REED", 2, "REGISTRY_REED", "REGISTRY_READ"),
    ("org remove-user no@example.com -y", 12, "no user 'no@example.com'", "list-users"),
    ("org add-team X", 2, "Missing argument", "-h'"),
    # settings
    ("config get nosuch", 2, "nosuch", ""),
    ("config use nosuch", 2, "nosuch", ""),
    ("registry model list --profile nosuch", 2, "nosuch", ""),
    ("registry model list --timeout soon", 2, "soon", ""),
    ("registry model list --ca-bundle /nowhere.pem", 2, "/nowhere.pem", ""),
]


@pytest.mark.parametrize(("line", "code", "cause", "step"), MISTAKES, ids=[line for line, *_ in MISTAKES])
def test_a_mistake(ngc: Shell, line: str, code: int, cause: str, step: str) -> None:
    check(ngc(line), code, cause, step)


INFO = "registry model info acme/my-team/unet --retries 0"
PAGE = b"<html><head><title>Access Denied</title></head><body>Blocked</body></html>"


@pytest.mark.parametrize("body", [b"", b'{"message": "oops"}', PAGE], ids=["nothing", "json", "page"])
def test_every_status_names_host_and_next_step(ngc: Shell, broken: Broken, body: bytes) -> None:
    broken.body = body
    for status in (*range(400, 427), 428, 429, 431, 451, 499, *range(500, 512), 520, 524, 598, 599):
        broken.status = status
        done = ngc(INFO, "--api-url", broken.url)
        assert done.code not in (0, 2), status
        lines = done.err.splitlines()
        assert 2 <= len(lines) <= MOST_LINES, done.err
        assert "bug in ngc" not in done.err
        if body == PAGE:
            assert f"{broken.host} answered with a web page and HTTP {status}" in done.err
            assert "Access Denied" in done.err
            assert "ngc diag server" in done.err
        if status not in (401, 403, 404, 409):
            assert broken.host in done.err
            assert str(status) in done.err
            assert f"Request: GET {broken.url}/v2/" in done.err


@pytest.mark.parametrize(("body", "text"), [(PAGE, "is a web page"), (b"nonsense", "is not JSON")])
def test_an_answer_that_is_no_json(ngc: Shell, broken: Broken, body: bytes, text: str) -> None:
    broken.status, broken.body = 200, body
    check(ngc(INFO, "--api-url", broken.url), 15, f"the answer of {broken.host} to GET", text)


def test_a_refusing_proxy_is_blamed_and_not_the_server(ngc: Shell) -> None:
    ngc.env["HTTPS_PROXY"] = "http://user:secret@127.0.0.1:1"
    done = ngc(INFO, "--api-url", "https://registry.invalid")
    check(done, 14, "the proxy 127.0.0.1:1 refused the connection", "Check HTTPS_PROXY and NO_PROXY")
    assert "secret" not in done.err


def test_a_proxy_that_lets_nothing_through(ngc: Shell, broken: Broken) -> None:
    broken.status, broken.body = 403, PAGE
    ngc.env["HTTPS_PROXY"] = broken.url
    done = ngc(INFO, "--api-url", "https://registry.invalid")
    check(done, 14, "does not let this machine reach registry.invalid: 403", "Check HTTPS_PROXY and NO_PROXY")


@pytest.mark.parametrize(
    ("url", "cause", "step"),
    [
        ("http://127.0.0.1:1", "127.0.0.1:1 refused the connection", "Check the address"),
        ("https://registry.invalid", "registry.invalid could not be found", "your DNS"),
    ],
)
def test_a_server_that_is_not_there(ngc: Shell, url: str, cause: str, step: str) -> None:
    check(ngc(INFO, "--api-url", url), 14, cause, step)


def test_https_to_a_plain_server(ngc: Shell, broken: Broken) -> None:
    done = ngc(INFO, "--api-url", broken.url.replace("http:", "https:"))
    check(done, 14, f"{broken.host} does not speak TLS", "http or https?")


def test_a_server_that_says_nothing(ngc: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        check(ngc(INFO, "--api-url", url, "--timeout", "0.3"), 14, "stopped answering", "--timeout SECONDS")


@pytest.mark.parametrize("line", ["org list", "registry model create acme/x", "registry image login"])
def test_somebody_without_a_key_is_told_where_to_get_one(
    shell: MakeShell, registry: RunningRegistry, line: str
) -> None:
    guest = shell(registry, org="acme")
    check(guest(line), 10, "key", "https://org.ngc.nvidia.com/setup/api-keys")


def test_a_wait_for_a_lost_connection_is_told_once(ngc: Shell) -> None:
    done = ngc("registry model list --retries 2", "--api-url", "http://127.0.0.1:1")
    assert done.code == 14
    assert done.err.count("127.0.0.1:1 refused the connection: trying again, 3 times in all\n") == 1
    assert len(done.err.splitlines()) <= MOST_LINES


def test_a_name_that_does_not_exist_is_not_looked_up_again(
    ngc: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_such_name(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    done = ngc("registry model list", "--api-url", "https://registry.invalid")
    assert done.code == 14
    assert "trying again" not in done.err
