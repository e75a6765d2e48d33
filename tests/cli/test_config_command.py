"""``ngc config`` from main(): what it shows, stores and refuses, without a network."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend

from ngc_cli.config.store import ConfigFile, load, save
from ngc_cli.main import main

KEY = "canary-0123456789-wxyz"
MASKED = f"****{KEY[-4:]}"

Pipe = Callable[[str], None]
Ngc = Callable[..., tuple[int, str, str]]


class Vault(KeyringBackend):
    """A keyring that works."""

    priority = 1

    def __init__(self):
        self.entries: dict[tuple[str, str], str] = {}

    def get_password(self, service, username):
        return self.entries.get((service, username))

    def set_password(self, service, username, password):
        self.entries[service, username] = password

    def delete_password(self, service, username):
        del self.entries[service, username]


@pytest.fixture
def path() -> Path:
    """The config file of the test's own home."""
    return Path(os.environ["HOME"], ".ngc", "config")


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Pipe:
    """Sets what the next command reads; nothing unless a test says so."""
    return lambda text: monkeypatch.setattr(sys, "stdin", io.StringIO(text))


@pytest.fixture
def ngc(capsys: pytest.CaptureFixture[str], pipe: Pipe) -> Ngc:
    """Runs a command line; no key of a test may ever be shown."""
    pipe("")

    def run(*words: str) -> tuple[int, str, str]:
        code = main(list(words))
        out, err = capsys.readouterr()
        assert "canary" not in out + err
        return code, out, err

    return run


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Vault:
    """The OS keyring of the test."""
    backend = Vault()
    monkeypatch.setattr(keyring.core, "_keyring_backend", backend)
    return backend


def stored(path: Path) -> dict[str, str]:
    """What the file holds for the profile 'default'."""
    return load(path).profiles["default"]


def store(path: Path, **values: str) -> None:
    save(path, ConfigFile(profiles={"default": values}))


# set, by options


def test_a_key_from_stdin_is_stored_and_read_back(ngc: Ngc, pipe: Pipe, path: Path) -> None:
    pipe(KEY + "\n")
    code, out, err = ngc("config", "set", "--api-key-stdin", "--org", "X", "--team", "y", "--no-verify")
    assert (code, out) == (0, "")
    assert err == (
        "The API key is in the configuration file, for your eyes only: there is no usable OS keyring.\n"
        f"Saved profile 'default' to {path}.\n"
    )
    assert load(path).profiles == {"default": {"apikey": KEY, "org": "X", "team": "y"}}
    code, out, err = ngc("config", "current")
    assert (code, err) == (0, "")
    assert (
        out
        == f"""\
+-------------+----------+---------------+
| key         | value    | source        |
+-------------+----------+---------------+
| apikey      | {MASKED} | user settings |
| format_type | ascii    | default value |
| org         | X        | user settings |
| team        | y        | user settings |
+-------------+----------+---------------+
"""
    )


def test_only_what_an_option_names_changes(ngc: Ngc, path: Path) -> None:
    before = {"apikey": KEY, "org": "acme", "org_display_name": "Acme", "team": "t", "format_type": "csv"}
    store(path, **before)
    assert ngc("config", "set", "--format_type", "json")[0] == 0
    assert stored(path) == {**before, "format_type": "json"}
    assert ngc("config", "set", "--team", "u", "--no-validate")[0] == 0
    assert stored(path)["team"] == "u"
    assert ngc("config", "set", "--org", "other", "--no-validate")[0] == 0
    assert stored(path) == {"apikey": KEY, "org": "other", "format_type": "json"}
    assert ngc("config", "set", "--org", "no-org")[0] == 0
    assert "org" not in stored(path)


def test_json_shows_the_result_with_the_key_masked(ngc: Ngc, pipe: Pipe) -> None:
    pipe(KEY)
    code, out, _ = ngc(
        "config", "set", "--api-key-stdin", "--org", "X", "--no-verify", "--format_type", "json"
    )
    assert code == 0
    assert json.loads(out) == [
        {"key": "apikey", "source": "user settings", "value": MASKED},
        {"key": "format_type", "source": "user settings", "value": "json"},
        {"key": "org", "source": "user settings", "value": "X"},
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--storage", "drawer"], "--storage does not know 'drawer'"),
        (["--auth-option", "email"], "--auth-option email is not supported"),
        (["--name", "a", "--profile", "b"], "--name and --profile name two profiles"),
        (["--name", "a b", "--org", "x"], "'a b' cannot be the name of a profile"),
        (["--api-key-stdin"], "this is not an API key"),
        (["--team", "t", "--no-validate"], "team 't' needs an org"),
        (["--org", "x"], "cannot be checked without an API key"),
        (["--org", "a b", "--no-validate"], "--org: 'a b' is not a name"),
    ],
)
def test_bad_options_change_nothing(ngc: Ngc, path: Path, words: list[str], message: str) -> None:
    code, out, err = ngc("config", "set", *words)
    assert code in (1, 2)
    assert (out, path.exists()) == ("", False)
    assert message in err


def test_a_key_that_could_not_be_sent_is_not_shown(ngc: Ngc, pipe: Pipe, path: Path) -> None:
    pipe("canary with blanks")
    code, _, err = ngc("config", "set", "--api-key-stdin", "--no-validate", "--debug")
    assert (code, path.exists()) == (2, False)
    assert "this is not an API key" in err


def test_variables_that_win_are_told(ngc: Ngc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NGC_CLI_ORG", "env-org")
    err = ngc("config", "set", "--org", "x", "--no-validate")[2]
    assert "Warning: NGC_CLI_ORG is set and wins over what was saved" in err


# set, by answers


def test_piped_lines_answer_in_the_official_order(ngc: Ngc, pipe: Pipe, path: Path) -> None:
    pipe(f"{KEY}\njson\nacme\nteam-a\nno-ace\n")
    code, out, err = ngc("config", "set", "--no-validate")
    assert (code, out) == (0, "")
    assert stored(path) == {"apikey": KEY, "format_type": "json", "org": "acme", "team": "team-a"}
    assert err.splitlines()[:4] == [
        "API key [no-apikey]:",
        "Output format (ascii, csv, json) [ascii]:",
        "Org [no-org]:",
        "Team [no-team]:",
    ]


def test_empty_lines_keep_what_there_is(ngc: Ngc, pipe: Pipe, path: Path) -> None:
    before = {"apikey": KEY, "org": "acme", "team": "t", "format_type": "csv"}
    store(path, **before)
    pipe("\n\n\n\n")
    code, _, err = ngc("config", "set", "--no-validate")
    assert code == 0
    assert "API key [****wxyz]:" in err
    assert stored(path) == before


def test_another_org_asks_for_its_team_anew(ngc: Ngc, pipe: Pipe, path: Path) -> None:
    store(path, apikey=KEY, org="acme", team="t")
    pipe("\n\nother\n\n")
    assert ngc("config", "set", "--no-validate")[0] == 0
    assert stored(path) == {"apikey": KEY, "format_type": "ascii", "org": "other"}


def test_no_apikey_makes_a_guest_without_org_and_team(ngc: Ngc, pipe: Pipe, path: Path) -> None:
    store(path, apikey=KEY, org="acme", team="t")
    pipe("no-apikey\nascii\n")
    assert ngc("config", "set")[0] == 0
    assert stored(path) == {"format_type": "ascii"}


@pytest.mark.parametrize(
    ("lines", "option"),
    [
        ("", "--api-key-stdin"),
        (f"{KEY}\n", "--format_type"),
        (f"{KEY}\nascii\n", "--org"),
        (f"{KEY}\nascii\nx\n", "--team"),
    ],
)
def test_without_an_answer_the_option_is_named(
    ngc: Ngc, pipe: Pipe, path: Path, lines: str, option: str
) -> None:
    pipe(lines)
    code, _, err = ngc("config", "set", "--no-validate")
    assert code == 2
    assert option in err.splitlines()[-1]
    assert not path.exists()


def test_a_wrong_piped_answer_ends_the_command(ngc: Ngc, pipe: Pipe, path: Path) -> None:
    pipe(f"{KEY}\nyaml\nacme\nteam\n")
    code, _, err = ngc("config", "set", "--no-validate")
    assert (code, path.exists()) == (2, False)
    assert "Error: 'yaml' is not an output format" in err


# where the key is kept


def test_the_keyring_holds_the_key_where_one_answers(ngc: Ngc, pipe: Pipe, path: Path, vault: Vault) -> None:
    pipe(KEY)
    code, _, err = ngc("config", "set", "--api-key-stdin", "--org", "X", "--no-validate")
    assert (code, "The API key is in the OS keyring." in err) == (0, True)
    assert stored(path) == {"org": "X", "storage": "keyring"}
    assert list(vault.entries.items()) == [((f"ngc-cli {path}", "default"), KEY)]
    assert MASKED in ngc("config", "current")[1]
    assert ngc("config", "get", "apikey")[1] == MASKED + "\n"
    assert "(in the OS keyring)" in ngc("config", "list")[1]


def test_a_key_moves_between_keyring_and_file(ngc: Ngc, pipe: Pipe, path: Path, vault: Vault) -> None:
    words = ("config", "set", "--no-validate", "--format_type", "ascii")
    pipe(KEY)
    assert ngc(*words, "--api-key-stdin")[0] == 0
    assert ngc(*words, "--storage", "file")[0] == 0
    assert stored(path) == {"apikey": KEY, "format_type": "ascii", "storage": "file"}
    assert not vault.entries
    pipe("canary-another-key-5678")
    assert ngc(*words, "--api-key-stdin")[0] == 0
    assert not vault.entries, "--storage file is remembered"
    assert ngc(*words, "--storage", "keyring")[0] == 0
    assert list(vault.entries.values()) == ["canary-another-key-5678"]
    assert "apikey" not in stored(path)


def test_insisting_on_a_keyring_that_is_not_there(ngc: Ngc, pipe: Pipe, path: Path) -> None:
    pipe(KEY)
    code, _, err = ngc("config", "set", "--api-key-stdin", "--no-validate", "--storage", "keyring")
    assert (code, path.exists()) == (1, False)
    assert "the key was not stored: there is no usable OS keyring" in err
    assert "--storage file" in err


def test_a_key_lost_from_the_keyring(ngc: Ngc, path: Path, vault: Vault) -> None:
    store(path, storage="keyring", org="x")
    code, out, err = ngc("config", "current", "--format_type", "csv")
    assert (code, "apikey,(in the OS keyring),user settings" in out) == (0, True)
    assert "the OS keyring has no API key for profile 'default'" in err


# current


def test_current_in_csv_and_json(ngc: Ngc, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(path, apikey=KEY, key_name="build", org="acme", org_display_name="Acme AI", team="t")
    monkeypatch.setenv("NGC_CLI_TEAM", "other")
    code, out, _ = ngc("config", "current", "--format_type", "csv")
    assert code == 0
    assert out.splitlines() == [
        "key,value,source",
        f"apikey,{MASKED},user settings",
        "key_name,build,user settings",
        "format_type,csv,global argument",
        "org,Acme AI (acme),user settings",
        "team,other,environment variable",
    ]
    code, out, _ = ngc("--format_type", "json", "config", "current")
    assert json.loads(out) == [
        {"key": "apikey", "source": "user settings", "value": MASKED},
        {"key": "key_name", "source": "user settings", "value": "build"},
        {"key": "format_type", "source": "global argument", "value": "json"},
        {
            "display_name": "Acme AI",
            "key": "org",
            "name": "acme",
            "source": "user settings",
            "value": "Acme AI (acme)",
        },
        {"key": "team", "source": "environment variable", "value": "other"},
    ]


def test_current_of_nothing_is_no_error(ngc: Ngc) -> None:
    code, out, _ = ngc("config", "current", "--format_type", "csv")
    assert (code, out) == (0, "key,value,source\nformat_type,csv,global argument\n")


def test_current_shows_our_settings_where_they_are_not_the_default(ngc: Ngc, path: Path) -> None:
    save(path, ConfigFile("lab", {"default": {}, "lab": {"api_url": "http://127.0.0.1:9"}}))
    out = ngc("config", "current", "--format_type", "csv")[1]
    assert out.splitlines()[2:] == ["profile,lab,user settings", "api_url,http://127.0.0.1:9,user settings"]


def test_explain_lists_winners_and_losers(ngc: Ngc, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(path, apikey="canary-of-the-file-1234", org="file-org")
    monkeypatch.setenv("NGC_API_KEY", KEY)
    monkeypatch.setenv("NGC_CLI_ORG", "env-org")
    code, out, _ = ngc("config", "current", "--explain", "--org", "flag-org", "--format_type", "json")
    assert code == 0
    rows = [row for row in json.loads(out) if row["key"] in ("apikey", "org")]
    assert [(row["key"], row["value"], row["from"].split()[0], row["effective"]) for row in rows] == [
        ("apikey", MASKED, "NGC_API_KEY", True),
        ("apikey", "****1234", "apikey", False),
        ("org", "flag-org", "--org", True),
        ("org", "env-org", "NGC_CLI_ORG", False),
        ("org", "file-org", "org", False),
    ]


# profiles


def test_profiles_are_made_listed_used_and_removed(ngc: Ngc, pipe: Pipe, path: Path, vault: Vault) -> None:
    for name, org in (("default", "one"), ("lab", "two")):
        pipe(f"canary-key-of-{name}")
        assert (
            ngc("config", "set", "--profile", name, "--api-key-stdin", "--org", org, "--no-validate")[0] == 0
        )
    code, out, _ = ngc("config", "list")
    assert code == 0
    assert [[cell.strip() for cell in line.split("|")[1:-1]] for line in out.splitlines() if "|" in line] == [
        ["Current", "Profile", "Org", "Team", "Format", "Server", "API Key"],
        ["*", "default", "one", "", "ascii", "https://api.ngc.nvidia.com", "(in the OS keyring)"],
        ["", "lab", "two", "", "ascii", "https://api.ngc.nvidia.com", "(in the OS keyring)"],
    ]
    assert ngc("config", "get", "org", "--profile", "lab")[1] == "two\n"
    assert ngc("config", "use", "lab")[:2] == (0, "Profile 'lab' is now in use.\n")
    assert ngc("config", "get", "org")[1] == "two\n"
    assert "org = two" in path.read_text().partition("[profile default]")[0]
    code, out, _ = ngc("config", "clear", "--profile", "lab", "--format_type", "json")
    assert (code, json.loads(out)) == (0, {"profile": "lab"})
    assert (load(path).active, list(load(path).profiles)) == ("default", ["default"])
    assert list(vault.entries.values()) == ["canary-key-of-default"]
    code, _, err = ngc("config", "use", "lab")
    assert (code, "there is no profile 'lab'" in err) == (2, True)


def test_a_first_profile_of_any_name_is_the_one_in_use(ngc: Ngc, path: Path) -> None:
    assert ngc("config", "set", "--name", "local", "--format_type", "csv")[0] == 0
    assert load(path).active == "local"
    code, out, _ = ngc("config", "list", "--format_type", "json")
    assert code == 0
    assert json.loads(out) == [
        {"api_url": "https://api.ngc.nvidia.com", "current": True, "format_type": "csv", "profile": "local"}
    ]


def test_a_new_profile_that_is_not_in_use_says_how_to_use_it(ngc: Ngc, path: Path) -> None:
    store(path, org="x", format_type="json")
    code, out, err = ngc("config", "set", "--name", "lab", "--org", "y", "--no-validate")
    assert (code, out) == (0, ""), "the format of the other profile does not count"
    assert "ngc config use lab" in err


def test_removing_the_last_profile_removes_the_file(ngc: Ngc, path: Path) -> None:
    store(path, apikey=KEY)
    assert ngc("config", "clear", "--profile", "default")[0] == 0
    assert not path.exists()


# addresses and keys


def test_a_key_is_stored_with_the_address_it_is_for(
    ngc: Ngc, pipe: Pipe, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NGC_CLI_API_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("NGC_CLI_AUTH_URL", "http://127.0.0.1:10")
    pipe(KEY)
    assert ngc("config", "set", "--api-key-stdin", "--no-validate")[0] == 0
    assert stored(path) == {
        "apikey": KEY,
        "api_url": "http://127.0.0.1:9",
        "auth_url": "http://127.0.0.1:10",
    }
    monkeypatch.delenv("NGC_CLI_API_URL")
    monkeypatch.delenv("NGC_CLI_AUTH_URL")
    assert ngc("config", "get", "auth_url")[1] == "http://127.0.0.1:10\n"


def test_an_old_key_does_not_follow_to_a_new_address(ngc: Ngc, path: Path) -> None:
    store(path, apikey=KEY)
    code, _, err = ngc("config", "set", "--api-url", "https://other.example")
    assert code == 2
    assert "profile 'default' has an API key for another address" in err
    store(path, apikey=KEY, api_url="https://own.example")
    code, _, err = ngc("config", "unset", "api_url")
    assert (code, "ngc config unset apikey" in err) == (2, True)
    assert ngc("config", "set", "--api-url", "https://own.example/", "--format_type", "csv")[0] == 0


def test_an_address_without_a_key_is_free_to_change(ngc: Ngc, path: Path) -> None:
    assert ngc("config", "set", "--api-url", "https://own.example")[0] == 0
    assert stored(path) == {"api_url": "https://own.example"}
    assert ngc("config", "set", "--api-url", "https://api.ngc.nvidia.com")[0] == 0
    assert stored(path) == {}


# get, unset, path, clear


def test_get_and_unset(ngc: Ngc, path: Path) -> None:
    store(path, apikey=KEY, key_name="n", org="acme", org_display_name="Acme", team="t")
    assert ngc("config", "get", "org")[:2] == (0, "acme\n")
    code, out, _ = ngc("config", "get", "team", "--format_type", "json")
    assert json.loads(out) == {"key": "team", "source": "user settings", "value": "t"}
    code, out, _ = ngc("config", "unset", "org")
    assert (code, out) == (0, "org is not set in profile 'default' any more.\n")
    assert stored(path) == {"apikey": KEY, "key_name": "n"}
    assert ngc("config", "unset", "apikey")[0] == 0
    assert stored(path) == {}
    assert ngc("config", "unset", "apikey")[0] == 0
    assert ngc("config", "get", "org") == (1, "", "Error: org is not set\n")
    code, _, err = ngc("config", "get", "colour")
    assert (code, "there is no setting 'colour'" in err) == (2, True)


def test_unset_mends_a_value_that_stops_everything_else(ngc: Ngc, path: Path) -> None:
    store(path, format_type="yaml")
    code, _, err = ngc("config", "current")
    assert (code, "ngc config unset format_type" in err) == (1, True)
    assert ngc("config", "unset", "format_type")[0] == 0
    assert ngc("config", "current")[0] == 0


def test_path_in_every_format(ngc: Ngc, path: Path) -> None:
    assert ngc("config", "path")[:2] == (0, f"{path}\n")
    assert json.loads(ngc("config", "path", "--format_type", "json")[1]) == {"path": str(path)}
    assert ngc("config", "path", "--format_type", "csv")[1] == f"path\n{path}\n"


def test_clear_removes_backups_and_caches_of_the_official_client_too(
    ngc: Ngc, pipe: Pipe, path: Path, vault: Vault
) -> None:
    pipe(KEY)
    assert ngc("config", "set", "--api-key-stdin", "--no-validate")[0] == 0
    for name in ("meta_data", "tokens.json", "config.BAK", "meta_data.BAK", ".config.x.tmp", "other"):
        (path.parent / name).write_text(KEY)
    code, out, err = ngc("config", "clear")
    assert (code, out) == (0, "")
    assert [item.name for item in path.parent.iterdir()] == ["other"]
    assert err.count("Removed ") == 6
    assert not vault.entries
    code, out, err = ngc("config", "clear", "--format_type", "json")
    assert (code, json.loads(out)) == (0, {"removed": []})
    assert json.loads(err) == {"note": "There was nothing to remove."}


def test_clear_of_several_profiles_asks(ngc: Ngc, path: Path) -> None:
    save(path, ConfigFile(profiles={"default": {"org": "a"}, "lab": {"org": "b"}}))
    code, _, err = ngc("config", "clear")
    assert (code, path.exists()) == (2, True)
    assert "-y" in err
    assert ngc("config", "clear", "-y")[0] == 0
    assert not path.exists()


def test_clear_removes_a_damaged_file(ngc: Ngc, path: Path) -> None:
    path.parent.mkdir()
    path.write_text("canary without a section")
    path.chmod(0o600)
    code, _, err = ngc("config", "current")
    assert (code, f"{path} is damaged at line 1" in err) == (1, True)
    assert ngc("config", "clear")[0] == 0
    assert not path.exists()


def test_clear_cache_keeps_the_configuration(ngc: Ngc, path: Path) -> None:
    store(path, org="a")
    (path.parent / "tokens.json").write_text("{}")
    code, out, _ = ngc("config", "clear-cache", "--format_type", "json")
    assert (code, json.loads(out)) == (0, {"removed": [str(path.parent / "tokens.json")]})
    assert path.exists()


# homes that cannot be used


def test_a_home_that_cannot_be_written(ngc: Ngc, pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NGC_CLI_HOME", "/dev/null")
    pipe(KEY)
    code, _, err = ngc("config", "set", "--api-key-stdin", "--no-validate")
    assert code == 17
    assert "/dev/null/.ngc/config cannot be written" in err
    assert "NGC_CLI_HOME" in err
    monkeypatch.setenv("NGC_API_KEY", KEY)
    assert MASKED in ngc("config", "current")[1]


def test_a_user_without_a_home(ngc: Ngc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 987_654_321)
    monkeypatch.setenv("NGC_API_KEY", KEY)
    assert MASKED in ngc("config", "current")[1]
    code, _, err = ngc("config", "set", "--format_type", "csv")
    assert (code, "this user has no home folder" in err) == (1, True)
