"""Columns from a file of their own, such as an index or fundamentals, as they were known at each bar.

What was restated has one value before and another after it was known; a period's own value is never replaced by news
of an older period.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa

from barwise.data.bars import COLUMNS, Bars, Market
from barwise.data.members import LAST_OF_DAY
from barwise.data.notes import Notes
from barwise.data.readers import clock, stamps
from barwise.data.readers.layout import MISSING
from barwise.data.table_file import read_table
from barwise.errors import DataError

TIMES = ("known", "time", "symbol")


@dataclass(frozen=True)
class Context:
    """Rows in the order in which they became known: `known` in UTC, the `symbol` of each (None: for all), `columns`.

    `period`: what each row is about, where the table says that too.
    """

    where: str
    known: np.ndarray
    symbol: np.ndarray | None
    columns: Mapping[str, np.ndarray]
    period: np.ndarray | None = None

    def at(self, bars: Bars) -> dict[str, np.ndarray]:
        """Per column the value of the latest period that was known by each bar's stamp, as it was known then; NaN
        before there was one."""
        own = np.ones(len(self.known), bool) if self.symbol is None else self.symbol == bars.symbol
        found = {}
        for name, values in self.columns.items():
            rows = np.flatnonzero(own & np.isfinite(values))
            if self.period is not None and len(rows):  # a restated older period is no news of the latest one
                about = self.period[rows].astype(np.int64)
                rows = rows[about >= np.maximum.accumulate(about)]
            last = np.searchsorted(self.known[rows], bars.time, side="right") - 1
            found[name] = np.where(last >= 0, values[rows[last]], np.nan) if len(rows) else np.full(len(bars), np.nan)
        return found


def beside(market: Market, path: str | None, timezone: str | None = None, setting: str = "context") -> Market:
    """The market with the columns of the file at `path` among each symbol's extra ones; as it is for None.

    Columns: `time` or `known`, perhaps `symbol`, and numbers. A bar has what was known by its stamp, and keeps it until
    there is more: `time` is on the clock of the bars (an index of the same day); `known` says when a row came out. A
    date without a time is over with its day: so for `known`, and for `time` beside intraday bars. With both, a bar has
    the latest `time` of which anything was known, in the version known by then. `timezone`: what naive times mean.
    `setting`: the one that names the file; `as_of` must have `known`. DataError for what is in the file.
    """
    if path is None:
        return market
    context = read(str(path), timezone, not all(midnight(b.time).all() for b in market.bars), setting)
    taken = sorted(set(context.columns) & ({*COLUMNS} | {name for b in market.bars for name in b.extra}))
    if taken:
        raise DataError(f"{context.where}: column {taken[0]} is a column of the bars too; give it another name")
    lacking = []
    if context.symbol is not None:
        lacking = sorted(set(market.symbols) - set(context.symbol))
        if len(lacking) == len(market.bars):
            raise DataError(f"{context.where}: has no row of {', '.join(lacking[:3])}; mend the names of its symbols")
    bars = tuple(replace(b, extra={**b.extra, **context.at(b)}) for b in market.bars)
    warnings = [f"{context.where}: has no row of {name}" for name in lacking[:3]]
    told = str(path) if setting == "context" else [*market.facts.get(setting, ()), str(path)]
    facts = {**market.facts, setting: told, "warnings": [*market.facts.get("warnings", ()), *warnings]}
    return replace(market, bars=bars, facts=facts)


def read(path: str, timezone: str | None = None, intraday: bool = False, setting: str = "context") -> Context:
    """The rows of a CSV or Parquet file, by when they were known; `intraday` says what the bars are."""
    where = f"data.{setting}={path}"
    table = read_table(path, where, "a column time or known, perhaps symbol, and numbers")
    if not isinstance(table.index, pd.RangeIndex):
        table = table.reset_index()
    table = table.rename(columns={c: c.lower() for c in table.columns if c.lower() in TIMES})
    numbers = [c for c in table.columns if c not in TIMES]
    if not {"known", "time"} & set(table.columns) or not numbers or table.empty:
        raise DataError(f"{where}: has the columns {', '.join(table.columns)}; it must have time or known, and numbers")
    if setting == "as_of" and "known" not in table.columns:
        raise DataError(
            f"{where}: has no column known, which says when each row came out; data.context takes it by time"
        )
    found = [name for name in ("known", "time") if name in table.columns]
    stamps = [_times(table[name], name, where, timezone, intraday) for name in found]
    order = np.lexsort(tuple(reversed(stamps)))  # of two that became known at once the later period is the newer
    columns = {name: _numbers(table[name], name, where)[order] for name in numbers}
    symbol = table["symbol"].astype("string").str.strip().fillna("").to_numpy(object) if "symbol" in table else None
    period = stamps[1][order] if len(stamps) == 2 else None
    return Context(where, stamps[0][order], None if symbol is None else symbol[order], columns, period)


def _times(raw: pd.Series, name: str, where: str, timezone: str | None, intraday: bool) -> np.ndarray:
    """On the clock of the bars: UTC, or dates beside bars of days; the last moment of a date that is over with its day.

    A date is its exchange's own, whatever the zone: it is not moved beside bars of days.
    """
    cells = pa.Array.from_pandas(raw.replace("", None) if raw.dtype == object else raw)
    found = stamps.read([pa.chunked_array([cells])], None, None, where)
    lost = np.flatnonzero(np.isnat(found.wall))
    if len(lost):
        given = f"{name} is {str(raw.iloc[lost[0]])!r:.40}"
        raise DataError(f"{where} row {lost[0] + 1}: {given}; it must be a date or time")
    rows = np.zeros(len(raw), np.int64)
    settled = clock.settle(found, rows, timezone, where, Notes())
    wall = settled.time if settled.days else clock.local(found, timezone)
    dates = midnight(wall)
    over = dates & (name == "known" or (intraday and dates.all()))
    wall = np.where(over, wall + LAST_OF_DAY, wall)
    return clock.universal(found, wall, timezone) if intraday else wall


def midnight(time: np.ndarray) -> np.ndarray:
    """Which of the times are midnights."""
    return np.asarray(time == time.astype("datetime64[D]"))


def _numbers(raw: pd.Series, name: str, where: str) -> np.ndarray:
    known = raw.where(~raw.isin(MISSING)) if raw.dtype.kind not in "fiu" else raw
    values = pd.to_numeric(known, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    bad = np.flatnonzero((np.isnan(values) & known.notna().to_numpy()) | np.isinf(values))
    if len(bad):
        raise DataError(
            f"{where} row {bad[0] + 1}: {name} is {str(raw.iloc[bad[0]])!r:.40}; it must be a finite number"
        )
    found: np.ndarray = values
    return found
