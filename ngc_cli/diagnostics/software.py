"""Facts of the software: this program, Python, container tools, GPUs and the keyring.

Source of the GPU methods: chapter 6 of the container user guide, docs/protocol/storage.md#run-lines.
"""

from __future__ import annotations

import platform
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ngc_cli.json_text import parse_json
from ngc_cli.services.images import gpu_support
from ngc_cli.services.images.run_line import Gpus, Runtime

_PACKAGES = (
    "typer",
    "requests",
    "urllib3",
    "certifi",
    "keyring",
    "psutil",
    "tabulate",
    "tqdm",
    "wcwidth",
    "starlette",
    "uvicorn",
    "sqlalchemy",
)
# A program that tells its version needs less than a second; one that waits for a daemon hangs.
_COMMAND_LIMIT_S = 4.0


@dataclass(frozen=True)
class Installation:
    """This program; ``binary`` when it was built into one executable."""

    cli_version: str
    binary: bool


@dataclass(frozen=True)
class PythonEnvironment:
    """The interpreter, where the program lies, and the versions of the packages that matter."""

    python: str
    executable: str
    location: str
    openssl: str
    packages: Mapping[str, str]


@dataclass(frozen=True)
class Tool:
    """A program found on the PATH; ``version`` is None when it does not tell, ``problem`` says why."""

    name: str
    path: str
    version: str | None
    problem: str | None = None


@dataclass(frozen=True)
class Gpu:
    """One GPU as the driver describes it."""

    name: str
    memory: str
    compute_capability: str | None


@dataclass(frozen=True)
class GpuState:
    """GPUs, their driver, and how Docker gives them to containers.

    ``methods`` are of ``native``, ``nvidia-docker2``, ``nvidia-docker``: the best one first, empty for none.
    """

    driver: str | None
    gpus: tuple[Gpu, ...]
    methods: tuple[str, ...]
    run_command: str | None
    problem: str | None = None


@dataclass(frozen=True)
class Keyring:
    """The keyring that API keys would be kept in; ``usable`` when it is a safe one and answered."""

    backend: str
    usable: bool
    detail: str


Run = Callable[[Sequence[Sequence[str]]], list[str]]
"""Runs commands side by side; gives what each wrote to stdout, whatever its exit code, and "" for a silent one."""


def installation(cli_version: str) -> Installation:
    """This program."""
    return Installation(f"NGC CLI {cli_version}", bool(getattr(sys, "frozen", False)))


def python_environment() -> PythonEnvironment:
    """The interpreter and the packages."""
    import ssl
    from importlib import metadata

    import ngc_cli

    packages = {}
    for name in _PACKAGES:
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return PythonEnvironment(
        f"{platform.python_implementation()} {platform.python_version()}",
        sys.executable,
        str(Path(ngc_cli.__file__).parent),
        ssl.OPENSSL_VERSION,
        packages,
    )


def run_commands(commands: Sequence[Sequence[str]], limit_s: float = _COMMAND_LIMIT_S) -> list[str]:
    """See ``Run``; a command that takes longer than ``limit_s`` is ended and counts as silent."""
    running: list[subprocess.Popen[str] | None] = []
    for words in commands:
        try:
            running.append(
                subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
            )
        except OSError:
            running.append(None)
    deadline = time.monotonic() + limit_s
    answers = []
    for process in running:
        if process is None:
            answers.append("")
            continue
        with process:
            try:
                answers.append(process.communicate(timeout=max(deadline - time.monotonic(), 0.01))[0].strip())
            except (subprocess.TimeoutExpired, UnicodeDecodeError):
                process.kill()
                answers.append("")
    return answers


def container_tools(run: Run = run_commands) -> list[Tool]:
    """Docker, Podman and Singularity (or its successor), as far as they are there."""
    asked = {
        "docker": ["docker", "version", "--format", "{{.Client.Version}}|{{.Server.Version}}"],
        "podman": ["podman", "--version"],
        "singularity": ["singularity", "--version"],
        "apptainer": ["apptainer", "--version"],
    }
    present = {name: path for name in asked if (path := shutil.which(name))}
    answers = run([[present[name], *asked[name][1:]] for name in present])
    return [_tool(name, path, answer) for (name, path), answer in zip(present.items(), answers, strict=True)]


def _tool(name: str, path: str, answer: str) -> Tool:
    if name != "docker":
        version = re.search(r"\d+\.\d[\w.+-]*", answer)
        return Tool(name, path, version[0] if version else None, None if version else "does not answer")
    client, _, server = answer.partition("|")
    if not server:
        return Tool(name, path, client or None, "no Docker daemon answers")
    return Tool(name, path, f"{client}, daemon {server}")


def gpu_state(run: Run = run_commands) -> GpuState:
    """What ``nvidia-smi`` and Docker tell."""
    smi, docker, wrapper = (shutil.which(name) for name in ("nvidia-smi", "docker", "nvidia-docker"))
    query = "--query-gpu=name,driver_version,memory.total"
    commands = {
        "gpus": [smi, f"{query},compute_cap", "--format=csv,noheader"],
        "gpus of an old driver": [smi, query, "--format=csv,noheader"],
        "docker": [
            docker,
            "info",
            "--format",
            "{{json .ServerVersion}}\n{{json .Runtimes}}\n{{json .DefaultRuntime}}",
        ],
        "wrapper": [wrapper, "version"],
    }
    wanted = {name: [str(word) for word in words] for name, words in commands.items() if words[0]}
    answers = dict(zip(wanted, run(list(wanted.values())), strict=True))
    driver, gpus = _gpus(answers.get("gpus", ""))
    if not gpus:
        driver, gpus = _gpus(answers.get("gpus of an old driver", ""))
    facts = _docker_facts(answers.get("docker", ""), answers.get("wrapper", ""), shutil.which)
    methods = gpu_support.gpu_methods(facts)
    command = shlex.join(Runtime.of_docker(facts).run_words(Gpus()).words) if methods else None
    return GpuState(driver, gpus, methods, command, _gpu_problem(smi, gpus, methods, docker))


def _gpu_problem(
    smi: str | None, gpus: Sequence[Gpu], methods: Sequence[str], docker: str | None
) -> str | None:
    if smi and not gpus:
        return "nvidia-smi finds no GPU or driver; run it to see why"
    if gpus and docker and not methods:
        return "Docker cannot give the GPUs to containers: install nvidia-container-toolkit"
    weak = [gpu.name for gpu in gpus if gpu.compute_capability and float(gpu.compute_capability) < 6]
    return f"NGC containers want compute capability 6.0 or more, which {weak[0]} has not" if weak else None


def _gpus(answer: str) -> tuple[str | None, tuple[Gpu, ...]]:
    """Driver version and GPUs out of lines ``name, driver, memory[, capability]``; nothing for other lines."""
    driver, gpus = None, []
    for line in answer.splitlines():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) not in (3, 4) or not re.fullmatch(r"\d+(\.\d+)+", parts[1]):
            return None, ()
        driver = parts[1]
        capability = parts[3] if len(parts) == 4 and re.fullmatch(r"\d+\.\d+", parts[3]) else None
        gpus.append(Gpu(parts[0], parts[2], capability))
    return driver, tuple(gpus)


def gpu_methods(
    docker_info: str, wrapper_version: str, which: Callable[[str], str | None]
) -> tuple[str, ...]:
    """Every usable method by what ``docker info`` and ``nvidia-docker version`` told, the best one first."""
    return gpu_support.gpu_methods(_docker_facts(docker_info, wrapper_version, which))


def _docker_facts(
    docker_info: str, wrapper_version: str, which: Callable[[str], str | None]
) -> gpu_support.DockerFacts:
    """The lines are the daemon's version, its runtimes and the default one, each in JSON."""
    try:
        server, runtimes, default = [
            *(parse_json(line) for line in docker_info.splitlines()[:3]),
            "",
            {},
            "",
        ][:3]
    except ValueError:
        server, runtimes, default = "", {}, ""
    release = re.match(r"(\d{1,4})\.(\d{1,4})", server) if isinstance(server, str) else None
    return gpu_support.DockerFacts(
        (int(release[1]), int(release[2])) if release else (),
        frozenset(runtimes) if isinstance(runtimes, dict) else frozenset(),
        default if isinstance(default, str) else "",
        gpu_support.wrapper_version(which("nvidia-docker") is not None, wrapper_version),
        gpu_support.has_toolkit(which),
    )


def keyring_state(config_file: Path) -> Keyring:
    """The backend that would be used; no key is asked for, so that no dialog opens."""
    from ngc_cli.config.secrets import KeyringUnavailable, OsKeyring

    try:
        return Keyring(OsKeyring(config_file).backend_name(), True, "API keys can be kept there")
    except KeyringUnavailable as error:
        return Keyring("none", False, f"{error.message}; API keys are kept in the configuration file")
