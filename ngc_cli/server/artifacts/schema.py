"""The two kinds of artifacts, models and resources: what they are called on the wire and which members they have.

Every difference between the two stands here. The members and their limits are those of
docs/protocol/artifacts.md; where the 2020 guide is wider, the guide wins
(docs/guide.md: accuracy may be a precision word, links need no scheme, nothing but the name
is required of a model). Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ngc_cli.server.problems import unprocessable

Check = Callable[[str, Any], Any]
# Texts of one line, as the service limits them (docs/protocol/artifacts.md).
_SHORT = 255
# A signed 32-bit integer, in every database.
_INT_MAX = 2**31 - 1
# Metrics tables of a version (docs/protocol/artifacts.md).
_TABLES_MAX = 3
# Pairs of a metrics table (docs/protocol/artifacts.md).
_ATTRIBUTES_MAX = 12
_BAD_LINK = re.compile(r"[\s\x00-\x1f\x7f]|^\s*(?:javascript|data|vbscript):", re.IGNORECASE)
_PRECISION_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
_NAME = re.compile(r"[a-z][a-z\d._-]{0,127}")


def text(limit: int | None = _SHORT, at_least: int = 0) -> Check:
    """A string of a limited number of characters; numbers are taken as text."""

    def check(name: str, value: Any) -> str:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise unprocessable(f"'{name}' is not a text")
        if limit is not None and len(value) > limit:
            raise unprocessable(f"'{name}' is longer than {limit} characters")
        if len(value) < at_least:
            raise unprocessable(f"'{name}' is shorter than {at_least} characters")
        return value

    return check


def link(name: str, value: Any) -> str:
    """A URL, or host and path without a scheme; no blanks, control characters or script schemes."""
    value = text()(name, value)
    if _BAD_LINK.search(value):
        raise unprocessable(f"'{name}' is not a link")
    return str(value)


def choice(*words: str) -> Check:
    """One of these words in any case; stored as spelt here."""
    canonical = {word.lower(): word for word in words}

    def check(name: str, value: Any) -> str:
        found = canonical.get(str(value).lower())
        if found is None:
            raise unprocessable(f"'{name}' must be one of {', '.join(words)}")
        return found

    return check


def whole_number(name: str, value: Any) -> int:
    """An integer of at least 0; digits in a string count."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _INT_MAX:
        raise unprocessable(f"'{name}' is not a whole number from 0 to {_INT_MAX}")
    return value


def accuracy(name: str, value: Any) -> float | str:
    """A number from 0 to 100; or a word such as FP16, as the guide's own examples have it.

    See docs/guide.md, G-14.
    """
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            if _PRECISION_WORD.fullmatch(str(value)):
                return str(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 100:
        raise unprocessable(f"'{name}' is not a number from 0 to 100")
    return float(value)


def flag(name: str, value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise unprocessable(f"'{name}' is not true or false")
    return value


def key_values(name: str, value: Any, key: Check | None = None, limit: int = 100) -> list[dict[str, str]]:
    """A list of objects with exactly ``key`` and ``value``; order is kept, keys may repeat."""
    found = []
    for item in _list(name, value):
        if not isinstance(item, dict) or set(item) != {"key", "value"}:
            raise unprocessable(f"an entry of '{name}' must have exactly 'key' and 'value'")
        found.append({"key": (key or text())(name, item["key"]), "value": text()(name, item["value"])})
    if len(found) > limit:
        raise unprocessable(f"'{name}' has more than {limit} entries")
    return found


def metrics(name: str, value: Any) -> list[dict[str, Any]]:
    """At most three tables of one to twelve attributes (docs/protocol/artifacts.md#metrics-tables)."""
    tables = []
    for item in _list(name, value):
        if not isinstance(item, dict) or not {"name", "attributes"} >= set(item):
            raise unprocessable(f"a table of '{name}' must have 'name' and 'attributes'")
        attributes = key_values("attributes", item.get("attributes"), limit=_ATTRIBUTES_MAX)
        if not attributes:
            raise unprocessable(f"a table of '{name}' has no attributes")
        tables.append({"name": text(at_least=1)("name", item.get("name")), "attributes": attributes})
    if len(tables) > _TABLES_MAX:
        raise unprocessable(f"'{name}' has more than {_TABLES_MAX} tables")
    return tables


def dataset(name: str, value: Any) -> dict[str, str]:
    """The public dataset: name, link and license."""
    if not isinstance(value, dict):
        raise unprocessable(f"'{name}' is not an object")
    checks: dict[str, Check] = {"name": text(), "link": link, "license": text()}
    return check_members(checks, value)


def merge_details(before: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    """The members of an artifact after an update; a dataset is merged member by member, and needs a name."""
    merged = {**before, **sent}
    found = {**before.get("publicDatasetUsed", {}), **sent.get("publicDatasetUsed", {})}
    if found and not found.get("name"):
        raise unprocessable("'publicDatasetUsed' has a link or a license but no name")
    merged.pop("publicDatasetUsed", None)
    return {**merged, "publicDatasetUsed": found} if found else merged


def texts(name: str, value: Any) -> list[str]:
    """A list of strings; one given twice counts once."""
    return list(dict.fromkeys(text(at_least=1)(name, item) for item in _list(name, value)))


def policies(name: str, value: Any) -> list[str]:
    """A list of policies; each once."""
    return list(dict.fromkeys(choice("GOV_READY", "FedRAMP")(name, item) for item in _list(name, value)))


def _list(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise unprocessable(f"'{name}' is not a list")
    return value


def check_members(checks: Mapping[str, Check], body: Mapping[str, Any]) -> dict[str, Any]:
    """The known members of a body, checked; null counts as absent, unknown members are dropped."""
    return {name: check(name, body[name]) for name, check in checks.items() if body.get(name) is not None}


def require_name(value: Any) -> str:
    """The name of a new artifact."""
    if not isinstance(value, str) or _NAME.fullmatch(value) is None:
        raise unprocessable("'name' must be 1 to 128 of a-z, 0-9, '.', '_' and '-', beginning with a letter")
    return value


def require_version(value: Any) -> str:
    """The id of a new version: a text without ``/``; a number is taken as text."""
    version = str(text(at_least=1)("versionId", value))
    if "/" in version or version in (".", "..") or not version.isprintable():
        raise unprocessable("'versionId' must be printable and have no '/'")
    return version


@dataclass(frozen=True)
class Kind:
    """One kind: the words of its paths and bodies, and the checks of its members.

    ``segment`` stands in paths and is the ``artifactType`` of uploads; ``framework`` is the member that holds the
    framework; ``required`` are the members a new artifact must have.
    """

    segment: str
    one: str
    version: str
    versions: str
    files: str
    search_type: str
    noun: str
    framework: str
    required: tuple[str, ...]
    members: Mapping[str, Check]
    version_members: Mapping[str, Check]


_markdown = text(limit=None)
RELEASE_TYPES = {
    "BETA": "release_type_beta",
    "GA": "release_type_consumer",
    "EA": "release_type_early_access",
    "FEATURE": "release_type_feature",
    "PRODUCTION": "release_type_production",
    "LTSB": "release_type_ltsb",
}
"""Release types, and the words the search has for them."""
release_type = choice(*RELEASE_TYPES)
PUBLISHING: dict[str, Check] = {
    "accessType": choice("LISTED", "EXCLUSIVE", "NOT_LISTED"),
    "productNames": texts,
    "policyLabels": policies,
    "releaseType": release_type,
}
"""Members of artifacts and image repositories that say for whom they are published; lists filter by them."""
_COMMON: dict[str, Check] = {
    "displayName": text(64, at_least=2),
    "modelFormat": text(),
    "shortDescription": text(),
    "description": _markdown,
    "builtBy": text(),
    "publisher": text(),
    "logo": link,
    "publicDatasetUsed": dataset,
    **PUBLISHING,
}
_COMMON_VERSION: dict[str, Check] = {
    "accuracyReached": accuracy,
    "batchSize": whole_number,
    "numberOfEpochs": whole_number,
    "gpuModel": text(),
    "memoryFootprint": text(),
    "customMetrics": metrics,
    "policy": policies,
    "releaseType": release_type,
}


def _link_type(name: str, value: Any) -> str:
    word = text(at_least=1)(name, value)
    if not (word.isascii() and word.isalnum()):
        raise unprocessable(f"a key of '{name}' must be letters and digits")
    return str(word)


def _links(name: str, value: Any) -> list[dict[str, str]]:
    found = key_values(name, value, key=_link_type)
    for item in found:
        link(name, item["value"])
    return found


MODEL = Kind(
    segment="models",
    one="model",
    version="modelVersion",
    versions="modelVersions",
    files="modelFiles",
    search_type="MODEL",
    noun="model",
    framework="framework",
    required=(),
    members={
        **_COMMON,
        "application": text(),
        "framework": text(),
        "precision": text(),
        "ownerName": text(),
        "bias": _markdown,
        "explainability": _markdown,
        "privacy": _markdown,
        "safetyAndSecurity": _markdown,
    },
    version_members={**_COMMON_VERSION, "description": text(), "otherContents": _links, "ownerName": text()},
)
RESOURCE = Kind(
    segment="resources",
    one="recipe",
    version="recipeVersion",
    versions="recipeVersions",
    files="recipeFiles",
    search_type="RECIPE",
    noun="resource",
    framework="trainingFramework",
    required=("application", "trainingFramework", "modelFormat", "precision", "shortDescription"),
    members={
        **_COMMON,
        "application": choice(
            "CLASSIFICATION",
            "OBJECT_DETECTION",
            "SEGMENTATION",
            "TRANSLATION",
            "TEXT_TO_SPEECH",
            "RECOMMENDER",
            "SENTIMENT",
            "NLP",
            "KUBEFLOW_PIPELINE",
            "OTHER",
            "SPEAKER_VERIFICATION",
            "PUNCTUATION_AND_CAPITALIZATION",
            "DIALOG_STATE_TRACKING",
            "SPEAKER_DIARIZATION",
            "SPEAKER_RECOGNITION",
            "SPEECH_SYNTHESIS",
            "VOICE_ACTIVITY_DETECTION",
            "SPEECH_RECOGNITION",
            "LANGUAGE_MODELING",
            "NAMED_ENTITY_RECOGNITION",
            "TEXT_CLASSIFICATION",
            "TEXT_PROCESSING",
            "QUESTION_ANSWERING",
            "CONTENT_GENERATION",
        ),
        "trainingFramework": choice(
            "TensorFlow",
            "Caffe2",
            "CNTK",
            "Torch",
            "PyTorch",
            "MXNet",
            "Keras",
            "Other",
            "TransferLearningToolkit",
            "TensorFlow2",
        ),
        "precision": choice("FP16", "FP32", "INT8", "FPBOTH", "OTHER", "ALL"),
        "advanced": _markdown,
        "performance": _markdown,
        "quickStartGuide": _markdown,
        "setup": _markdown,
    },
    version_members={
        **_COMMON_VERSION,
        "description": _markdown,
        "performance": _markdown,
        "quickStartGuide": _markdown,
        "setup": _markdown,
        "releaseNotes": _markdown,
    },
)
KINDS = {kind.segment: kind for kind in (MODEL, RESOURCE)}
