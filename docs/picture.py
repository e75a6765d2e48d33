"""Makes docs/terminal.svg, the picture in the README, from a real run: ``python docs/picture.py``.

It starts a registry of its own, types the commands below at a terminal of 80 columns, and draws what was shown.
"""

from __future__ import annotations

import html
import os
import pty
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

TARGET = Path(__file__).resolve().parent / "terminal.svg"
NGC = Path(sys.executable).parent / "ngc"
BEFORE = (
    "local start --org nvidia",
    "org add-team myteam 'My Team'",
    "registry model create nvidia/myteam/resnet --application CLASSIFICATION --framework PyTorch --format ONNX "
    "--precision FP16 --short-desc 'Tells cats from dogs'",
)
SHOWN = (
    "ngc registry model upload-version nvidia/myteam/resnet:1 --source model",
    "ngc registry model list 'nvidia/*' --column version --column size",
    "ngc registry model download-version nvidia/myteam/resnet:1 --file '*.onnx'",
    "ngc registry model list 'nvidia/*' --query '[].[name, precision]'",
)
AFTER = ("local stop",)
# A terminal's cell in the picture, in pixels: what a monospaced font of 14 pixels takes.
_CELL_WIDTH, _LINE_HEIGHT, _MARGIN = 8.43, 19, 18
_COLUMNS = 80


def main() -> int:
    """Run the commands and write the picture."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model").mkdir()
        (folder / "model" / "resnet.onnx").write_bytes(os.urandom(24_000_000))
        (folder / "model" / "labels.txt").write_text("cat\ndog\n")
        environ = {"PATH": f"{NGC.parent}:{os.environ['PATH']}", "HOME": name, "TERM": "xterm"}
        environ |= {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
        try:
            for line in BEFORE:
                subprocess.run(
                    [NGC, *shlex.split(line)], cwd=folder, env=environ, check=True, stdout=subprocess.PIPE
                )
            shown = [part for line in SHOWN for part in _typed(line, folder, environ)]
        finally:
            for line in AFTER:
                subprocess.run(
                    [NGC, *shlex.split(line)], cwd=folder, env=environ, check=True, stdout=subprocess.PIPE
                )
    TARGET.write_text(drawing(shown), encoding="utf-8")
    return 0


def _typed(line: str, folder: Path, environ: dict[str, str]) -> Iterator[str]:
    """The line as it was typed, and what it showed at a terminal."""
    master, slave = pty.openpty()
    environ = {**environ, "COLUMNS": str(_COLUMNS), "LINES": "40"}
    words = [*shlex.split(line), "--no-progress"]
    with subprocess.Popen(words, cwd=folder, env=environ, stdin=slave, stdout=slave, stderr=slave):
        os.close(slave)
        shown = b"".join(_output(master))
    yield f"$ {line}"
    yield from shown.decode().replace("\r\n", "\n").replace(str(folder), "~").splitlines()
    yield ""


def _output(master: int) -> Iterator[bytes]:
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:  # Linux says EIO when the command has closed the terminal
            return
        if not data:
            return
        yield data


def drawing(lines: list[str]) -> str:
    """The lines as a terminal in SVG, what was typed in another colour."""
    while lines and not lines[-1]:
        lines.pop()
    width = round(_COLUMNS * _CELL_WIDTH + 2 * _MARGIN)
    height = len(lines) * _LINE_HEIGHT + 2 * _MARGIN
    texts = [
        f'<text x="{_MARGIN}" y="{_MARGIN + 14 + number * _LINE_HEIGHT}"'
        f"{' class=' + chr(34) + 'typed' + chr(34) if line.startswith('$ ') else ''}>{html.escape(line)}</text>"
        for number, line in enumerate(lines)
        if line
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
            "<title>ngc uploads, lists, downloads and queries a model</title>",
            "<style>text { font: 14px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: #d0d7de; "
            "white-space: pre } .typed { fill: #7ee787 }</style>",
            f'<rect width="{width}" height="{height}" rx="8" fill="#161b22"/>',
            *texts,
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
