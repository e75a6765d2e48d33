"""Every setting tells the truth: each variable has an effect, and the code reads no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

import ngc_cli
from ngc_cli.cli.globals import GlobalFlags
from ngc_cli.config.profiles import resolve
from ngc_cli.config.variables import (
    HOME_VARIABLE,
    NONINTERACTIVE_VARIABLE,
    PROXY_VARIABLES,
    SETTINGS,
    may_ask,
    variables,
)

ROOT = Path(ngc_cli.__file__).parent
SERVICE = "http://127.0.0.1:5000"
EFFECTS: dict[str, tuple[str, str, Any]] = {
    "NGC_API_KEY": ("k-1234", "api_key", "k-1234"),
    "NGC_APP_KEY": ("k-1234", "api_key", "k-1234"),
    "NGC_CLI_API_KEY": ("k-1234", "api_key", "k-1234"),
    "NGC_CLI_API_URL": (SERVICE, "api_url", SERVICE),
    "NGC_CLI_AUTH_URL": (SERVICE, "auth_url", SERVICE),
    "NGC_CLI_DOWNLOAD_RETRIES": ("7", "download_retries", 7),
    "NGC_CLI_FORMAT_TYPE": ("csv", "format_type", "csv"),
    "NGC_CLI_MAX_CONCURRENCY": ("3", "concurrency", 3),
    "NGC_CLI_ORG": ("acme", "org", "acme"),
    "NGC_CLI_PROGRESS_BAR_STYLE": ("NONE", "progress_style", "NONE"),
    "NGC_CLI_REGISTRY_SERVICE_URL": (SERVICE, "registry_url", SERVICE),
    "NGC_CLI_SEARCH_SERVICE_URL": (SERVICE, "search_url", SERVICE),
    "NGC_CLI_TEAM": ("crew", "team", "crew"),
    "NGC_CLI_TRANSFER_TIMEOUT": ("4", "timeout_s", 4.0),
    "NGC_CLI_UPLOAD_RETRIES": ("8", "upload_retries", 8),
    "NGC_CLI_URL": (SERVICE, "api_url", SERVICE),
    "NGC_CONTEXT_ORG": ("acme", "org", "acme"),
    "NGC_MAX_REQUEST_ATTEMPTS": ("3", "retries", 2),
}
"""By variable: a value, and what the setting of that name becomes by it."""
CA_VARIABLES = ("NGC_CLI_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
ELSEWHERE = {
    "NGC_CLI_EXIT_CODES",
    HOME_VARIABLE,
    NONINTERACTIVE_VARIABLE,
    "NGC_CLI_PROFILE",
    *CA_VARIABLES,
    *PROXY_VARIABLES,
}
"""Seen by the tests below; proxies and exit codes by those of ``tests/unit/http`` and ``tests/cli``."""


def test_every_variable_is_looked_at() -> None:
    assert {*EFFECTS, *ELSEWHERE} == variables()


@pytest.mark.parametrize("variable", EFFECTS)
def test_a_variable_changes_its_setting(tmp_path: Path, variable: str) -> None:
    value, name, expected = EFFECTS[variable]
    home = {"HOME": str(tmp_path), "NGC_CLI_ORG": "acme"}
    before, after = (resolve(GlobalFlags(), environ) for environ in (home, {**home, variable: value}))
    if variable.endswith("_ORG"):
        before, after = (
            resolve(GlobalFlags(), {"HOME": str(tmp_path), **more}) for more in ({}, {variable: value})
        )
    found = getattr(after, name)
    assert (found.reveal() if name == "api_key" else found) == expected
    assert getattr(before, name) != getattr(after, name)
    assert variable in after.origin(name) or name in ("retries", "download_retries", "upload_retries")


@pytest.mark.parametrize("variable", CA_VARIABLES)
def test_a_bundle_of_certificates_is_taken(tmp_path: Path, variable: str) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("")
    assert resolve(GlobalFlags(), {"HOME": str(tmp_path), variable: str(bundle)}).ca_bundle == str(bundle)


def test_home_profile_and_questions(tmp_path: Path) -> None:
    (tmp_path / ".ngc").mkdir()
    (tmp_path / ".ngc" / "config").write_text("[CURRENT]\norg = one\n\n[profile lab]\norg = two\n")
    environ = {"HOME": "/nonexistent", HOME_VARIABLE: str(tmp_path)}
    assert resolve(GlobalFlags(), environ).org == "one"
    assert resolve(GlobalFlags(), {**environ, "NGC_CLI_PROFILE": "lab"}).org == "two"
    assert may_ask({}) and not may_ask({NONINTERACTIVE_VARIABLE: "1"})


@pytest.mark.parametrize("name", sorted({*SETTINGS} - {"attempts", "exit_codes"}))
def test_every_setting_has_a_reader(name: str) -> None:
    """Somebody outside of the configuration asks for it.

    ``attempts`` becomes ``retries`` there, and ``main`` must know the exit codes when nothing can be read.
    """
    readers = [path for path in ROOT.rglob("*.py") if path.parent.name != "config"]
    assert any(re.search(rf"\b(settings|_resolved)\.{name}\b", path.read_text()) for path in readers), name


def test_the_code_reads_no_other_variable() -> None:
    named = {
        node.value
        for path in ROOT.rglob("*.py")
        if "server" not in path.relative_to(ROOT).parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if re.fullmatch(r"_?NGC_[A-Z_]+", node.value)
    }
    assert named - {"_NGC_COMPLETE"} <= variables()
