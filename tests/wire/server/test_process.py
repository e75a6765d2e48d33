"""Which process serves a data directory: what ``server.json`` says is believed as far as the system confirms it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.registry import RunningRegistry, wait_until

from ngc_cli.server import instance, process


@pytest.fixture
def other_process() -> Iterator[subprocess.Popen[bytes]]:
    """A process of this user that is no registry."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as other:
        yield other
        other.kill()


def note(data_dir: Path, **facts: Any) -> None:
    data_dir.mkdir(mode=0o700, exist_ok=True)
    known = {"url": "http://127.0.0.1:1", "pid": 1, "started_s": 1.0, "nonce": "n"}
    (data_dir / "server.json").write_text(json.dumps({**known, **facts}))


def test_a_process_that_got_the_number_of_a_dead_registry_is_let_be(
    tmp_path: Path, other_process: subprocess.Popen[bytes]
) -> None:
    started_s = psutil.Process(other_process.pid).create_time()
    note(tmp_path, pid=other_process.pid, started_s=started_s - 60)
    assert process.find(tmp_path) is None
    stale = instance.Instance("http://127.0.0.1:1", other_process.pid, started_s - 60, "n")
    process.stop(process.Running(stale))
    assert other_process.poll() is None
    running = process.start(tmp_path, ["--port", "0"])
    try:
        assert running.child is not None
        assert process.find(tmp_path) == running
    finally:
        process.stop(running)


@pytest.mark.parametrize("pid", [-1, 0, 1, 2**31])
def test_numbers_that_mean_no_registry_are_no_process(tmp_path: Path, pid: int) -> None:
    started_s = psutil.Process(1).create_time()
    note(tmp_path, pid=pid, started_s=started_s)
    assert process.find(tmp_path) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 100_000, '{"pid": "x"}', '{"url": 1, "pid": 1e400}'])
def test_what_is_no_state_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "server.json").write_text(text)
    assert process.find(tmp_path) is None


def test_a_process_of_another_user_is_no_registry_of_ours(
    registry: RunningRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert process.find(registry.data_dir) == registry.running
    mine = psutil.Process().uids().real
    monkeypatch.setattr(instance, "_read_own", lambda path: path.read_bytes())
    monkeypatch.setattr(instance.os, "getuid", lambda: mine + 1)
    assert process.find(registry.data_dir) is None


def test_a_state_file_that_is_a_link_or_of_another_user_is_not_read(
    registry: RunningRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "server.json").symlink_to(registry.data_dir / "server.json")
    assert process.find(tmp_path) is None
    monkeypatch.setattr(instance.os, "getuid", lambda: psutil.Process().uids().real + 1)
    with pytest.raises(PermissionError):
        instance._read_own(registry.data_dir / "server.json")


class _Other(BaseHTTPRequestHandler):
    """A program that says it is healthy and is no registry."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header(instance.INSTANCE_HEADER, "something")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def test_who_answers_at_its_port_must_know_what_only_the_registry_knows(
    tmp_path: Path, other_process: subprocess.Popen[bytes]
) -> None:
    with HTTPServer(("127.0.0.1", 0), _Other) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        started_s = psutil.Process(other_process.pid).create_time()
        note(tmp_path, url=url, pid=other_process.pid, started_s=started_s)
        running = process.find(tmp_path)
        assert running is not None
        assert not running.answers
        with pytest.raises(process.StartError, match="does not answer"):
            process.start(tmp_path)
        server.shutdown()
        thread.join()
    assert not running.answers


def test_with_a_certificate_for_other_names_it_answers_too(
    start_registry: Callable[..., RunningRegistry],
) -> None:
    registry = start_registry("--tls-self-signed")
    assert registry.running.answers
    registry.stop()
    assert not registry.running.answers


def test_a_second_server_of_a_folder_leaves_the_state_of_the_first(registry: RunningRegistry) -> None:
    command = [sys.executable, "-m", "ngc_cli.server", "serve", "--port", "0"]
    with subprocess.Popen([*command, "--data-dir", str(registry.data_dir)], stderr=subprocess.PIPE) as second:
        assert second.stderr is not None
        assert b"listening on" in second.stderr.readline()
        assert process.find(registry.data_dir) == registry.running
        second.terminate()
        assert second.wait(30) == 0
    assert process.find(registry.data_dir) == registry.running
    assert registry.running.answers


def test_of_many_who_start_it_one_does(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        started = list(pool.map(lambda _: process.start(tmp_path, ["--port", "0"]), range(4)))
    (mine,) = [running for running in started if running.child is not None]
    assert started == [mine] * 4
    process.stop(mine)
    assert not mine.is_alive


def test_one_that_does_not_listen_is_killed(start_registry: Callable[..., RunningRegistry]) -> None:
    registry = start_registry()
    child = psutil.Process(registry.running.pid)
    child.suspend()
    process.stop(registry.running, timeout_s=0.2)
    assert not registry.running.is_alive
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", "127.999.1.1"])
def test_others_are_not_served_in_the_clear_by_accident(tmp_path: Path, host: str) -> None:
    command = [sys.executable, "-m", "ngc_cli.server", "serve", "--port", "0", "--host", host]
    done = subprocess.run(
        [*command, "--data-dir", str(tmp_path / "data")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "can read their API keys" in done.stderr
    assert "--insecure-http" in done.stderr
