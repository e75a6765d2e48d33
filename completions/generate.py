"""Write the completion scripts into this folder, as packages ship them: ``python completions/generate.py``."""

from __future__ import annotations

from pathlib import Path

from ngc_cli.cli.completion_scripts import packaged_files

if __name__ == "__main__":
    for file_name, text in packaged_files().items():
        (Path(__file__).parent / file_name).write_text(text)
