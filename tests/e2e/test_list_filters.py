"""What --mine, --owner, --policy and --release-type show, on our own registry, set by our own client."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.program import Ngc
from support.registry import RunningRegistry


def names(ngc: Ngc, line: str) -> list[str]:
    return [item["name"] for item in ngc.json(line)]


@pytest.mark.parametrize("noun", ["model", "model-script"])
def test_artifacts(registry: RunningRegistry, make_ngc: Callable[..., Ngc], noun: str) -> None:
    org = registry.org()
    team = registry.team(org)
    mine = make_ngc(registry, registry.key(org=org))
    other = make_ngc(registry, registry.key(org=org, role="REGISTRY_ADMIN"))
    about = "--application OTHER --framework TensorFlow --format onnx --precision FP16 --short-desc x"
    mine.run(f"registry {noun} create {org}/a {about}")
    other.run(f"registry {noun} create {org}/b {about}")
    other.run(f"registry {noun} create {org}/{team}/c {about}")
    (mine.folder / "w").write_text("w")
    mine.run(f"registry {noun} upload-version --source w {org}/a:1")
    mine.run(f"registry {noun} update {org}/a:1 --policy gov_ready --release-type ga")
    everything = f"registry {noun} list '{org}/*'"
    assert names(other, everything) == ["a", "b", "c"]
    assert names(mine, f"{everything} --mine") == ["a"]
    assert names(other, f"{everything} --mine") == ["b", "c"]
    assert names(other, f"registry {noun} list --owner {org}/{team}") == ["c"]
    assert names(mine, f"{everything} --policy GOV_READY") == ["a"]
    assert names(mine, f"{everything} --release-type ga") == ["a"]
    assert names(mine, f"{everything} --release-type beta") == []
    version = mine.json(f"registry {noun} info {org}/a:1")
    assert (version["policy"], version["releaseType"]) == (["GOV_READY"], "GA")


def test_images(registry: RunningRegistry, make_ngc: Callable[..., Ngc]) -> None:
    org = registry.org()
    mine, other = (make_ngc(registry, registry.key(org=org)) for _ in range(2))
    mine.run(f"registry image create {org}/a")
    other.run(f"registry image create {org}/b")
    mine.run(f"registry image update {org}/a --policy gov_ready --release-type beta")
    everything = f"registry image list '{org}/*'"
    assert names(mine, everything) == ["a", "b"]
    assert names(mine, f"{everything} --mine") == ["a"]
    assert names(mine, f"{everything} --policy gov_ready") == ["a"]
    assert names(mine, f"{everything} --release-type beta") == ["a"]
    assert names(mine, f"{everything} --release-type ga") == []
