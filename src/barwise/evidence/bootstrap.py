"""Sharpe ratios of returns drawn again in blocks of time, so that what hangs together over time stays together."""

from __future__ import annotations

import math

import numpy as np

CHUNK = 4_000_000  # block starts drawn at once


def default_block(bars: int) -> int:
    """Bars in a block: the cube root of their number, the rate of Hall, Horowitz and Jing (1995) for a variance."""
    found: int = max(1, round(bars ** (1 / 3)))
    return found


def sharpe_interval(
    net: np.ndarray, level: float = 0.95, block: int | None = None, n: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Bounds of the middle `level` of Sharpe ratios per bar over `n` draws of circular blocks of `block` bars.

    (NaN, NaN) for fewer than 10 bars or returns that never move. Source of the circular blocks: Politis and Romano
    (1992); the bounds are plain percentiles.

    >>> low, high = sharpe_interval(np.random.default_rng(0).normal(0.001, 0.01, 500))
    >>> low < 0.1 < high
    True
    """
    bars = len(net)
    if bars < 10 or np.ptp(net) == 0:
        return math.nan, math.nan
    sums = drawn_sums(np.column_stack([net, net * net]), block or default_block(bars), n, np.random.default_rng(seed))
    drawn = ratio(sums[:, 0], sums[:, 1], bars)
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn) < 2:
        return math.nan, math.nan
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def drawn_sums(columns: np.ndarray, length: int, n: int, random: np.random.Generator) -> np.ndarray:
    """(draw, column): sums over circular blocks that together are as long as the columns, without building a draw."""
    bars = len(columns)
    whole, rest = divmod(bars, length)
    blocks, tails = block_sums(columns, length), block_sums(columns, rest)
    out = np.empty((n, columns.shape[1]))
    step = max(1, CHUNK // max(whole, 1))
    for begin in range(0, n, step):
        end = min(n, begin + step)
        starts = random.integers(bars, size=(end - begin, whole))
        for c in range(columns.shape[1]):
            out[begin:end, c] = blocks[:, c][starts].sum(axis=1)
        out[begin:end] += tails[random.integers(bars, size=end - begin)]
    return out


def block_sums(columns: np.ndarray, length: int) -> np.ndarray:
    """(start, column): sum of the `length` rows from each start on, the end joined to the beginning."""
    turned = np.concatenate([np.zeros((1, columns.shape[1])), columns, columns[:length]]).cumsum(axis=0)
    found: np.ndarray = turned[length : length + len(columns)] - turned[: len(columns)]
    return found


def ratio(total: np.ndarray, squares: np.ndarray, bars: int) -> np.ndarray:
    """Mean over standard deviation (ddof 1) from sums."""
    mean = total / bars
    variance = (squares - bars * mean**2) / (bars - 1)
    return mean / np.sqrt(np.where(variance > 1e-300, variance, np.nan))
