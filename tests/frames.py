"""Frames for data=frame."""

from __future__ import annotations

import pandas as pd

from barwise.data import synthetic


def small() -> pd.DataFrame:
    """Two symbols, long."""
    return pd.concat([
        pd.DataFrame({"time": b.time, "symbol": b.symbol, "open": b.open, "high": b.high, "low": b.low,
                      "close": b.close, "volume": b.volume})
        for b in synthetic.load(n_symbols=2, n_bars=500).bars
    ])  # fmt: skip
