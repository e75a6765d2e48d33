"""Convert a layout to a SIF file, the image format of Singularity and Apptainer, with the program that is installed.

The program reads verified blobs from disk and needs no login, so it gets no key, not even by its environment.
Source: container user guide, 7.2 and 7.3; docs/guides/singularity-and-apptainer.md.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ngc_cli.errors import LocalFileError, NgcError
from ngc_cli.oci.layout import local_error
from ngc_cli.services.images.programs import answer_of, path_of
from ngc_cli.services.images.run_line import SINGULARITY
from ngc_cli.transfer.manager import Cancelled

# Singularity 2.6 was the first that reads images of registries and layouts (guide 7.1).
_OLDEST = (2, 6)
_POLL_S = 0.2  # how soon Ctrl-C ends a conversion
_SECRET: Final = re.compile(
    r"(?:NGC|SINGULARITY|APPTAINER)\w*(?:KEY|PASSWORD|USERNAME|TOKEN)\w*", re.IGNORECASE
)


def converter(environ: Mapping[str, str], file: Path, image: str) -> str:
    """The path of Apptainer or Singularity; raises LocalFileError, with the line to type elsewhere, without them."""
    for name in SINGULARITY:
        path = path_of(name, environ)
        if path is not None:
            _refuse_old(name, path, environ)
            return path
    line = shlex.join([SINGULARITY[0], "build", file.name, f"docker://{image}"])
    raise LocalFileError(
        "a SIF file is made by Apptainer or Singularity, and neither is on this machine",
        hint=f"Install one, or run where it is: {line}",
    )


def convert(
    program: str, folder: Path, tag: str, target: Path, environ: Mapping[str, str], cancel: threading.Event
) -> None:
    """Make a SIF file of the image with this tag in the layout ``folder/image``; it gets its name when it is complete.

    Raises NgcError with the program's last words, LocalFileError, Cancelled.
    """
    made, log = folder / "made.sif", folder / "build.log"
    made.unlink(missing_ok=True)
    source = f"oci:image:{tag}" if tag else "oci:image"
    settings = {name: value for name, value in environ.items() if not _SECRET.fullmatch(name)}
    scratch = {"TMPDIR": str(folder), "APPTAINER_TMPDIR": str(folder), "SINGULARITY_TMPDIR": str(folder)}
    try:
        with log.open("wb") as words:
            process = subprocess.Popen(
                [program, "build", made.name, source],
                cwd=folder,
                env={**settings, **scratch},
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=subprocess.STDOUT,
            )
            code = _wait(process, cancel)
        if code == 0 and made.is_file():
            made.replace(target)
            log.unlink()
            return
        said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError as error:
        raise local_error(error, target) from error
    reason = said[-1][:300] if said else f"exit code {code}"
    raise NgcError(
        f"'{Path(program).name} build' failed: {reason}",
        hint="The layers are kept: run the same command again. Installed under umask 077 it needs a new install.",
    )


def _wait(process: subprocess.Popen[bytes], cancel: threading.Event) -> int:
    """The exit code; ends the program when the user stops."""
    with process:
        try:
            while process.poll() is None:
                if cancel.wait(_POLL_S):
                    raise Cancelled("the conversion was interrupted")
        finally:
            if process.poll() is None:
                process.terminate()
    return process.returncode


def _refuse_old(name: str, path: str, environ: Mapping[str, str]) -> None:
    """Raise LocalFileError for a version that cannot read layouts; one that does not tell its version is tried."""
    told = answer_of([path, "--version"], environ)
    found = re.search(r"(\d{1,4})\.(\d{1,4})", told)
    if found and name == "singularity" and (int(found[1]), int(found[2])) < _OLDEST:
        raise LocalFileError(f"Singularity {found[0]} is too old", hint="Install 2.6 or later, or Apptainer.")
