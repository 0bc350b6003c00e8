"""Made-up bars of exchange sessions: half days, holidays and clock changes where the calendar has them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from barwise.data.bars import Bars
from barwise.data.schedules import schedule

MINUTES = np.timedelta64(5, "m").astype("timedelta64[ns]")


def session_bars(name: str, first: str, last: str, minutes: int = 5, symbol: str = "A", seed: int = 0) -> Bars:
    """Bars of so many minutes, stamped with when they open, of all sessions from `first` to `last`."""
    found = schedule(name, np.datetime64(first, "ns"), np.datetime64(last, "ns"))
    step = np.timedelta64(minutes, "m").astype("timedelta64[ns]")
    used = (found.date >= np.datetime64(first)) & (found.date <= np.datetime64(last))
    time = np.concatenate([np.arange(a, b, step) for a, b in zip(found.opens[used], found.closes[used], strict=True)])
    return bars_at(time, symbol, seed)


def bars_at(time: np.ndarray, symbol: str = "A", seed: int = 0) -> Bars:
    random = np.random.default_rng(seed)
    close = 100.0 * np.exp(0.001 * random.normal(size=len(time)).cumsum())
    opened = np.append(100.0, close[:-1]) * np.exp(0.0003 * random.normal(size=len(time)))
    high, low = np.maximum(opened, close) * 1.0002, np.minimum(opened, close) * 0.9998
    return Bars(symbol, time, opened, high, low, close, np.round(random.lognormal(8.0, 0.5, len(time))))


def local(time: np.ndarray, zone: str = "America/New_York") -> pd.DatetimeIndex:
    return pd.DatetimeIndex(time).tz_localize("UTC").tz_convert(zone)
