"""The folder that an inference server reads its models from, and whether the server will take what is in it.

``<store>/<model>/config.pbtxt``, label files, and a folder with a number for each version, in it the model definition.
The rules, with the numbers of the sections in which the guide of 2018 has them, and what Triton changed:
docs/guides/inference-server.md#rules.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ngc_cli.errors import LocalFileError, NgcError
from ngc_cli.file_names import STATE_FOLDER, name_fault
from ngc_cli.services.artifacts.model_config import CONFIG_FILE, BrokenConfig, ModelConfig, read_config

TRITON: Final = "triton"
INFERENCE_SERVER: Final = "2018"
ERAS: Final = (TRITON, INFERENCE_SERVER)

VERSION_NUMBER: Final = re.compile(r"0|[1-9][0-9]*")
_LOOKS_LIKE_A_VERSION = re.compile(r"[vV]?\d[\d._-]*")

Definitions = tuple[tuple[str, ...], ...]
"""Names of the model definition files of a platform: one of these sets must be there as a whole."""
_OF_BOTH: Final[Mapping[str, Definitions]] = {
    "tensorrt_plan": (("model.plan",),),
    "tensorflow_graphdef": (("model.graphdef",),),
    "tensorflow_savedmodel": (("model.savedmodel",),),
}
_PLATFORMS: Final[Mapping[str, Mapping[str, Definitions]]] = {
    INFERENCE_SERVER: {**_OF_BOTH, "caffe2_netdef": (("model.netdef", "init_model.netdef"),)},
    TRITON: {
        **_OF_BOTH,
        "onnxruntime_onnx": (("model.onnx",),),
        "pytorch_libtorch": (("model.pt",),),
        "ensemble": ((),),
    },
}
# A backend that is not named here is somebody's own, and so are the names of its files.
_BACKENDS: Final[Mapping[str, Definitions]] = {
    "tensorrt": (("model.plan",),),
    "tensorflow": (("model.graphdef",), ("model.savedmodel",)),
    "onnxruntime": (("model.onnx",),),
    "pytorch": (("model.pt",),),
    "openvino": (("model.xml", "model.bin"),),
    "python": (("model.py",),),
    "dali": (("model.dali",),),
}
_COMPLETED_BY_THE_SERVER: Final = ("model.plan", "model.savedmodel", "model.onnx", "model.xml", "model.py")
_FIELD_OF_DEFINITION: Final[Mapping[str, str]] = {
    "model.plan": 'platform: "tensorrt_plan"',
    "model.graphdef": 'platform: "tensorflow_graphdef"',
    "model.savedmodel": 'platform: "tensorflow_savedmodel"',
    "model.onnx": 'platform: "onnxruntime_onnx"',
    "model.pt": 'platform: "pytorch_libtorch"',
    "model.xml": 'backend: "openvino"',
    "model.py": 'backend: "python"',
    "model.dali": 'backend: "dali"',
}


class BrokenModel(NgcError):
    """A model that the inference server would not serve."""

    code = "broken_model"


@dataclass(frozen=True)
class Problem:
    """What breaks a rule: where in the store, which rule of which section, and what to do about it."""

    path: str
    rule: str
    section: str
    hint: str


@dataclass(frozen=True)
class StoreReport:
    """The models of a store and what is wrong with them."""

    models: tuple[str, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class ModelView:
    """A model as the server would see it, also while its parts still lie in several folders; the first one wins."""

    name: str
    folders: tuple[Path, ...]

    @property
    def config(self) -> Path | None:
        """Its configuration; None when there is none."""
        return self.find(CONFIG_FILE)

    @property
    def versions(self) -> dict[int, Path]:
        """Folders of its versions by number."""
        found: dict[int, Path] = {}
        for folder in self.folders:
            for item in _entries(folder):
                if VERSION_NUMBER.fullmatch(item.name) and item.is_dir():
                    found.setdefault(int(item.name), item)
        return found

    def find(self, name: str) -> Path | None:
        """A file of the model itself."""
        return next((path for folder in self.folders if (path := folder / name).is_file()), None)


def check_store(root: Path, era: str = TRITON) -> StoreReport:
    """Everything in a store that breaks a rule of the server; raises LocalFileError when it cannot be read."""
    if not root.is_dir():
        raise LocalFileError(f"there is no folder '{root}'", hint="Name the folder that holds the models.")
    models: list[str] = []
    problems: list[Problem] = []
    for folder in _entries(root):
        if not folder.is_dir():
            continue
        if folder.name.startswith("."):
            rule = "the server takes every folder of the store for a model, also a hidden one"
            problems.append(Problem(folder.name, rule, "6", "Move it out of the store."))
            continue
        models.append(folder.name)
        problems += check_model(ModelView(folder.name, (folder,)), era)
    return StoreReport(tuple(models), tuple(problems))


def check_model(view: ModelView, era: str = TRITON, only: Collection[int] | None = None) -> list[Problem]:
    """What the server would not take of a model; of its versions, those in ``only`` are looked at, or else all."""
    problems = [*_folder_problems(view)]
    versions = {number: path for number, path in view.versions.items() if only is None or number in only}
    if view.config is None:
        return problems + _problems_without_config(view, versions, era)
    try:
        config = read_config(view.config)
    except BrokenConfig as error:
        return [*problems, _problem(view, CONFIG_FILE, error.message, "6.3", "Mend the file.")]
    problems += _config_problems(view, config, era)
    for number, folder in sorted(versions.items()):
        problems += _definition_problems(view, config, era, number, folder)
    return problems


def refuse_broken(what: str, problems: list[Problem]) -> None:
    """Raise BrokenModel with the first problem when there is one."""
    if not problems:
        return
    first = problems[0]
    more = f" ({len(problems) - 1} more)" if len(problems) > 1 else ""
    raise BrokenModel(
        f"{what} would not be served: {first.path}: {first.rule} (section {first.section}){more}",
        hint=first.hint,
    )


def made_config(name: str, folder: Path) -> str:
    """A configuration with a name and what the definition file in a version's folder tells, and nothing else.

    Raises BrokenModel when no file there has a name of its own platform.
    """
    known = [field for file, field in _FIELD_OF_DEFINITION.items() if (folder / file).exists()]
    if len(known) != 1:
        raise BrokenModel(
            f"no '{CONFIG_FILE}' can be made: "
            + ("several model definitions are there" if known else "no model definition has a known name"),
            hint=f"Write it yourself and put it into the version as '{CONFIG_FILE}'.",
        )
    return f'name: "{name}"\n{known[0]}\n'


def _entries(folder: Path) -> list[Path]:
    """What is in a folder, by name; nothing when it is none."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise LocalFileError(f"'{folder}' cannot be read: {error.strerror}") from error


def _problem(view: ModelView, place: str, rule: str, section: str, hint: str) -> Problem:
    return Problem(f"{view.name}/{place}".rstrip("/"), rule, section, hint)


def _folder_problems(view: ModelView) -> Iterator[Problem]:
    """What the names of folders break."""
    if not view.versions:
        hint = f"Put the model definition into '{view.name}/1'."
        yield _problem(view, "", "no folder with a number, so no version", "6", hint)
    for folder in view.folders:
        for item in _entries(folder):
            if not item.is_dir() or VERSION_NUMBER.fullmatch(item.name):
                continue
            if item.name == STATE_FOLDER:
                rule = "a download left its state here"
                yield _problem(view, item.name, rule, "6", "Remove it when no download runs.")
            elif _LOOKS_LIKE_A_VERSION.fullmatch(item.name):
                rule = "the folder of a version has a number without leading zeros as its name"
                yield _problem(view, item.name, rule, "6.1", "Rename it to a number such as 1.")


def _problems_without_config(view: ModelView, versions: Mapping[int, Path], era: str) -> list[Problem]:
    """What is wrong with a model that has no configuration: in 2018 always, today where no backend completes it."""
    rule = f"'{CONFIG_FILE}' is missing"
    if era == INFERENCE_SERVER:
        return [_problem(view, CONFIG_FILE, rule, "6", "Write one; this server makes none itself.")]
    return [
        _problem(
            view,
            str(number),
            f"{rule}, and no file here lets the server make one",
            "6.2",
            f"Write one, or name the definition one of: {', '.join(_COMPLETED_BY_THE_SERVER)}.",
        )
        for number, folder in sorted(versions.items())
        if not any((folder / name).exists() for name in _COMPLETED_BY_THE_SERVER)
    ]


def _config_problems(view: ModelView, config: ModelConfig, era: str) -> Iterator[Problem]:
    if config.name != view.name and (config.name or era == INFERENCE_SERVER):
        rule = f"the name '{config.name}' is not that of the folder, '{view.name}'"
        yield _problem(view, CONFIG_FILE, rule, "6", "Make the two the same.")
    yield from _platform_problems(view, config, era)
    for label in config.label_filenames:
        if name_fault(label) or view.find(label) is None:
            hint = f"Put it beside '{CONFIG_FILE}', or take label_filename out."
            yield _problem(view, label, "the label file is missing", "6.3", hint)
    policy = config.version_policy
    if len(policy.kinds) != 1:
        rule = f"version_policy has {' and '.join(policy.kinds) or 'nothing'} instead of one policy"
        yield _problem(view, CONFIG_FILE, rule, "6.1", "Keep one of latest, all and specific.")
    elif "specific" in policy.kinds:
        for number in policy.specific:
            if number not in view.versions:
                rule = f"version_policy names version {number}, which is not there"
                yield _problem(view, CONFIG_FILE, rule, "6.1", "Add the version or take its number out.")


def _platform_problems(view: ModelView, config: ModelConfig, era: str) -> Iterator[Problem]:
    """A model names the platform, or today the backend, that runs it."""
    platforms = _PLATFORMS[era]
    hint = f"Use one of: {', '.join(platforms)}."
    if config.platform and config.platform not in platforms:
        section = "6.3.5" if "onnx" in config.platform else "6.3"
        rule = f"this server has no platform '{config.platform}'"
        yield _problem(view, CONFIG_FILE, rule, section, hint)
    elif not config.platform and (era == INFERENCE_SERVER or not config.backend):
        what = "platform" if era == INFERENCE_SERVER else "platform or backend"
        yield _problem(view, CONFIG_FILE, f"it names no {what}", "6.3", hint)


def _definition_problems(
    view: ModelView, config: ModelConfig, era: str, number: int, folder: Path
) -> Iterator[Problem]:
    """The definition files that the configuration asks for must be in the version's folder."""
    if config.platform == "ensemble":
        return  # made of other models
    if not _entries(folder):
        hint = "Put the model definition here, or remove the folder."
        yield _problem(view, str(number), "the folder of the version is empty", "6.2", hint)
        return
    if config.cc_model_filenames:
        for capability, name in config.cc_model_filenames.items():
            if not _has(folder, name):
                rule = f"the definition '{name}' for compute capability {capability} is missing"
                yield _problem(view, str(number), rule, "6.3.3", "Add the file or take its entry out.")
        return
    wanted = _definitions(config, era)
    if wanted and not any(all(_has(folder, name) for name in names) for names in wanted):
        files = " or ".join(" and ".join(f"'{name}'" for name in names) for names in wanted)
        section = "6.3.4" if config.platform == "caffe2_netdef" else "6.2"
        hint = "Name the file so, or set default_model_filename."
        yield _problem(view, str(number), f"the model definition {files} is missing", section, hint)
        return
    saved = config.default_model_filename or "model.savedmodel"
    if config.platform == "tensorflow_savedmodel" and not (folder / saved).is_dir():
        rule = f"'{saved}' is a file where a SavedModel is a folder"
        yield _problem(view, str(number), rule, "6.3.2", "Put the whole folder of the SavedModel here.")


def _definitions(config: ModelConfig, era: str) -> Definitions:
    """The definition files that a configuration asks for; empty when anything will do."""
    name = config.default_model_filename
    if config.platform == "caffe2_netdef" and name:
        return ((name, f"init_{name}"),)
    if name:
        return ((name,),)
    return _PLATFORMS[era].get(config.platform) or _BACKENDS.get(config.backend, ())


def _has(folder: Path, name: str) -> bool:
    """Whether a name, which comes from a configuration, is that of something in the folder."""
    return not name_fault(name) and (folder / name).exists()
