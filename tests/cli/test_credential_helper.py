"""``docker-credential-ngc`` and ``ngc registry image login``: the helper's protocol over ngc's own keys."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.commands import MakeShell
from support.registry import RunningRegistry

from ngc_cli import __version__, credential_helper
from ngc_cli.config.secrets import Secret
from ngc_cli.services.configuration import change_profile, stored_key

NOT_FOUND = "credentials not found in native keychain"
KEY = "nvapi-canary-key-1"


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str


Helper = Callable[..., Answer]


@pytest.fixture
def helper(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Helper:
    def call(*words: str, given: str = "", **environ: str) -> Answer:
        with monkeypatch.context() as patch:
            patch.setattr("sys.stdin", io.StringIO(given))
            for name, value in environ.items():
                patch.setenv(name, value)
            capsys.readouterr()
            code = credential_helper.main(words)
        return Answer(code, *capsys.readouterr())

    return call


@pytest.fixture
def config() -> Path:
    """The config file, with a key for nvcr.io and, in another profile, one for a registry of one's own."""
    path = Path(os.environ["HOME"]) / ".ngc" / "config"
    change_profile(path, "default", {"org": "acme"}, api_key=Secret(KEY), storage="file")
    change_profile(
        path, "own", {"api_url": "http://127.0.0.1:5000"}, api_key=Secret("own-key-2"), storage="file"
    )
    return path


@pytest.mark.parametrize(
    "server", ["nvcr.io", "nvcr.io\n", "https://nvcr.io", "https://nvcr.io/v2/", "nvcr.io:443"]
)
def test_get_answers_for_the_registry_in_every_spelling(helper: Helper, config: Path, server: str) -> None:
    done = helper("get", given=server)
    assert (done.code, json.loads(done.out)) == (
        0,
        {"ServerURL": "nvcr.io", "Username": "$oauthtoken", "Secret": KEY},
    )


def test_each_key_is_given_for_the_registry_of_its_profile_only(helper: Helper, config: Path) -> None:
    assert json.loads(helper("get", given="127.0.0.1:5000").out)["Secret"] == "own-key-2"
    for server in ("evil.example", "nvcr.io.evil.example", "127.0.0.1", "127.0.0.1:5001", "docker.io"):
        done = helper("get", given=server)
        assert (done.code, done.out) == (1, NOT_FOUND), server


def test_a_key_in_the_environment_is_for_the_registry_in_effect_only(helper: Helper, config: Path) -> None:
    assert json.loads(helper("get", given="nvcr.io", NGC_CLI_API_KEY="env-key").out)["Secret"] == "env-key"
    assert (
        json.loads(helper("get", given="127.0.0.1:5000", NGC_CLI_API_KEY="env-key").out)["Secret"]
        == "own-key-2"
    )


def test_without_a_key_callers_go_on_as_guests(helper: Helper) -> None:
    assert helper("get", given="nvcr.io") == Answer(1, NOT_FOUND, "")
    assert helper("list") == Answer(0, "{}\n", "")


def test_list_names_registries_and_version_is_one_line(helper: Helper, config: Path) -> None:
    assert json.loads(helper("list").out) == {"nvcr.io": "$oauthtoken", "127.0.0.1:5000": "$oauthtoken"}
    for word in ("version", "--version"):
        assert helper(word).out == f"docker-credential-ngc {__version__}\n"


def stored(server: str, key: str, user: str = "$oauthtoken") -> str:
    return json.dumps({"ServerURL": server, "Username": user, "Secret": key}) + "\n"


def test_store_keeps_the_key_in_the_profile_of_the_registry(helper: Helper, config: Path) -> None:
    assert helper("store", given=stored("nvcr.io", "new-key")) == Answer(0, "", "")
    assert json.loads(helper("get", given="nvcr.io").out)["Secret"] == "new-key"
    assert helper("store", given=stored("127.0.0.1:5000", "new-own-key")).code == 0
    key = stored_key(config, "own")
    assert key is not None
    assert key.reveal() == "new-own-key"
    before = config.stat().st_mtime_ns
    assert helper("store", given=stored("nvcr.io", "new-key")).code == 0
    assert config.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (stored("nvcr.io", "k", "somebody"), "knows the user $oauthtoken only"),
        (stored("", "k"), "no credentials server URL"),
        (stored("nvcr.io", "k", ""), "no credentials username"),
        (stored("nvcr.io", "a b"), "not an API key"),
        (stored("other.example", "k"), "no profile of ngc is for the registry other.example"),
        ("not json", "not a JSON object"),
        ("[]", "not a JSON object"),
    ],
)
def test_what_cannot_be_stored_is_refused_on_stdout(
    helper: Helper, config: Path, given: str, message: str
) -> None:
    done = helper("store", given=given)
    assert done.code == 1
    assert message in done.out


def test_erase_forgets_the_key_of_that_registry_and_may_be_called_twice(helper: Helper, config: Path) -> None:
    for _ in range(2):
        assert helper("erase", given="nvcr.io") == Answer(0, "", "")
    assert helper("get", given="nvcr.io").out == NOT_FOUND
    assert json.loads(helper("get", given="127.0.0.1:5000").out)["Secret"] == "own-key-2"
    assert helper("erase", given="other.example").code == 0


@pytest.mark.parametrize("words", [(), ("get", "x"), ("fetch",)])
def test_unknown_actions_are_refused(helper: Helper, words: tuple[str, ...]) -> None:
    done = helper(*words)
    assert done.code == 1
    assert done.out.startswith("usage: docker-credential-ngc get|store|erase|list|version")


def test_an_empty_address_and_a_damaged_config_are_told(helper: Helper, config: Path) -> None:
    assert helper("get", given="\n") == Answer(1, "no credentials server URL", "")
    config.write_text("[CURRENT\napikey = " + KEY)
    done = helper("get", given="nvcr.io")
    assert done.code == 1
    assert "is damaged at line 1" in done.out
    assert KEY not in done.out + done.err


# login


@pytest.fixture
def docker_config() -> Path:
    return Path(os.environ["HOME"]) / ".docker" / "config.json"


def content(path: Path) -> Any:
    return json.loads(path.read_text())


def test_login_and_logout_change_one_line_of_dockers_configuration(
    shell: MakeShell, registry: RunningRegistry, docker_config: Path
) -> None:
    org = registry.org()
    key = registry.key(org=org)
    ngc = shell(registry, key, org)
    host = registry.url.partition("://")[2]
    docker_config.parent.mkdir()
    docker_config.write_text('{"psFormat": "x"}')
    done = ngc("registry image login")
    assert done.code == 0, done.err
    assert content(docker_config) == {"psFormat": "x", "credHelpers": {host: "ngc"}}
    assert "only where that is set" in done.err
    assert key not in done.out + done.err
    assert ngc.json("registry image login") == {
        "registry": host,
        "config": str(docker_config),
        "helper": "ngc",
    }
    assert ngc.json("registry image logout") == {"registry": host, "config": str(docker_config)}
    assert content(docker_config) == {"psFormat": "x"}
    assert "did not use the API key" in ngc.ok("registry image logout")


def test_a_key_that_the_registry_refuses_is_not_used_to_log_in(
    shell: MakeShell, registry: RunningRegistry, docker_config: Path
) -> None:
    done = shell(registry, "nvapi-wrong", "acme")("registry image login")
    assert done.code == 10
    assert not docker_config.exists()


def test_the_environment_of_singularity_is_printed_for_eval(
    shell: MakeShell, registry: RunningRegistry
) -> None:
    out = shell(registry, "some-key", "acme").ok("registry image login --print-env singularity")
    assert out.splitlines() == [
        "export SINGULARITY_DOCKER_USERNAME='$oauthtoken'",
        "export SINGULARITY_DOCKER_PASSWORD=some-key",
        "export APPTAINER_DOCKER_USERNAME='$oauthtoken'",
        "export APPTAINER_DOCKER_PASSWORD=some-key",
    ]
