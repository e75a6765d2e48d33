"""Which profile stands for which registry of ``ngc local``: each data folder has a profile of its own.

A profile that was made for a registry remembers the folder of its data, so that later commands find it by the profile.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from ngc_cli.config.store import ConfigFile
from ngc_cli.errors import UsageError

PROFILE = "local"
DATA_DIR = "local_data_dir"
"""The value of a profile that holds the folder; without it, profile ``local`` means the default one."""


def folder_of(config: ConfigFile, profile: str, default_folder: Path) -> Path | None:
    """The folder of the registry that a profile was made for; None for a profile of something else."""
    values = config.profiles.get(profile)
    if values is None:
        return default_folder if profile == PROFILE else None
    if values.get(DATA_DIR):
        return Path(values[DATA_DIR])
    return default_folder if profile == PROFILE else None


def chosen_folder(config: ConfigFile, named: str, default_folder: Path) -> Path:
    """The folder that a command without one means: of the profile that is named, else in use, else ``local``.

    The only other one that is remembered comes last.
    """
    for profile in (named, config.active):
        folder = folder_of(config, profile, default_folder) if profile else None
        if folder is not None:
            return folder
    remembered = [Path(values[DATA_DIR]) for values in config.profiles.values() if values.get(DATA_DIR)]
    if PROFILE not in config.profiles and len(remembered) == 1:
        return remembered[0]
    return folder_of(config, PROFILE, default_folder) or default_folder


def profile_for(config: ConfigFile, named: str, folder: Path, default_folder: Path) -> str:
    """The profile of a registry: the one that is named, else the one that has it, else ``local`` or a new one.

    A profile of something else is never taken, so a second registry cannot overwrite the first; raises UsageError when
    one is named.
    """
    if named:
        if named in config.profiles and folder_of(config, named, default_folder) != folder:
            raise UsageError(
                f"profile '{named}' is not for the registry in '{folder}'",
                hint="Name a new profile, or leave out --profile to get one.",
            )
        return named
    for profile in (PROFILE, *config.profiles):
        if profile in config.profiles and folder_of(config, profile, default_folder) == folder:
            return profile
    if PROFILE not in config.profiles:
        return PROFILE
    return next(name for name in _numbered() if name not in config.profiles)


def _numbered() -> Iterator[str]:
    return (f"{PROFILE}-{number}" for number in itertools.count(2))
