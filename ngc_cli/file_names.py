"""Which relative paths are safe as names of files, everywhere: one rule for publishers, registries and downloaders.

A version is written on one system and read on others. A name that one of Linux, macOS and Windows would take for
something else (a folder further up, a drive, a device, a stream, the name without its last dot) must not be published,
and must not be written when a server sends it. Shared vocabulary of client and server: the registry refuses at upload,
the client at download. Leaf module.

Sources: POSIX.1-2017, section 4.13 (pathname resolution); Microsoft, "Naming Files, Paths, and Namespaces".
"""

from __future__ import annotations

import re

STATE_FOLDER = ".ngc-transfer"
"""Name of the client's own folder of unfinished transfers; never content, at any depth."""
# NAME_MAX of Linux and macOS; Windows counts 255 UTF-16 units, which is never less.
_NAME_MAX_BYTES = 255
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")
# Windows takes these for devices in every folder, whatever extension follows; the superscript digits count as digits.
_DEVICE = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3]) *(?:\.|$)", re.IGNORECASE
)


def name_fault(path: str) -> str:
    """Why ``path`` is not safe as the name of a file below some folder, in words that follow the name; empty: it is.

    Parts are separated by ``/``. ``< > " | ? *`` pass: Windows refuses to write them, but never takes them for another
    name.
    """
    if not path:
        return "is empty"
    for part in path.split("/"):
        if fault := _part_fault(part):
            return fault
    return ""


def _part_fault(part: str) -> str:
    if part in ("", ".", ".."):
        return "is not a relative path without '.', '..' and empty parts"
    if _CONTROLS.search(part):
        return "has a control character"
    if "\\" in part or ":" in part:
        return "has a backslash or a colon, which Windows takes for a folder, a drive or a stream"
    if part[-1] in ". ":
        return "has a part that ends in a dot or a blank, which Windows drops"
    if _DEVICE.match(part):
        return f"has the part '{part}', a device on Windows"
    if part.casefold() == STATE_FOLDER:
        return f"has the part '{part}', where ngc keeps unfinished transfers"
    try:
        size_bytes = len(part.encode())
    except UnicodeEncodeError:
        return "is not valid Unicode"
    return f"has a part of more than {_NAME_MAX_BYTES} bytes" if size_bytes > _NAME_MAX_BYTES else ""
