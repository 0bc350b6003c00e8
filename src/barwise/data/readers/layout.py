"""How a text file is laid out: its delimiter, where its rows begin, and the rows of names above them."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

from barwise.data.names import RANK, bare, plain
from barwise.data.readers.roles import kind_of
from barwise.errors import DataError

_HEAD = 65_536  # bytes that are looked at
_LOOKED = 40  # rows of them that are taken apart
_AHEAD = 400  # lines before the rows at most
_DELIMITERS = (",", ";", "\t", "|")
SPACES = " "  # runs of them
MISSING = ["", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-NaN", "-nan", "null", "NULL", "Null", "None", "-", "--", "—",
           "N.A.", ".", "#N/A N/A", "#VALUE!", "NAN", "Nan", "<NA>"]  # fmt: skip
CURRENCY = r"(?:[$€£¥₹₩₽₺]|R\$|US\$|USD|EUR|GBP|JPY|CHF|kr|zł)"
CELL = re.compile(
    rf"\s*[-+−(]?\s*{CURRENCY}?\s*[-+−]?\s*(?:\d[\d.,'’ \u00a0\u202f\u2009_]*|[.,]\d+)(?:[eE][-+]?\d+)?"
    rf"\s*(?:%|[KMBTkmb]|Bn|bn|mn|Mio\.?|Mrd\.?|Tsd\.?|万|億|亿|百万)?\s*{CURRENCY}?\)?\s*(?:株|円)?\s*"
)
_PLAIN = re.compile(r"\s*-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*")
_KNOWN = frozenset(word for role, words in RANK.items() for word in words if role not in ("year", "month", "day"))
MISSED = frozenset(MISSING)


@dataclass(frozen=True)
class Layout:
    """`start`: the byte at which the first row begins; `width`: cells a row; `heads`: rows of names, perhaps none.

    `sample`: the first rows, as cells; `above`: how many lines stand before the names.
    """

    delimiter: str
    start: int
    width: int
    heads: tuple[tuple[str, ...], ...]
    sample: tuple[tuple[str, ...], ...]
    above: int

    def plain(self, place: int) -> bool:
        """Whether the cells of a column are numbers as programs write them, as far as the sample goes."""
        cells = [row[place] for row in self.sample if place < len(row)]
        return all(_PLAIN.fullmatch(cell) or cell.strip() in MISSED for cell in cells)


def layout(data: bytes, where: str) -> Layout:
    """The layout of a text file in UTF-8. DataError where there is no row of a bar in its head."""
    lines, offsets = _head_lines(data)
    if not lines:
        raise DataError(f"{where}: the file is empty")
    found = [c for c in (_candidate(lines, offsets, d) for d in (*_DELIMITERS, SPACES)) if c]
    if not found:
        header = next((row for d in _DELIMITERS if (row := _names_in(lines, d))), None)
        if header and len(lines) <= len(header):
            raise DataError(f"{where}: the file has a header and no rows")
        raise DataError(f"{where}: holds no rows of bars: line 1 is {_shown(lines[0])}")
    return max(found, key=lambda c: c[0])[1]


def _head_lines(data: bytes) -> tuple[list[str], list[int]]:
    """The lines of the head that are not blank, and the byte at which each begins."""
    head = data[:_HEAD]
    if len(data) > _HEAD:
        head = head[: head.rfind(b"\n") + 1] or head
    lines, offsets, at = [], [], 0
    for raw in head.split(b"\n"):
        text = raw.decode("utf-8", errors="replace").rstrip("\r")
        if text.strip():
            lines.append(text)
            offsets.append(at)
        if len(lines) > _AHEAD:
            break
        at += len(raw) + 1
    return lines, offsets


def cells_of(line: str, delimiter: str) -> tuple[str, ...]:
    """The cells of one line."""
    if delimiter == SPACES:
        return tuple(line.split())
    if '"' in line:
        return tuple(next(csv.reader([line], delimiter=delimiter)))
    return tuple(line.split(delimiter))


def _candidate(lines: Sequence[str], offsets: Sequence[int], delimiter: str) -> tuple[tuple[float, ...], Layout] | None:
    """(how good it is, the layout) under one delimiter, or None where no row of a bar is seen."""
    if delimiter != SPACES and delimiter not in "".join(lines[-3:]) and delimiter not in lines[0]:
        return None
    first = next((i for i, line in enumerate(lines) if is_row(cells_of(line, delimiter))), None)
    if first is None:
        return None
    while first and _timed(cells_of(lines[first - 1], delimiter)):
        first -= 1
    rows = [cells_of(line, delimiter) for line in lines[first : first + _LOOKED]]
    good = [row for row in rows if is_row(row)]
    widths = [len(row) for row in good]
    width = max(set(widths), key=widths.count)
    heads, above = _heads([cells_of(line, delimiter) for line in lines[:first]], width)
    known = max((_known_names(row) for row in heads), default=0)
    sample = tuple(row for row in good if len(row) == width)
    score = (len(good) / len(rows) > 0.5, delimiter != SPACES, min(known, 4), len(good) / len(rows), width)
    return score, Layout(delimiter, offsets[first], width, heads, sample, above)


def is_row(cells: Sequence[str]) -> bool:
    """Whether cells could be a bar: a time and three numbers or more, and no word for a column."""
    if len(cells) < 4 or _known_names(cells):
        return False
    numbers = sum(bool(CELL.fullmatch(cell)) for cell in cells)
    times = kind_of(cells[:1]) or kind_of(cells[1:2]) or any(kind_of((c,)) in ("full", "date", "epoch") for c in cells)
    blank = sum(cell.strip() in MISSED for cell in cells)
    return bool(times) and (numbers >= 4 or (numbers >= 1 and numbers + blank >= 4))


def _timed(cells: Sequence[str]) -> bool:
    """A row that begins with a time: perhaps a bad row, but no row of names."""
    return len(cells) >= 4 and kind_of(cells[:1]) in ("full", "date", "epoch")


def _known_names(cells: Sequence[str]) -> int:
    """How many of the cells are words for a column."""
    return sum(plain(cell) in _KNOWN or bare(cell) in _KNOWN for cell in cells if _wordy(cell))


def _wordy(cell: str) -> bool:
    return bool(cell) and len(cell) < 60 and any(letter.isalpha() for letter in cell)


def _heads(before: Sequence[tuple[str, ...]], width: int) -> tuple[tuple[tuple[str, ...], ...], int]:
    """The rows of names among the lines before the first row, and how many lines stand above them."""
    named = [i for i, row in enumerate(before) if _known_names(row) >= 3 and len(row) > 2]
    if named:
        first = named[-1]
        while (first and first - 1 in named) or (first and _tickers(before[first - 1], width)):
            first -= 1
        return tuple(_clean(row) for row in before[first:] if len(row) > 1), first
    if before and abs(len(before[-1]) - width) <= 1 and not before[-1][0].lstrip().startswith(("#", "//")):
        return (_clean(before[-1]),), len(before) - 1  # names that are not known
    return (), len(before)


def _tickers(row: Sequence[str], width: int) -> bool:
    """A row of tickers above the names, as yfinance groups them."""
    filled = sum(bool(cell.strip()) for cell in row)
    return len(row) == width and filled >= 3 and plain(row[0]) in ("ticker", "symbol", "", "symbols")


def _clean(row: Sequence[str]) -> tuple[str, ...]:
    cells = [cell.strip() for cell in row]
    cells[0] = cells[0].lstrip("#/ ").strip()
    return tuple(cells)


def _names_in(lines: Sequence[str], delimiter: str) -> tuple[str, ...] | None:
    return next((row for row in (cells_of(line, delimiter) for line in lines[:20]) if _known_names(row) >= 3), None)


def _shown(line: str) -> str:
    return repr(line if len(line) <= 60 else line[:60] + "…")
