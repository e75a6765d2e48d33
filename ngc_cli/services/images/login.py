"""Let other programs use the key: Docker's configuration, their own login, or their environment.

The usual way stores no key: Docker, Podman, Skopeo and Buildah are told to ask ``docker-credential-ngc``.
Source: docs/protocol/storage.md#credential-helpers.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ngc_cli.basic_auth import USERNAME
from ngc_cli.config.store import home_of_user
from ngc_cli.errors import ConfigError, LocalFileError, NgcError, UsageError
from ngc_cli.files import write_atomically
from ngc_cli.http.redact import redact_text
from ngc_cli.json_text import parse_json

HELPER: Final = "ngc"
HELPER_PROGRAM: Final = f"docker-credential-{HELPER}"
PROGRAMS: Final = ("docker", "podman")
# docker login asks the registry, which may be slow; a login that asks a question hangs.
_LOGIN_TIMEOUT_S = 120


@dataclass(frozen=True)
class HelperChange:
    """What a change of Docker's configuration did: the file, whether it changed, and what it replaced there."""

    path: Path
    changed: bool
    replaced: str = ""


def docker_config_path(environ: Mapping[str, str]) -> Path:
    """``$DOCKER_CONFIG/config.json``, else the one in the home folder; raises ConfigError where there is none."""
    home = environ.get("HOME") or home_of_user()
    if not environ.get("DOCKER_CONFIG") and not home:
        raise ConfigError("this user has no home folder", hint="Set DOCKER_CONFIG to a folder of your own.")
    return Path(environ.get("DOCKER_CONFIG") or Path(home, ".docker")) / "config.json"


def add_helper(path: Path, host: str) -> HelperChange:
    """Have Docker's configuration ask our helper for this host; everything else in it stays.

    A login for the host that the file holds itself, a key in the clear, is taken out.
    """
    config = _load(path)
    helpers = _object(config, "credHelpers", path)
    logins = _object(config, "auths", path)
    replaced = ""
    if helpers.get(host) not in (None, HELPER):
        replaced = f"the helper '{helpers[host]}'"
    if isinstance(logins.get(host), dict) and logins[host]:
        replaced = "the login that was stored there"
        logins[host] = {}
    if helpers.get(host) == HELPER and not replaced:
        return HelperChange(path, False)
    helpers[host] = HELPER
    config["credHelpers"] = helpers
    _save(path, config)
    return HelperChange(path, True, replaced)


def remove_helper(path: Path, host: str) -> HelperChange:
    """Undo ``add_helper``; the helper of another program stays."""
    config = _load(path)
    helpers = _object(config, "credHelpers", path)
    if helpers.get(host) != HELPER:
        return HelperChange(path, False)
    del helpers[host]
    if not helpers:
        del config["credHelpers"]
    logins = _object(config, "auths", path)
    if logins.get(host) == {}:
        del logins[host]
        if not logins:
            del config["auths"]
    _save(path, config)
    return HelperChange(path, True)


def helper_is_installed(environ: Mapping[str, str]) -> bool:
    """Whether programs will find the helper."""
    return shutil.which(HELPER_PROGRAM, path=environ.get("PATH")) is not None


def login_program(program: str, registry_url: str, key: str, environ: Mapping[str, str]) -> None:
    """Run ``docker login`` or ``podman login`` with the key on its stdin; it never stands on a command line.

    Raises UsageError for another program, NgcError with the program's last words when it fails.
    """
    if program not in PROGRAMS:
        raise UsageError(f"'{program}' cannot be logged in", hint=f"Use one of: {', '.join(PROGRAMS)}.")
    path = shutil.which(program, path=environ.get("PATH"))
    if path is None:
        raise NgcError(f"there is no program '{program}' on this machine", hint="Install it, or check PATH.")
    scheme, _, host = registry_url.partition("://")
    plain = ["--tls-verify=false"] if program == "podman" and scheme == "http" else []
    try:
        done = subprocess.run(
            [path, "login", "--username", USERNAME, "--password-stdin", *plain, host],
            input=f"{key}\n",
            text=True,
            capture_output=True,
            timeout=_LOGIN_TIMEOUT_S,
            env=dict(environ),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NgcError(f"'{program} login' did not end within {_LOGIN_TIMEOUT_S} s") from error
    except OSError as error:
        raise NgcError(f"'{program}' cannot be run: {error.strerror}") from error
    if done.returncode:
        words = redact_text(done.stderr.strip() or done.stdout.strip()).splitlines()
        raise NgcError(f"'{program} login' failed: {words[-1] if words else f'exit code {done.returncode}'}")


def singularity_exports(key: str, shell: str = "sh") -> str:
    """Lines for one of ``SHELLS`` that let Singularity and Apptainer use the key (container guide 7.3)."""
    form, quote = _FORMS[shell]
    return "".join(
        form.format(name=f"{prefix}_DOCKER_{name}", value=quote(value)) + "\n"
        for prefix in ("SINGULARITY", "APPTAINER")
        for name, value in (("USERNAME", USERNAME), ("PASSWORD", key))
    )


def _quoted_for_csh(text: str) -> str:
    """csh looks for ``!`` in single quotes as well."""
    return shlex.quote(text).replace("!", "\\!")


def _quoted_for_fish(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _quoted_for_powershell(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


_FORMS: Final[Mapping[str, tuple[str, Callable[[str], str]]]] = {
    "sh": ("export {name}={value}", shlex.quote),
    "csh": ("setenv {name} {value}", _quoted_for_csh),
    "fish": ("set -gx {name} {value}", _quoted_for_fish),
    "powershell": ("$env:{name} = {value}", _quoted_for_powershell),
}
SHELLS: Final = tuple(_FORMS)


def _load(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise LocalFileError(f"'{path}' cannot be read: {error}") from error
    try:
        value = parse_json(text or "{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise LocalFileError(f"'{path}' is not a configuration of Docker", hint="Mend it or move it away.")
    return value


def _object(config: Mapping[str, Any], name: str, path: Path) -> dict[str, Any]:
    value = config.get(name, {})
    if not isinstance(value, dict):
        raise LocalFileError(f"'{name}' in '{path}' is not an object", hint="Mend the file or move it away.")
    return value


def _save(path: Path, config: Mapping[str, Any]) -> None:
    """Replace the file in one step, 0600 from its creation; a link to it stays a link."""
    target = Path(os.path.realpath(path))
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = json.dumps(config, indent="\t", ensure_ascii=False) + "\n"
        # half of a surrogate pair, which JSON can hold and UTF-8 cannot, becomes the escape that JSON has for it
        write_atomically(target, text.encode("utf-8", "backslashreplace"), sync=True)
    except OSError as error:
        raise LocalFileError(f"'{path}' cannot be written: {error.strerror}") from error
