"""Locked and unlocked: who may fetch without a key, against the embedded registry."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.commands import MakeShell, Shell
from support.images import add_image
from support.registry import RunningRegistry

from ngc_cli.oci.layout import Layout


@pytest.fixture(autouse=True)
def _in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def org(registry: RunningRegistry) -> str:
    return registry.org()


@pytest.fixture
def ngc(shell: MakeShell, registry: RunningRegistry, org: str) -> Shell:
    key = registry.key(org=org, role="REGISTRY_ADMIN")
    return shell(registry, key, org, DOCKER_HOST="unix:///nonexistent")


@pytest.fixture
def guest(shell: MakeShell, registry: RunningRegistry) -> Shell:
    return shell(registry, DOCKER_HOST="unix:///nonexistent")


def test_an_image_is_unlocked_and_locked_again(ngc: Shell, guest: Shell, org: str) -> None:
    add_image(Layout.create(Path("source")), tag="1")
    ngc.ok(f"registry image push {org}/net:1 --source oci:source")
    pull = f"registry image pull {org}/net:1 -o oci:out"
    assert guest(pull).code == 10
    assert ngc.json("registry image list")[0]["canGuestPull"] is False
    ngc.ok(f"registry image update {org}/net --public --guest-access")
    assert " unlocked" in ngc.ok("registry image list")
    assert guest(pull).code == 0
    ngc.ok(f"registry image update {org}/net --no-guest-access")
    assert " locked" in ngc.ok("registry image list")
    assert guest(pull).code == 10
    done = ngc(f"registry image update {org}/net --no-public --guest-access")
    assert "add --public" in done.err
    assert guest(pull).code == 10


@pytest.mark.parametrize("noun", ["model", "model-script"])
def test_a_model_is_unlocked_and_locked_again(ngc: Shell, guest: Shell, org: str, noun: str) -> None:
    Path("source").mkdir()
    Path("source/a.bin").write_text("x")
    described = "--application OTHER --framework Other --format F --precision FP32 --short-desc s"
    ngc.ok(f"registry {noun} create net {described}")
    ngc.ok(f"registry {noun} upload-version net:1 --source source")
    download = f"registry {noun} download-version {org}/net:1 --dest out"
    assert guest(download).code == 12, "what a guest may not see is not there for it"
    ngc.ok(f"registry {noun} update net --public --guest-access")
    assert guest(download).code == 0
    ngc.ok(f"registry {noun} update net --no-guest-access --no-public")
    assert guest(f"{download}2").code == 12
    assert ngc(f"registry {noun} update net:1 --public").code == 2


def test_only_administrators_open(shell: MakeShell, ngc: Shell, registry: RunningRegistry, org: str) -> None:
    ngc.ok("registry model create net")
    user = shell(registry, registry.key(org=org, role="REGISTRY_USER"), org)
    assert user("registry model update net --public").code == 11
