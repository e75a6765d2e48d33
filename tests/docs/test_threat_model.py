"""Every test that the threat model names is there."""

from __future__ import annotations

import re

from support.pages import ROOT

PAGE = ROOT / "docs" / "security" / "threat-model.md"


def test_every_defence_names_a_test_that_is_there() -> None:
    text = PAGE.read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(named) > 40
    lost = [
        f"{file}::{name}" for file, name in named if f"def {name}(" not in (ROOT / file).read_text("utf-8")
    ]
    assert lost == []
    rows = [line for line in text.splitlines() if line.startswith("| ") and line.count(" | ") == 3]
    assert [row for row in rows if "tests/" not in row and ".ci/run" not in row and "Threat" not in row] == []
