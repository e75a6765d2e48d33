"""Bodies that are read into memory: with a limit on their size as decoded and on their time.

A server may send a gzip of zeros, or a byte a second. Bodies are decoded here, block by block, so
that no more than the limit is ever held, whichever version of urllib3 is below.
Source: RFC 9110 section 8.4, RFC 1952.
"""

from __future__ import annotations

import time
import zlib

import urllib3

ANSWER_MAX_S = 120.0
"""Longest time that a body may take: what we read whole is a few megabytes at most, and slow lines bring that."""
# What is asked of the connection at once; decoded it may be a thousand times as much, so that is taken in pieces.
_BLOCK_BYTES = 64 * 1024
# zlib's own number for "with a gzip header", added to the largest window.
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


class UnusableBody(Exception):
    """A body that cannot be read within the limits; the text continues a sentence that begins with the server."""


def read_limited(
    raw: urllib3.BaseHTTPResponse, limit_bytes: int, *, limit_s: float = ANSWER_MAX_S, cut: bool = False
) -> bytes:
    """The decoded body; with ``cut`` only the beginning of one that is longer.

    Raises UnusableBody, and what urllib3 raises when the connection breaks.
    """
    coding = raw.headers.get("Content-Encoding", "").strip().lower()
    if coding not in ("", "identity", "gzip", "x-gzip"):
        raise UnusableBody(f"answers in the coding '{coding[:20]}', which was not asked for")
    decoder = zlib.decompressobj(_GZIP_WINDOW) if "gzip" in coding else None
    ends_at_s = time.monotonic() + limit_s
    content = bytearray()
    while block := raw.read1(
        _BLOCK_BYTES, decode_content=False
    ):  # what is there; read waits for a whole block
        try:
            content += decoder.decompress(block, limit_bytes + 1 - len(content)) if decoder else block
        except zlib.error as error:
            raise UnusableBody("answers with damaged gzip") from error
        if len(content) > limit_bytes:
            if cut:
                break
            raise UnusableBody(f"answers with more than {limit_bytes} bytes")
        if time.monotonic() > ends_at_s:
            raise UnusableBody(f"has not sent the whole of its answer in {limit_s:.0f} s")
    return bytes(content[:limit_bytes])
