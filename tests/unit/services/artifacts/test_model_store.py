"""What an inference server takes, and the section of its guide that says so (docs/guides/inference-server.md)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.modelstore import MNIST, RESNET, RESNET_BY_GPU, RESNET_IN_ONE, mnist, write

from ngc_cli.errors import ConfigError, LocalFileError
from ngc_cli.services.artifacts import model_config
from ngc_cli.services.artifacts.model_config import BrokenConfig, VersionPolicy, parse_config
from ngc_cli.services.artifacts.model_store import INFERENCE_SERVER, TRITON, StoreReport, check_store

Files = dict[str, str]


def resnet(config: str, **more: str) -> Files:
    return {"resnet50/config.pbtxt": config, "resnet50/3/model.graphdef": "graph", **more}


def renamed(files: Files, old: str, new: str) -> Files:
    return {new if name == old else name: text for name, text in files.items()}


def without(files: Files, name: str) -> Files:
    return {path: text for path, text in files.items() if path != name}


@pytest.mark.parametrize("era", [TRITON, INFERENCE_SERVER])
@pytest.mark.parametrize(
    "files", [mnist(), resnet(RESNET_BY_GPU), resnet(RESNET_IN_ONE)], ids=["mnist", "by-gpu", "in-one"]
)
def test_the_models_of_the_guide_are_taken(tmp_path: Path, files: Files, era: str) -> None:
    model = next(iter(files)).partition("/")[0]
    assert check_store(write(tmp_path, files), era) == StoreReport((model,), ())


NETDEF = 'name: "net"\nplatform: "caffe2_netdef"\n'
SAVED = 'name: "net"\nplatform: "tensorflow_savedmodel"\n'
PLAN = 'name: "net"\nplatform: "tensorrt_plan"\n'
BROKEN: dict[str, tuple[Files, str, str]] = {
    "no configuration": (without(mnist(), "trt_mnist/config.pbtxt"), "6", "trt_mnist/config.pbtxt"),
    "another name": (
        mnist(config=MNIST.replace('"trt_mnist"', '"mnist"')),
        "6",
        "trt_mnist/config.pbtxt",
    ),
    "no version": ({"net/config.pbtxt": PLAN}, "6", "net"),
    "a hidden folder": ({**mnist(), ".ngc-transfer/x/done.jsonl": ""}, "6", ".ngc-transfer"),
    "a version that is no number": ({**mnist(), "trt_mnist/v2/model.plan": ""}, "6.1", "trt_mnist/v2"),
    "a leading zero": ({**mnist(), "trt_mnist/01/model.plan": ""}, "6.1", "trt_mnist/01"),
    "two policies": (
        resnet(RESNET + "version_policy { all {} latest { num_versions: 2 } }"),
        "6.1",
        "resnet50/config.pbtxt",
    ),
    "a policy for a version that is not there": (
        resnet(RESNET + "version_policy { specific { versions: [3, 4] } }"),
        "6.1",
        "resnet50/config.pbtxt",
    ),
    "an empty version": ({**resnet(RESNET), "resnet50/4/": ""}, "6.2", "resnet50/4"),
    "a definition of another name": (
        renamed(resnet(RESNET), "resnet50/3/model.graphdef", "resnet50/3/frozen.pb"),
        "6.2",
        "resnet50/3",
    ),
    "a default name that is not there": (
        resnet(RESNET + 'default_model_filename: "../../etc/passwd"'),
        "6.2",
        "resnet50/3",
    ),
    "no text of protobuf": (resnet('{"name": "resnet50"}'), "6.3", "resnet50/config.pbtxt"),
    "no labels": (without(mnist(), "trt_mnist/mnist_labels.txt"), "6.3", "trt_mnist/mnist_labels.txt"),
    "no platform": (
        resnet(RESNET.replace('platform: "tensorflow_graphdef"', "")),
        "6.3",
        "resnet50/config.pbtxt",
    ),
    "a SavedModel that is a file": (
        {"net/config.pbtxt": SAVED, "net/1/model.savedmodel": "x"},
        "6.3.2",
        "net/1",
    ),
    "a missing definition for a GPU": (without(mnist(), "trt_mnist/1/model7_0.plan"), "6.3.3", "trt_mnist/1"),
    "half a NetDef": ({"net/config.pbtxt": NETDEF, "net/1/model.netdef": "x"}, "6.3.4", "net/1"),
    "ONNX": (
        {"net/config.pbtxt": 'name: "net" platform: "onnxruntime_onnx"', "net/1/model.onnx": "x"},
        "6.3.5",
        "net/config.pbtxt",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_store_is_told_by_section_with_a_next_step(tmp_path: Path, name: str) -> None:
    files, section, path = BROKEN[name]
    report = check_store(write(tmp_path, files), INFERENCE_SERVER)
    assert [(item.section, item.path) for item in report.problems] == [(section, path)]
    assert report.problems[0].rule
    assert report.problems[0].hint.endswith(".")


@pytest.mark.parametrize(
    "files",
    [
        {"net/1/model.onnx/model.onnx": "x", "net/1/model.onnx/weights": "x"},
        {"net/config.pbtxt": 'backend: "python"', "net/0/model.py": "x"},
        {"net/config.pbtxt": 'backend: "openvino"', "net/1/model.xml": "x", "net/1/model.bin": "x"},
        {"net/config.pbtxt": 'backend: "own"', "net/1/anything": "x", "net/configs/big.pbtxt": ""},
        {"net/config.pbtxt": 'platform: "ensemble" ensemble_scheduling { step [ {}, {} ] }', "net/1/": ""},
        {"net/config.pbtxt": PLAN + 'default_model_filename: "a.plan"', "net/1/a.plan": "x", "README": ""},
    ],
)
def test_what_only_triton_takes(tmp_path: Path, files: Files) -> None:
    assert check_store(write(tmp_path, files)).problems == ()


def test_without_a_configuration_triton_must_know_the_definition(tmp_path: Path) -> None:
    report = check_store(write(tmp_path, {"net/1/model.graphdef": "x"}))
    assert [(item.section, item.path) for item in report.problems] == [("6.2", "net/1")]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LocalFileError, match="there is no folder"):
        check_store(tmp_path / "none")


@pytest.mark.parametrize(
    ("policy", "served"),
    [
        ("", [7]),
        ("version_policy { latest {} }", [7]),
        ("version_policy: { latest: { num_versions: 2 } }", [2, 7]),
        ("version_policy { all {} }", [0, 2, 7]),
        ("version_policy { specific { versions: [2] } }", [2]),
    ],
)
def test_which_versions_are_served(policy: str, served: list[int]) -> None:
    found = parse_config(policy.encode()).version_policy
    assert [number for number in (0, 2, 7) if found.serves(number, frozenset({0, 2, 7}))] == served


def test_a_policy_of_nothing_is_none() -> None:
    assert parse_config(b"version_policy {}").version_policy == VersionPolicy(())


@pytest.mark.parametrize("data", [b'name: "a', b"\xff", b"a {" * 3000, b"name: 3", b"x" * (4 << 20) + b"x"])
def test_what_is_no_configuration(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "config.pbtxt").write_bytes(data)
    with pytest.raises(BrokenConfig):
        model_config.read_config(tmp_path / "config.pbtxt")


@pytest.fixture
def no_protobuf(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Takes protobuf away."""

    def take() -> None:
        monkeypatch.setitem(sys.modules, "google.protobuf", None)
        model_config._schema.cache_clear()

    return take


def test_without_protobuf_the_hint_says_what_to_install(no_protobuf: Callable[[], None]) -> None:
    no_protobuf()
    with pytest.raises(ConfigError) as caught:
        parse_config(b"")
    assert "ngc-cli[triton]" in caught.value.hint
