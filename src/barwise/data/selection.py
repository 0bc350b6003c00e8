"""The symbols and the stretch of time that a user asks for, of whatever source."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np
import pandas as pd

from barwise.data.bars import Bars
from barwise.errors import ConfigError, DataError

_SHOWN = 12  # symbols that a message lists


def selected(
    bars: Sequence[Bars],
    symbols: str | Sequence[str] | None,
    start: str | None,
    end: str | None,
    source: str,
    timezone: str | None = None,
) -> tuple[tuple[Bars, ...], list[str]]:
    """The bars of `symbols` (null: all) from `start` to `end`, both included, and a warning for who has none there.

    A date as `end` means its whole day. `timezone`: what `start` and `end` mean beside intraday bars; null: UTC.
    `source` names the source in messages. ConfigError for a symbol or date that is none, DataError where no bar is
    left.
    """
    chosen = _of_symbols(bars, symbols, source)
    if start is None and end is None:
        return chosen, []
    first, last = bounds(start, end, timezone if any(_intraday(b) for b in chosen) else None)
    kept = tuple(b.take((b.time >= first) & (b.time <= last)) for b in chosen)
    left = tuple(b for b in kept if len(b))
    if not left:
        begin, stop = min(b.time[0] for b in chosen), max(b.time[-1] for b in chosen)
        raise DataError(
            f"data: no bars from {start} to {end}; {source} runs from {str(begin)[:10]} to {str(stop)[:10]}"
        )
    gone = [b.symbol for b in kept if not len(b)]
    more = f" and {len(gone) - _SHOWN} more" if len(gone) > _SHOWN else ""
    return left, [f"{', '.join(gone[:_SHOWN])}{more}: no bars from {start} to {end}"] if gone else []


def _of_symbols(bars: Sequence[Bars], symbols: str | Sequence[str] | None, source: str) -> tuple[Bars, ...]:
    if symbols is None:
        return tuple(bars)
    asked = [symbols] if isinstance(symbols, str | int | float) else list(symbols)
    if not asked:
        raise ConfigError("data.symbols=[]: must name at least one symbol; null means all")
    known = {b.symbol: b for b in bars}
    for name in map(str, asked):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            guess = f" did you mean {near[0]}?" if near else ""
            listed = ", ".join(list(known)[:_SHOWN]) + (
                f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
            )
            raise ConfigError(f"data.symbols={name}: is not in {source};{guess} it has {listed}")
    return tuple(known[name] for name in sorted({str(a) for a in asked}))


def bounds(start: str | None, end: str | None, timezone: str | None) -> tuple[np.datetime64, np.datetime64]:
    """The first and the last time that are asked for; a date as `end` is its whole day. ConfigError for no date."""
    first = np.datetime64("1678-01-01", "ns") if start is None else _stamp("start", start, timezone, False)
    last = np.datetime64("2262-01-01", "ns") if end is None else _stamp("end", end, timezone, True)
    if first > last:
        raise ConfigError(f"data.start={start} data.end={end}: the start must not be after the end")
    return first, last


def _stamp(name: str, value: object, timezone: str | None, whole_day: bool) -> np.datetime64:
    text = str(value).strip()
    try:
        stamp = pd.Timestamp(f"{text}-01-01" if name == "start" and len(text) == 4 else text)
        if name == "end" and len(text) == 4:
            stamp = pd.Timestamp(f"{text}-12-31")
        if pd.isna(stamp) or isinstance(value, bool | float):
            raise ValueError
        if whole_day and stamp == stamp.normalize() and ":" not in text:
            stamp = stamp + pd.Timedelta(1, "D") - pd.Timedelta(1, "ns")
        if stamp.tzinfo is None and timezone is not None:
            stamp = stamp.tz_localize(timezone, ambiguous=True, nonexistent="shift_forward")
        stamp = stamp.tz_convert("UTC").tz_localize(None) if stamp.tzinfo else stamp
        return np.datetime64(stamp.as_unit("ns").to_datetime64())
    except (ValueError, TypeError, OverflowError):
        raise ConfigError(f"data.{name}={value}: must be a date such as 2005-01-31, or null") from None


def _intraday(bars: Bars) -> bool:
    return bool((bars.time != bars.time.astype("datetime64[D]")).any())
