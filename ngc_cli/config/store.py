"""The official ``<home>/.ngc/config`` file: read as the official client leaves it, written whole or not at all.

``[CURRENT]`` always holds the active profile, so that the official client sees what we see; the key
``profile`` in it names the profile, and the others live in ``[profile NAME]``. Source:
docs/protocol/authentication.md#the-configuration-file, docs/cli.md#files.
"""

from __future__ import annotations

import configparser
import io
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ngc_cli.config.variables import HOME_VARIABLE
from ngc_cli.errors import ConfigError, LocalFileError
from ngc_cli.files import exclusively, make_folders, write_atomically

DEFAULT_PROFILE = "default"
# A change takes milliseconds, with a keyring that does not answer three seconds.
_LOCK_LIMIT_S = 15.0
_CURRENT = "CURRENT"
_PROFILE_PREFIX = "profile "
_PROFILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ORDER = ("apikey", "key_name", "key_id", "format_type", "org", "org_display_name", "team")
_LEGACY_SECTIONS = ("DEFAULT", "OUTPUT_FORMAT", "MODE", "VERSION")
_LEGACY_KEYS = ("ace", "commands", "command_map", "last_upgrade_msg_date")
_COMMENT = (
    "; Written by ngc. Change it with 'ngc config set', not by hand.\n"
    "; It may hold an API key: keep it readable by its owner only.\n\n"
)


class UnreadableConfig(ConfigError):
    """The file may exist, but this user cannot read it."""


@dataclass
class ConfigFile:
    """Profiles by name, each the keys and values that the file has for it; ``active`` is the one in ``[CURRENT]``.

    ``foreign`` are sections of other programs, kept as they are; ``warnings`` what the user should know.
    """

    active: str = DEFAULT_PROFILE
    profiles: dict[str, dict[str, str]] = field(default_factory=dict)
    foreign: dict[str, dict[str, str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def config_path(environ: Mapping[str, str]) -> Path | None:
    """Where the config file is or would be; None for a user without a home folder."""
    home = environ.get(HOME_VARIABLE) or environ.get("HOME") or environ.get("USERPROFILE") or home_of_user()
    return Path(home, ".ngc", "config") if home else None


def require_config_path(environ: Mapping[str, str]) -> Path:
    """Where the config file is or would be; raises ConfigError for a user without a home folder."""
    path = config_path(environ)
    if path is None:
        raise ConfigError("this user has no home folder", hint="Set NGC_CLI_HOME to a folder of your own.")
    return path


def check_profile_name(name: str) -> str:
    """The name itself; raises ConfigError when the file could not hold it."""
    if not _PROFILE_NAME.fullmatch(name):
        raise ConfigError(
            f"'{name}' cannot be the name of a profile",
            hint="Use letters, digits, '.', '_' and '-', 64 at most, beginning with a letter or digit.",
        )
    return name


def load(path: Path | None) -> ConfigFile:
    """The file's content, empty when there is no file.

    Raises UnreadableConfig when the file cannot be opened, ConfigError naming file and line when it is damaged.
    """
    if path is None:
        return ConfigFile()
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            raw = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return ConfigFile()
    except OSError as error:
        raise UnreadableConfig(
            f"{path} cannot be read: {error.strerror}", hint="Set NGC_CLI_HOME to a folder of your own."
        ) from error
    config = _interpret(_parse(path, raw))
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        config.warnings.append(f"{path} is open to other users; run: chmod 600 '{path}'")
    return config


def save(path: Path, config: ConfigFile) -> None:
    """Replace the file, mode 0600 from its creation in a folder of mode 0700; raises LocalFileError.

    No earlier version is kept: it could hold a key that was replaced.
    """
    with _write_errors(path):
        _make_folder(path)
        write_atomically(Path(os.path.realpath(path)), _text(config), sync=True)  # a link to it stays a link


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes from changing the file between a ``load`` and the ``save`` that follows it.

    The lock is on the folder, held by the kernel and so gone with its process. Where there are no such locks (Windows,
    some network file systems) nobody is kept out. Raises ConfigError when another process holds it too long.
    """
    with ExitStack() as stack:
        with _write_errors(path):
            _make_folder(path)
            try:
                stack.enter_context(exclusively(path.parent, _LOCK_LIMIT_S))
            except TimeoutError as error:
                raise ConfigError(
                    f"another process is changing {path}", hint="Try again when it has ended."
                ) from error
        yield


def _make_folder(path: Path) -> None:
    if not path.parent.exists():
        make_folders(path.parent, mode=0o700)
        path.parent.chmod(0o700)


@contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LocalFileError(
            f"{path} cannot be written: {error.strerror}",
            hint="Set NGC_CLI_HOME to a folder that you may write, or give settings in environment variables.",
        ) from error


def home_of_user() -> str:
    """The home folder of the user database; empty for a user id that is not in it, and on Windows."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_dir
    except (ImportError, KeyError):
        return ""


def _parse(path: Path, raw: bytes) -> dict[str, dict[str, str]]:
    """Sections and their keys. ``%`` means itself, and ``[DEFAULT]`` is a section like any other."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _damaged(path, raw.count(b"\n", 0, error.start) + 1) from error
    parser = configparser.RawConfigParser(default_section="")
    line = 0
    try:
        parser.read_string(text)
    except configparser.Error as error:
        lines = getattr(error, "errors", None)
        line = lines[0][0] if lines else getattr(error, "lineno", None) or 1
    if line:  # outside of the handler: the parser's own error quotes the line, which may hold a key
        raise _damaged(path, line)
    return {name: dict(parser[name]) for name in parser.sections()}


def _damaged(path: Path, line: int) -> ConfigError:
    return ConfigError(
        f"{path} is damaged at line {line}",
        hint="Mend that line, or delete the file and run 'ngc config set'.",
    )


def _interpret(sections: dict[str, dict[str, str]]) -> ConfigFile:
    """Profiles out of sections: ours, those of the official client, and what very old clients wrote."""
    legacy = {name: sections.pop(name, {}) for name in _LEGACY_SECTIONS}
    current = sections.pop(_CURRENT, {})
    default = legacy["DEFAULT"]
    for key, value in (
        ("apikey", default.get("apikey") or default.get("appkey")),
        ("format_type", legacy["OUTPUT_FORMAT"].get("type") or default.get("type")),
        ("api_url", default.get("baseurl")),
    ):
        if value and not current.get(key):
            current[key] = value
    config = ConfigFile(active=current.pop("profile", DEFAULT_PROFILE))
    for name, values in sections.items():
        if name.startswith(_PROFILE_PREFIX):
            config.profiles[name.removeprefix(_PROFILE_PREFIX)] = _purged(values)
    while (
        config.active in config.profiles
    ):  # the official client dropped the name when it wrote [CURRENT] anew
        config.active += "-2"
    config.profiles = {config.active: _purged(current), **config.profiles}
    for name, values in sections.items():
        if name.startswith(_PROFILE_PREFIX):
            continue
        if values.get("apikey"):
            _add_official_profile(config, values)
        else:
            config.foreign[name] = values
    return config


def _add_official_profile(config: ConfigFile, values: dict[str, str]) -> None:
    """A further key that the official client keeps in a section named for the key; ours needs a speakable name."""
    if any(values["apikey"] == other.get("apikey") for other in config.profiles.values()):
        return
    name = values.get("key_name", "")
    if not _PROFILE_NAME.fullmatch(name) or name in config.profiles:
        name = f"key-{len(config.profiles) + 1}"
    config.profiles[name] = _purged(values)


def _purged(values: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in values.items() if value and key not in _LEGACY_KEYS}


def _text(config: ConfigFile) -> str:
    """The file: two lines of comment, the active profile, the others, and what is not ours."""
    parser = configparser.RawConfigParser(default_section="")
    active = dict(config.profiles.get(config.active, {}))
    if config.active != DEFAULT_PROFILE:
        active["profile"] = config.active
    sections = {_CURRENT: active}
    for name, values in config.profiles.items():
        if name != config.active:
            sections[_PROFILE_PREFIX + name] = values
    for name, values in sections.items():
        known = {key: values[key] for key in _ORDER if key in values}
        parser[name] = {**known, **values}
    parser.read_dict(config.foreign)
    target = io.StringIO(_COMMENT)
    target.seek(0, io.SEEK_END)
    parser.write(target)
    return target.getvalue()
