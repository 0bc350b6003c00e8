"""Corporate actions from a table, applied as of each bar: the past stays as it was, what follows is made comparable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from barwise.data.bars import PRICES, Bars
from barwise.data.notes import Notes, listed
from barwise.errors import ConfigError, DataError, require

ENDINGS = (".csv", ".parquet")
DATES = ("ex_date", "exdate", "date", "time")
RAW = "raw_close"


@dataclass(frozen=True)
class Action:
    """From the first bar of `day` on there are `split` new shares per old, and `dividend` was paid per old share."""

    day: np.datetime64
    split: float
    dividend: float


def applied(
    bars: Sequence[Bars], path: str | None, timezone: str | None, adjusted: bool, notes: Notes
) -> tuple[Bars, ...]:
    """`bars` with the splits and dividends of the table at `path`; as they are for None.

    Columns: symbol, ex_date (or date), split (new shares per old) and dividend (cash per share), one of the two at
    least. Prices from an ex-date on are multiplied by split and by 1 / (1 - dividend / close before), volume divided
    by split: a price depends on actions until its own bar, none later changes it, and returns are total returns. The
    close as it was stands beside as `raw_close`. The factor of a dividend is that of the Center for Research in
    Security Prices, run forward instead of backward.
    """
    if path is None:
        return tuple(bars)
    if adjusted:
        raise ConfigError(f"data.actions={path}: data.adjusted=true has adjusted prices already; set one of them")
    table = read(str(path))
    unknown = sorted(set(table) - {b.symbol for b in bars})
    if len(unknown) == len(table):
        raise DataError(f"data.actions={path}: has no symbol of the bars, but {listed(unknown)}; mend the names")
    if unknown:
        notes.note(str(path), f"{listed(unknown)}: actions of symbols without bars, not used")
    return tuple(_adjusted(b, table.get(b.symbol, []), timezone, str(path)) for b in bars)


def read(path: str) -> dict[str, list[Action]]:
    """{symbol: its actions by day}. DataError for what is in the file."""
    where, file = f"data.actions={path}", Path(path).expanduser()
    require(file.suffix.lower() in ENDINGS, f"{where}: must be a file ending in {' or '.join(ENDINGS)}")
    if not file.is_file():
        raise DataError(f"{where}: is not there; it has the columns symbol, ex_date, split and dividend")
    try:
        csv = file.suffix.lower() == ".csv"
        table = pd.read_csv(file, dtype={"symbol": str}, encoding="utf-8-sig") if csv else pd.read_parquet(file)
    except Exception as error:  # whatever the readers say of a file that is neither
        raise DataError(f"{where}: cannot be read: {' '.join(str(error).split())[:120]}") from None
    table.columns = [str(c).strip().lower() for c in table.columns]
    day = next((name for name in DATES if name in table.columns), None)
    if "symbol" not in table or day is None or not {"split", "dividend"} & set(table.columns):
        raise DataError(
            f"{where}: has the columns {', '.join(table.columns)}; it must have symbol, ex_date, and split or dividend"
        )
    found: dict[str, list[Action]] = {}
    for row, one in enumerate(table.to_dict("records"), start=1):
        symbol = str(one["symbol"]).strip()
        at = pd.to_datetime(one[day], errors="coerce")
        split, dividend = (_number(one.get(name), neutral) for name, neutral in (("split", 1.0), ("dividend", 0.0)))
        if pd.isna(at):
            raise DataError(f"{where} row {row}: {day} is {one[day]!r:.40}; it must be a date")
        if split is None or not 1e-6 < split < 1e6:
            raise DataError(f"{where} row {row}: split is {one['split']!r:.40}; it must be new shares per old, above 0")
        if dividend is None or dividend < 0:
            raise DataError(
                f"{where} row {row}: dividend is {one['dividend']!r:.40}; it must be cash per share, from 0"
            )
        found.setdefault(symbol, []).append(Action(np.datetime64(at.tz_localize(None), "D"), split, dividend))
    if not found:
        raise DataError(f"{where}: the file has no rows")
    return {symbol: sorted(some, key=lambda a: a.day) for symbol, some in sorted(found.items())}


def _number(value: Any, neutral: float) -> float | None:
    if value is None or (isinstance(value, float) and np.isnan(value)) or str(value).strip() == "":
        return neutral
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None


def _adjusted(bars: Bars, actions: Sequence[Action], timezone: str | None, path: str) -> Bars:
    days = _days(bars.time, timezone)
    factor, shares = np.ones(len(bars)), np.ones(len(bars))
    for action in actions:
        first = int(np.searchsorted(days, action.day))
        if first == 0 or first == len(bars):  # before the first bar, or after the last: no price is on both sides
            continue
        before = float(bars.close[first - 1])
        if action.dividend >= before:
            raise DataError(
                f"data.actions={path}: {bars.symbol} {action.day}: a dividend of {action.dividend:g} is not below the "
                f"close before, {before:g}"
            )
        factor[first:] *= action.split / (1 - action.dividend / before)
        shares[first:] *= action.split
    prices = {name: getattr(bars, name) * factor for name in PRICES}
    extra = {name: values * factor if name in ("bid", "ask") else values for name, values in bars.extra.items()}
    return replace(bars, **prices, volume=bars.volume / shares, extra={**extra, RAW: bars.close})


def _days(time: np.ndarray, timezone: str | None) -> np.ndarray:
    """Each bar's day: its own date, or that of its exchange's clock."""
    if timezone is not None and bool((time != time.astype("datetime64[D]")).any()):
        local = pd.DatetimeIndex(time).tz_localize("UTC").tz_convert(timezone).tz_localize(None)
        time = local.to_numpy()
    days: np.ndarray = time.astype("datetime64[D]")
    return days
