"""The file that goes into a support ticket: the report, the log of its requests, and what was taken out of them.

Written whole or not at all, for its owner's eyes only. ``manifest.json`` names every file with its digest and every
redaction.
"""

from __future__ import annotations

import hashlib
import json
import logging
import zipfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from ngc_cli.diagnostics.machine import HIDDEN
from ngc_cli.diagnostics.redaction import Redactor
from ngc_cli.errors import LocalFileError
from ngc_cli.files import replacing


class Bundle:
    """A zip file under way; made in its folder at once, so that a wrong path is known before the work begins.

    It also keeps what the program logs meanwhile.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log_lines: list[str] = []
        self._opened = ExitStack()
        try:
            self._file = self._opened.enter_context(replacing(path, sync=True))
        except OSError as error:
            raise LocalFileError(
                f"{path} cannot be written: {error.strerror}", hint="Name a file in a folder that exists."
            ) from error
        self._handler = _Keep(self.log_lines)
        self._logger = logging.getLogger("ngc_cli")
        self._level = self._logger.level

    def __enter__(self) -> Bundle:
        self._logger.addHandler(self._handler)
        self._logger.setLevel(logging.DEBUG)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._logger.removeHandler(self._handler)
        self._logger.setLevel(self._level)
        try:
            self._opened.__exit__(kind, error, trace)
        except OSError as failed:
            if failed is error:
                raise
            raise self._unwritable(failed) from failed

    def write(self, about: Mapping[str, Any], report: Any, text: str, redactor: Redactor) -> None:
        """Fill the file, which has its name when the block ends.

        ``about`` opens the manifest; report and text are the two forms of the findings.
        """
        files = {
            "report.txt": redactor.text(text, "report.txt"),
            "report.json": json.dumps(redactor.value(report, "report.json"), indent=4, sort_keys=True) + "\n",
            "log.txt": "".join(redactor.text(line, "log.txt") + "\n" for line in self.log_lines),
        }
        manifest = {
            **redactor.value(about, "manifest.json"),
            "files": [_entry(name, content) for name, content in files.items()],
            "hidden_values": _hidden(report),
            "redactions": [asdict(item) for item in redactor.redactions if item.place],
        }
        files["manifest.json"] = json.dumps(manifest, indent=4) + "\n"
        try:
            with zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED) as archive:
                for name in sorted(files):
                    archive.writestr(name, files[name])
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> LocalFileError:
        return LocalFileError(f"{self.path} cannot be written: {error.strerror}")


class _Keep(logging.Handler):
    """Keeps log lines."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines
        self.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))


def _entry(name: str, content: str) -> dict[str, Any]:
    raw = content.encode()
    return {
        "name": name,
        "size_bytes": len(raw),
        "sha256": hashlib.sha256(raw).hexdigest(),
        "what": _ABOUT[name],
    }


_ABOUT = {
    "report.txt": "what ngc diag printed",
    "report.json": "the same for machines",
    "log.txt": "the requests of this run, without bodies",
}


def _hidden(report: Any, path: str = "") -> list[str]:
    """Where the report says that it does not tell a value, as paths of member names."""
    if isinstance(report, Mapping):
        if "key" in report:  # a row of the configuration
            report = {str(report["key"]): report.get("value")}
        return [at for name, member in report.items() for at in _hidden(member, f"{path}/{name}")]
    if isinstance(report, list):
        return [at for item in report for at in _hidden(item, path)]
    is_masked = isinstance(report, str) and (report == HIDDEN or report.startswith("****"))
    return [path.strip("/")] if is_masked else []
