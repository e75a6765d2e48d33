"""A table made to fit a terminal: what people copy stays whole, the rest is wrapped, then left out.

Where too little would be left, each row becomes a record, a line for each column. Widths are those of the terminal: a
wide character counts two. Pure functions of text.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

# A table of fewer columns holds a name of forty letters and nothing beside it.
_NARROWEST_TERMINAL = 60
# Shorter lines of a wrapped cell read like a column of syllables; longer words than this are broken.
_NARROWEST_CELL = 10
_LONGEST_WORD = 18


@dataclass(frozen=True)
class Fitted:
    """A table whose cells are wrapped, and the headings of the columns that found no room."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    left_out: Sequence[str] = ()


def fit(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int,
    *,
    whole: Collection[int] = (),
    keep_all: bool = False,
) -> Fitted | None:
    """The table within this width; None when it has to be shown as records.

    ``whole`` are the columns that are never wrapped or left out; with ``keep_all`` none is left out.
    """
    natural = [_natural(header, [row[i] for row in rows]) for i, header in enumerate(headers)]
    if _total(natural) <= width:
        return Fitted(headers, rows)
    floors = [
        _floor(header, [row[i] for row in rows], i in whole, natural[i]) for i, header in enumerate(headers)
    ]
    shown = list(range(len(headers)))
    for i in sorted(set(shown) - set(whole), reverse=True):
        if _total([floors[j] for j in shown]) <= width or keep_all:
            break
        shown.remove(i)
    too_few = len(shown) < min(2, len(headers))
    if width < _NARROWEST_TERMINAL or too_few or _total([floors[j] for j in shown]) > width:
        return None
    widths = _share_out(width, {i: (floors[i], natural[i]) for i in shown})
    return Fitted(
        ["\n".join(wrap(headers[i], widths[i])) for i in shown],
        [[row[i] if i in whole else "\n".join(wrap(row[i], widths[i])) for i in shown] for row in rows],
        [headers[i] for i in range(len(headers)) if i not in shown],
    )


def records(
    headers: Sequence[str], rows: Sequence[Sequence[str]], width: int, *, whole: Collection[int] = ()
) -> str:
    """Each row as lines ``Heading: value`` under each other, and a blank line between two rows."""
    return "\n\n".join(
        "\n".join(
            _record_line(header, cell, width, i in whole)
            for i, (header, cell) in enumerate(zip(headers, row, strict=True))
        )
        for row in rows
    )


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most this width, broken between words where that is possible."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            joined = f"{line} {word}" if line else word
            if display_width(joined) <= width:
                line = joined
                continue
            if line:
                lines.append(line)
            *full, line = _pieces(word, width)
            lines += full
        lines.append(line)
    return lines


def display_width(text: str) -> int:
    """How many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    from wcwidth import wcswidth

    return max(int(wcswidth(text)), 0)


def _record_line(header: str, cell: str, width: int, is_whole: bool) -> str:
    line = f"{header}: {cell}".rstrip(" ")
    if "\n" not in cell and (is_whole or display_width(line) <= width):
        return line
    return "\n".join([f"{header}:", *(f"  {part}" for part in wrap(cell, max(width - 2, _NARROWEST_CELL)))])


def _pieces(word: str, width: int) -> list[str]:
    """A word cut where it does not fit."""
    pieces = [""]
    for character in word:
        if pieces[-1] and display_width(pieces[-1] + character) > width:
            pieces.append("")
        pieces[-1] += character
    return pieces


def _natural(header: str, cells: Sequence[str]) -> int:
    return max(display_width(line) for cell in (header, *cells) for line in cell.split("\n"))


def _floor(header: str, cells: Sequence[str], is_whole: bool, natural: int) -> int:
    """The least width of a column: its words in one piece, and all of a cell that stays whole."""
    in_header = max(map(display_width, header.split(" ")))
    if is_whole:
        return max(in_header, *(display_width(line) for cell in ("", *cells) for line in cell.split("\n")))
    longest = max((display_width(word) for cell in cells for word in cell.split()), default=0)
    return min(natural, max(in_header, _NARROWEST_CELL, min(longest, _LONGEST_WORD)))


def _total(widths: Sequence[int]) -> int:
    """The width of a table: two blanks and a bar for each column, and the first bar."""
    return sum(widths) + 3 * len(widths) + 1


def _share_out(width: int, columns: dict[int, tuple[int, int]]) -> dict[int, int]:
    """Widths of columns between their least and natural ones; who needs least is served first."""
    spare = width - _total([floor for floor, _ in columns.values()])
    widths: dict[int, int] = {}
    by_need = sorted(columns, key=lambda i: columns[i][1] - columns[i][0])
    for place, i in enumerate(by_need):
        floor, natural = columns[i]
        more = min(natural - floor, spare // (len(by_need) - place))
        widths[i] = floor + more
        spare -= more
    return widths
