"""What is taken out of texts, in which forms, and what is left alone."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngc_cli.diagnostics.redaction import Redaction, Redactor, register_surroundings

HOME = "/home/jane doe"


@pytest.fixture
def redactor() -> Redactor:
    return Redactor({HOME: "~", "/srv/ngc": "$NGC_CLI_HOME"})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/jane doe", "~"),
        ("/home/jane doe/.ngc/config", "~/.ngc/config"),
        ("in /home/jane doe...", "in ~..."),
        ("in /home/jane doe.", "in ~."),
        ("PATH=/bin:/home/jane doe:/x", "PATH=/bin:~:/x"),
        ("/home/jane doe2/x", "/home/jane doe2/x"),
        ("/home/jane doe-old", "/home/jane doe-old"),
        ("/home/jane doe.old/x", "/home/jane doe.old/x"),
        ("/srv/ngc/.ngc", "$NGC_CLI_HOME/.ngc"),
        (f"x?home={quote(HOME, safe='')}", "x?home=~"),
        (f"home {base64.b64encode(HOME.encode()).decode()}", "home ~"),
        ("", ""),
    ],
)
def test_home_folders(redactor: Redactor, text: str, shown: str) -> None:
    assert redactor.text(text) == shown


@pytest.mark.parametrize("home", ["/", ""])
def test_a_home_that_is_everywhere_is_left_alone(home: str) -> None:
    assert Redactor({home: "~"}).text("/usr/bin") == "/usr/bin"


@pytest.mark.parametrize(
    "text",
    [
        "https://files.ngc.test/x?Signature=c4nary&Expires=1",
        "https://user:c4nary@proxy.ngc.test:3128",
        "GET /x?X-Amz-Signature=c4nary&n=1",
        "X-Amz-Security-Token=c4nary",
        "sig=c4nary",
        "Authorization: Bearer c4nary-c4nary",
        "nvapi-c4nary",
        "https://[c4nary?token=c4nary",
    ],
)
def test_secrets_known_by_their_place(redactor: Redactor, text: str) -> None:
    assert "c4nary" not in redactor.text(text)


def test_what_is_taken_out_is_counted_by_place(redactor: Redactor) -> None:
    redactor.text(f"{HOME} {HOME}/x", "report.txt")
    redactor.value({"a": [f"{HOME}/y", 7, None], HOME: "nvapi-abcdef"}, "report.json")
    redactor.text("nothing", "log.txt")
    assert redactor.redactions == [
        Redaction("report.json", "home folder", 2),
        Redaction("report.json", "secret", 1),
        Redaction("report.txt", "home folder", 2),
    ]


def test_json_values_keep_their_shape(redactor: Redactor) -> None:
    value = {"a": [1, 2.5, True, None, "x"], "b": {"c": ()}}
    assert redactor.value(value) == {"a": [1, 2.5, True, None, "x"], "b": {"c": []}}


def test_secrets_of_the_surroundings_become_known(tmp_path: Path, redactor: Redactor) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[CURRENT\n apikey = f1le-c4nary\nstarfleet_kas_session_key: sess10n-c4nary\n\xff", "latin-1"
    )
    environ = {
        "HTTPS_PROXY": "http://me:pr0xy%2Fc4nary@proxy:3128",
        "no_proxy": "localhost",
        "MY_TOKEN": "t0ken-c4nary",
        "DB_PASSWORD": "passw0rd-c4nary",
        "NGC_APP_KEY": "app-key-c4nary",
        "XDG_SESSION_TYPE": "wayland",
        "SHORT_KEY": "us",
    }
    register_surroundings(environ, config)
    for secret in (
        "f1le-c4nary",
        "sess10n-c4nary",
        "pr0xy/c4nary",
        "pr0xy%2Fc4nary",
        "t0ken-c4nary",
        "passw0rd-c4nary",
        "app-key-c4nary",
    ):
        assert "c4nary" not in redactor.text(f"see {secret} and {quote(secret, safe='')}")
        assert base64.b64encode(secret.encode()).decode() not in redactor.text(
            base64.b64encode(secret.encode()).decode()
        )
    assert "me:pr0xy/c4nary" not in redactor.text(base64.b64encode(b"me:pr0xy/c4nary").decode())
    assert redactor.text("wayland us localhost proxy") == "wayland us localhost proxy"


def test_a_config_file_that_is_not_there_harms_nothing(tmp_path: Path) -> None:
    register_surroundings({"HTTPS_PROXY": "http://[", "HTTP_PROXY": ""}, tmp_path / "none")
    register_surroundings({}, None)


@given(st.text())
def test_any_text_is_taken(text: str) -> None:
    Redactor({HOME: "~"}).text(text)
