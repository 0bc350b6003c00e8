"""Arithmetic within each bar: ranks, correlations and quantiles across symbols, over all bars at once."""

from __future__ import annotations

from collections.abc import Iterator

import bottleneck as bn
import numpy as np

_CELLS = 2**18  # of a block of rows: it stays in the processor's cache


def row_blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Slices of rows that hold some 2^18 cells each."""
    step = max(1, _CELLS // max(1, shape[1]))
    for begin in range(0, shape[0], step):
        yield slice(begin, begin + step)


def ranked(values: np.ndarray) -> np.ndarray:
    """Ranks of each row from 1, ties by average; NaN stays NaN. (bar, symbol)"""
    found: np.ndarray = bn.nanrankdata(values, axis=1)
    return found


def correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pearson's of each row over the cells where both are finite; NaN without variance."""
    known = np.isfinite(a) & np.isfinite(b)
    count = np.maximum(known.sum(axis=1), 1)[:, None]
    a, b = np.where(known, a, 0.0), np.where(known, b, 0.0)
    a, b = (np.where(known, x - x.sum(axis=1, keepdims=True) / count, 0.0) for x in (a, b))
    cross, one, other = (np.einsum("ts,ts->t", x, y) for x, y in ((a, b), (a, a), (b, b)))
    scale = np.sqrt(one) * np.sqrt(other)
    out = np.full(len(a), np.nan)
    np.divide(cross, scale, out=out, where=scale > 1e-150)
    return out


def information(
    score: np.ndarray, ret: np.ndarray, least: int, ranks: np.ndarray | None = None, after: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(Pearson's, Spearman's) of score and return in each row that has both in `least` cells or more; else NaN.

    `ranks`, `after`: those of the score and of the return, where they are known already.
    """
    plain, rank = np.full((2, len(score)), np.nan)
    for rows in row_blocks(score.shape):
        s, r = score[rows], ret[rows]
        both = np.isfinite(s) & np.isfinite(r)
        enough = both.sum(axis=1) >= least
        plain[rows] = np.where(enough, correlation(s, r), np.nan)
        of_score, of_ret = (_ranks_where(both, x, rows_of) for x, rows_of in (
            (s, None if ranks is None else ranks[rows]), (r, None if after is None else after[rows])))  # fmt: skip
        rank[rows] = np.where(enough, correlation(of_score, of_ret), np.nan)
    return plain, rank


def _ranks_where(both: np.ndarray, values: np.ndarray, known: np.ndarray | None) -> np.ndarray:
    """Ranks of the values among those of `both`; `known`: of all in the row, which are right where none is lost."""
    if known is None:
        return ranked(np.where(both, values, np.nan))
    lost = np.isfinite(values).sum(axis=1) > both.sum(axis=1)
    if not lost.any():
        return known
    found = known.copy()
    found[lost] = ranked(np.where(both[lost], values[lost], np.nan))
    return found


def quantile_of(score: np.ndarray, quantiles: int) -> np.ndarray:
    """Which of `quantiles` parts of its row each score lies in, from 1 for the lowest; 0 where there is none.

    As pandas.qcut: edges by linear interpolation, each part with its upper edge. Equal scores share a part. All 0 in
    rows with fewer scores than parts.
    """
    out = np.zeros(score.shape, np.int16)
    for rows in row_blocks(score.shape):
        s = score[rows]
        order = np.argsort(s, axis=1)
        ordered = np.take_along_axis(s, order, axis=1)
        count = np.isfinite(s).sum(axis=1, keepdims=True)
        place = np.broadcast_to(np.arange(s.shape[1]), s.shape)
        new = np.ones(s.shape, bool)
        new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
        first = np.maximum.accumulate(np.where(new, place, 0), axis=1)  # of equal scores
        part = np.maximum(1, -(-first * quantiles // np.maximum(count - 1, 1)))
        part = np.where((place < count) & (count >= quantiles), part, 0)
        np.put_along_axis(out[rows], order, part.astype(np.int16), axis=1)
    return out


def mean_by_quantile(quantile: np.ndarray, values: np.ndarray, quantiles: int) -> np.ndarray:
    """Mean of the finite `values` of each row's quantiles; (bar, quantile), NaN where there is none."""
    out = np.full((len(values), quantiles), np.nan)
    for rows in row_blocks(values.shape):
        v, q = values[rows], quantile[rows]
        known = np.isfinite(v) & (q > 0)
        cell = (np.arange(len(v))[:, None] * quantiles + (q - 1))[known]
        size = len(v) * quantiles
        count = np.bincount(cell, minlength=size)
        total = np.bincount(cell, v[known], minlength=size)
        out[rows] = np.divide(total, count, out=np.full(size, np.nan), where=count > 0).reshape(-1, quantiles)
    return out


def row_mean(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Mean of each row's finite values where `known`; NaN where there is none."""
    there = known & np.isfinite(values)
    count = there.sum(axis=1)
    total = np.where(there, values, 0.0).sum(axis=1)
    found: np.ndarray = np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)
    return found


def new_share(quantile: np.ndarray, part: int, lag: int = 1) -> np.ndarray:
    """Per row from `lag` on, the share of the quantile `part` that was not in it so many rows before; NaN where nobody
    is in it."""
    now, then = quantile[lag:] == part, quantile[:-lag] == part
    count, new = now.sum(axis=1), (now & ~then).sum(axis=1)
    found: np.ndarray = np.divide(new, count, out=np.full(len(now), np.nan), where=count > 0)
    return found
