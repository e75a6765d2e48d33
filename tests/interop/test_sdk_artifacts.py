"""ngcsdk from PyPI, unmodified and over TLS, against the embedded registry: models and resources.

Each call is checked for its effect, on the server by plain requests or on the disk, not only for its answer.
"""

from __future__ import annotations

import filecmp
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.artifacts import Wire, b64, ok
from support.registry import RunningRegistry
from support.sdk import Sdk

from ngc_cli.server.metadata import KeyKind

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("sdk"), pytest.mark.timeout(600)]

BIG = 1_100_000_000  # three parts of the official size, and three ranges of its downloads


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    (source / "sub" / "deep").mkdir(parents=True)
    for name in ("a.txt", "with blank.txt", "plus+hash#.txt", "sub/deep/ü✓.txt", ".hidden"):
        (source / name).write_bytes(name.encode())
    (source / "empty").write_bytes(b"")
    (source / "same as a").write_bytes(b"a.txt")
    return source


@pytest.fixture(params=["legacy key, org", "legacy key, team", "personal key, team"])
def place(
    request: pytest.FixtureRequest, tls_registry: RunningRegistry, make_sdk: Callable[..., Sdk]
) -> tuple[Sdk, str, str, Wire]:
    """An SDK, the target prefix, its segment still open, and the same place seen by plain requests."""
    org = tls_registry.org()
    team = tls_registry.team(org) if "team" in request.param else ""
    kind = KeyKind.LEGACY if "legacy" in request.param else KeyKind.PERSONAL
    key = tls_registry.key(org=org, team=team, role="REGISTRY_ADMIN", kind=kind)
    admin = tls_registry.session(tls_registry.key(org=org, role="REGISTRY_ADMIN"))
    prefix = f"{org}/{team}" if team else org
    return make_sdk(key, org, team or "no-team"), prefix, team, Wire(admin, org, team)


def test_the_whole_life_of_a_model(place: tuple[Sdk, str, str, Wire], folder: Path, tmp_path: Path) -> None:
    sdk, prefix, _team, wire = place
    overview = tmp_path / "overview.md"
    overview.write_text("# Overview\nhéllo\n", encoding="utf-8")
    metrics = tmp_path / "table.json"
    metrics.write_text(
        '{"name": "T", "attributes": [{"key": "John", "value": "Bonham"}, {"key": "n", "value": 5}]}'
    )
    target = f"{prefix}/bert"

    created, config = sdk.run(f"""
        tell(clt.registry.model.create("{target}", "NLP", "PyTorch", "fmt", "FP16", "short", display_name="BERT",
             overview_filename={str(overview)!r}, label=["fast", "Other One"], built_by="me", publisher="us",
             public_dataset_name="d", public_dataset_link="http://www.example.com", public_dataset_license="MIT"))
        tell(clt.current_config())
    """)
    settings = {entry["key"]: entry["value"] for entry in config}
    assert sdk.org in settings["org"]
    assert settings.get("team", "no-team") == sdk.team
    model = ok(wire.session.get(wire.at("bert")))["model"]
    assert created["name"] == "bert"
    assert (model["description"], model["displayName"]) == ("# Overview\nhéllo\n", "BERT")
    assert sorted(model["labels"]) == ["Other One", "fast"]
    assert model["publicDatasetUsed"] == {"name": "d", "link": "http://www.example.com", "license": "MIT"}
    assert "exist" in sdk.run_to_error(
        f'clt.registry.model.create("{target}", "NLP", "PyTorch", "fmt", "FP16", "short")'
    )

    sdk.run(f"""
        tell(clt.registry.model.upload_version("{target}:1", source={str(folder)!r}, gpu_model="V100", num_epochs=3,
             batch_size=4, accuracy_reached=91.5, description="d", link="http://www.example.com/x", link_type="Github",
             metric_files=[{str(metrics)!r}]))
    """)
    version = ok(wire.session.get(wire.at("bert", "versions", "1")))["modelVersion"]
    assert version["status"] == "UPLOAD_COMPLETE"
    assert (version["gpuModel"], version["numberOfEpochs"], version["accuracyReached"]) == ("V100", 3, 91.5)
    assert version["customMetrics"][0]["attributes"][1] == {"key": "n", "value": "5"}
    listed = ok(wire.session.get(wire.at("bert", "versions", "1", "files")))["modelFiles"]
    assert {file["path"]: file["sha256_base64"] for file in listed} == {
        path: b64(data) for path, data in tree(folder).items()
    }

    found, versions, files, info, version_info = sdk.run(f"""
        tell(clt.registry.model.list("{prefix}/*"))
        tell(clt.registry.model.list("{target}"))
        tell(clt.registry.model.list_files("{target}:1"))
        tell(clt.registry.model.info("{target}"))
        tell(clt.registry.model.info("{target}:1"))
    """)
    assert [item["name"] for item in found] == ["bert"]
    assert (found[0]["framework"], found[0]["modelFormat"], found[0]["latestVersionIdStr"]) == (
        "PyTorch",
        "fmt",
        "1",
    )
    assert [item["versionId"] for item in versions] == ["1"]
    assert {item["path"] for item in files} == set(tree(folder))
    assert info["model"]["latestVersionIdStr"] == "1"
    assert version_info["modelVersion"]["totalFileCount"] == len(tree(folder))

    sdk.run(f'clt.registry.model.download_version("{target}", destination={str(tmp_path)!r})')
    assert tree(tmp_path / "bert_v1") == tree(folder)
    some = tmp_path / "some"
    some.mkdir()
    sdk.run(f"""clt.registry.model.download_version("{target}:1", destination={str(some)!r},
        file_patterns=["*.txt"], exclude_patterns=["sub/*"])""")
    assert set(tree(some / "bert_v1")) == {"a.txt", "with blank.txt", "plus+hash#.txt"}

    (folder / "new").write_bytes(b"new")
    sdk.run(f"""
        tell(clt.registry.model.upload_version("{target}:2", source={str(folder / "new")!r}, base_version="1"))
        tell(clt.registry.model.update("{target}", short_description="other", add_label=["more"], remove_label=["fast"]))
        tell(clt.registry.model.update("{target}:1", gpu_model="A100", set_latest=True))
    """)
    model = ok(wire.session.get(wire.at("bert")))["model"]
    assert (model["shortDescription"], sorted(model["labels"])) == ("other", ["Other One", "more"])
    assert model["publicDatasetUsed"]["name"] == "d"
    assert model["latestVersionIdStr"] == "1"
    assert ok(wire.session.get(wire.at("bert", "versions", "2")))["modelVersion"]["totalFileCount"] == len(
        tree(folder)
    )

    sdk.run(f'clt.registry.model.remove("{target}:2")')
    assert wire.session.get(wire.at("bert", "versions", "2")).status_code == 404
    sdk.run(f'clt.registry.model.remove("{target}")')
    assert wire.session.get(wire.at("bert")).status_code == 404
    assert "not" in sdk.run_to_error(f'clt.registry.model.info("{target}")').lower()


def test_the_whole_life_of_a_resource(
    place: tuple[Sdk, str, str, Wire], folder: Path, tmp_path: Path
) -> None:
    sdk, prefix, _team, wire = place
    wire.segment = "resources"
    names = ("overview", "advanced", "performance", "quick_start_guide", "setup")
    for name in (*names, "release_notes"):
        (tmp_path / name).write_text(f"# {name} ✓\n", encoding="utf-8")
    texts = ", ".join(f"{name}_filename={str(tmp_path / name)!r}" for name in names)
    target = f"{prefix}/scripts"

    sdk.run(f"""
        tell(clt.registry.resource.create("{target}", "classification", "PYTORCH", "fmt", "fp16", "short",
             display_name="Scripts", label=["fast"], {texts}))
    """)
    recipe = ok(wire.session.get(wire.at("scripts")))["recipe"]
    assert (recipe["application"], recipe["trainingFramework"]) == ("CLASSIFICATION", "PyTorch")
    assert recipe["quickStartGuide"] == "# quick_start_guide ✓\n"
    assert recipe["description"] == "# overview ✓\n"

    sdk.run(f"""
        tell(clt.registry.resource.upload_version("{target}:v1", source={str(folder)!r}, batch_size=4,
             accuracy_reached=16.0, description="long", release_notes_filename={str(tmp_path / "release_notes")!r}))
    """)
    version = ok(wire.session.get(wire.at("scripts", "versions", "v1")))["recipeVersion"]
    assert (version["status"], version["releaseNotes"]) == ("UPLOAD_COMPLETE", "# release_notes ✓\n")

    found, versions, files, info, version_info = sdk.run(f"""
        tell(clt.registry.resource.list("{prefix}/*"))
        tell(clt.registry.resource.list("{target}"))
        tell(clt.registry.resource.list_files("{target}:v1"))
        tell(clt.registry.resource.info("{target}"))
        tell(clt.registry.resource.info("{target}:v1"))
    """)
    assert [item["name"] for item in found] == ["scripts"]
    assert found[0]["trainingFramework"] == "PyTorch"
    assert [item["versionId"] for item in versions] == ["v1"]
    assert {item["path"] for item in files} == set(tree(folder))
    assert info["recipe"]["latestVersionIdStr"] == "v1"
    assert version_info["recipeVersion"]["batchSize"] == 4

    sdk.run(f'clt.registry.resource.download_version("{target}:v1", destination={str(tmp_path)!r})')
    assert tree(tmp_path / "scripts_vv1") == tree(folder)

    sdk.run(f"""
        tell(clt.registry.resource.update("{target}", display_name="Other", setup_filename={str(tmp_path / "advanced")!r}))
        tell(clt.registry.resource.update("{target}:v1", gpu_model="A100", desc="new"))
    """)
    recipe = ok(wire.session.get(wire.at("scripts")))["recipe"]
    assert (recipe["displayName"], recipe["setup"], recipe["labels"]) == ("Other", "# advanced ✓\n", ["fast"])
    version = ok(wire.session.get(wire.at("scripts", "versions", "v1")))["recipeVersion"]
    assert (version["gpuModel"], version["description"]) == ("A100", "new")

    sdk.run(f'clt.registry.resource.remove("{target}:v1")')
    assert wire.session.get(wire.at("scripts", "versions", "v1")).status_code == 404
    sdk.run(f'clt.registry.resource.remove("{target}")')
    assert wire.session.get(wire.at("scripts")).status_code == 404


def test_a_large_file_goes_up_in_parts_and_comes_down_in_ranges(
    tls_registry: RunningRegistry, make_sdk: Callable[..., Sdk], tmp_path: Path
) -> None:
    org = tls_registry.org()
    sdk = make_sdk(tls_registry.key(org=org, kind=KeyKind.LEGACY), org)
    big = tmp_path / "big"
    block = os.urandom(10_000_000)
    with big.open("wb") as file:
        for number in range(BIG // len(block)):
            file.write(block[number:] + block[:number])
    with tls_registry.watching() as lines:
        sdk.run(f"""
            clt.registry.model.create("{org}/m", "a", "f", "f", "p", "s")
            clt.registry.model.upload_version("{org}/m:1", source={str(big)!r})
            clt.registry.model.download_version("{org}/m:1", destination={str(tmp_path)!r})
        """)
    assert sum(line.path.startswith("/links/parts/") for line in lines) == 3
    assert sum(line.path.startswith("/links/content/") for line in lines) == 3
    assert not any(line.authorization for line in lines if line.path.startswith("/links/"))
    assert filecmp.cmp(big, tmp_path / "m_v1" / "big", shallow=False)


def test_many_files_take_every_page(
    tls_registry: RunningRegistry, make_sdk: Callable[..., Sdk], tmp_path: Path
) -> None:
    """2,000 files are exactly two pages of links: the official client asks for a third."""
    org = tls_registry.org()
    sdk = make_sdk(tls_registry.key(org=org, kind=KeyKind.LEGACY), org)
    wire = Wire(tls_registry.session(tls_registry.key(org=org)), org)
    ok(wire.create("m"))
    ok(wire.create_version("m", "1"))
    wire.upload("m", "1", "f", b"same")
    ok(wire.commit("m", "1", {f"folder{n % 7}/file{n}": b"same" for n in range(2000)}))
    ok(wire.finish("m", "1"))
    sdk.run(f'clt.registry.model.download_version("{org}/m:1", destination={str(tmp_path)!r})')
    assert len(tree(tmp_path / "m_v1")) == 2000
