"""Our reading of ``config.pbtxt`` against the schema that Triton's own client brings (PyPI: tritonclient)."""

from __future__ import annotations

import json
import subprocess
import venv
from pathlib import Path

import pytest
from support.modelstore import MNIST, RESNET_BY_GPU, RESNET_IN_ONE

from ngc_cli.services.artifacts.model_config import ModelConfig, VersionPolicy, parse_config

pytestmark = pytest.mark.interop

EVERYTHING = """
import importlib.util, json, pathlib, sys
from google.protobuf import text_format
import tritonclient
path = pathlib.Path(tritonclient.__file__).parent / "grpc" / "model_config_pb2.py"
spec = importlib.util.spec_from_file_location("model_config_pb2", path)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)

def fill(message, depth=0):
    for field in message.DESCRIPTOR.fields:
        if field.containing_oneof and message.WhichOneof(field.containing_oneof.name):
            continue
        many = field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED
        entry = field.message_type is not None and field.message_type.GetOptions().map_entry
        target = getattr(message, field.name)
        if entry:
            value = field.message_type.fields_by_name["value"]
            key = "k" if field.message_type.fields_by_name["key"].cpp_type == field.CPPTYPE_STRING else 1
            if value.message_type is not None:
                fill(target[key], depth + 1)
            else:
                target[key] = "v" if value.cpp_type == value.CPPTYPE_STRING else 1
        elif field.message_type is not None:
            items = [target.add(), target.add()] if many else [target]
            for item in items:
                item.SetInParent() if not many else None
                if depth < 6:
                    fill(item, depth + 1)
        else:
            value = {field.CPPTYPE_STRING: b"b" if field.type == field.TYPE_BYTES else "s", field.CPPTYPE_BOOL: True,
                     field.CPPTYPE_ENUM: 1, field.CPPTYPE_FLOAT: 0.5, field.CPPTYPE_DOUBLE: 0.5}.get(field.cpp_type, 3)
            target.extend([value, value]) if many else setattr(message, field.name, value)

config = module.ModelConfig()
fill(config)
everything = text_format.MessageToString(config)
told = {}
for name, text in json.load(sys.stdin).items():
    one = module.ModelConfig()
    text_format.Parse(text, one)
    policy = one.version_policy.WhichOneof("policy_choice") or "latest"
    told[name] = [one.name, one.platform, one.backend, one.default_model_filename, dict(one.cc_model_filenames),
                  [item.label_filename for item in one.output if item.label_filename], policy,
                  one.version_policy.latest.num_versions, list(one.version_policy.specific.versions)]
print(json.dumps({"everything": everything, "told": told}))
"""
MORE = """
name: "bert" backend: "onnxruntime" default_model_filename: "net.onnx"
version_policy: { specific { versions: [ 1, 3 ] } }
parameters [ { key: "a" value { string_value: "b" } }, { key: "c" value: { string_value: "d" } } ]
optimization { execution_accelerators { gpu_execution_accelerator : [ { name : "tensorrt"
  parameters { key: "precision_mode" value: "FP16" } } ] } }
sequence_batching { control_input [ { name: "START" control [ { kind: CONTROL_SEQUENCE_START fp32_false_true: [ 0, 1 ] } ] } ]
  state [ { input_name: "i" output_name: "o" data_type: TYPE_INT32 dims: [ -1 ]
            initial_state: { data_type: TYPE_INT32 dims: [ 1 ] zero_data: true name: "z" } } ] }
model_warmup [ { name: "w" batch_size: 1 inputs [ { key: "x" value: { data_type: TYPE_FP32 dims: [ 3 ] zero_data: true } } ] } ]
instance_group [ { kind: KIND_CPU rate_limiter { resources [ { name: "R" global: True count: 2 } ] } } ]
"""


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with Triton's client, as pip gets it."""
    folder = tmp_path_factory.mktemp("triton")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "-q", "--no-deps", "tritonclient", "protobuf"], check=True
    )
    return python


def test_both_read_the_same(triton: Path) -> None:
    texts = {"mnist": MNIST, "by-gpu": RESNET_BY_GPU, "in-one": RESNET_IN_ONE, "more": MORE}
    done = subprocess.run(
        [triton, "-c", EVERYTHING], input=json.dumps(texts), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    for name, text in texts.items():
        ours = parse_config(text.encode())
        policy = ours.version_policy
        theirs = answer["told"][name]
        assert [
            ours.name,
            ours.platform,
            ours.backend,
            ours.default_model_filename,
            dict(ours.cc_model_filenames),
            list(ours.label_filenames),
            policy.kinds[0],
            theirs[7],
            list(policy.specific),
        ] == theirs
    everything = parse_config(answer["everything"].encode())
    assert everything == ModelConfig("s", "s", "s", "s", {"k": "v"}, ("s",), VersionPolicy(("latest",), 3)), (
        answer["everything"]
    )
