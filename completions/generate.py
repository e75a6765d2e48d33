"""Write the completion scripts of ngc into this folder: ``python completions/generate.py``."""

from __future__ import annotations

from pathlib import Path

from typer.completion import get_completion_script

FILES = {"bash": "ngc.bash", "zsh": "_ngc", "fish": "ngc.fish", "powershell": "ngc.ps1"}


def scripts() -> dict[str, str]:
    """File name to text, for every shell."""
    return {
        name: get_completion_script(prog_name="ngc", complete_var="_NGC_COMPLETE", shell=shell).strip() + "\n"
        for shell, name in FILES.items()
    }


if __name__ == "__main__":
    for file_name, text in scripts().items():
        (Path(__file__).parent / file_name).write_text(text)
