"""Effective settings: rank of the sources, and which server gets to see which key."""

from __future__ import annotations

from pathlib import Path

import pytest

from ngc_cli.cli.globals import GlobalFlags
from ngc_cli.config.profiles import Settings, resolve
from ngc_cli.config.store import ConfigFile, save
from ngc_cli.config.values import default_concurrency
from ngc_cli.config.variables import may_ask
from ngc_cli.errors import ConfigError, UsageError

KEY = "canary-key-of-the-file"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def configured(home: Path, active: str = "default", **profiles: dict[str, str]) -> None:
    save(home / ".ngc" / "config", ConfigFile(active, profiles))


def settle(home: Path, flags: GlobalFlags | None = None, **environ: str) -> Settings:
    return resolve(flags or GlobalFlags(), {"HOME": str(home), **environ})


def test_without_anything_a_guest_at_nvidia(home: Path) -> None:
    settings = settle(home)
    assert settings.api_key is None
    assert (settings.org, settings.team, settings.format_type) == ("", "", "ascii")
    assert (settings.api_url, settings.auth_url) == ("https://api.ngc.nvidia.com", "https://authn.nvidia.com")
    assert settings.registry_host == "nvcr.io"
    assert settings.search_url == settings.api_url
    assert (settings.timeout_s, settings.retries, settings.concurrency) == (30.0, 4, default_concurrency())
    assert settings.sources["format_type"] == "default value"
    assert "api_key" not in settings.sources
    assert settings.warnings == ()


def test_rank_of_the_sources(home: Path) -> None:
    configured(home, default={"apikey": KEY, "org": "file-org", "format_type": "csv", "team": "t"})
    from_file = settle(home)
    assert (from_file.org, from_file.format_type, from_file.sources["org"]) == (
        "file-org",
        "csv",
        "user settings",
    )
    from_environment = settle(home, NGC_CLI_ORG="env-org")
    assert (from_environment.org, from_environment.team) == ("env-org", "t")
    assert from_environment.origin("org") == "environment variable NGC_CLI_ORG"
    from_flag = settle(home, GlobalFlags(org="flag-org", format_type="json"), NGC_CLI_ORG="env-org")
    assert (from_flag.org, from_flag.team, from_flag.format_type) == ("flag-org", "", "json")
    assert [(offer.text, offer.source) for offer in from_flag.candidates["org"]] == [
        ("flag-org", "global argument"),
        ("env-org", "environment variable"),
        ("file-org", "user settings"),
    ]
    assert [offer.text for offer in from_flag.candidates["team"]] == ["no-team", "t"]


def test_no_org_and_no_team_clear(home: Path) -> None:
    configured(home, default={"org": "o", "team": "t"})
    assert settle(home, NGC_CLI_TEAM="no-team").team == ""
    assert (settle(home, NGC_CLI_ORG="no-org").org, settle(home, NGC_CLI_ORG="no-org").team) == ("", "")
    kept = settle(home, GlobalFlags(org="x", team="t2"))
    assert (kept.org, kept.team) == ("x", "t2")


def test_teams_are_in_lower_case(home: Path) -> None:
    assert settle(home, GlobalFlags(org="o", team="team_B")).team == "team_b"


def test_a_team_without_an_org_is_told(home: Path) -> None:
    settings = settle(home, NGC_CLI_TEAM="t")
    assert settings.team == ""
    assert settings.warnings == ("team 't' has no effect without an org",)


def test_the_two_names_of_the_key_are_equal(home: Path) -> None:
    for variables in (
        {"NGC_CLI_API_KEY": "key-1"},
        {"NGC_API_KEY": "key-1"},
        {"NGC_CLI_API_KEY": "key-1", "NGC_API_KEY": "key-1"},
    ):
        settings = settle(home, **variables)
        assert settings.api_key is not None
        assert settings.api_key.reveal() == "key-1"
        assert settings.origin("api_key") == f"environment variable {next(iter(variables))}"


def test_two_different_keys_are_refused_without_showing_them(home: Path) -> None:
    with pytest.raises(UsageError) as caught:
        settle(home, NGC_CLI_API_KEY="canary-first-1111", NGC_API_KEY="canary-other-2222")
    assert "NGC_CLI_API_KEY (****1111) and NGC_API_KEY (****2222)" in str(caught.value)
    assert "canary" not in str(caught.value)


def test_old_names_work_with_a_warning(home: Path) -> None:
    settings = settle(
        home, NGC_APP_KEY="key-1", NGC_CONTEXT_ORG="acme", NGC_CLI_URL="https://registry.example"
    )
    assert settings.api_key is not None
    assert (settings.org, settings.api_url) == ("acme", "https://registry.example")
    assert settings.warnings == (
        "NGC_APP_KEY is an old name; use NGC_CLI_API_KEY",
        "NGC_CONTEXT_ORG is an old name; use NGC_CLI_ORG",
        "NGC_CLI_URL is an old name; use NGC_CLI_API_URL",
    )


def test_a_registry_of_ones_own_serves_everything(home: Path) -> None:
    settings = settle(home, NGC_CLI_API_URL="http://127.0.0.1:8080/", NGC_CLI_API_KEY="key-1")
    assert settings.api_url == settings.auth_url == settings.registry_url == "http://127.0.0.1:8080"
    assert settings.registry_host == "127.0.0.1:8080"
    assert settings.api_key is not None, "a key of the environment goes where the environment says"


def test_each_address_can_be_given(home: Path) -> None:
    settings = settle(
        home,
        NGC_CLI_API_URL="api.example",
        NGC_CLI_AUTH_URL="https://auth.example",
        NGC_CLI_REGISTRY_SERVICE_URL="127.0.0.1:5000",
        NGC_CLI_SEARCH_SERVICE_URL="http://localhost:9",
    )
    assert settings.api_url == "https://api.example"
    assert settings.auth_url == "https://auth.example"
    assert settings.registry_url == "https://127.0.0.1:5000"
    assert settings.search_url == "http://localhost:9"


@pytest.mark.parametrize(
    ("flags", "variables"),
    [
        (GlobalFlags(api_url="https://mirror.example"), {}),
        (GlobalFlags(), {"NGC_CLI_API_URL": "https://mirror.example"}),
        (GlobalFlags(), {"NGC_CLI_AUTH_URL": "https://mirror.example"}),
        (GlobalFlags(), {"NGC_CLI_REGISTRY_SERVICE_URL": "https://mirror.example"}),
    ],
)
def test_the_key_of_a_profile_goes_to_no_other_address(
    home: Path, flags: GlobalFlags, variables: dict[str, str]
) -> None:
    configured(home, default={"apikey": KEY, "org": "acme"})
    settings = settle(home, flags, **variables)
    assert settings.api_key is None
    assert "is not sent to https://mirror.example" in settings.warnings[0]
    assert KEY not in settings.warnings[0]
    with_key = settle(home, flags, NGC_API_KEY="own-choice", **variables)
    assert with_key.api_key is not None
    assert with_key.warnings == ()


def test_a_key_stored_for_an_address_is_used_there(home: Path) -> None:
    url = "https://registry.example:8443"
    configured(home, default={"apikey": "for-nvidia"}, lab={"apikey": KEY, "api_url": url + "/"})
    for flags, variables in (
        (GlobalFlags(profile="lab"), {}),
        (GlobalFlags(profile="lab", api_url=url), {}),
        (GlobalFlags(), {"NGC_CLI_PROFILE": "lab"}),
    ):
        settings = settle(home, flags, **variables)
        assert (settings.api_url, settings.registry_host) == (url, "registry.example:8443")
        assert settings.api_key is not None
        assert settings.api_key.reveal() == KEY
    withheld = settle(home, GlobalFlags(profile="lab", api_url="https://api.ngc.nvidia.com"))
    assert withheld.api_key is None
    assert withheld.auth_url == "https://authn.nvidia.com"


def test_side_addresses_of_a_profile_belong_to_its_own_api(home: Path) -> None:
    configured(
        home,
        default={
            "apikey": KEY,
            "api_url": "https://a.example",
            "auth_url": "https://auth.example",
            "registry_host": "images.example:5000",
        },
    )
    own = settle(home)
    assert (own.auth_url, own.registry_host) == ("https://auth.example", "images.example:5000")
    assert own.api_key is not None
    other = settle(home, GlobalFlags(api_url="https://b.example"))
    assert (other.auth_url, other.registry_host, other.api_key) == ("https://b.example", "b.example", None)


def test_a_profile_that_is_not_there(home: Path) -> None:
    configured(home, default={}, work={"org": "o"})
    with pytest.raises(UsageError, match=r"no profile 'wrok' \(--profile\)") as caught:
        settle(home, GlobalFlags(profile="wrok"))
    assert caught.value.hint == "Did you mean 'work'?"
    created = resolve(GlobalFlags(profile="new"), {"HOME": str(home)}, may_create=True)
    assert (created.profile, created.org) == ("new", "")
    assert settle(home, GlobalFlags(profile="work")).org == "o"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("NGC_CLI_FORMAT_TYPE", "jsno"),
        ("NGC_CLI_ORG", "a b"),
        ("NGC_CLI_API_URL", "http://registry.example"),
        ("NGC_CLI_API_URL", "https://user:pw@registry.example"),
        ("NGC_CLI_API_URL", "ftp://registry.example"),
        ("NGC_CLI_AUTH_URL", "https://host:port"),
        ("NGC_CLI_CA_BUNDLE", "/nowhere/ca.pem"),
        ("SSL_CERT_FILE", "/nowhere/ca.pem"),
        ("REQUESTS_CA_BUNDLE", ""),
        ("NGC_CLI_MAX_CONCURRENCY", "0"),
        ("NGC_CLI_DOWNLOAD_RETRIES", "-1"),
        ("NGC_CLI_UPLOAD_RETRIES", "many"),
        ("NGC_MAX_REQUEST_ATTEMPTS", "x"),
        ("NGC_CLI_TRANSFER_TIMEOUT", "nan"),
        ("NGC_CLI_PROGRESS_BAR_STYLE", "PRETTY"),
        ("NGC_CLI_EXIT_CODES", "old"),
        ("NGC_API_KEY", "canary with blanks"),
    ],
)
def test_bad_variables_are_named(home: Path, variable: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"^{variable}") as caught:
        settle(home, **{variable: value})
    assert "canary" not in str(caught.value)


def test_bad_values_of_options_and_files_are_named(home: Path) -> None:
    with pytest.raises(UsageError, match=r"^--timeout: '0' is not"):
        settle(home, GlobalFlags(timeout="0"))
    configured(home, default={"format_type": "yaml"})
    with pytest.raises(
        ConfigError, match=r"^format_type of profile 'default' in .*config: 'yaml' is not"
    ) as e:
        settle(home)
    assert e.value.hint == "Remove it: ngc config unset format_type"


def test_numbers_and_switches(home: Path) -> None:
    settings = settle(
        home,
        NGC_MAX_REQUEST_ATTEMPTS="9",
        NGC_CLI_UPLOAD_RETRIES="0",
        NGC_CLI_MAX_CONCURRENCY="7",
        NGC_CLI_TRANSFER_TIMEOUT="2.5",
        NGC_CLI_PROGRESS_BAR_STYLE="ascii",
        NGC_CLI_EXIT_CODES="compat",
    )
    assert (settings.retries, settings.download_retries, settings.upload_retries) == (4, 4, 0)
    assert (settings.concurrency, settings.timeout_s) == (7, 2.5)
    assert settings.progress_style == "ASCII"
    flagged = settle(home, GlobalFlags(retries="2", timeout="9"), NGC_CLI_UPLOAD_RETRIES="0")
    assert (flagged.retries, flagged.upload_retries, flagged.timeout_s) == (2, 2, 9.0)


@pytest.mark.parametrize(("value", "allowed"), [("", True), ("0", True), ("1", False), ("yes", False)])
def test_questions_can_be_forbidden(value: str, allowed: bool) -> None:
    assert may_ask({"NGC_CLI_NONINTERACTIVE": value}) is allowed


def test_certificates(home: Path, tmp_path: Path) -> None:
    for name in ("one.pem", "two.pem", "three.pem"):
        (tmp_path / name).write_text("")
    one, two, three = (str(tmp_path / name) for name in ("one.pem", "two.pem", "three.pem"))
    configured(home, default={"ca_bundle": three})
    assert settle(home).ca_bundle == three
    assert settle(home, SSL_CERT_FILE=two).ca_bundle == two
    assert settle(home, SSL_CERT_FILE=two, REQUESTS_CA_BUNDLE=one).ca_bundle == one
    assert settle(home, GlobalFlags(ca_bundle=three), NGC_CLI_CA_BUNDLE=one).ca_bundle == three


def test_a_file_of_somebody_else_is_passed_over(home: Path) -> None:
    (home / ".ngc" / "config").mkdir(parents=True)  # a folder cannot be opened either, also not by root
    settings = settle(home, NGC_API_KEY="key-1")
    assert settings.api_key is not None
    assert "cannot be read" in settings.warnings[0]


def test_settings_never_show_the_key(home: Path) -> None:
    configured(home, default={"apikey": KEY})
    settings = settle(home, NGC_API_KEY="canary-environment")
    assert "canary" not in repr(settings)
    assert "canary" not in f"{settings.api_key} {settings.candidates}"
