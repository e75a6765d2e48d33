"""Local files whose content becomes metadata: texts (overview, guides, notes) and metrics tables.

All of them are read and checked before the first request. Source: docs/protocol/artifacts.md#metrics-tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ngc_cli.errors import LocalFileError, UsageError
from ngc_cli.json_text import parse_json
from ngc_cli.records import KeyValue, MetricsTable
from ngc_cli.similar import did_you_mean

# What the service takes (docs/protocol/artifacts.md).
_TABLES_MAX = 3
_ATTRIBUTES_MAX = 12
# What the service takes (docs/protocol/artifacts.md).
_TEXT_MAX = 255
# Metadata is text for people; a larger file is a slip, such as a model in place of its overview.
_FILE_MAX_BYTES = 16 * 1024 * 1024


def read_text(path: Path) -> str:
    """The text of a UTF-8 file; raises LocalFileError when it is missing, unreadable, too large or not UTF-8."""
    try:
        with path.open("rb") as file:
            content = file.read(_FILE_MAX_BYTES + 1)
        if len(content) > _FILE_MAX_BYTES:
            raise LocalFileError(f"'{path}' is larger than 16 MB", hint="Name a text file.")
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LocalFileError(
            f"'{path}' is not UTF-8 text (byte {error.start})", hint="Convert it first."
        ) from error
    except FileNotFoundError as error:
        raise LocalFileError(f"there is no file '{path}'", hint=_near_names(path)) from error
    except OSError as error:
        raise LocalFileError(f"'{path}' cannot be read: {error.strerror}") from error


def _near_names(path: Path) -> str:
    """A hint with names in the same folder that look like the missing one (docs/guide.md, G-16)."""
    try:
        names = [item.name for item in path.parent.iterdir()]
    except OSError:
        return f"There is no folder '{path.parent}' either."
    return did_you_mean(path.name, names, at_most=3)


def read_metrics(paths: Sequence[Path]) -> tuple[MetricsTable, ...]:
    """Metrics tables, one a file: at most three, each of 1 to 12 pairs of short texts, order kept.

    Raises UsageError for a table that breaks a rule and LocalFileError for a file that cannot be read.
    """
    if len(paths) > _TABLES_MAX:
        raise UsageError(
            f"{len(paths)} metrics files are given", hint=f"A version has at most {_TABLES_MAX} tables."
        )
    return tuple(_table(path) for path in paths)


def _table(path: Path) -> MetricsTable:
    try:
        value = parse_json(read_text(path))
    except ValueError as error:
        raise UsageError(f"'{path}' is not JSON: {error}") from error
    if not isinstance(value, dict) or set(value) != {"name", "attributes"}:
        raise UsageError(
            f"'{path}' is not a metrics table", hint="It needs 'name' and 'attributes', nothing else."
        )
    attributes = value["attributes"]
    if not isinstance(attributes, list) or not 1 <= len(attributes) <= _ATTRIBUTES_MAX:
        raise UsageError(f"'attributes' of '{path}' is not a list of 1 to {_ATTRIBUTES_MAX} pairs")
    return MetricsTable(_short_text(value["name"], path), tuple(_pair(item, path) for item in attributes))


def _pair(item: Any, path: Path) -> KeyValue:
    if not isinstance(item, dict) or set(item) != {"key", "value"}:
        raise UsageError(f"'{path}' has an attribute without exactly 'key' and 'value'")
    return KeyValue(_short_text(item["key"], path), _short_text(item["value"], path))


def _short_text(value: Any, path: Path) -> str:
    """A text of up to 255 characters; numbers are written as text, as the official client does."""
    text = str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""
    if not 0 < len(text) <= _TEXT_MAX:
        raise UsageError(
            f"'{path}' has a name, key or value that is not a text of 1 to {_TEXT_MAX} characters"
        )
    return text
