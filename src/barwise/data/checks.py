"""Checks of bars before anything else: what is wrong, in which file, symbol and row, with which value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from barwise.data.bars import COLUMNS, PRICES, Bars, Market
from barwise.errors import DataError

SHOWN = 3  # findings that a message lists; it counts the rest
SLACK = 1e-9  # relative: adjusting prices rounds them


@dataclass(frozen=True)
class Finding:
    """One kind of fault in one symbol: which rows, and the value of each."""

    what: str
    rows: np.ndarray
    values: np.ndarray


def findings(time: np.ndarray, columns: Mapping[str, np.ndarray]) -> Iterator[Finding]:
    """Faults in one symbol's arrays, `columns` being open, high, low, close and volume."""
    step = np.diff(time.astype("datetime64[ns]").view(np.int64))
    for what, bad in (("duplicate time", step == 0), ("time runs backwards", step < 0)):
        rows = np.flatnonzero(bad) + 1
        yield Finding(what, rows, time[rows])
    for name in PRICES:
        values = columns[name]
        with np.errstate(invalid="ignore"):
            for what, bad in (
                (f"{name} is not a finite number", ~np.isfinite(values)),
                (f"{name} is not above 0", np.isfinite(values) & (values <= 0)),
            ):
                rows = np.flatnonzero(bad)
                yield Finding(what, rows, values[rows])
    volume = columns["volume"]
    rows = np.flatnonzero(~np.isfinite(volume))
    yield Finding("volume is not a finite number", rows, volume[rows])
    rows = np.flatnonzero(volume < 0)
    yield Finding("volume is negative", rows, volume[rows])
    high, low = columns["high"] * (1 + SLACK), columns["low"] * (1 - SLACK)
    rows = np.flatnonzero(high < low)
    yield Finding("high lies below low", rows, columns["high"][rows])
    inside = ~(high < low)
    for name in ("open", "close"):
        rows = np.flatnonzero(inside & (high < columns[name]))
        yield Finding(f"high lies below {name}", rows, columns["high"][rows])
        rows = np.flatnonzero(inside & (low > columns[name]))
        yield Finding(f"low lies above {name}", rows, columns["low"][rows])


def complain(where: str, found: list[Finding], number: np.ndarray | None = None) -> str:
    """One line that names the first few faults and counts them; `number` maps rows to those of the file."""
    told, count = [], 0
    for finding in found:
        count += len(finding.rows)
        for row, value in zip(finding.rows[:SHOWN], finding.values[:SHOWN], strict=True):
            told.append(f"row {int(number[row]) if number is not None else int(row)}: {finding.what} ({_text(value)})")
    more = f" and {count - SHOWN} more" if count > SHOWN else ""
    return f"{where}: {'; '.join(told[:SHOWN])}{more}; mend the rows, or data.on_bad=drop leaves them out"


def check_market(market: Market) -> Market:
    """The same market, or DataError: whatever its source, bars are checked once more before they are used."""
    if not market.bars:
        raise DataError("data: there are no bars; name a source with at least one symbol")
    for bars in market.bars:
        check_bars(bars)
    names = market.symbols
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"data: symbol {twice[0]} comes twice; each symbol has one series of bars")
    return market


def check_bars(bars: Bars) -> None:
    """DataError if arrays differ in length or hold what bars cannot hold."""
    columns = {name: getattr(bars, name) for name in COLUMNS}
    for name, values in {**columns, **bars.extra}.items():
        if len(values) != len(bars):
            raise DataError(f"data: {bars.symbol}: {name} has {len(values)} values for {len(bars)} times")
    if not len(bars):
        raise DataError(f"data: {bars.symbol} has no bars")
    found = [f for f in findings(bars.time, columns) if len(f.rows)]
    if found:
        raise DataError(complain(f"data: {bars.symbol}", found))


def _text(value: object) -> str:
    return str(value).replace(".000000000", "") if isinstance(value, np.datetime64) else f"{value:g}"
