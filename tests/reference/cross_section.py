"""The cross-section, slow and plain: one long pandas frame, grouped by time and by symbol."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from barwise.data.bars import Bars


def cross_section(
    bars: Sequence[Bars], members: pd.Series | None = None, returns: Sequence[int] = (1, 5, 20), window: int = 60
) -> pd.DataFrame:
    """Columns by (symbol, time); `members`: whether a row's symbol is in the universe, None for all."""
    parts = [pd.DataFrame({"symbol": b.symbol, "time": b.time, "close": b.close}) for b in bars]
    table = pd.concat(parts).set_index(["symbol", "time"]).sort_index()
    inside = pd.Series(True, table.index) if members is None else members.reindex(table.index)
    out = pd.DataFrame(index=table.index)
    for n in returns:
        moved = table["close"].groupby("symbol").pct_change(n, fill_method=None)
        by_time = moved.where(inside).groupby("time")
        out[f"rank_{n}"] = pd.concat([_ranks(part, inside[part.index]) for _, part in moved.groupby("time")])
        out[f"excess_{n}"] = moved - by_time.transform("mean")
        out[f"dispersion_{n}"] = by_time.transform("std", ddof=0).where(moved.notna())
    moved = table["close"].groupby("symbol").pct_change(fill_method=None)
    index = moved.where(inside).groupby("time").transform("mean")
    beta = pd.Series(np.nan, table.index)
    for symbol, own in moved.groupby("symbol"):
        market = index.loc[[symbol]]
        variance = market.rolling(window).apply(lambda w: 0.0 if np.ptp(w) == 0 else np.var(w, ddof=1), raw=True)
        beta.loc[[symbol]] = (own.rolling(window).cov(market) / variance).where(variance > 0)
    out[f"beta_{window}"] = beta
    out[f"residual_{window}"] = moved - beta * index
    return out


def _ranks(moved: pd.Series, inside: pd.Series) -> pd.Series:
    """One bar: the share of the other members below each symbol."""
    found = []
    for row, own in enumerate(moved):
        others = [x for i, x in enumerate(moved) if i != row and inside.iloc[i] and not np.isnan(x)]
        below = [(x < own) + 0.5 * (x == own) for x in others]
        found.append(np.nan if np.isnan(own) else np.mean(below) if below else 0.5)
    return pd.Series(found, moved.index)
