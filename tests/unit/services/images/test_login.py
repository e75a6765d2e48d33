"""Docker's configuration: our helper in and out, everything else untouched.

See docs/protocol/storage.md#credential-helpers.
"""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from ngc_cli.errors import LocalFileError, NgcError, UsageError
from ngc_cli.services.images.login import (
    HelperChange,
    add_helper,
    docker_config_path,
    login_program,
    remove_helper,
    singularity_exports,
)

OTHERS: dict[str, Any] = {
    "auths": {"registry.example": {"auth": "eDp5"}},
    "credHelpers": {"gcr.io": "gcloud"},
    "credsStore": "secretservice",
    "proxies": {"default": {"httpProxy": "http://p"}},
    "HttpHeaders": {"X": "ü"},
}


def content(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_helper_is_added_to_an_empty_home_and_taken_out_again(tmp_path: Path) -> None:
    path = docker_config_path({"HOME": str(tmp_path)})
    assert path == tmp_path / ".docker" / "config.json"
    assert add_helper(path, "nvcr.io") == HelperChange(path, True)
    assert content(path) == {"credHelpers": {"nvcr.io": "ngc"}}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert add_helper(path, "nvcr.io") == HelperChange(path, False)
    assert remove_helper(path, "nvcr.io") == HelperChange(path, True)
    assert content(path) == {}
    assert remove_helper(path, "nvcr.io") == HelperChange(path, False)


def test_everything_else_stays_and_comes_back(tmp_path: Path) -> None:
    path = docker_config_path({"HOME": "/nowhere", "DOCKER_CONFIG": str(tmp_path)})
    path.write_text(json.dumps(OTHERS), encoding="utf-8")
    path.chmod(0o644)
    add_helper(path, "nvcr.io")
    assert content(path) == {**OTHERS, "credHelpers": {"gcr.io": "gcloud", "nvcr.io": "ngc"}}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    remove_helper(path, "nvcr.io")
    assert content(path) == OTHERS
    assert [item.name for item in tmp_path.iterdir()] == ["config.json"]


def test_a_key_in_the_clear_is_taken_out_and_another_helper_replaced(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"auths": {"nvcr.io": {"auth": "c2VjcmV0"}}}))
    assert add_helper(path, "nvcr.io").replaced == "the login that was stored there"
    assert content(path) == {"auths": {"nvcr.io": {}}, "credHelpers": {"nvcr.io": "ngc"}}
    remove_helper(path, "nvcr.io")
    assert content(path) == {}
    path.write_text(json.dumps({"credHelpers": {"nvcr.io": "pass"}}))
    assert remove_helper(path, "nvcr.io") == HelperChange(path, False)
    assert add_helper(path, "nvcr.io").replaced == "the helper 'pass'"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.json"
    real.write_text("{}")
    path = tmp_path / "config.json"
    path.symlink_to(real)
    add_helper(path, "nvcr.io")
    assert path.is_symlink()
    assert content(real) == {"credHelpers": {"nvcr.io": "ngc"}}


@pytest.mark.parametrize("text", ["{", "[]", '{"credHelpers": []}', '{"auths": 5}', "\xff"])
def test_a_file_that_is_no_configuration_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(LocalFileError):
        add_helper(path, "nvcr.io")
    assert path.read_bytes() == text.encode("latin-1")


def test_exports_survive_a_shell(tmp_path: Path) -> None:
    import subprocess

    key = "k'e\"y $HOME"
    script = (
        singularity_exports(key)
        + 'printf "%s|%s" "$SINGULARITY_DOCKER_USERNAME" "$APPTAINER_DOCKER_PASSWORD"'
    )
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == f"$oauthtoken|{key}"


@pytest.fixture
def fake_docker(tmp_path: Path) -> Path:
    """A ``docker`` that writes down its words, its stdin and what others see of it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "docker"
    program.write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/words\n/bin/cat > {tmp_path}/input\n'
        f'/usr/bin/tr "\\0" " " < /proc/$$/cmdline > {tmp_path}/cmdline\n'
        f'[ ! -e {tmp_path}/fail ] || {{ echo "denied: k3y-canary" >&2; exit 1; }}\n'
    )
    program.chmod(0o755)
    return folder


def test_another_programs_login_gets_the_key_on_stdin_only(tmp_path: Path, fake_docker: Path) -> None:
    login_program("docker", "https://nvcr.io", "k3y-canary", {"PATH": str(fake_docker)})
    assert (tmp_path / "words").read_text().split() == [
        "login",
        "--username",
        "$oauthtoken",
        "--password-stdin",
        "nvcr.io",
    ]
    assert (tmp_path / "input").read_text() == "k3y-canary\n"
    assert "canary" not in (tmp_path / "cmdline").read_text()


def test_a_failing_login_is_told_without_the_key(tmp_path: Path, fake_docker: Path) -> None:
    from ngc_cli.http.redact import register_secret

    register_secret("k3y-canary")
    (tmp_path / "fail").touch()
    with pytest.raises(NgcError, match="'docker login' failed: denied") as caught:
        login_program("docker", "https://nvcr.io", "k3y-canary", {"PATH": str(fake_docker)})
    assert "canary" not in str(caught.value)
    with pytest.raises(NgcError, match="no program 'podman'"):
        login_program("podman", "https://nvcr.io", "k", {"PATH": str(fake_docker)})
    with pytest.raises(UsageError):
        login_program("wget", "https://nvcr.io", "k", {"PATH": str(fake_docker)})
