"""Options that become metadata, as records (docs/cli.md).

What kinds share is here; ``image.py``, ``model.py`` and ``model_script.py`` add what is their own.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from ngc_cli.cli.completers import words
from ngc_cli.cli.groups import OptionAlias
from ngc_cli.errors import UsageError
from ngc_cli.similar import did_you_mean

if TYPE_CHECKING:
    from ngc_cli.records import Artifact, ArtifactVersion
    from ngc_cli.services.listing import LabelEdit

OVERVIEW_ALIASES = {name: OptionAlias("--overview-filename") for name in ("--overview-file", "--overview")}
# Markdown files and the member that their text becomes, where it is not the name of the option.
_TEXT_MEMBERS = {"overview": "description", "safety_security": "safety_and_security"}
_UNSAFE_LINK = re.compile(r"[\x00-\x20\x7f]|^(?:javascript|data|vbscript|file):", re.IGNORECASE)
PRECISIONS = ("FP16", "FP32", "FP64", "BF16", "TF32", "INT8", "INT4", "FP8", "FPBOTH", "OTHER", "ALL")
LINK_TYPES = ("NGC", "Github", "Other")
POLICIES = ("GOV_READY",)
RELEASE_TYPES = {  # as people write it, and as the search of the server does
    "BETA": "beta",
    "GA": "consumer",
    "EA": "early_access",
    "FEATURE": "feature",
    "PRODUCTION": "production",
    "LTSB": "ltsb",
}
_CHOICES = {
    "link_type": ("--link-type", LINK_TYPES),
    "release_type": ("--release-type", tuple(RELEASE_TYPES)),
}
_TEXT_MAX = 255  # the official client's limit for a text on the command line


def text_option(name: str, help: str, metavar: str = "TEXT") -> Any:
    """An option that takes a text."""
    return typer.Option(name, metavar=metavar, help=help)


def word_option(name: str, help: str, allowed: Iterable[str], metavar: str = "WORD") -> Any:
    """An option that takes one of some words, which its help tells."""
    listed = tuple(allowed)
    text = f"{help}: {', '.join(listed)}."
    return typer.Option(name, metavar=metavar, autocompletion=words(*listed), help=text)


PolicyOpt = Annotated[
    list[str] | None,
    word_option("--policy", "Policy it complies with", POLICIES, "POLICY"),
]
ReleaseTypeOpt = Annotated[
    str | None, word_option("--release-type", "Kind of release", RELEASE_TYPES, "TYPE")
]


def file_option(name: str, what: str) -> Any:
    """An option that takes a UTF-8 text file."""
    return typer.Option(
        name, metavar="FILE", rich_help_panel="Texts from files", help=f"Text file with the {what}."
    )


@dataclass(frozen=True)
class DescriptionOptions:
    """Options of ``create`` and ``update`` that all kinds share."""

    heading: ClassVar = "Description"

    display_name: Annotated[
        str | None, text_option("--display-name", "Name to show, 2 to 64 characters.")
    ] = None
    built_by: Annotated[str | None, text_option("--built-by", "Who built it.")] = None
    publisher: Annotated[str | None, text_option("--publisher", "Who publishes it.")] = None
    label: Annotated[list[str] | None, text_option("--label", "A label; may be repeated.")] = None
    label_set: Annotated[
        list[str] | None, text_option("--label-set", "A set of labels; may be repeated.")
    ] = None
    logo: Annotated[str | None, text_option("--logo", "Address of a logo.", "URL")] = None
    overview_filename: Annotated[Path | None, file_option("--overview-filename", "overview (Markdown)")] = (
        None
    )

    def members(self) -> dict[str, Any]:
        """Record members of the given options; files are read and everything is checked."""
        members = _members(self)
        labels = [*(members.pop("label", None) or []), *(members.pop("label_set", None) or [])]
        if labels:
            members["labels"] = tuple(dict.fromkeys(labels))
        shown = self.display_name
        if shown is not None and not 2 <= len(shown) <= 64:
            raise UsageError("--display-name has 2 to 64 characters", hint=f"This one has {len(shown)}.")
        return members


@dataclass(frozen=True)
class ArtifactOptions(DescriptionOptions):
    """Options of ``create`` and ``update`` that models and model-scripts share."""

    heading: ClassVar = "Description"

    application: Annotated[
        str | None, text_option("--application", "What it is for, such as OBJECT_DETECTION.")
    ] = None
    framework: Annotated[
        str | None, text_option("--framework", "Framework it was trained with, such as PyTorch.")
    ] = None
    model_format: Annotated[
        str | None, text_option("--format", "Format of its files, such as SavedModel.")
    ] = None
    precision: Annotated[str | None, text_option("--precision", "Numeric precision, such as FP16.")] = None
    short_description: Annotated[str | None, text_option("--short-desc", "One line about it.")] = None
    public_dataset_name: Annotated[
        str | None, text_option("--public-dataset-name", "Public dataset it was trained on.")
    ] = None
    public_dataset_link: Annotated[
        str | None, text_option("--public-dataset-link", "Address of that dataset.", "URL")
    ] = None
    public_dataset_license: Annotated[
        str | None, text_option("--public-dataset-license", "License of that dataset.")
    ] = None

    def record(self) -> Artifact:
        """The artifact these options describe, without a name."""
        from ngc_cli.records import Artifact, PublicDataset

        members = self.members()
        dataset = PublicDataset(
            *(members.pop(f"public_dataset_{name}", None) for name in ("name", "link", "license"))
        )
        if dataset != PublicDataset():
            if dataset.name is None:
                raise UsageError("a public dataset needs a name", hint="Add --public-dataset-name.")
            members["public_dataset_used"] = dataset
        return Artifact(name="", **members)


@dataclass(frozen=True)
class LabelOptions:
    """Options of ``update`` that edit the labels which are there."""

    heading: ClassVar = "Labels"

    add_label: Annotated[list[str] | None, text_option("--add-label", "Add a label; may be repeated.")] = None
    remove_label: Annotated[
        list[str] | None, text_option("--remove-label", "Remove a label; may be repeated.")
    ] = None

    def edit(self, options: DescriptionOptions) -> LabelEdit:
        """What to add and remove; raises UsageError when ``options`` replace all labels."""
        from ngc_cli.services.listing import LabelEdit

        if given(self) and (options.label or options.label_set):
            raise UsageError("--label replaces all labels and excludes --add-label and --remove-label")
        return LabelEdit(tuple(self.add_label or ()), tuple(self.remove_label or ()))


@dataclass(frozen=True)
class AccessOptions:
    """Options of ``update`` that say who may see and fetch it without being a member."""

    public: Annotated[
        bool | None, typer.Option("--public/--no-public", help="Whether members of other orgs see it.")
    ] = None
    guest_access: Annotated[
        bool | None,
        typer.Option(
            "--guest-access/--no-guest-access", help="Whether guests get it without a key, if it is public."
        ),
    ] = None

    def note(self, *, is_public: bool) -> str:
        """What keeps guests out although they may come; empty when nothing does."""
        return "" if is_public or not self.guest_access else "Guests get it once it is public: add --public."


@dataclass(frozen=True)
class VersionOptions:
    """Options of ``upload-version`` and ``update`` that describe a version of either kind."""

    heading: ClassVar = "Description of the version"

    accuracy_reached: Annotated[
        str | None, text_option("--accuracy-reached", "Accuracy that was reached, 0 to 100.", "NUMBER")
    ] = None
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=0, help="Batch size of the training.")
    ] = None
    number_of_epochs: Annotated[
        int | None, typer.Option("--num-epochs", min=0, help="Epochs of the training.")
    ] = None
    gpu_model: Annotated[str | None, text_option("--gpu-model", "GPU used for the training.")] = None
    memory_footprint: Annotated[
        str | None, text_option("--memory-footprint", "Memory it needs, such as 4GB.")
    ] = None
    description: Annotated[str | None, text_option("--desc", "What is new in this version.")] = None

    def record(self, version_id: str) -> ArtifactVersion:
        """The version these options describe; files are read and everything is checked."""
        from ngc_cli.records import ArtifactVersion, KeyValue

        members = _members(self)
        if "accuracy_reached" in members:
            members["accuracy_reached"] = accuracy(members["accuracy_reached"])
        link, link_type = members.pop("link", None), members.pop("link_type", None)
        if link is not None or link_type is not None:
            if link is None or link_type is None:
                raise UsageError("--link and --link-type go together", hint="Give both or neither.")
            members["other_contents"] = (KeyValue(link_type, link),)
        return ArtifactVersion(version_id=version_id, **members)


@dataclass(frozen=True)
class ReleaseOptions:
    """Options of ``update`` that mark for whom a version is meant."""

    heading: ClassVar = "Description of the version"

    policy: PolicyOpt = None
    release_type: ReleaseTypeOpt = None


def accuracy(text: str) -> float | str:
    """A number from 0 to 100, or a precision word, which the guide's own examples use.

    See docs/guide.md, G-14.
    """
    if text.upper() in PRECISIONS:
        return text.upper()
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 100:
        raise UsageError(f"--accuracy-reached takes a number from 0 to 100, not '{text}'")
    return number


def choice(option: str, value: str | None, allowed: tuple[str, ...]) -> str | None:
    """The allowed word that the value is in any case; raises UsageError with the nearest one."""

    if value is None:
        return None
    by_lower = {word.lower(): word for word in allowed}
    if value.lower() in by_lower:
        return by_lower[value.lower()]
    hint = f"{did_you_mean(value, allowed, likeness=0.5)} It takes: {', '.join(allowed)}.".lstrip()
    raise UsageError(f"{option} does not know '{value}'", hint=hint)


def given(options: Any) -> dict[str, Any]:
    """The options that were given, by field name."""
    return {
        field.name: value
        for field in dataclasses.fields(options)
        if (value := getattr(options, field.name)) not in (None, [])
    }


def option_names(options: type, names: list[str]) -> str:
    """How the options of these fields are written on a command line, for messages."""
    import typing

    hints = typing.get_type_hints(options, include_extras=True)
    # In Annotated form Typer keeps the first spelling where a default would stand.
    return ", ".join(str(hints[name].__metadata__[0].default) for name in names)


def _members(options: Any) -> dict[str, Any]:
    """Record members of the given options: text files read, lengths and links checked."""
    from ngc_cli.services.artifacts.documents import read_metrics, read_text

    members: dict[str, Any] = {}
    for name, value in given(options).items():
        if name.endswith("_filename"):
            stem = name.removesuffix("_filename")
            members[_TEXT_MEMBERS.get(stem, stem)] = read_text(value)
        elif name == "metrics_file":
            members["custom_metrics"] = read_metrics(value)
        elif name in ("policy", "policy_labels"):
            members[name] = tuple(choice("--policy", word, POLICIES) for word in value)
        elif name in _CHOICES:
            option, allowed = _CHOICES[name]
            members[name] = choice(option, value, allowed)
        else:
            members[name] = _checked_text(name, value) if isinstance(value, str) else value
    return members


def _checked_text(name: str, text: str) -> str:
    """The text, if it is not too long and a link where one is wanted; raises UsageError."""
    if len(text) > _TEXT_MAX:
        raise UsageError(f"the {name.replace('_', ' ')} has {len(text)} characters", hint="At most 255 fit.")
    if name in ("logo", "link", "public_dataset_link") and _UNSAFE_LINK.search(text):
        raise UsageError(f"'{text}' is not a link")
    return text
