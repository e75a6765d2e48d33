"""Names of files that are safe on Linux, macOS and Windows, and those that one of them would take for another."""

import pytest

from ngc_cli.file_names import name_fault


@pytest.mark.parametrize(
    "path",
    [
        "model.onnx",
        "a/b/c.txt",
        "größe 日本 🚀.txt",
        ".hidden",
        "console.log",
        "com10.txt",
        "lpt",
        "a b",
        "...a",
        "x" * 255,
        "what?.txt",
        "nulls.bin",
        ".ngc-transfers",
    ],
)
def test_ordinary_names_are_safe(path: str) -> None:
    assert name_fault(path) == ""


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "empty"),
        ("/etc/passwd", "relative path"),
        ("a//b", "relative path"),
        ("a/", "relative path"),
        ("a/../b", "relative path"),
        ("./a", "relative path"),
        ("..\\..\\evil.exe", "backslash"),
        ("C:evil", "colon"),
        ("x/C:evil", "colon"),
        ("file.txt:stream", "colon"),
        ("a.", "dot or a blank"),
        ("a /b", "dot or a blank"),
        ("CON", "device"),
        ("a/nul.txt", "device"),
        ("Com1.tar.gz", "device"),
        ("lpt\u00b2", "device"),
        ("CONIN$", "device"),
        ("nul .txt", "device"),
        ("\x1b[2J.txt", "control character"),
        ("a\nb", "control character"),
        ("a\x85", "control character"),
        (".ngc-transfer/x", "unfinished transfers"),
        ("a/.NGC-Transfer", "unfinished transfers"),
        ("x" * 256, "255 bytes"),
        ("é" * 128, "255 bytes"),
        ("\ud800", "Unicode"),
    ],
)
def test_names_that_some_system_misreads_have_a_fault(path: str, words: str) -> None:
    assert words in name_fault(path)
