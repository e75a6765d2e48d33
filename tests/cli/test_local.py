"""``ngc local``: which options reach the registry that it starts."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from support.images import add_image
from support.program import Ngc

from ngc_cli.oci.layout import Layout


def test_host_is_the_address_it_listens_on(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    ngc = Ngc(tmp_path)
    try:
        assert ngc.json("local start --host 127.0.0.2 --org acme")["registry_host"].startswith("127.0.0.2:")
        assert ngc.json("local status")["running"] is True
        exports = ngc.run("local env").stdout
        assert "export NGC_CLI_API_URL=http://127.0.0.2:" in exports
        assert ngc.json("local env")["NGC_CLI_ORG"] == "acme"
        key = ngc.run("local key create admin@localhost").stdout.strip()
        assert key
        assert ngc.json("local key create admin@localhost")["email"] == "admin@localhost"
    finally:
        assert ngc.json("local stop") == {"stopped": True}
    assert ngc.json("local status", code=1)["running"] is False


def test_other_machines_are_served_in_the_clear_only_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    ngc = Ngc(tmp_path)
    refused = ngc.run("local start --host 0.0.0.0", code=1)
    assert "--tls-self-signed" in refused.stderr
    assert "--insecure-http" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) <= 6
    try:
        assert ngc.json("local start --host 0.0.0.0 --insecure-http")["url"].startswith("http://0.0.0.0:")
        assert ngc.json("local status")["running"] is True
    finally:
        assert ngc.json("local stop") == {"stopped": True}


def test_a_registry_that_does_not_answer_is_told_and_can_be_ended(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    ngc = Ngc(tmp_path)
    pid = ngc.json("local start")["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        assert f"Process {pid}" in ngc.run("local status", code=1).stdout
        assert ngc.json("local status", code=1)["running"] is False
        assert "does not answer" in ngc.run("local start", code=1).stderr
        os.kill(pid, signal.SIGCONT)
        assert ngc.json("local stop") == {"stopped": True}
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        raise


def test_each_registry_has_a_profile_of_its_own_and_is_found_by_it(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    ngc = Ngc(tmp_path)
    first, second = tmp_path / "first", tmp_path / "second"
    try:
        started = ngc.json(f"local start --org acme --data-dir {first}")
        assert (started["profile"], started["data_dir"]) == ("local", str(first))
        other = ngc.run(f"local start --org beta --data-dir {second}")
        assert "Use it with --profile local-2" in other.stderr
        profiles = {item["profile"]: item for item in ngc.json("config list")}
        assert (profiles["local"]["org"], profiles["local-2"]["org"]) == ("acme", "beta")
        assert profiles["local"]["api_url"] == started["url"]
        # Neither needs to be told the folder again, nor gets the other's key.
        assert ngc.json("local status")["data_dir"] == str(first)
        assert ngc.json("local status --profile local-2")["data_dir"] == str(second)
        assert ngc.json("local env")["NGC_CLI_ORG"] == "acme"
        assert ngc.json("local env --profile local-2")["NGC_CLI_ORG"] == "beta"
        assert ngc.json("local key create admin@localhost")["key"]
        assert ngc.json("org list --profile local-2")[0]["name"] == "beta"
        assert ngc.json(f"local start --data-dir {second}")["profile"] == "local-2"
        refused = ngc.run(f"local start --data-dir {second} --profile local", code=2)
        assert "is not for the registry in" in refused.stderr
    finally:
        assert ngc.json("local stop") == {"stopped": True}
        assert ngc.json("local stop --profile local-2") == {"stopped": True}
    away = ngc.run("registry model list --retries 0", code=14)
    assert "'ngc local start' starts it" in away.stderr


@pytest.mark.slow
def test_keep_leaves_the_demo_running(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    ngc = Ngc(tmp_path)
    folder = Path(ngc.run("local demo --keep --no-progress").stderr.split("Kept in '")[1].split("'")[0])
    try:
        assert ngc.json(f"local status --data-dir {folder / 'registry'}")["running"] is True
    finally:
        ngc.run(f"local stop --data-dir {folder / 'registry'}")


def test_an_alias_stands_for_the_registry_in_image_names(tmp_path: Path) -> None:
    """The lines of the container guide, chapter 5, by the names that it prints."""
    (tmp_path / "home").mkdir()
    ngc = Ngc(tmp_path, {"DOCKER_HOST": "unix:///nonexistent"})
    add_image(Layout.create(tmp_path / "source"), tag="1")
    try:
        host = ngc.json("local start --org hpc --alias nvcr.io")["registry_host"]
        push = "registry image push nvcr.io/hpc/namd:2.13 --source oci:source"
        asked = ngc.run(push, code=2)
        assert f"nvcr.io stands for {host} here" in asked.stderr
        ngc.run(f"{push} --yes")
        assert ngc.json("registry image pull nvcr.io/hpc/namd:2.13")["image"] == f"{host}/hpc/namd:2.13"
        assert ngc.json("registry image info nvcr.io/hpc/namd:2.13")["name"] == "hpc/namd:2.13"
        assert len(ngc.json("registry image list nvcr.io/hpc/*")) == 1
        assert "is not in the registry" in ngc.run("registry image info other.io/hpc/namd", code=2).stderr
        assert ngc.json("config get registry_alias")["value"] == "nvcr.io"
        ngc.run("registry image remove nvcr.io/hpc/namd:2.13", code=2)
        ngc.run("local start --org hpc")
        ngc.run("registry image info nvcr.io/hpc/namd:2.13", code=2)
        ngc.run("local start --alias no/host", code=2)
    finally:
        ngc.run("local stop")
