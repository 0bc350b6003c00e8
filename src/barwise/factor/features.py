"""Every feature as a score of its own: a table by what it knows, with the false discovery rate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from barwise.backtest.grid import Grid
from barwise.factor import bars
from barwise.factor.inference import false_discovery, mean_of, p_of
from barwise.factor.scores import Frame, Scores, frame
from barwise.samples import Panel


def feature_table(scores: Iterable[tuple[str, np.ndarray]], warm: Scores, horizon: int) -> Frame:
    """One row a feature, by |ICIR|: mean rank correlation with the return over `horizon` bars, its ICIR, Newey-West t
    and interval, p, the false discovery rate (`fdr`), mean correlation, rank autocorrelation of one bar, the share of
    warm rows where it is `defined`, and observations.

    `warm`: which rows there are, and whether symbols are compared within bars. Features come as (bar, symbol) arrays.
    """
    ret = warm.pooled(warm.returns(horizon))
    after = np.vstack([bars.ranked(ret[rows]) for rows in bars.row_blocks(ret.shape)])
    there = np.isfinite(warm.values)
    rows = []
    for name, dense in scores:
        values = np.where(there & np.isfinite(dense[warm.rows]), dense[warm.rows], np.nan)
        pooled = warm.pooled(values)
        ranks = np.vstack([bars.ranked(pooled[part]) for part in bars.row_blocks(pooled.shape)])
        plain, rank = bars.information(pooled, ret, warm.least, ranks, after)
        one, other = mean_of(rank, warm.overlap(horizon)), mean_of(plain, warm.overlap(horizon))
        icir = one.mean / one.deviation if one.deviation > 0 else np.nan
        stays = _autocorrelation(ranks if warm.across else values, warm.across)
        defined = float(np.isfinite(values).sum() / max(1, there.sum()))
        rows.append((name, one.mean, icir, one.t, one.low, one.high, float(p_of(np.array(one.t))), np.nan, other.mean,
                     stays, defined, one.n))  # fmt: skip
    numbers = ("rank_ic", "icir", "t", "low", "high", "p", "fdr", "ic", "autocorrelation", "defined")
    found = frame({"feature": object, **dict.fromkeys(numbers, float), "n": int}, rows)
    found["fdr"] = false_discovery(found["p"])
    order = np.argsort(-np.nan_to_num(np.abs(found["icir"]), nan=-1.0), kind="stable")
    return {name: values[order] for name, values in found.items()}


def _autocorrelation(values: np.ndarray, across: bool) -> float:
    """Mean rank correlation of a bar's values with those one bar before; of each symbol in time where they are few."""
    a, b = (values[1:], values[:-1]) if across else (values[1:].T, values[:-1].T)
    return mean_of(np.concatenate([bars.correlation(a[rows], b[rows]) for rows in bars.row_blocks(a.shape)])).mean


def dense_of(panel: Panel, grid: Grid) -> Iterator[tuple[str, np.ndarray]]:
    """Each feature of the panel as (bar, symbol), NaN where its symbol is not warm."""
    cell = grid.row_of(panel.time), panel.symbol
    for k, name in enumerate(panel.features):
        out = np.full(grid.has.shape, np.nan)
        out[cell] = np.where(panel.warm, panel.X[:, k], np.nan)
        yield name, out
