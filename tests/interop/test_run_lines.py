"""Run lines as Docker's own command line reads them, and login lines as shells that we did not write read them."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.engine import FakeEngine, engine

from ngc_cli.services.images.gpu_support import DockerFacts
from ngc_cli.services.images.image_config import ImageConfig
from ngc_cli.services.images.login import singularity_exports
from ngc_cli.services.images.run_line import Gpus, RunOptions, Runtime, run_line

pytestmark = pytest.mark.interop

IMAGE = "nvcr.io/nvidia/digits:21.04-tensorflow"
SUPPORT = {
    # name: the wrapper's major version, runtimes, whether the toolkit is there
    "nothing": (0, {"runc"}, False),
    "nvidia-docker": (1, {"runc"}, False),
    "nvidia-docker2": (2, {"runc", "nvidia"}, True),
    "toolkit": (0, {"runc"}, True),
}
RELEASES = {"17.03.2-ce": (17, 3), "18.09.1": (18, 9), "24.0.7": (24, 0)}
REQUESTS: dict[str, dict[str, Any]] = {
    "all": {"Count": -1, "DeviceIDs": None},
    "2": {"Count": 2, "DeviceIDs": None},
    "0,1": {"Count": 0, "DeviceIDs": ["0", "1"]},
    "GPU-ab12cd34-5678": {"Count": 0, "DeviceIDs": ["GPU-ab12cd34-5678"]},
}
VISIBLE = {"all": None, "2": "0,1", "0,1": "0,1", "GPU-ab12cd34-5678": "GPU-ab12cd34-5678"}


def typed(line: str, fake: FakeEngine, folder: Path) -> dict[str, Any]:
    """What Docker's command line asks an engine for when a line is pasted into a shell.

    ``nvidia-docker`` is a wrapper that hands its words to ``docker``; the one here tells NV_GPU in a variable.
    """
    wrapper = folder / "nvidia-docker"
    wrapper.write_text('#!/bin/sh\nverb=$1; shift\nexec docker "$verb" -e "NV_GPU=$NV_GPU" "$@"\n')
    wrapper.chmod(0o755)
    environ = {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(folder), "DOCKER_HOST": fake.address}
    done = subprocess.run(
        ["sh", "-c", line], env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert len(fake.created) == 1, done.stderr
    return fake.created[0]


@pytest.mark.parametrize("gpus", REQUESTS)
@pytest.mark.parametrize("support", SUPPORT)
@pytest.mark.parametrize("version", RELEASES)
def test_docker_asks_for_the_gpus_that_were_meant(
    tmp_path: Path, version: str, support: str, gpus: str
) -> None:
    wrapper, runtimes, toolkit = SUPPORT[support]
    facts = DockerFacts(RELEASES[version], frozenset(runtimes), "runc", wrapper, toolkit)
    options = RunOptions(gpus=Gpus.parse(gpus), detach=True)
    line = run_line(Runtime.of_docker(facts), IMAGE, options, ImageConfig(exposed_ports=("5000/tcp",))).text
    with engine(str(tmp_path / "d.sock"), version, Runtimes={name: {} for name in runtimes}) as fake:
        asked = typed(line, fake, tmp_path)
    host = asked["HostConfig"]
    requests = host.get("DeviceRequests") or []
    environ = dict(item.split("=", 1) for item in asked.get("Env") or [])
    if line.startswith("docker run --gpus"):
        told = [{name: item[name] for name in ("Count", "DeviceIDs")} for item in requests]
        assert told == [REQUESTS[gpus]]
        assert requests[0]["Capabilities"] == [["gpu"]]
    else:
        assert requests == []
    is_native = version == "24.0.7" and support != "nvidia-docker"
    assert bool(requests) is is_native
    assert (host.get("Runtime", "") == "nvidia") is (support == "nvidia-docker2" and not is_native)
    if host.get("Runtime", "") == "nvidia":
        assert environ.get("NVIDIA_VISIBLE_DEVICES") == VISIBLE[gpus]
    if support == "nvidia-docker":
        assert environ["NV_GPU"] == (VISIBLE[gpus] or "")
    assert asked["Image"] == IMAGE
    assert host["ShmSize"] == 1 << 30
    assert host["PortBindings"] == {"5000/tcp": [{"HostIp": "", "HostPort": "8888"}]}
    assert {item["Name"]: item["Hard"] for item in host["Ulimits"]} == {"memlock": -1, "stack": 67108864}


def test_what_is_quoted_arrives_as_it_was(tmp_path: Path) -> None:
    command = ("sh", "-c", 'echo "$HOME" it\'s; exit')
    options = RunOptions(detach=True, volumes=(f"{tmp_path}/a b$x:/data:ro",), command=command, user="me")
    line = run_line(Runtime("docker"), IMAGE, options, ImageConfig()).text
    with engine(str(tmp_path / "d.sock"), "24.0.7") as fake:
        asked = typed(line, fake, tmp_path)
    assert asked["Cmd"] == list(command)
    assert asked["HostConfig"]["Binds"] == [f"{tmp_path}/a b$x:/data:ro"]
    assert asked["User"] == f"{os.getuid()}:{os.getgid()}"


@pytest.mark.parametrize(
    ("shell", "words"), [("sh", ["sh", "-c"]), ("csh", ["tcsh", "-f", "-c"]), ("fish", ["fish", "-c"])]
)
def test_shells_read_the_login_lines(shell: str, words: list[str], tmp_path: Path) -> None:
    key = "nvapi-it's a!key$HOME\\x`y`\"z"
    lines = singularity_exports(key, shell)
    (tmp_path / "lines").write_text(f"{lines}env\n")
    done = subprocess.run(
        [
            *words,
            f"source {shlex.quote(str(tmp_path / 'lines'))}" if shell != "sh" else f". {tmp_path}/lines",
        ],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    told = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert told["SINGULARITY_DOCKER_USERNAME"] == "$oauthtoken", done.stderr
    assert told["APPTAINER_DOCKER_PASSWORD"] == key
