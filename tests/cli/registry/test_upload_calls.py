"""Calls of an upload that fail in ways that hide what happened, and links that expire in the middle."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.commands import MakeShell, Shell
from support.registry import RunningRegistry

from ngc_cli.api.artifacts import ArtifactApi, PartUpload
from ngc_cli.api.client import ApiClient
from ngc_cli.errors import Forbidden, NetworkError, NgcError, NotAuthenticated, ServerError
from ngc_cli.http.session import Http

CREATE = "--application a --framework f --format t --precision p --short-desc s"
MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def _in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def as_admin(shell: MakeShell, registry: RunningRegistry) -> Shell:
    org = registry.org()
    ngc = shell(registry, registry.key(org=org, role="REGISTRY_ADMIN"), org)
    ngc.ok(f"registry model create {org}/m {CREATE}")
    return ngc


@pytest.fixture
def ngc(shell: MakeShell, registry: RunningRegistry) -> Shell:
    Path("src").mkdir()
    Path("src/a").write_bytes(b"a" * 1000)
    return as_admin(shell, registry)


def line(ngc: Shell, verb: str = "upload", options: str = "--source src") -> str:
    return f"registry model {verb}-version {ngc.env['NGC_CLI_ORG']}/m:1 {options}"


# the last call


@pytest.fixture
def last_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls from the one that makes the version visible on."""
    seen: list[str] = []
    call = ApiClient.call

    def recording(self: ApiClient, method: str, path: str, **options: Any) -> Any:
        if seen or method == "PATCH":
            seen.append(method)
        return call(self, method, path, **options)

    monkeypatch.setattr(ApiClient, "call", recording)
    monkeypatch.setattr("ngc_cli.transfer.manager.random.uniform", lambda low, high: 0.0)
    return seen


def fail_patch(monkeypatch: pytest.MonkeyPatch, errors: list[NgcError], *, works: bool) -> None:
    """PATCHes that answer with these errors, each after it ``works`` or without having any effect."""
    send = Http.send

    def failing(self: Http, method: str, url: str, **options: Any) -> Any:
        if method == "PATCH" and errors:
            if works:
                send(self, method, url, **options).close()
            raise errors.pop(0)
        return send(self, method, url, **options)

    monkeypatch.setattr(Http, "send", failing)


@pytest.mark.parametrize(
    "error", [ServerError("gateway time-out", status=504), NetworkError("broke")], ids=["504", "break"]
)
def test_a_last_call_whose_answer_was_lost_is_not_sent_again(
    ngc: Shell, last_calls: list[str], monkeypatch: pytest.MonkeyPatch, error: NgcError
) -> None:
    fail_patch(monkeypatch, [error], works=True)
    ngc.ok(line(ngc))
    assert last_calls == ["PATCH", "GET"]


def test_a_last_call_that_had_no_effect_is_sent_again_after_a_look(
    ngc: Shell, last_calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_patch(monkeypatch, [ServerError("busy", status=503), NetworkError("broke")], works=False)
    ngc.ok(line(ngc))
    assert last_calls == ["PATCH", "GET", "PATCH", "GET", "PATCH", "GET"]


def test_a_last_call_that_is_refused_is_not_tried_again(
    ngc: Shell, last_calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_patch(monkeypatch, [Forbidden("no", status=403)], works=False)
    assert ngc(line(ngc)).code == 11
    assert last_calls == ["PATCH"]


# links


def refuse_links(
    monkeypatch: pytest.MonkeyPatch, error: NgcError, chosen: Callable[[str, str], bool]
) -> list[str]:
    """Refuses the requests to links that are chosen by method and URL; returns all requests to links."""
    seen: list[str] = []
    send, get_once = Http.send, Http.get_once

    def refusing_send(self: Http, method: str, url: str, **options: Any) -> Any:
        if "/links/" in url:
            seen.append(url)
            if chosen(method, url):
                raise error
        return send(self, method, url, **options)

    def refusing_get(self: Http, url: str, headers: Any) -> Any:
        seen.append(url)
        if chosen("GET", url):
            raise error
        return get_once(self, url, headers)

    monkeypatch.setattr(Http, "send", refusing_send)
    monkeypatch.setattr(Http, "get_once", refusing_get)
    return seen


EXPIRED = {
    400: NgcError("expired", status=400),
    401: NotAuthenticated("expired", status=401),
    403: Forbidden("expired", status=403),
    410: NgcError("expired", status=410),
}


@pytest.mark.parametrize("status", EXPIRED)
def test_links_that_have_expired_are_renewed(
    ngc: Shell, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    Path("src/b").write_bytes(b"b" * (12 * MIB))  # three parts
    expired: set[str] = set()
    starts: list[list[int]] = []
    start = ArtifactApi.start_upload

    def counting(self: ArtifactApi, *args: Any, **more: Any) -> PartUpload:
        started = start(self, *args, **more)
        starts.append(list(more["part_numbers"]))
        change = expired.difference_update if more["part_numbers"] else expired.update
        change(started.urls.values())
        return started

    monkeypatch.setattr(ArtifactApi, "start_upload", counting)
    gets: list[str] = []

    def chosen(method: str, url: str) -> bool:
        if method == "GET":
            gets.append(url)
        return url in expired or (
            method == "GET" and len(gets) <= 2
        )  # that of the list and that of the next one

    refuse_links(monkeypatch, EXPIRED[status], chosen)
    ngc.ok(line(ngc, options="--source src --threads 1"))
    assert sorted(starts, key=len) == [[], [], [1], [1, 2, 3]]  # one renewal for all parts of a file
    ngc.ok(line(ngc, "download", "--dest out --threads 1"))
    assert Path("out/m_v1/a").read_bytes() == b"a" * 1000
    assert Path("out/m_v1/b").read_bytes() == b"b" * (12 * MIB)


def test_a_single_put_takes_a_new_upload_when_the_old_one_is_gone(
    ngc: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = ArtifactApi.start_upload
    asked: list[str] = []

    def forgetful(
        self: ArtifactApi, *args: Any, upload_id: str = "", part_numbers: Any = (), **more: Any
    ) -> PartUpload:
        asked.append(upload_id)
        started = start(self, *args, **more)
        return started if len(asked) > 1 else PartUpload("gone", started.part_size_bytes, started.urls, {})

    monkeypatch.setattr(ArtifactApi, "start_upload", forgetful)
    puts: list[str] = []

    def chosen(method: str, url: str) -> bool:
        puts.append(url)
        return len(puts) == 1

    refuse_links(monkeypatch, EXPIRED[403], chosen)
    ngc.ok(line(ngc))
    assert asked == ["", "gone"]


def test_transfers_outlive_links_of_two_seconds(
    shell: MakeShell, start_registry: Callable[..., RunningRegistry]
) -> None:
    """For real: everything takes longer than a link lives."""
    ngc = as_admin(shell, start_registry("--link-ttl", "2"))
    content = bytes(range(256)) * (22 * MIB // 256)
    Path("src").mkdir()
    Path("src/large").write_bytes(content)
    for number in range(4):
        Path(f"src/small{number}").write_bytes(content[: MIB + number])
    ngc.ok(line(ngc, options="--source src --limit-rate 5M --threads 2"))
    ngc.ok(line(ngc, "download", "--dest out --limit-rate 5M --threads 2"))
    for path in Path("src").iterdir():
        found = Path("out/m_v1", path.name).read_bytes()
        assert hashlib.sha256(found).digest() == hashlib.sha256(path.read_bytes()).digest()
