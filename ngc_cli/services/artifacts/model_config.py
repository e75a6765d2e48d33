"""``config.pbtxt``, the configuration of a served model: read as protobuf text, never written anew.

Protobuf's own text format reads the file, from a schema that holds the fields which decide where files lie and
which versions are served. Every other field is passed over by the parser, and stays in the file, which is copied
as it is. Source: docs/guides/inference-server.md#rules; protobuf.dev, "Text Format Language Specification".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from ngc_cli.errors import ConfigError, LocalFileError, NgcError

CONFIG_FILE: Final = "config.pbtxt"
# A configuration is a page of text; this bounds what a hostile one can cost.
_CONFIG_MAX_BYTES = 4 * 1024 * 1024
_STRING, _INT = "string", "int"
# Protobuf passes over unknown texts, numbers and messages, but not over lists of messages: these must have names.
_LISTS_PASSED_OVER: Final = """
    agents batch_input batch_output control control_input cpu_execution_accelerator cuda dynamic_batching
    ensemble_scheduling execution_accelerators gpu_execution_accelerator graph_lower_bound graph_spec initial_state
    input input_map inputs instance_group metric_control metric_tags model_metrics model_repository_agents
    model_warmup optimization output_map parameters priority_queue_policy rate_limiter resources secondary_devices
    sequence_batching state step
"""
_SCHEMA: Final[Mapping[str, Mapping[str, str]]] = {
    # message: its fields with their types, "*" for one that may be repeated
    "Part": dict.fromkeys(_LISTS_PASSED_OVER.split(), "Part*"),
    "Output": {"name": _STRING, "label_filename": _STRING},
    "Latest": {"num_versions": _INT},
    "All": {},
    "Specific": {"versions": f"{_INT}*"},
    # Triton has a "oneof" here; without one the check can say what is wrong instead of the parser.
    "Policy": {"latest": "Latest", "all": "All", "specific": "Specific"},
    "CcModelFilename": {"key": _STRING, "value": _STRING},
    "ModelConfig": {
        **dict.fromkeys(_LISTS_PASSED_OVER.split(), "Part*"),
        "name": _STRING,
        "platform": _STRING,
        "backend": _STRING,
        "default_model_filename": _STRING,
        "cc_model_filenames": "CcModelFilename*",
        "output": "Output*",
        "version_policy": "Policy",
    },
}


class BrokenConfig(NgcError):
    """A configuration is not protobuf text of a model configuration."""

    code = "broken_model_config"


@dataclass(frozen=True)
class VersionPolicy:
    """Which versions the server makes available: ``kinds`` are the policies that the file names, one in a good file.

    ``latest`` is how many of the greatest numbers, ``specific`` are the listed ones.
    """

    kinds: tuple[str, ...] = ()
    latest: int = 1
    specific: tuple[int, ...] = ()

    def serves(self, number: int, present: frozenset[int]) -> bool:
        """Whether a version among those present is available for inferencing."""
        if "all" in self.kinds:
            return True
        if "specific" in self.kinds:
            return number in self.specific
        return number in sorted(present, reverse=True)[: self.latest]


@dataclass(frozen=True)
class ModelConfig:
    """The fields of a ``config.pbtxt`` that decide about files and versions; empty where the file has none.

    ``cc_model_filenames`` maps a GPU's compute capability to the definition file for it.
    """

    name: str = ""
    platform: str = ""
    backend: str = ""
    default_model_filename: str = ""
    cc_model_filenames: Mapping[str, str] = field(default_factory=dict)
    label_filenames: tuple[str, ...] = ()
    version_policy: VersionPolicy = VersionPolicy()


def read_config(path: Path) -> ModelConfig:
    """The configuration in a file; raises BrokenConfig with the place of the mistake, LocalFileError, ConfigError."""
    try:
        with path.open("rb") as file:
            data = file.read(_CONFIG_MAX_BYTES + 1)
    except OSError as error:
        raise LocalFileError(f"'{path}' cannot be read: {error.strerror}") from error
    if len(data) > _CONFIG_MAX_BYTES:
        raise BrokenConfig(f"it has more than {_CONFIG_MAX_BYTES} bytes")
    return parse_config(data)


def parse_config(data: bytes) -> ModelConfig:
    """The configuration in these bytes; raises BrokenConfig, and ConfigError where protobuf is not installed."""
    schema = _schema()
    from google.protobuf import text_format

    message = schema()
    try:
        text_format.Parse(data.decode("utf-8"), message, allow_unknown_field=True)
    except UnicodeDecodeError as error:
        raise BrokenConfig("it is not UTF-8 text") from error
    except (text_format.ParseError, RecursionError) as error:
        raise BrokenConfig(f"it is not protobuf text: {error or 'nested too deeply'}") from error
    policy = message.version_policy
    kinds = tuple(kind for kind in ("latest", "all", "specific") if policy.HasField(kind))
    return ModelConfig(
        name=message.name,
        platform=message.platform,
        backend=message.backend,
        default_model_filename=message.default_model_filename,
        cc_model_filenames={item.key: item.value for item in message.cc_model_filenames},
        label_filenames=tuple(
            dict.fromkeys(item.label_filename for item in message.output if item.label_filename)
        ),
        version_policy=VersionPolicy(
            kinds if message.HasField("version_policy") else ("latest",),
            policy.latest.num_versions or 1,
            tuple(policy.specific.versions),
        ),
    )


@cache
def _schema() -> Any:
    """The message class of a configuration, made from ``_SCHEMA``; raises ConfigError without protobuf."""
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    except ImportError as error:
        raise ConfigError(
            f"reading '{CONFIG_FILE}' needs the package protobuf",
            hint="Install it with: pip install 'ngc-cli[triton]'",
        ) from error
    kinds = descriptor_pb2.FieldDescriptorProto
    scalars = {_STRING: kinds.TYPE_STRING, _INT: kinds.TYPE_INT64}
    # Without a syntax it is proto2, in which a field that is given can be told from one that is not.
    file = descriptor_pb2.FileDescriptorProto(name="ngc_cli/model_config.proto", package="ngc_cli")
    for name, fields in _SCHEMA.items():
        described = file.message_type.add(name=name)
        for number, (field_name, kind) in enumerate(fields.items(), 1):
            one = kind.rstrip("*")
            added = described.field.add(name=field_name, number=number)
            added.label = kinds.LABEL_OPTIONAL if one == kind else kinds.LABEL_REPEATED
            added.type = scalars.get(one, kinds.TYPE_MESSAGE)
            if one not in scalars:
                added.type_name = f".ngc_cli.{one}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("ngc_cli.ModelConfig"))
