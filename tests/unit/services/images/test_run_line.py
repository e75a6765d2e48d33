"""How to run a pulled image, by what is installed (container guide chapters 6.1 and 7.4)."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.engine import engine

from ngc_cli.diagnostics import software
from ngc_cli.services.images.places import Place
from ngc_cli.services.images.run_line import RunHint, run_hint

IMAGE = "nvcr.io/nvidia/caffe2:17.10"
MISSING = "GPUs need NVIDIA's container toolkit, which was not found on this machine."
DAEMON = Place("docker-daemon")
MEMORY = "--shm-size=1g --ulimit memlock=-1 --ulimit stack=67108864"


def _converted(program: str, source: str) -> str:
    """Convert once, then run in this folder."""
    return (
        f"{program} build caffe2_17.10.sif {source} && "
        f"{program} exec --nv -B HERE:/host_pwd --pwd /host_pwd caffe2_17.10.sif /bin/bash"
    )


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., dict[str, str]]]:
    """Makes the environment of a machine with these programs and perhaps a daemon."""
    monkeypatch.chdir(tmp_path)
    with contextlib.ExitStack() as stack:

        def make(*programs: str, version: str = "", podman: bool = False, **info: Any) -> dict[str, str]:
            folder = tmp_path / "bin"
            folder.mkdir()
            for name in programs:
                (folder / name).write_text("#!/bin/sh\n")
                (folder / name).chmod(0o755)
            address = str(tmp_path / "d.sock")
            if version:
                stack.enter_context(engine(address, version, podman=podman, **info))
            return {"PATH": str(folder), "DOCKER_HOST": f"unix://{address}"}

        yield make


@pytest.mark.parametrize(
    ("programs", "daemon", "expected"),
    [
        (
            ["nvidia-container-cli"],
            {"version": "19.03.0"},
            RunHint(f"docker run --gpus all -it --rm {MEMORY} {IMAGE}"),
        ),
        ([], {"version": "28.2.2"}, RunHint(f"docker run --gpus all -it --rm {MEMORY} {IMAGE}", MISSING)),
        (
            [],
            {"version": "19.03.5-ce", "Runtimes": {"nvidia": {}}},
            RunHint(f"docker run --gpus all -it --rm {MEMORY} {IMAGE}"),
        ),
        (
            ["nvidia-docker"],
            {"version": "18.09.1", "Runtimes": {"runc": {}, "nvidia": {}}, "DefaultRuntime": "runc"},
            RunHint(f"docker run --runtime=nvidia -it --rm {MEMORY} {IMAGE}"),
        ),
        (
            [],
            {"version": "18.09.1", "Runtimes": {"nvidia": {}}, "DefaultRuntime": "nvidia"},
            RunHint(f"docker run -it --rm {MEMORY} {IMAGE}"),
        ),
        (["nvidia-docker"], {"version": "17.12.0"}, RunHint(f"nvidia-docker run -it --rm {MEMORY} {IMAGE}")),
        ([], {"version": "17.12.0"}, RunHint(f"docker run -it --rm {MEMORY} {IMAGE}", MISSING)),
        (
            ["nvidia-ctk"],
            {"version": "4.3.1", "podman": True},
            RunHint(f"podman run --device nvidia.com/gpu=all -it --rm {MEMORY} {IMAGE}"),
        ),
    ],
)
def test_an_image_in_the_daemon_is_run_by_the_gpu_support_there_is(
    machine: Callable[..., dict[str, str]], programs: list[str], daemon: dict[str, Any], expected: RunHint
) -> None:
    assert run_hint(DAEMON, IMAGE, "17.10", machine(*programs, **daemon)) == expected


@pytest.mark.parametrize(
    ("programs", "place", "command"),
    [
        (
            ["singularity"],
            "oci-archive:/d/my net.tar",
            _converted("singularity", "'oci-archive:/d/my net.tar'"),
        ),
        (
            ["singularity", "apptainer"],
            "docker-archive:/d/net.tar",
            _converted("apptainer", "docker-archive:/d/net.tar"),
        ),
        (["singularity", "podman"], "oci:/d/net", _converted("singularity", "oci:/d/net:17.10")),
        (
            ["podman", "nvidia-ctk"],
            "oci:/d/net",
            f"podman run --device nvidia.com/gpu=all -it --rm {MEMORY} oci:/d/net:17.10",
        ),
        ([], "oci:/d/net", ""),
        ([], "docker-daemon:", ""),
    ],
)
def test_without_a_daemon_a_file_is_run_by_what_can_read_it(
    machine: Callable[..., dict[str, str]], programs: list[str], place: str, command: str
) -> None:
    assert run_hint(Place.parse(place), IMAGE, "17.10", machine(*programs)) == RunHint(
        command.replace("HERE", str(Path.cwd()))
    )


def test_an_archive_is_loaded_first_where_there_is_docker(machine: Callable[..., dict[str, str]]) -> None:
    environ = machine("singularity", "nvidia-ctk", version="20.10.24")
    hint = run_hint(Place.parse("docker-archive:/d/net.tar"), IMAGE, "17.10", environ)
    assert hint == RunHint(f"docker load -i /d/net.tar && docker run --gpus all -it --rm {MEMORY} {IMAGE}")
    hint = run_hint(Place.parse("oci-archive:/d/net.tar"), IMAGE, "17.10", environ)
    assert hint == RunHint(
        _converted("singularity", "oci-archive:/d/net.tar").replace("HERE", str(Path.cwd()))
    )


def test_a_daemon_address_that_cannot_be_used_is_no_reason_to_fail(tmp_path: Path) -> None:
    environ = {"PATH": str(tmp_path), "DOCKER_HOST": "ssh://somewhere"}
    assert run_hint(Place.parse("oci:/d/net"), IMAGE, "1", environ) == RunHint("")


NOTHING, ONE, TWO, KIT = (), ("nvidia-docker",), ("nvidia-container-runtime-hook",), ("nvidia-ctk",)
RUNC, NVIDIA = {"runc": {}}, {"runc": {}, "nvidia": {}}
COMBINATIONS = [
    # Docker, programs, runtimes, the best method, how the line begins
    ("17.03.2-ce", NOTHING, RUNC, "", "docker run -it"),
    ("17.03.2-ce", ONE, RUNC, "nvidia-docker", "nvidia-docker run -it"),
    ("17.03.2-ce", TWO, NVIDIA, "nvidia-docker2", "docker run --runtime=nvidia -it"),
    ("17.03.2-ce", KIT, RUNC, "", "docker run -it"),
    ("18.09.1", NOTHING, RUNC, "", "docker run -it"),
    ("18.09.1", ONE, RUNC, "nvidia-docker", "nvidia-docker run -it"),
    ("18.09.1", TWO, NVIDIA, "nvidia-docker2", "docker run --runtime=nvidia -it"),
    ("18.09.1", KIT, RUNC, "", "docker run -it"),
    ("24.0.7", NOTHING, RUNC, "", "docker run --gpus all -it"),
    ("24.0.7", ONE, RUNC, "nvidia-docker", "nvidia-docker run -it"),
    ("24.0.7", TWO, NVIDIA, "native", "docker run --gpus all -it"),
    ("24.0.7", KIT, RUNC, "native", "docker run --gpus all -it"),
]


@pytest.mark.parametrize(("version", "programs", "runtimes", "method", "line"), COMBINATIONS)
def test_a_pull_and_a_diagnosis_agree(
    machine: Callable[..., dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    programs: tuple[str, ...],
    runtimes: dict[str, Any],
    method: str,
    line: str,
) -> None:
    environ = machine(*programs, version=version, Runtimes=runtimes, DefaultRuntime="runc")
    docker = Path(environ["PATH"]) / "docker"
    told = "\n".join(json.dumps(item) for item in (version, runtimes, "runc"))
    docker.write_text(f"#!/bin/sh\ncat <<'END'\n{told}\nEND\n".replace("cat", "/bin/cat"))
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", environ["PATH"])
    hint = run_hint(DAEMON, IMAGE, "17.10", environ)
    diagnosed = software.gpu_state()
    assert hint.command.startswith(line)
    assert next(iter(diagnosed.methods), "") == method
    if method:
        assert hint.command.startswith(f"{diagnosed.run_command} -it")
        assert hint.note == ""
    else:
        assert diagnosed.run_command is None
        assert hint.note.startswith("GPUs need ")
