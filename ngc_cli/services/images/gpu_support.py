"""How Docker on this machine gives GPUs to containers: one chooser, for run lines and for ``ngc diag`` alike.

Source: container user guide, chapter 6.1; docs/protocol/storage.md#run-lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ngc_cli.services.images.programs import answer_of, path_of

if TYPE_CHECKING:
    from ngc_cli.oci.daemon import Daemon

NATIVE: Final = "native"
NVIDIA_DOCKER2: Final = "nvidia-docker2"
NVIDIA_DOCKER: Final = "nvidia-docker"
TOOLKIT: Final = ("nvidia-container-cli", "nvidia-container-runtime-hook", "nvidia-ctk")
# Docker 19.03 brought --gpus.
NATIVE_GPU_RELEASE = (19, 3)


@dataclass(frozen=True)
class DockerFacts:
    """What decides about GPUs: ``release`` of the daemon such as (19, 3), empty when none answers; its runtimes; the
    major version of the program nvidia-docker, 0 for none; whether NVIDIA's container toolkit was found."""

    release: tuple[int, ...] = ()
    runtimes: frozenset[str] = frozenset()
    default_runtime: str = ""
    wrapper: int = 0
    toolkit: bool = False

    @property
    def has_native(self) -> bool:
        """Whether the daemon knows ``--gpus``."""
        return self.release[:2] >= NATIVE_GPU_RELEASE


def gpu_methods(facts: DockerFacts) -> tuple[str, ...]:
    """Every usable method, the best one first.

    ``--gpus`` needs what the toolkit brings; the package nvidia-docker2 brings that and registers the runtime ``nvidia``.
    """
    registered = "nvidia" in facts.runtimes
    methods = [NATIVE] if facts.has_native and (facts.toolkit or registered) else []
    if registered or facts.wrapper >= 2:
        methods.append(NVIDIA_DOCKER2)
    elif facts.wrapper:
        methods.append(NVIDIA_DOCKER)
    return tuple(methods)


def docker_facts(daemon: Daemon, environ: Mapping[str, str]) -> DockerFacts:
    """The facts of the daemon that answers, and of the programs beside it; raises NgcError."""
    runtimes, default = daemon.runtimes()
    return DockerFacts(
        daemon.version().release,
        runtimes,
        default,
        _installed_wrapper(environ),
        has_toolkit(lambda name: path_of(name, environ)),
    )


def has_toolkit(which: Callable[[str], str | None]) -> bool:
    """Whether one of the toolkit's programs is installed."""
    return any(which(name) for name in TOOLKIT)


def wrapper_version(installed: bool, told: str) -> int:
    """The major version of nvidia-docker by what ``nvidia-docker version`` told; 1 when it told nothing, 0 for none."""
    found = re.search(r"NVIDIA Docker:\s*(\d{1,3})\.", told)
    if found:
        return int(found[1])
    return 1 if installed else 0


def _installed_wrapper(environ: Mapping[str, str]) -> int:
    path = path_of("nvidia-docker", environ)
    return wrapper_version(True, answer_of([path, "version"], environ)) if path is not None else 0
