"""Output compared with files in tests/golden; ``NGC_TEST_UPDATE_GOLDEN=1`` writes them anew, for a look at the diff."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "golden"
UPDATE = bool(os.environ.get("NGC_TEST_UPDATE_GOLDEN"))  # read before a test's own environment begins


def assert_golden(name: str, text: str) -> None:
    """The text is what the file of that name holds."""
    path = FOLDER / name
    if UPDATE:
        path.write_text(text, encoding="utf-8")
    assert path.exists(), f"{path} is missing; NGC_TEST_UPDATE_GOLDEN=1 writes it"
    assert text == path.read_text(encoding="utf-8")
