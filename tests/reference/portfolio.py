"""Portfolio rules written plainly, bar by bar, in pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd


def topk_dropout(score: pd.DataFrame, k: int, drop: int) -> pd.DataFrame:
    """qlib's TopkDropout, as its paper and documentation state it: equal shares of the k held, long only."""
    held: list[str] = []
    rows = []
    for _, bar in score.iterrows():
        known = bar.dropna()
        if len(known):
            last = bar.reindex(held).sort_values(ascending=False, kind="stable").index
            rest = known[~known.index.isin(held)].sort_values(ascending=False, kind="stable")
            today = rest.index[: drop + max(0, k - len(last))]
            both = [name for name in bar.index if name in set(last) | set(today)]
            together = bar.reindex(both).sort_values(ascending=False, kind="stable").index
            sold = [name for name in last if name in set(together[-drop:])]
            bought = today[: len(sold) + max(0, k - len(last))]
            held = [name for name in held if name not in sold] + list(bought)
        rows.append([1.0 / k if name in held else 0.0 for name in score.columns])
    return pd.DataFrame(rows, score.index, score.columns)


def deciles(score: pd.DataFrame, quantiles: int, gross: float) -> pd.DataFrame:
    """Half of the gross in the highest part of each bar's scores, half short in the lowest, in equal shares."""
    out = pd.DataFrame(0.0, score.index, score.columns)
    for time, bar in score.iterrows():
        order = bar.dropna().sort_values(kind="stable").index
        if len(order) >= quantiles:
            size = max(1, len(order) // quantiles)
            out.loc[time, order[-size:]] = gross / 2 / size
            out.loc[time, order[:size]] = -gross / 2 / size
    return out


def tranches(weights: np.ndarray, bars: int) -> np.ndarray:
    """The mean of the last `bars` rows, rows before the first as 0."""
    padded = np.vstack([np.zeros((bars - 1, weights.shape[1])), weights])
    return np.array([padded[t : t + bars].mean(axis=0) for t in range(len(weights))])
