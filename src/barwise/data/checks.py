"""Checks of bars before anything else: what is wrong, in which file, symbol and row, with which value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from barwise.data.bars import COLUMNS, PRICES, Bars, Market
from barwise.errors import DataError

_SHOWN = 3  # faults that a message lists; it counts the rest
_SLACK = 1e-9  # relative: adjusting prices rounds them
_REMEDY = "mend the rows, or data.on_bad=drop leaves them out"


@dataclass(frozen=True)
class BarFinding:
    """One kind of fault: the rows that have it (indices from 0) and the value of each."""

    what: str
    rows: np.ndarray
    values: np.ndarray

    def at(self, rows: np.ndarray) -> BarFinding:
        """The same, with each row looked up in `rows`: from rows of a part to rows of the whole."""
        return BarFinding(self.what, rows[self.rows], self.values)


def value_findings(columns: Mapping[str, np.ndarray]) -> list[BarFinding]:
    """Faults that a row has by itself; `columns` are one symbol's open, high, low, close and volume, float64."""
    found = []

    def note(what: str, bad: np.ndarray, values: np.ndarray) -> None:
        if bad.any():
            rows = np.flatnonzero(bad)
            found.append(BarFinding(what, rows, values[rows]))

    for name in COLUMNS if not np.isnan(columns["volume"]).all() else PRICES:  # NaN throughout: there is no volume
        note(f"{name} is not a finite number", ~np.isfinite(columns[name]), columns[name])
    for name in PRICES:
        note(f"{name} is not above 0", np.isfinite(columns[name]) & (columns[name] <= 0), columns[name])
    note("volume is below 0", columns["volume"] < 0, columns["volume"])
    high, low = columns["high"], columns["low"]
    top, bottom = high * (1 + _SLACK), low * (1 - _SLACK)
    sound = np.logical_and.reduce([np.isfinite(columns[name]) & (columns[name] > 0) for name in PRICES])
    note("high lies below low", sound & (top < bottom), high)
    sound &= top >= bottom  # one fault is told once
    for name in ("open", "close"):
        note(f"high lies below {name}", sound & (top < columns[name]), high)
        note(f"low lies above {name}", sound & (bottom > columns[name]), low)
    return found


def _time_findings(time: np.ndarray) -> list[BarFinding]:
    """Times (datetime64, no NaT) that repeat the one before or run backwards."""
    step = np.diff(time.astype("datetime64[ns]").view(np.int64))
    cases = (("time comes twice", step == 0), ("time runs backwards", step < 0))
    return [BarFinding(what, np.flatnonzero(bad) + 1, time[1:][bad]) for what, bad in cases if bad.any()]


def complain(where: str, found: Sequence[BarFinding], symbol: str | Callable[[int], str], remedy: str = _REMEDY) -> str:
    """One line: the count, and the first few faults with symbol, row (from 1, below the header) and value."""
    told = sorted(
        (
            (int(row), f.what, value)
            for f in found
            for row, value in zip(f.rows[:_SHOWN], f.values[:_SHOWN], strict=True)
        ),
        key=lambda fault: fault[0],
    )
    count = sum(len(f.rows) for f in found)
    parts = [
        f"{symbol if isinstance(symbol, str) else symbol(row)} row {row + 1}: {what} ({_text(value)})".lstrip()
        for row, what, value in told[:_SHOWN]
    ]
    more = f"; and {count - len(parts)} more" if count > len(parts) else ""
    return f"{where}: {count} {'fault' if count == 1 else 'faults'}: {'; '.join(parts)}{more}; {remedy}"


def check_market(market: Market) -> Market:
    """The same market, or DataError: whatever its source, bars are checked once more before they are used."""
    if not market.bars:
        raise DataError("data: there are no bars; name a source with at least one symbol")
    known = [bars for bars in market.bars if bars.known is not None and not bars.groups]
    known = known if _ends_are_sound(known) else []
    for bars in market.bars:
        if bars.known is None or bars.groups or not known:
            check_bars(bars)
    names = market.symbols
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"data: symbol {twice} comes twice; each symbol has one series of bars")
    return market


def _ends_are_sound(known: Sequence[Bars]) -> bool:
    """Whether the bars after those that are known to be sound are too, those of all symbols at once."""
    ends = [(b, b.known.rows) for b in known if b.known is not None and b.known.rows < len(b)]
    if not ends:
        return True
    if any(len(values) != len(b) for b, _ in ends for values in (*_prices(b).values(), *b.extra.values())):
        return False
    columns = {name: np.concatenate([getattr(b, name)[n:] for b, n in ends]) for name in COLUMNS}
    time = np.concatenate([b.time[n:] for b, n in ends])
    before = np.concatenate([b.time[n - 1 : -1] for b, n in ends])
    rising = not np.isnat(time).any() and bool((time > before).all())
    return rising and not value_findings(columns)


def _prices(bars: Bars) -> dict[str, np.ndarray]:
    return {name: getattr(bars, name) for name in COLUMNS}


def check_bars(bars: Bars) -> None:
    """DataError if arrays differ in length or hold what bars cannot hold."""
    columns = _prices(bars)
    for name, values in {**columns, **bars.extra}.items():
        if len(values) != len(bars):
            raise DataError(f"data: {bars.symbol}: {name} has {len(values)} values for {len(bars)} times")
    for name, codes in bars.groups.items():
        names = bars.group_names.get(name, ())
        if len(codes) != len(bars) or (len(codes) and not -1 <= codes.min() <= codes.max() < len(names)):
            raise DataError(
                f"data: {bars.symbol}: the group {name} must have one code a bar, from -1 to {len(names) - 1}"
            )
    if not len(bars):
        raise DataError(f"data: {bars.symbol} has no bars; leave the symbol out, or widen the range of dates")
    lost = np.isnat(bars.time)
    if lost.any():
        raise DataError(f"data: {bars.symbol} row {int(np.argmax(lost)) + 1}: time is missing ({int(lost.sum())} rows)")
    found = _time_findings(bars.time) + value_findings(columns)
    if found:
        raise DataError(complain("data", found, bars.symbol, "mend the source of these bars"))


def _text(value: object) -> str:
    if isinstance(value, np.datetime64):
        return str(value.astype("datetime64[s]")).replace("T00:00:00", "")
    if isinstance(value, float | np.floating):
        return f"{value:g}"
    shown = " ".join(str(value).split())  # a message is one line, whatever a cell holds
    return repr(shown if len(shown) <= 40 else shown[:40] + "…")
