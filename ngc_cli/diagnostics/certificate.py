"""What a certificate says about itself, read without trusting it (RFC 5280, section 4.1).

Python tells the names and dates of a certificate only after it was verified; a diagnosis needs them most when it
was not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

# ASN.1 tags (X.690) of what is read here; the version of a certificate has one of its own (RFC 5280 section 4.1).
_SEQUENCE, _SET, _OID = 0x30, 0x31, 0x06
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_BMP_STRING = 0x1E
_EXPLICIT_VERSION = 0xA0
_NAME_PARTS = {b"\x55\x04\x0a": "organization", b"\x55\x04\x0b": "unit", b"\x55\x04\x03": "common name"}


@dataclass(frozen=True)
class Certificate:
    """Who a certificate is for, who signed it, and from when to when it holds."""

    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime


def read_certificate(der: bytes) -> Certificate:
    """The certificate in DER form; raises ValueError for anything else."""
    try:
        return _read(der)
    except (StopIteration, IndexError, OverflowError) as error:
        raise ValueError("this is not a certificate") from error


def _read(der: bytes) -> Certificate:
    signed = next(_items(_content(next(_items(der)), _SEQUENCE)))
    fields = list(_items(_content(signed, _SEQUENCE)))
    if fields[0][0] == _EXPLICIT_VERSION:
        del fields[0]
    issuer, validity, subject = fields[2:5]
    not_before, not_after = list(_items(_content(validity, _SEQUENCE)))[:2]
    return Certificate(_name(subject), _name(issuer), _time(*not_before), _time(*not_after))


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element that stands in ``data``."""
    position = 0
    while position < len(data):
        tag, length = data[position], data[position + 1]
        position += 2
        if length & 0x80:
            octets = length & 0x7F
            length = int.from_bytes(data[position : position + octets], "big")
            position += octets
        if position + length > len(data):
            raise ValueError("an element is longer than what holds it")
        yield tag, data[position : position + length]
        position += length


def _content(item: tuple[int, bytes], tag: int) -> bytes:
    if item[0] != tag:
        raise ValueError(f"an element has the tag {item[0]:#x} instead of {tag:#x}")
    return item[1]


def _name(item: tuple[int, bytes]) -> str:
    """The common name, and the organization before it when there is one."""
    parts: dict[str, str] = {}
    for relative in _items(_content(item, _SEQUENCE)):
        for pair in _items(_content(relative, _SET)):
            (_, oid), (tag, value) = list(_items(_content(pair, _SEQUENCE)))[:2]
            if oid in _NAME_PARTS:
                text = value.decode("utf-16-be" if tag == _BMP_STRING else "utf-8", "replace")
                parts[_NAME_PARTS[oid]] = "".join(c if c.isprintable() else "?" for c in text)[:100]
    shown = [parts[kind] for kind in ("organization", "common name") if kind in parts]
    return ", ".join(shown) or parts.get("unit", "")


def _time(tag: int, value: bytes) -> datetime:
    """A time of the validity; two digits of a year below 50 are of this century."""
    text = value.decode("ascii", "replace")
    if tag == _UTC_TIME:
        text = ("20" if text[:2] < "50" else "19") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError(f"a time has the tag {tag:#x}")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc)
