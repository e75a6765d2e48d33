"""The config file: what the official client and its ancestors wrote, and how ours is written."""

from __future__ import annotations

import os
import stat
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngc_cli.config.store import ConfigFile, UnreadableConfig, check_profile_name, config_path, load, save
from ngc_cli.errors import ConfigError, LocalFileError

OFFICIAL = """\
; WARNING - This is a machine generated file.  Do not edit manually.
; WARNING - To update local config settings, see "ngc config set -h"

[CURRENT]
apikey = bGVnYWN5%2Ba2V5
format_type = json
org = acme-ai
org_display_name = Acme AI, 100% real
team = team-a
"""


@pytest.fixture
def umask() -> Iterator[None]:
    """No umask at all, the worst case."""
    previous = os.umask(0)
    yield
    os.umask(previous)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def written(tmp_path: Path, text: str | bytes, mode: int = 0o600) -> Path:
    path = tmp_path / "config"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


def test_the_official_file_is_read_as_it_is(tmp_path: Path) -> None:
    config = load(written(tmp_path, OFFICIAL))
    assert config == ConfigFile(
        active="default",
        profiles={
            "default": {
                "apikey": "bGVnYWN5%2Ba2V5",
                "format_type": "json",
                "org": "acme-ai",
                "org_display_name": "Acme AI, 100% real",
                "team": "team-a",
            }
        },
    )


def test_what_very_old_clients_wrote_is_understood_and_purged(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "[DEFAULT]\nappkey = old-key\nbaseurl = https://api.ngc.nvidia.com\n[OUTPUT_FORMAT]\ntype = csv\n"
        '[CURRENT]\nace = nv-us-west-2\norg = acme\ncommand_map = {"apikey": "old-key"}\n[MODE]\nx = y\n',
    )
    config = load(path)
    assert config.profiles == {
        "default": {
            "org": "acme",
            "apikey": "old-key",
            "format_type": "csv",
            "api_url": "https://api.ngc.nvidia.com",
        }
    }
    save(path, config)
    text = path.read_text()
    assert "[DEFAULT]" not in text
    assert "ace" not in text
    assert text.count("old-key") == 1
    assert load(path) == config


def test_further_keys_of_the_official_client_become_profiles(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "[CURRENT]\napikey = k1\norg = a\n[k1]\napikey = k1\n[k2]\napikey = k2\nkey_name = build\norg = b\n"
        "[k3]\napikey = k3\nkey_name = not a name\n[THEIRS]\nsetting = 1\n",
    )
    config = load(path)
    assert list(config.profiles) == ["default", "build", "key-3"]
    assert config.profiles["build"]["org"] == "b"
    assert config.foreign == {"THEIRS": {"setting": "1"}}
    save(path, config)
    assert load(path) == config
    assert "[k2]" not in path.read_text()


def test_the_active_profile_is_what_the_official_client_sees(tmp_path: Path) -> None:
    path = tmp_path / "config"
    save(path, ConfigFile("work", {"default": {"org": "a", "apikey": "k1"}, "work": {"apikey": "k2"}}))
    assert path.read_text().splitlines()[3:] == [
        "[CURRENT]",
        "apikey = k2",
        "profile = work",
        "",
        "[profile default]",
        "apikey = k1",
        "org = a",
        "",
    ]
    assert all(line.startswith(";") for line in path.read_text().splitlines()[:2])


def test_a_current_section_that_lost_its_name_keeps_every_profile(tmp_path: Path) -> None:
    path = written(tmp_path, "[CURRENT]\norg = new\n[profile default]\norg = old\n")
    config = load(path)
    assert config.active == "default-2"
    assert config.profiles == {"default-2": {"org": "new"}, "default": {"org": "old"}}


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,10}", fullmatch=True)
VALUES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)
KEYS = st.sampled_from(["apikey", "org", "team", "org_display_name", "api_url", "starfleet_kas_email"])


@given(profiles=st.dictionaries(NAMES, st.dictionaries(KEYS, VALUES), min_size=1, max_size=4), data=st.data())
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, profiles: dict[str, dict[str, str]], data: st.DataObject
) -> None:
    active = data.draw(st.sampled_from(sorted(profiles)))
    path = tmp_path_factory.mktemp("home") / ".ngc" / "config"
    config = ConfigFile(active, profiles)
    save(path, config)
    assert load(path) == config


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[CURRENT]\norg = a\nCANARY-key-without-equals\n", 3),
        ("CANARY = 1\n", 1),
        ("[CURRENT]\napikey = CANARY\napikey = CANARY2\n", 3),
        ("[CURRENT]\n[CURRENT]\n", 2),
        (b"[CURRENT]\napikey = CANARY\xff\n", 2),
        (b"\x00\x01\x02", 1),
    ],
)
def test_a_damaged_file_is_named_with_its_line_and_not_quoted(
    tmp_path: Path, text: str | bytes, line: int
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError, match=f"{path} is damaged at line {line}") as caught:
        load(path)
    assert "CANARY" not in "".join(traceback.format_exception(caught.value))


def test_the_file_belongs_to_its_owner_from_the_first_moment(tmp_path: Path, umask: None) -> None:
    path = tmp_path / "home" / ".ngc" / "config"
    save(path, ConfigFile(profiles={"default": {"apikey": "k"}}))
    assert (mode_of(path), mode_of(path.parent)) == (0o600, 0o700)
    path.chmod(0o644)
    save(path, ConfigFile(profiles={"default": {"apikey": "k2"}}))
    assert mode_of(path) == 0o600
    assert [item.name for item in path.parent.iterdir()] == ["config"]


def test_a_file_open_to_others_is_told_with_the_cure(tmp_path: Path) -> None:
    path = written(tmp_path, OFFICIAL, mode=0o640)
    assert load(path).warnings == [f"{path} is open to other users; run: chmod 600 '{path}'"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, OFFICIAL)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LocalFileError, match="No space left on device"):
        save(path, ConfigFile(profiles={"default": {"org": "b"}}))
    assert path.read_text() == OFFICIAL
    assert [item.name for item in tmp_path.iterdir()] == ["config"]


def test_a_linked_file_stays_a_link(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles"
    real.write_text(OFFICIAL)
    link = tmp_path / "config"
    link.symlink_to(real)
    save(link, ConfigFile(profiles={"default": {"org": "b"}}))
    assert link.is_symlink()
    assert "org = b" in real.read_text()


def test_no_file_and_no_home_are_no_configuration(tmp_path: Path) -> None:
    assert load(None) == load(tmp_path / "none") == ConfigFile()
    (tmp_path / "file").write_text("")
    assert load(tmp_path / "file" / "config") == ConfigFile()


def test_a_folder_in_place_of_the_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnreadableConfig, match="Is a directory"):
        load(tmp_path)


def test_where_the_file_is() -> None:
    assert config_path({"NGC_CLI_HOME": "/a", "HOME": "/b"}) == Path("/a/.ngc/config")
    assert config_path({"NGC_CLI_HOME": "", "HOME": "/b"}) == Path("/b/.ngc/config")


@pytest.mark.parametrize("name", ["", "a b", "-x", "a]b", "a\n", "x" * 65])
def test_names_the_file_could_not_hold(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be the name of a profile"):
        check_profile_name(name)
