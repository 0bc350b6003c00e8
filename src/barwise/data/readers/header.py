"""The names of a table's columns: one row of them, rows of fields and tickers (wide files), or none at all."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from barwise.data.bars import PRICES
from barwise.data.names import RANK, plain
from barwise.data.notes import Notes
from barwise.data.readers.guess import LEFT_OUT, guess
from barwise.data.readers.layout import Layout, cells_of, is_row
from barwise.data.readers.roles import NUMBERS, Roles, kind_of
from barwise.data.settings import setting
from barwise.errors import ConfigError, DataError

_FIELDS = {word: name for name in NUMBERS for word in RANK[name]}
_CURRENCIES = {"USD", "EUR", "GBP", "JPY", "CHF", "CNY", "INR", "BRL", "KRW", "HKD", "AUD", "CAD", "USDT", "price"}
_JOINTS = r"[ _.\-|/:]+"


@dataclass(frozen=True)
class Header:
    """`names`: one per column, no two alike. `wide`: {symbol: {our field: column}} where symbols stand side by side."""

    names: tuple[str, ...]
    wide: Mapping[str, Mapping[str, str]] | None = None


def of_text(found: Layout, given: Sequence[str] | None, where: str, notes: Notes) -> Header:
    """The names of a text file's columns; `given` are those of `data.header`. DataError where there are none."""
    if given is not None:
        names = [str(name) for name in given]
        if len(names) != found.width:
            raise ConfigError(f"{where}: data.header names {len(names)} columns; the rows have {found.width}")
        return Header(_unique(names))
    if found.above:
        notes.note(where, f"{found.above} {'line' if found.above == 1 else 'lines'} above the names left out")
    if not found.heads:
        return _headerless(found, where, notes)
    heads = [_aligned(row, found, where) for row in found.heads]
    return _of_rows(heads, where, notes)


def of_names(names: Sequence[str], where: str, notes: Notes) -> Header:
    """The names of a table's columns, which may be tuples of levels written as text, as pandas writes them."""
    levels = [_levels(name) for name in names]
    depth = max(map(len, levels), default=1)
    if depth == 1:
        return _of_rows([list(names)], where, notes)
    rows = [[level[i] if i < len(level) else "" for level in levels] for i in range(depth)]
    return _of_rows(rows, where, notes)


def _of_rows(heads: Sequence[Sequence[str]], where: str, notes: Notes) -> Header:
    """The names in one row or several: of fields, and of tickers above or below them."""
    if len(heads) == 1:
        split = _split(heads[0])
        return (split and _wide(*split, heads[0])) or Header(_unique(heads[0]))
    best = max(range(len(heads)), key=lambda i: sum(plain(cell) in _FIELDS for cell in heads[i]))
    fields = heads[best]
    for i, row in enumerate(heads):
        if i != best and (found := _wide(fields, row, _first_names(heads))):
            return found
    others = len(heads) - 1
    notes.warn(where, f"{others} {'row' if others == 1 else 'rows'} beside the names left out: no tickers, no bars")
    return Header(_unique(fields))


def _first_names(heads: Sequence[Sequence[str]]) -> list[str]:
    """The names of the columns that are no field: the last one given, such as Date in yfinance's third row."""
    return [
        next((row[i] for row in reversed(heads) if i < len(row) and row[i].strip()), "") for i in range(len(heads[0]))
    ]


def _wide(fields: Sequence[str], tickers: Sequence[str], others: Sequence[str]) -> Header | None:
    """Symbols side by side, where each has its open, high, low and close."""
    wide: dict[str, dict[str, str]] = {}
    names = []
    for i, field in enumerate(fields):
        ours = _FIELDS.get(plain(field))
        ticker = " ".join(tickers[i].split()) if i < len(tickers) else ""
        lone = plain(ticker) in ("ticker", "symbol", "symbols", "price", "date", "attributes")
        if ours and ticker and not lone:
            names.append(f"{ticker} {ours}")
            if ours in wide.setdefault(ticker, {}):
                return None
            wide[ticker][ours] = names[-1]
        else:
            names.append(others[i] if (i < len(others) and not lone) or i == 0 else field)
    complete = {ticker: part for ticker, part in wide.items() if all(name in part for name in PRICES)}
    if not complete or len(complete) < len(wide) or (len(wide) == 1 and set(wide) <= _CURRENCIES):
        return None
    return Header(_unique(names), complete)


def _split(names: Sequence[str]) -> tuple[list[str], list[str]] | None:
    """(fields, tickers) of names such as Close_AAPL, AAPL.Close or `Close AAPL`; None where the plain names will do."""
    if all(any(plain(name) in RANK[price] for name in names) for price in PRICES):
        return None
    fields, tickers = [], []
    for name in names:
        words = re.split(_JOINTS, str(name).strip())
        field, ticker = str(name), ""
        for size in (2, 1):
            if len(words) <= size:
                continue
            if plain("".join(words[-size:])) in _FIELDS:
                field, ticker = " ".join(words[-size:]), _before(str(name), words[-size])
            elif plain("".join(words[:size])) in _FIELDS:
                field, ticker = " ".join(words[:size]), re.split(_JOINTS, str(name).strip(), maxsplit=size)[-1]
            if ticker:
                break
        fields.append(field)
        tickers.append(ticker)
    return (fields, tickers) if any(tickers) else None


def _before(name: str, word: str) -> str:
    return re.sub(rf"{_JOINTS}$", "", name[: name.rindex(word)])


def _levels(name: str) -> tuple[str, ...]:
    """The parts of `('Close', 'KLM')`, as pandas names a column of two levels in a file."""
    if str(name).startswith("(") and len(str(name)) < 400:
        try:
            found = ast.literal_eval(str(name))
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return (str(name),)
        if isinstance(found, tuple):
            return tuple("" if part is None else str(part) for part in found)
    return (str(name),)


def _aligned(row: Sequence[str], found: Layout, where: str) -> list[str]:
    """One name a column: a comma at the end of the rows, or a row name without one, is no fault."""
    cells = list(row)
    if len(cells) < found.width:
        extra = found.width - len(cells)
        if all(not cell.strip() for line in found.sample for cell in line[-extra:]):
            return cells + [""] * extra
        if extra == 1 and kind_of([line[0] for line in found.sample]) in ("full", "date", "epoch"):
            nameless = not any(plain(c) in RANK["time"] or plain(c) in RANK["date"] for c in cells)
            if nameless:
                return ["", *cells]
    if len(cells) > found.width and not any(cell.strip() for cell in cells[found.width :]):
        return cells[: found.width]
    if len(cells) != found.width:
        shown = found.delimiter if found.delimiter.strip() else "a space or tab"
        raise DataError(
            f"{where}: cannot be read as CSV: the rows have {found.width} cells for {len(cells)} names; a number that "
            f"holds the delimiter ({shown}) must stand in quotes"
        )
    return cells


def alike(data: bytes, found: Layout) -> bool:
    """Whether the first row of a file with the same names is one of the same layout."""
    begin = data.find(b"\n") + 1
    row = cells_of(
        data[begin : data.find(b"\n", begin)].decode("utf-8", errors="replace").rstrip("\r"), found.delimiter
    )
    return len(row) == found.width and is_row(row)


def advice(parts: Roles, names: Sequence[str], needed: Sequence[str], sample: Callable[[str], Sequence[str]]) -> str:
    """What to set where columns are not known: as their values tell, if they do."""
    columns = [sample(name) for name in names]
    told = guess(list(zip(*columns, strict=False)), ";") if columns and len(set(names)) == len(names) else None
    if told is not None and all(told.count(name) == 1 or name == "time" for name in needed):
        ours = {"date": "time"}
        found = {ours.get(name, name): column for name, column in zip(told, names, strict=True)}
        agree = all(found.get(name) == column for name, column in parts.numbers.items() if name in PRICES)
        if agree and all(name in found and found[name] for name in needed):
            chosen = " ".join(setting(f"columns.{name}", found[name]) for name in needed)
            return f"as their values look: {chosen}"
    return f"data.columns.{needed[0]} names it, where there is one"


def _headerless(found: Layout, where: str, notes: Notes) -> Header:
    names = guess(found.sample, found.delimiter)
    if names is None:
        first = found.delimiter.join(found.sample[0])
        raise DataError(
            f"{where}: no row of names, and the values do not tell the columns: {first[:60]!r}; name all "
            f"{found.width} in their order by data.header"
        )
    known = [name for name in names if not name.startswith(LEFT_OUT)]
    notes.note(where, f"no row of names: read as {', '.join(known)}; {setting('header', _settable(names))} says so")
    return Header(_unique(names))


def _settable(names: Sequence[str]) -> list[str]:
    return [name.replace(" ", "_") for name in names]


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    """The names, each used again with a number: pandas' way."""
    seen: dict[str, int] = {}
    out = []
    for name in map(str, names):
        count = seen.get(name, 0)
        seen[name] = count + 1
        out.append(f"{name}.{count}" if count else name)
    return tuple(out)
