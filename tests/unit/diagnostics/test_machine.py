"""Facts of the machine agree with what the machine's own programs say."""

from __future__ import annotations

import os
import re
import subprocess
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest

from ngc_cli.diagnostics import machine


def output(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def meminfo() -> dict[str, int]:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return {name: int(value.split()[0]) * 1024 for name, _, value in (line.partition(":") for line in lines)}


def test_the_time_is_that_of_date() -> None:
    before, found, after = output("date", "-u", "+%s"), machine.general(), output("date", "-u", "+%s")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", found.timestamp)
    moment = datetime.strptime(found.timestamp, "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=timezone.utc)
    assert int(before) <= moment.timestamp() <= int(after)


def test_the_time_can_be_given() -> None:
    assert machine.general(lambda: 0).timestamp == "1970-01-01 00:00:00 UTC"


def test_the_user_is_that_of_id(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    assert machine.general().user_name == output("id", "-un")


def test_the_operating_system_is_that_of_uname() -> None:
    found = machine.operating_system()
    assert (found.type, found.version, found.machine) == (
        output("uname"),
        output("uname", "-r"),
        output("uname", "-m"),
    )


def test_the_disk_is_that_of_df() -> None:
    def df() -> list[int]:
        return [int(word) for word in output("df", "-B1", "--output=size,used,avail", "/").split()[-3:]]

    before, found, after = df(), machine.disk_usage(Path("/")), df()
    assert found.total_bytes == before[0] == after[0]
    slack = 64 * 1024 * 1024  # others write meanwhile
    assert min(before[2], after[2]) - slack <= found.free_bytes <= max(before[2], after[2]) + slack
    assert found.used_percent == pytest.approx(100 * after[1] / (after[1] + after[2]), abs=0.5)


def test_a_home_that_does_not_exist_has_the_disk_above_it(tmp_path: Path) -> None:
    found = machine.disk_usage(tmp_path / "none" / "here")
    assert found.path == str(tmp_path / "none" / "here")
    assert found.total_bytes == machine.disk_usage(tmp_path).total_bytes


def test_memory_is_that_of_meminfo() -> None:
    before, found, after = meminfo(), machine.memory(), meminfo()
    assert found.total_bytes == before["MemTotal"]
    slack = 512 * 1024 * 1024  # others take and give back meanwhile
    low, high = sorted([before["MemAvailable"], after["MemAvailable"]])
    assert low - slack <= found.free_bytes <= high + slack
    assert found.used_bytes + found.free_bytes == found.total_bytes


class TestDirectorySize:
    def test_it_is_that_of_du(self, tmp_path: Path) -> None:
        (tmp_path / "a" / "b").mkdir(parents=True)
        (tmp_path / "a" / "large").write_bytes(b"x" * 1_000_003)
        (tmp_path / "a" / "b" / "small").write_bytes(b"x")
        (tmp_path / "empty").touch()
        (tmp_path / "same").hardlink_to(tmp_path / "a" / "large")
        (tmp_path / "link").symlink_to("/usr")
        with (tmp_path / "sparse").open("wb") as file:
            file.truncate(50_000_000)
        found = machine.directory_size(tmp_path)
        assert found.size_bytes == int(output("du", "-s", "-B1", str(tmp_path)).split()[0])
        assert found.complete
        assert found.file_count == 5

    def test_it_stops_when_the_time_is_up(self, tmp_path: Path) -> None:
        for number in range(50):
            (tmp_path / str(number)).touch()
        started = time.monotonic()
        found = machine.directory_size(tmp_path, limit_s=0)
        assert not found.complete
        assert found.file_count < 50
        assert time.monotonic() - started < 1

    def test_folders_that_may_not_be_read_are_passed_over(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "closed").mkdir()
        (tmp_path / "file").write_bytes(b"x" * 5000)
        real = os.scandir

        def scandir(path: str) -> object:
            if path.endswith("closed"):
                raise PermissionError(13, "Permission denied")
            return real(path)

        monkeypatch.setattr(os, "scandir", scandir)
        assert machine.directory_size(tmp_path).file_count == 1


class TestPermissions:
    def test_the_umask_is_that_of_the_shell(self, tmp_path: Path) -> None:
        old = os.umask(0o027)
        try:
            found = machine.permissions(tmp_path / ".ngc" / "config")
            assert found.umask == output("sh", "-c", "umask") == "0027"
            assert os.umask(0o027) == 0o027
        finally:
            os.umask(old)
        assert found.config_folder_mode is None
        assert found.config_folder_writable

    def test_a_config_file_that_others_can_read_is_named(self, tmp_path: Path) -> None:
        file = tmp_path / ".ngc" / "config"
        file.parent.mkdir(mode=0o700)
        file.touch()
        file.chmod(0o640)
        found = machine.permissions(file)
        assert (found.config_folder_mode, found.config_file_mode) == ("0700", "0640")
        assert found.problem is not None
        assert "chmod 600" in found.problem

    def test_a_folder_that_may_not_be_written_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "access", lambda path, mode: False)
        found = machine.permissions(tmp_path / ".ngc" / "config")
        assert not found.config_folder_writable
        assert found.problem is not None

    def test_a_user_without_a_home(self) -> None:
        assert machine.permissions(None).problem == "this user has no home folder"


def test_the_variables_that_ngc_obeys_are_shown_but_no_keys() -> None:
    environ = {
        "NGC_CLI_ORG": "acme",
        "NGC_CLI_API_KEY": "nvapi-s3cret",
        "NGC_API_KEY": "nvapi-s3cret",
        "NGC_SOMETHING_NEW": "s3cret",
        "PATH": "/bin",
        "HTTPS_PROXY": "http://proxy:3128",
        "no_proxy": "localhost",
        "REQUESTS_CA_BUNDLE": "/etc/ca.pem",
    }
    found = {item.name: item.value for item in machine.variables(environ)}
    assert found == {
        "HTTPS_PROXY": "http://proxy:3128",
        "NGC_API_KEY": machine.HIDDEN,
        "NGC_CLI_API_KEY": machine.HIDDEN,
        "NGC_CLI_ORG": "acme",
        "REQUESTS_CA_BUNDLE": "/etc/ca.pem",
        "no_proxy": "localhost",
    }
    assert machine.variables({}) == []
