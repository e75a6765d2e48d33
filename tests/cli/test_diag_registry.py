"""``ngc diag`` against the embedded registry, which is a real server, and how long it takes as a program."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.commands import MakeShell
from support.registry import RunningRegistry

import ngc_cli
from ngc_cli.server.metadata import KeyKind


@pytest.fixture
def org(registry: RunningRegistry) -> str:
    return registry.org()


@pytest.mark.parametrize("kind", [KeyKind.PERSONAL, KeyKind.LEGACY, KeyKind.SERVICE])
def test_everything_is_fine(
    registry: RunningRegistry, shell: MakeShell, org: str, tmp_path: Path, kind: KeyKind
) -> None:
    run = shell(registry, registry.key(org=org, role="REGISTRY_ADMIN", kind=kind), org)
    source = tmp_path / "model"
    source.mkdir()
    (source / "weights.bin").write_bytes(os.urandom(3_000_000))
    run.ok(
        f"registry model create {org}/net --application a --framework f --format m --precision p --short-desc s"
    )
    run.ok(f"registry model upload-version {org}/net:1 --source {source}")
    with registry.watching() as seen:
        done = run("diag all --no-dir-size")
    assert done.code == 0, done.out + done.err
    lines = done.out.splitlines()
    host = registry.url.partition("://")[2]
    for label in (
        "API Connectivity",
        "Container Registry Connectivity",
        "Container Registry Meta Connectivity",
        "Model Registry Connectivity",
        "Data storage connectivity",
    ):
        assert f"{label}: SUCCESS" in lines
    assert any(line.startswith("Sustained read: 2.86 MB in ") for line in lines)
    assert f"Global IP Address: 127.0.0.1 (seen by {host})" in lines
    assert f"{org}: REGISTRY_ADMIN" in lines or kind is KeyKind.SERVICE
    assert [
        line.path for line in seen if line.status >= 400 and line.path != "/v2/" and line.path != "/token"
    ] == []


def test_a_revoked_key_is_named(registry: RunningRegistry, shell: MakeShell, org: str) -> None:
    key = registry.key(org=org)
    run = shell(registry, key, org)
    registry.revoke(key)
    done = run("diag server --format_type json")
    assert done.code == 1
    failed = {check["check"]: check["cause"] for check in done.data["server"] if check["status"] == "failed"}
    assert failed["authentication"] == failed["model_registry"] == failed["container_registry"] == "key"
    assert key not in done.out + done.err


def test_a_foreign_org_is_named(registry: RunningRegistry, shell: MakeShell, org: str) -> None:
    foreign = registry.org()
    run = shell(registry, registry.key(org=org), foreign)
    done = run("diag server --format_type json")
    assert done.code == 1
    failed = {check["check"]: check["cause"] for check in done.data["server"] if check["status"] == "failed"}
    assert failed == {"authentication": "forbidden"}
    detail = next(check["detail"] for check in done.data["server"] if check["check"] == "authentication")
    assert f"no role in org '{foreign}'" in detail


def client_form(folder: Path, *words: str) -> tuple[str, float]:
    """What ``ngc diag client`` prints as a program, and the seconds it takes."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "ngc_cli", "diag", "client", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(ngc_cli.__file__).parents[1])},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout, time.perf_counter() - started


def test_the_client_form_takes_less_than_a_second(tmp_path: Path) -> None:
    assert min(client_form(tmp_path, "--no-dir-size")[1] for _ in range(5)) < 1


def test_the_size_of_a_huge_directory_is_bounded() -> None:
    out, duration_s = client_form(Path("/"))
    assert duration_s < 5
    assert "Checking current directory (/) size...\nSize: " in out
