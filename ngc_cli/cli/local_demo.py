"""The main path of ngc as a play: every command is shown before it runs, as a person would type it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from ngc_cli.cli.output import Output
from ngc_cli.errors import NgcError

_TARGET = "nvidia/myteam/final_review_model"
_TABLES = {
    "zeppelin_table.json": ("ZeppelinTable", ("Robert Plant", "Jimmy Page", "John Bonham")),
    "rhcp_table.json": ("RHCPTable", ("Anthony Kiedis", "Michael Balzary", "Chad Smith")),
}
_STEPS = (
    f"registry model create --application OBJECT_DETECTION --framework TensorFlow --format SavedModel "
    f"--precision FP16 --short-desc 'A model for object detection' {_TARGET}",
    f"registry model upload-version --source model --num-epochs 100 --accuracy-reached 91.5 "
    f"--metrics-file zeppelin_table.json --metrics-file rhcp_table.json {_TARGET}:1",
    "registry model list 'nvidia/myteam/*'",
    f"registry model info {_TARGET}:1 --files",
    f"registry model download-version {_TARGET}:1 --dest downloads",
    f"registry model download-version {_TARGET}:1 --dest downloads --verify-only",
)


def play(output: Output, folder: Path, environment: Mapping[str, str]) -> None:
    """Run the steps in the folder; raises NgcError when one of them fails."""
    _make_content(folder)
    variables = {name: value for name, value in os.environ.items() if not name.startswith("NGC_")}
    variables |= {**environment, "NGC_CLI_HOME": str(folder / "home")}
    for step in _STEPS:
        output.raw(f"\n$ ngc {step}\n")
        done = subprocess.run(
            [sys.executable, "-m", "ngc_cli", *shlex.split(step)], cwd=folder, env=variables, check=False
        )
        if done.returncode:
            raise NgcError(f"the step failed with exit status {done.returncode}: ngc {step}")


def _make_content(folder: Path) -> None:
    """A small model folder and two metrics tables, as in the guide."""
    for name, size_bytes in {
        "saved_model.pb": 3_000_000,
        "variables/data-00000": 20_000_000,
        "labels.txt": 80,
    }.items():
        path = folder / "model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size_bytes))
    for file_name, (title, people) in _TABLES.items():
        pairs = [dict(zip(("key", "value"), person.split(), strict=True)) for person in people]
        (folder / file_name).write_text(json.dumps({"name": title, "attributes": pairs}))
