"""A command at a pseudo-terminal: what it shows and what somebody types."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence

# What a terminal obeys and does not show: CSI sequences, character sets, carriage returns, bells, backspaces.
_CONTROL = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[()=>][0-9A-B]?)|[\r\x07\x08]")


class Terminal:
    """Runs a command whose standard streams are one terminal of its own; ``seen`` is all it has shown so far."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str] | None = None) -> None:
        self._master, slave = pty.openpty()
        self.seen = ""
        self._expected = 0
        self._process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environ,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)

    def expect(self, text: str, timeout_s: float = 20) -> None:
        """Wait until the text is shown behind what was expected before."""
        deadline = time.monotonic() + timeout_s
        while text not in self.seen[self._expected :]:
            assert time.monotonic() < deadline, f"'{text}' is not in {self.seen[self._expected :]!r}"
            assert self._read(0.1) or self._process.poll() is None, f"'{text}' never came: {self.seen!r}"
        self._expected = self.seen.index(text, self._expected) + len(text)

    def resize(self, lines: int, columns: int) -> None:
        """Give the terminal a size."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def expect_plain(self, text: str, timeout_s: float = 20) -> None:
        """Wait until the text is shown behind what was expected before, however a line editor moves and colours."""
        deadline = time.monotonic() + timeout_s
        while text not in (plain := _CONTROL.sub("", self.seen[self._expected :])):
            assert time.monotonic() < deadline, f"'{text}' is not in {plain!r}"
            self._read(0.1)

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._master, line.encode() + b"\n")

    def press(self, keys: str) -> None:
        """Press keys, such as TAB, without a line's end."""
        os.write(self._master, keys.encode())

    def finish(self, timeout_s: float = 20) -> int:
        """Read to the end and return the exit code."""
        deadline = time.monotonic() + timeout_s
        while self._read(0.1) or self._process.poll() is None:
            assert time.monotonic() < deadline, f"the command does not end: {self.seen!r}"
        os.close(self._master)
        return self._process.returncode

    def _read(self, wait_s: float) -> bool:
        """Take in what is shown within a time; False when there was nothing."""
        if not select.select([self._master], [], [], wait_s)[0]:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # Linux says EIO when the last process has closed the terminal
            return False
        self.seen += data.decode().replace("\r\n", "\n")
        return bool(data)
