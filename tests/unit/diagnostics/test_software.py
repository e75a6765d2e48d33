"""Facts of the software, with the programs that are asked replaced by ones that answer as real ones did."""

from __future__ import annotations

import json
import platform
import ssl
import sys
import threading
import time
from importlib import metadata
from pathlib import Path

import pytest

from ngc_cli.diagnostics import software

SMI = "NVIDIA A100-SXM4-40GB, 535.129.03, 40960 MiB, 8.0\nNVIDIA A100-SXM4-40GB, 535.129.03, 40960 MiB, 8.0\n"
OLD_SMI = "Tesla P100-PCIE-16GB, 418.87.01, 16280 MiB\n"
DOCKER_19 = '"19.03.8"\n{"runc": {"path": "runc"}}\n'
DOCKER_18 = '"18.09.1"\n{"nvidia": {"path": "nvidia-container-runtime"}, "runc": {"path": "runc"}}\n'
DOCKER_DOWN = '""\nnull\n'


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty PATH to put programs into."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def program(folder: Path, name: str, *answers: tuple[str, str], code: int = 0) -> None:
    """A program that answers to a word in its arguments; without a match it fails."""
    cases = "".join(
        f"case \"$*\" in *'{word}'*) printf '%s' '{said}'; exit {code};; esac\n" for word, said in answers
    )
    (folder / name).write_text(f"#!/bin/sh\n{cases}exit 9\n")
    (folder / name).chmod(0o755)


def test_this_program() -> None:
    found = software.installation("1.2.3")
    assert (found.cli_version, found.binary) == ("NGC CLI 1.2.3", False)


def test_one_executable_is_a_binary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert software.installation("1").binary


def test_python() -> None:
    found = software.python_environment()
    assert found.python == f"CPython {platform.python_version()}"
    assert found.executable == sys.executable
    assert Path(found.location, "main.py").exists()
    assert found.openssl == ssl.OPENSSL_VERSION
    assert found.packages["requests"] == metadata.version("requests")


class TestContainerTools:
    def test_none(self, path: Path) -> None:
        assert software.container_tools() == []

    def test_all(self, path: Path) -> None:
        program(path, "docker", ("version", "28.2.2|19.03.8"))
        program(path, "podman", ("--version", "podman version 4.3.1"))
        program(path, "singularity", ("--version", "singularity-ce version 3.11.4-1"))
        assert [(tool.name, tool.version, tool.problem) for tool in software.container_tools()] == [
            ("docker", "28.2.2, daemon 19.03.8", None),
            ("podman", "4.3.1", None),
            ("singularity", "3.11.4-1", None),
        ]

    def test_docker_without_its_daemon(self, path: Path) -> None:
        program(path, "docker", ("version", "28.2.2|"), code=1)
        assert software.container_tools() == [
            software.Tool("docker", str(path / "docker"), "28.2.2", "no Docker daemon answers")
        ]

    def test_a_program_that_hangs_is_ended(self, path: Path) -> None:
        (path / "podman").write_text("#!/bin/sh\nexec /bin/sleep 60\n")
        (path / "podman").chmod(0o755)
        started = time.monotonic()
        found = software.container_tools(lambda commands: software.run_commands(commands, 0.2))
        assert found[0].problem == "does not answer"
        assert time.monotonic() - started < 5


class TestGpus:
    def test_none(self, path: Path) -> None:
        assert software.gpu_state() == software.GpuState(None, (), (), None)

    def test_two_and_the_native_method(self, path: Path) -> None:
        program(path, "nvidia-smi", ("compute_cap", SMI))
        program(path, "docker", ("info", DOCKER_19))
        program(path, "nvidia-container-cli")
        found = software.gpu_state()
        assert found.driver == "535.129.03"
        assert found.gpus == (software.Gpu("NVIDIA A100-SXM4-40GB", "40960 MiB", "8.0"),) * 2
        assert (found.methods, found.run_command) == (("native",), "docker run --gpus all")
        assert found.problem is None

    def test_a_driver_too_old_to_tell_the_capability(self, path: Path) -> None:
        program(
            path,
            "nvidia-smi",
            ("memory.total --format", OLD_SMI),
            ("compute_cap", 'Field "compute_cap" is not a'),
        )
        found = software.gpu_state()
        assert found.driver == "418.87.01"
        assert found.gpus == (software.Gpu("Tesla P100-PCIE-16GB", "16280 MiB", None),)

    def test_docker_without_the_toolkit(self, path: Path) -> None:
        program(path, "nvidia-smi", ("compute_cap", SMI))
        program(path, "docker", ("info", DOCKER_19))
        found = software.gpu_state()
        assert found.methods == ()
        assert found.problem is not None
        assert "nvidia-container-toolkit" in found.problem

    def test_a_driver_that_fails(self, path: Path) -> None:
        program(
            path,
            "nvidia-smi",
            ("query", "NVIDIA-SMI has failed because it could not reach the driver"),
            code=9,
        )
        found = software.gpu_state()
        assert (found.driver, found.gpus) == (None, ())
        assert found.problem is not None

    def test_a_gpu_too_weak_for_the_images(self, path: Path) -> None:
        program(path, "nvidia-smi", ("compute_cap", "Tesla K80, 470.82.01, 11441 MiB, 3.7\n"))
        problem = software.gpu_state().problem
        assert problem is not None
        assert "Tesla K80" in problem


@pytest.mark.parametrize(
    ("info", "wrapper", "helpers", "methods"),
    [
        (DOCKER_19, "", ["nvidia-container-cli"], ("native",)),
        (DOCKER_19, "", [], ()),
        (DOCKER_18, "", ["nvidia-container-cli"], ("nvidia-docker2",)),
        (DOCKER_18.replace("18.09", "19.03"), "", ["nvidia-ctk"], ("native", "nvidia-docker2")),
        (DOCKER_DOWN, "NVIDIA Docker: 2.0.3\nClient: ...", [], ("nvidia-docker2",)),
        (DOCKER_19, "NVIDIA Docker: 1.0.1\n", ["nvidia-container-cli"], ("native", "nvidia-docker")),
        (DOCKER_DOWN, "", ["nvidia-container-cli"], ()),
        ("", "", [], ()),
        ('"20.10"\n[]', "", [], ()),
        (json.dumps("x"), "", [], ()),
    ],
)
def test_how_containers_get_gpus(
    info: str, wrapper: str, helpers: list[str], methods: tuple[str, ...]
) -> None:
    assert software.gpu_methods(info, wrapper, lambda name: name if name in helpers else None) == methods


def test_a_keyring_that_is_none(tmp_path: Path) -> None:
    found = software.keyring_state(tmp_path / "config")
    assert not found.usable
    assert "configuration file" in found.detail


def test_a_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring

    class Safe:
        """Stands in for the keyring of a desktop."""

    monkeypatch.setattr(keyring, "get_keyring", Safe)
    found = software.keyring_state(tmp_path / "config")
    assert found.usable
    assert found.backend.endswith("Safe")


def test_a_keyring_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring

    never = threading.Event()
    monkeypatch.setattr(keyring, "get_keyring", lambda: never.wait(20))
    started = time.monotonic()
    found = software.keyring_state(tmp_path / "config")
    never.set()
    assert not found.usable
    assert "did not answer" in found.detail
    assert time.monotonic() - started < 4
