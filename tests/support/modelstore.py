"""Model stores of an inference server: the configurations of its guide, and stores made of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

MNIST = """\
name: "trt_mnist"
platform: "tensorrt_plan"
max_batch_size: 8
input [
  { name: "data" data_type: TYPE_FP32 format: FORMAT_NCHW dims: [ 1, 28, 28 ] }
]
output [
  { name: "prob" data_type: TYPE_FP32 dims: [ 10, 1, 1 ] label_filename: "mnist_labels.txt" }
]
cc_model_filenames [
  { key: "6.1" value: "model6_1.plan" },
  { key: "7.0" value: "model7_0.plan" }
]
instance_group [
  { count: 2 gpus: [ 0 ] }
]
"""
RESNET = """\
name: "resnet50"
platform: "tensorflow_graphdef"
max_batch_size: 128
input [
  { name: "input" data_type: TYPE_FP32 format: FORMAT_NHWC dims: [ 224, 224, 3 ] }
]
output [
  { name: "output" data_type: TYPE_FP32 dims: [ 1000 ] }
]
"""
RESNET_BY_GPU = RESNET + "instance_group [\n  { gpus: [ 0 ] },\n  { gpus: [ 1 ] }\n]\n"
RESNET_IN_ONE = RESNET + "instance_group [\n  {\n    count: 1\n    gpus: [ 0, 1 ]\n  }\n]\n"


def mnist(version: str = "1", config: str = MNIST) -> dict[str, str]:
    """The files of the TensorRT model of the guide, in a store."""
    return {
        "trt_mnist/config.pbtxt": config,
        "trt_mnist/mnist_labels.txt": "zero\none\n",
        f"trt_mnist/{version}/model6_1.plan": "for 6.1",
        f"trt_mnist/{version}/model7_0.plan": "for 7.0",
    }


def write(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files, making the folders on the way; a name that ends in a slash is an empty folder."""
    for name, content in files.items():
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def content(root: Path) -> dict[str, bytes | None]:
    """Everything below a folder: files by relative path, None for folders."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(root.rglob("*"))
    }
