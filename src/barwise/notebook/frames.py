"""A frame of bars, or of features, as what a run works on."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from barwise.data.bars import COLUMNS, Bars
from barwise.data.checks import check_bars
from barwise.data.columns import resolve
from barwise.errors import ConfigError, DataError
from barwise.evidence.looks import UNRECORDED, SealWatch
from barwise.panel import stretch_starts
from barwise.samples import Panel


def on_record(*frames: pd.DataFrame) -> None:
    """Put on record in `outputs` that sealed bars were seen, if a trial there has sealed bars of these dates; of the
    symbol that `frame.attrs["symbol"]` names, else of any."""
    watch = SealWatch(Path("outputs"), "notebook", "notebook") if Path("outputs").is_dir() else None
    for frame in frames if watch and watch.seals else ():
        if isinstance(frame, pd.DataFrame) and isinstance(frame.index, pd.DatetimeIndex) and len(frame):
            times, symbol = _times_of(frame.index), frame.attrs.get("symbol")
            if watch and not watch.look(None if symbol is None else [str(symbol)], times.min(), times.max()):
                warnings.warn(UNRECORDED, stacklevel=3)


def bars_of(data: pd.DataFrame, symbol: str = "data") -> Bars:
    """A frame of one symbol (open, high, low, close, volume, in any case; times as its index) as checked Bars.

    Numbers as index count bars. DataError for what is no series of bars.
    """
    if not isinstance(data, pd.DataFrame):
        raise ConfigError(
            f"data: is a {type(data).__name__}; must be a pandas frame with open, high, low, close, volume"
        )
    names = resolve([*map(str, data.columns), "time"], {"time": "time"}, "data")
    if "volume" not in names:
        raise DataError(f"data: no column for volume; it has {', '.join(map(str, data.columns))}")
    plain = data.rename(columns=str)
    columns = {ours: plain[theirs].to_numpy(np.float64) for ours, theirs in names.items()
               if ours not in ("time", "symbol") and pd.api.types.is_numeric_dtype(plain[theirs])}  # fmt: skip
    missing = [name for name in COLUMNS if name not in columns]
    if missing:
        raise DataError(f"data: {missing[0]} holds no numbers")
    prices = {name: columns.pop(name) for name in COLUMNS}
    bars = Bars(symbol, _times_of(data.index), **prices, extra=columns)
    check_bars(bars)
    return bars


def _times_of(index: pd.Index) -> np.ndarray:
    """Times of a frame's index in UTC; numbers count days."""
    if not isinstance(index, pd.DatetimeIndex):
        return np.datetime64("1970-01-01", "ns") + np.arange(len(index)) * np.timedelta64(1, "D")
    utc = index.tz_convert("UTC").tz_localize(None) if index.tz is not None else index
    found: np.ndarray = utc.to_numpy("datetime64[ns]")
    return found


def panel_of(X: np.ndarray, y: np.ndarray) -> Panel:
    """Rows of one symbol as a panel; the days are made up."""
    n = len(X)
    warm = warm_rows(X)
    finite = warm & np.isfinite(X).all(axis=1)
    time = np.datetime64("1970-01-01", "ns") + np.arange(n) * np.timedelta64(1, "D")
    return Panel(
        X=X, features=tuple(f"f{i}" for i in range(X.shape[1])), symbols=("data",), symbol=np.zeros(n, np.int32),
        time=time, y=y, ret=y, end=time, weight=np.ones(n), finite=finite, warm=warm,
        start=stretch_starts(finite, np.array([0, n])),
    )  # fmt: skip


def warm_rows(X: np.ndarray) -> np.ndarray:
    """Rows at which every column has been defined once."""
    return np.asarray(np.logical_or.accumulate(np.isfinite(X), axis=0).all(axis=1))
