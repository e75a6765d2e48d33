"""The command line that runs an image: one engine for Docker in its three ways with GPUs, Podman and Singularity.

What ``image pull`` prints, ``image run-line`` prints, ``image run`` executes and ``ngc diag`` names comes from here.
A line is made of words and quoted at the end, so that it means the same when it is pasted.
Source: container user guide, chapters 6 and 7; DIGITS user guide, 3.1; docs/protocol/storage.md#run-lines.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from ngc_cli.errors import NgcError, UsageError
from ngc_cli.oci import daemon as daemons
from ngc_cli.refs import ImageRef
from ngc_cli.services.images import gpu_support
from ngc_cli.services.images.gpu_support import DockerFacts
from ngc_cli.services.images.image_config import ImageConfig
from ngc_cli.services.images.places import OCI, OCI_ARCHIVE, SIF, Place, default_folder
from ngc_cli.services.images.programs import path_of

DOCKER: Final = "docker"
PODMAN: Final = "podman"
SINGULARITY: Final = ("apptainer", "singularity")  # the first is the successor
RUNTIMES: Final = (DOCKER, gpu_support.NVIDIA_DOCKER2, gpu_support.NVIDIA_DOCKER, PODMAN, *SINGULARITY)
# What NVIDIA's containers print that they need: Docker gives 64 MB of shared memory and locks little.
_SHM_SIZE = "1g"
_ULIMITS = ("--ulimit", "memlock=-1", "--ulimit", "stack=67108864")
_NVIDIA_SPACE = "nvidia"
# DIGITS serves on 5000; its guide maps that to 8888, for 5000 is often taken.
_HOST_PORTS: Final[Mapping[tuple[str, int], int]] = {("digits", 5000): 8888}
_DEVICE = re.compile(r"\d{1,4}(?::\d{1,4})?|[A-Za-z][\w.:/-]*")
_PORT = re.compile(r"(?:[\w.\[\]:]+:)?\d{1,5}:\d{1,5}(?:/(?:tcp|udp|sctp))?")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_SIZE = re.compile(r"[1-9]\d*[bkmgBKMG]?")
_USER = re.compile(r"[\w.-]+(?::[\w.-]+)?")


@dataclass(frozen=True)
class Gpus:
    """Which GPUs: all, none, a number of them, or some by index or UUID."""

    every: bool = True
    count: int = 0
    devices: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Gpus:
        """Read ``all``, ``none``, a count as Docker does, or devices such as ``0,1``; raises UsageError."""
        if text in ("all", "none"):
            return cls(every=text == "all")
        listed = text.removeprefix("device=")
        if text.isdecimal():
            if not 0 < int(text) < 1000:
                raise UsageError(
                    f"--gpus {text} means that many GPUs", hint=f"For GPU {text}: device={text}."
                )
            return cls(every=False, count=int(text))
        devices = tuple(listed.split(","))
        if not all(_DEVICE.fullmatch(item) for item in devices):
            raise UsageError(
                f"--gpus does not know '{text}'", hint="It takes all, none, a number, or devices such as 0,1."
            )
        return cls(every=False, devices=devices)

    @property
    def listed(self) -> tuple[str, ...]:
        """The devices for a runtime that knows no counts: the first ones."""
        return self.devices or tuple(map(str, range(self.count)))


@dataclass(frozen=True)
class RunOptions:
    """How to run an image; what is empty is decided by the image.

    ``shm_size`` is a size, empty for the default of the image's space, or ``none``. ``user`` may be ``me``. Without a
    ``terminal`` none is asked for.
    """

    gpus: Gpus = field(default_factory=Gpus)
    detach: bool = False
    interactive: bool = False
    terminal: bool = True
    name: str = ""
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    user: str = ""
    shm_size: str = ""
    command: tuple[str, ...] = ()

    def check(self) -> None:
        """Raise UsageError for a value that no runtime takes."""
        for option, pattern, values in (
            ("-p", _PORT, self.ports),
            ("--name", _NAME, (self.name,)),
            ("--user", _USER, (self.user,)),
            ("--shm-size", _SIZE, ("" if self.shm_size == "none" else self.shm_size,)),
        ):
            for value in filter(None, values):
                if not pattern.fullmatch(value):
                    raise UsageError(
                        f"{option} does not take '{value}'", hint=f"Such as: {_EXAMPLES[option]}."
                    )


_EXAMPLES = {"-p": "8888:5000", "--name": "digits", "--user": "me or 1000:1000", "--shm-size": "1g or none"}


@dataclass(frozen=True)
class Runtime:
    """What runs containers: one of ``RUNTIMES``, what is known of its Docker, and what to tell about it."""

    name: str
    facts: DockerFacts = field(default_factory=DockerFacts)
    has_gpus: bool = True
    note: str = ""

    @classmethod
    def of_docker(cls, facts: DockerFacts) -> Runtime:
        """Docker with the best GPU support there is."""
        method = next(iter(gpu_support.gpu_methods(facts)), "")
        if method:
            return cls(DOCKER if method == gpu_support.NATIVE else method, facts)
        if facts.toolkit:  # installed, but the daemon is too old for it
            return cls(
                DOCKER, facts, False, "GPUs need Docker 19.03 or later, or the package nvidia-docker2."
            )
        return cls(DOCKER, facts, facts.has_native, _NO_TOOLKIT)

    def run_words(self, gpus: Gpus) -> Step:
        """The beginning of the line, up to the choice of GPUs."""
        devices = ",".join(gpus.listed)
        if self.name == PODMAN:
            wanted = ("all",) if gpus.every else gpus.listed
            return Step(
                (
                    "podman",
                    "run",
                    *(word for item in wanted for word in ("--device", f"nvidia.com/gpu={item}")),
                )
            )
        if self.name == gpu_support.NVIDIA_DOCKER:
            none = not gpus.every and not devices
            return Step(
                ("docker" if none else "nvidia-docker", "run"), {"NV_GPU": devices} if devices else {}
            )
        if self.name == gpu_support.NVIDIA_DOCKER2:
            return Step(("docker", "run", *self._nvidia_runtime(gpus, devices)))
        return Step(("docker", "run", *(_native(gpus) if self.has_gpus else ())))

    def _nvidia_runtime(self, gpus: Gpus, devices: str) -> tuple[str, ...]:
        """The runtime and its variable, which NVIDIA's images set to ``all`` themselves."""
        is_default = self.facts.default_runtime == "nvidia"
        if not gpus.every and not devices:
            return ("-e", "NVIDIA_VISIBLE_DEVICES=void") if is_default else ()
        runtime = () if is_default else ("--runtime=nvidia",)
        return (*runtime, *(("-e", f"NVIDIA_VISIBLE_DEVICES={devices}") if devices else ()))


_NO_TOOLKIT = "GPUs need NVIDIA's container toolkit, which was not found on this machine."


def _native(gpus: Gpus) -> tuple[str, ...]:
    """Docker's own option. It reads its value as a row of csv, so a list of devices needs quotes inside the word."""
    if gpus.every:
        return ("--gpus", "all")
    if gpus.count:
        return ("--gpus", str(gpus.count))
    listed = f"device={','.join(gpus.devices)}"
    return ("--gpus", f'"{listed}"' if "," in listed else listed) if gpus.devices else ()


@dataclass(frozen=True)
class Step:
    """One command: its words, and variables that go before it."""

    words: tuple[str, ...]
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """As it is typed in a POSIX shell."""
        return shlex.join([*(f"{name}={value}" for name, value in self.environ.items()), *self.words])


@dataclass(frozen=True)
class RunLine:
    """Commands that run an image, one after the other, and what to know about them; none when nothing here can."""

    steps: tuple[Step, ...] = ()
    note: str = ""

    @property
    def text(self) -> str:
        """The line to paste; each command runs when the one before went well."""
        return " && ".join(step.text for step in self.steps)


@dataclass(frozen=True)
class RunHint:
    """A command line, empty when nothing here can run the image, and what to know about it."""

    command: str
    note: str = ""


def choose(given: str, environ: Mapping[str, str]) -> Runtime:
    """The runtime of this name, or else the one that is installed; raises NgcError when there is none."""
    daemon = None if given in (PODMAN, *SINGULARITY) else _daemon(environ)
    found = _runtime_of(daemon, environ) if daemon is not None else None
    if given:
        facts = found.facts if found is not None else DockerFacts()
        return Runtime(given, facts)
    if found is not None:
        return found
    program = next((name for name in (*SINGULARITY, PODMAN) if path_of(name, environ)), "")
    if not program:
        raise NgcError("nothing on this machine runs containers", hint="Choose with --with what will run it.")
    return Runtime(program, note=_toolkit_note(environ) if program == PODMAN else "")


def run_line(
    runtime: Runtime, image: str, options: RunOptions, config: ImageConfig, source: str = ""
) -> RunLine:
    """The commands that run an image, which Docker and Podman know by its name.

    For Singularity ``source`` is where the image comes from: ``docker://...``, ``oci:...`` or a SIF file.
    """
    options.check()
    options = replace(options, volumes=tuple(map(_volume, options.volumes)))
    if runtime.name in SINGULARITY:
        return _singularity_line(runtime, image, options, source or f"docker://{image}")
    start = runtime.run_words(options.gpus)
    words = (*start.words, *_container_words(options), *_port_words(image, options, config))
    words += tuple(word for item in options.volumes for word in ("-v", item))
    words += (*_user_words(runtime, options.user), *_memory_words(image, options.shm_size))
    note = runtime.note
    if not (options.command or config.entrypoint or config.command) and config != ImageConfig():
        note = note or "The image names no command: give one after --."
    return RunLine((Step((*words, image, *options.command), start.environ),), note)


def run_hint(
    place: Place, image: str, tag: str, environ: Mapping[str, str], config: ImageConfig | None = None
) -> RunHint:
    """How to run an image that lies in this place, with all GPUs."""
    line = _line_for(place, image, tag, environ, config or ImageConfig())
    return RunHint(line.text, line.note)


def execute(line: RunLine, environ: Mapping[str, str]) -> int:
    """Run the commands on this terminal until one fails; returns its exit code, else 0. Raises NgcError."""
    for step in line.steps:
        try:
            # No time-out: a container runs as long as its user wants.
            code = subprocess.run(step.words, env={**environ, **step.environ}, check=False).returncode
        except OSError as error:
            raise NgcError(
                f"'{step.words[0]}' cannot be run: {error.strerror}", hint="Choose another with --with."
            ) from error
        if code:
            return code
    return 0


def sif_file(ref: ImageRef) -> str:
    """The name of the file that Singularity runs: ``<image>_<tag>.sif``."""
    return f"{default_folder(ref)}.sif"


def source_of(ref: ImageRef, full_name: str) -> str:
    """Where Singularity gets an image: a SIF file or a layout of a pull in this folder, else the registry."""
    for name in (sif_file(ref), sif_file(ref).removesuffix(".sif") + ".simg"):
        if Path(name).is_file():
            return name
    folder = default_folder(ref).absolute()
    if (folder / "index.json").is_file():
        return f"{OCI}:{folder}:{ref.tag}" if ref.tag else f"{OCI}:{folder}"
    return f"docker://{full_name}"


def _line_for(place: Place, image: str, tag: str, environ: Mapping[str, str], config: ImageConfig) -> RunLine:
    daemon = _daemon(environ)
    runtime = _runtime_of(daemon, environ) if daemon is not None else None
    options = RunOptions()
    if place.path is None:
        return run_line(runtime, image, options, config) if runtime is not None else RunLine()
    location = f"{place.kind}:{place.path.absolute()}"
    if place.kind == OCI and tag:
        location += f":{tag}"
    singularity = next((name for name in SINGULARITY if path_of(name, environ)), "")
    if place.kind == SIF:
        file = str(place.path.absolute())
        return run_line(Runtime(singularity or SINGULARITY[0]), image, options, config, file)
    if runtime is not None and place.kind not in (OCI, OCI_ARCHIVE if singularity else ""):
        loaded = run_line(runtime, image, options, config)
        program = PODMAN if runtime.name == PODMAN else DOCKER
        load = Step((program, "load", "-i", str(place.path.absolute())))
        return RunLine((load, *loaded.steps), loaded.note)
    if singularity:
        return run_line(Runtime(singularity), image, options, config, location)
    if path_of(PODMAN, environ):
        podman = Runtime(PODMAN, note=_toolkit_note(environ))
        line = run_line(podman, image, options, config)
        words = line.steps[0].words
        at = words.index(image)
        return RunLine((Step((*words[:at], location, *words[at + 1 :])),), line.note)
    return RunLine()


def _container_words(options: RunOptions) -> tuple[str, ...]:
    """In the background it stays for its logs; else it goes with its end."""
    name = ("--name", options.name) if options.name else ()
    if options.detach:
        return (*name, "-d")
    terminal = ("-it",) if options.terminal and (options.interactive or not options.command) else ()
    return (*terminal, "--rm", *name)


def _port_words(image: str, options: RunOptions, config: ImageConfig) -> tuple[str, ...]:
    """The ports that were given, else those that the image exposes."""
    if options.ports:
        return tuple(word for item in options.ports for word in ("-p", item))
    name = ImageRef.parse(image).name
    words: list[str] = []
    for port, protocol in config.ports:
        outside = _HOST_PORTS.get((name, port), port)
        words += ["-p", f"{outside}:{port}{'' if protocol == 'tcp' else f'/{protocol}'}"]
    return tuple(words)


def _memory_words(image: str, shm_size: str) -> tuple[str, ...]:
    """Shared memory, and with NVIDIA's images the limits that they ask for."""
    is_nvidia = ImageRef.parse(image).org == _NVIDIA_SPACE
    if shm_size == "none" or not (shm_size or is_nvidia):
        return ()
    return (f"--shm-size={shm_size or _SHM_SIZE}", *(_ULIMITS if is_nvidia else ()))


def _user_words(runtime: Runtime, user: str) -> tuple[str, ...]:
    if user != "me":
        return ("-u", user) if user else ()
    mapped = ("--userns=keep-id",) if runtime.name == PODMAN else ()
    return (*mapped, "-u", f"{os.getuid()}:{os.getgid()}") if hasattr(os, "getuid") else ()


def _singularity_line(runtime: Runtime, image: str, options: RunOptions, source: str) -> RunLine:
    """Convert once, then run in this folder (container guide 7.3 and 7.4.1)."""
    if options.detach:
        raise UsageError(f"-d is not for {runtime.name}", hint="Add --with docker, or leave -d out.")
    steps: list[Step] = []
    file = source
    if source.partition(":")[0] in ("docker", OCI, OCI_ARCHIVE, "docker-archive"):
        file = sif_file(ImageRef.parse(image))
        if not Path(file).is_file():
            steps.append(Step((runtime.name, "build", file, source)))
    binds = (f"{Path.cwd()}:/host_pwd", *options.volumes)
    words = (runtime.name, "exec", *(("--nv",) if options.gpus != Gpus(every=False) else ()))
    words += (*(word for item in binds for word in ("-B", item)), "--pwd", "/host_pwd", file)
    prefix = f"{runtime.name.upper()}ENV_"
    visible = ",".join(options.gpus.listed)
    environ = {f"{prefix}CUDA_VISIBLE_DEVICES": visible} if visible else {}
    steps.append(Step((*words, *(options.command or ("/bin/bash",))), environ))
    given = {
        "-p": options.ports,
        "--name": options.name,
        "--user": options.user,
        "--shm-size": options.shm_size,
    }
    ignored = [option for option, value in given.items() if value]
    note = f"{runtime.name} runs as you, with the host's network and memory: no {', '.join(ignored)}."
    return RunLine(tuple(steps), note if ignored else runtime.note)


def _volume(text: str) -> str:
    """A volume with an absolute path; a name without a slash is one that Docker keeps. Raises UsageError."""
    source, colon, inside = text.partition(":")
    if not (source and colon and inside.startswith("/")):
        raise UsageError(
            f"-v does not take '{text}'", hint="Write FOLDER:/FOLDER/INSIDE or FOLDER:/FOLDER/INSIDE:ro."
        )
    if source in (".", "..") or source.startswith("~") or "/" in source:
        source = os.path.normpath(Path(source).expanduser().absolute())
    return f"{source}:{inside}"


def _runtime_of(daemon: daemons.Daemon, environ: Mapping[str, str]) -> Runtime | None:
    """What a daemon that answers runs containers with; None when it stops answering."""
    try:
        if daemon.version().name == "Podman":
            return Runtime(PODMAN, note=_toolkit_note(environ))
        return Runtime.of_docker(gpu_support.docker_facts(daemon, environ))
    except NgcError:
        return None


def _toolkit_note(environ: Mapping[str, str]) -> str:
    return "" if gpu_support.has_toolkit(lambda name: path_of(name, environ)) else _NO_TOOLKIT


def _daemon(environ: Mapping[str, str]) -> daemons.Daemon | None:
    try:
        return daemons.answering(environ)
    except NgcError:
        return None
