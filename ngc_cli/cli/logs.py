"""The debug log of ``--debug``: the records of the ``ngc_cli`` logger, every line without secrets."""

from __future__ import annotations

import logging
import platform
from collections.abc import Callable

from ngc_cli import __version__
from ngc_cli.http.redact import redact_text


class _Writer(logging.Handler):
    """Hands each record to a function as one text."""

    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__()
        self._write = write
        self.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, redacted as a whole: an exception's text may hold a secret too."""
        try:
            self._write(redact_text(self.format(record)))
        except Exception:  # noqa: BLE001 - logging must not end a command; Python's way to report it
            self.handleError(record)


def start_debug_log(write: Callable[[str], None]) -> Callable[[], None]:
    """Write the debug log with ``write``, a line at a time; returns the function that ends it."""
    handler = _Writer(write)
    logger = logging.getLogger("ngc_cli")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.debug("ngc %s, Python %s, %s", __version__, platform.python_version(), platform.platform())

    def stop() -> None:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)

    return stop
