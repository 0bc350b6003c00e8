"""One live bar: its time and its columns as they come, and the newest rows of features as a panel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from barwise.data.bars import COLUMNS, PRICES, Bars
from barwise.errors import DataError
from barwise.panel import stretch_starts
from barwise.samples import Panel
from barwise.serving.history import History


def one_bar(symbol: str, stamp: np.datetime64, columns: Mapping[str, float]) -> Bars:
    """Bars of length one; DataError where a column is missing or no number. A volume may be missing."""
    missing = [name for name in PRICES if name not in columns]
    if missing:
        raise DataError(f"{symbol}: the bar of {stamp} has no {', '.join(missing)}")
    try:
        values = {str(name): np.array([float(value)]) for name, value in columns.items()}
    except (TypeError, ValueError):
        raise DataError(f"{symbol}: the bar of {stamp} holds what is no number: {dict(columns)!r:.120}") from None
    if np.isnan(values.setdefault("volume", np.array([np.nan]))[0]) and "volume" in columns:
        raise DataError(f"{symbol}: the bar of {stamp} has volume nan, which is no number")
    prices = {name: values.pop(name) for name in COLUMNS}
    return Bars(symbol, np.array([stamp]), **prices, extra=values, groups={}, group_names={})


def utc(time: Any) -> np.datetime64:
    """`time` (text, datetime, stamp, datetime64) in UTC; DataError where it is none."""
    import pandas as pd

    try:
        stamp = pd.Timestamp(time)
        if stamp is pd.NaT:
            raise ValueError
        plain = stamp.tz_convert("UTC").tz_localize(None) if stamp.tzinfo else stamp
        found: np.datetime64 = plain.as_unit("ns").to_datetime64()
        return found
    except (TypeError, ValueError, OverflowError):
        raise DataError(f"time={time!r:.60}: is no time; write 2026-01-31 or 2026-01-31T15:30Z") from None


def panel_of(histories: list[History], stamp: np.datetime64, features: tuple[str, ...]) -> tuple[Panel, np.ndarray]:
    """The last feature rows of the symbols as a panel, and the row of each symbol's newest bar."""
    lengths = np.array([len(h.rows) for h in histories])
    ends = np.cumsum(lengths)
    X = np.concatenate([h.rows for h in histories])
    warm = np.concatenate([h.warm for h in histories])
    finite = warm & np.isfinite(X).all(axis=1)
    nan = np.full(len(X), np.nan)
    symbol = np.repeat(np.arange(len(histories), dtype=np.int32), lengths)
    panel = Panel(
        X=X, features=features, symbols=tuple(h.symbol for h in histories), symbol=symbol,
        time=np.full(len(X), stamp), y=nan, ret=nan,
        end=np.full(len(X), np.datetime64("NaT", "ns")), weight=np.ones(len(X)), finite=finite, warm=warm,
        start=stretch_starts(finite, np.concatenate([[0], ends])),
    )  # fmt: skip
    return panel, ends - 1
