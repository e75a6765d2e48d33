"""The command line that runs a pulled image on this machine, chosen from what is installed.

Source: container user guide, chapters 6.1 and 7.4; docs/protocol/storage.md#run-lines.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from ngc_cli.errors import NgcError
from ngc_cli.oci import daemon as daemons
from ngc_cli.services.images.places import OCI, OCI_ARCHIVE, Place

# Docker 19.03 brought --gpus.
_NATIVE_GPU_RELEASE = (19, 3)
_TOOLKIT = ("nvidia-container-cli", "nvidia-container-runtime-hook", "nvidia-ctk")
_OPTIONS = "-it --rm"
_PODMAN_GPUS = "podman run --device nvidia.com/gpu=all"


@dataclass(frozen=True)
class RunHint:
    """A command line, empty when nothing here can run the image, and what to know about it."""

    command: str
    note: str = ""


def run_hint(place: Place, image: str, tag: str, environ: Mapping[str, str]) -> RunHint:
    """How to run an image that lies in this place."""
    daemon = _daemon(environ)
    if place.path is None:
        return _with_daemon(daemon, image, environ) if daemon is not None else RunHint("")
    location = f"{place.kind}:{place.path.absolute()}"
    if place.kind == OCI and tag:
        location += f":{tag}"
    programs = ("apptainer", "singularity")
    singularity = next((name for name in programs if _has(name, environ)), "")
    if daemon is not None and place.kind not in (OCI, OCI_ARCHIVE if singularity else ""):
        loaded = _with_daemon(daemon, image, environ)
        if loaded.command:
            program = "podman" if loaded.command.startswith("podman") else "docker"
            file = shlex.quote(str(place.path.absolute()))
            return RunHint(f"{program} load -i {file} && {loaded.command}", loaded.note)
    if singularity:
        return RunHint(f"{singularity} run --nv {shlex.quote(location)}")
    if _has("podman", environ):
        return RunHint(f"{_PODMAN_GPUS} {_OPTIONS} {shlex.quote(location)}", _toolkit_note(environ))
    return RunHint("")


def _with_daemon(daemon: daemons.Daemon, image: str, environ: Mapping[str, str]) -> RunHint:
    """The command of the daemon's client, by the first GPU support that is there (guide 6.1)."""
    try:
        version = daemon.version()
        runtimes, default = daemon.runtimes()
    except NgcError:
        return RunHint("")
    note = "" if "nvidia" in runtimes else _toolkit_note(environ)
    if version.name == "Podman":
        command = _PODMAN_GPUS
    elif version.release >= _NATIVE_GPU_RELEASE:
        command = "docker run --gpus all"
    elif default == "nvidia":
        command = "docker run"
    elif "nvidia" in runtimes:
        command = "docker run --runtime=nvidia"
    elif _has("nvidia-docker", environ):
        command, note = "nvidia-docker run", ""
    else:
        command = "docker run"
    return RunHint(f"{command} {_OPTIONS} {image}", note)


def _toolkit_note(environ: Mapping[str, str]) -> str:
    if any(_has(name, environ) for name in _TOOLKIT):
        return ""
    return "GPUs need NVIDIA's container toolkit, which was not found on this machine."


def _daemon(environ: Mapping[str, str]) -> daemons.Daemon | None:
    try:
        return daemons.answering(environ)
    except NgcError:
        return None


def _has(program: str, environ: Mapping[str, str]) -> bool:
    return shutil.which(program, path=environ.get("PATH")) is not None
