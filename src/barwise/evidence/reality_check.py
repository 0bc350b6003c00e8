"""A second opinion from the returns themselves, drawn again in blocks: which trials of a sweep have skill, if any."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from barwise.evidence.bootstrap import default_block
from barwise.evidence.thresholds import EVIDENCE

_DRAWS = 1000
_CELLS = 4_000_000  # of (draw, bar) held at once
_LEAST = 30  # bars below which blocks tell nothing


@dataclass(frozen=True)
class RealityCheck:
    """`p_value`: of the best trial by t, after looking at all. `skilled`: places of the trials that StepM finds."""

    p_value: float
    skilled: tuple[int, ...]


def reality_check(
    returns: np.ndarray, level: float = EVIDENCE, block: float | None = None, n: int = _DRAWS, seed: int = 0
) -> RealityCheck | None:
    """Is any of `returns` (bar, trial), net above cash, better than nothing? None for too few bars or nothing moving.

    Studentised by long-run deviations, stationary bootstrap of mean block length `block` (the cube root of the bars),
    recentred as Hansen does: a trial far below zero does not hide a good one. Sources: White (2000), Hansen, A Test for
    Superior Predictive Ability (2005); Romano and Wolf, Stepwise Multiple Testing (2005) for `skilled`.
    """
    bars = len(returns)
    length = float(block or default_block(bars))
    moving = np.flatnonzero(np.ptp(returns, axis=0) > 0) if returns.size else np.zeros(0, int)
    if bars < _LEAST or not len(moving):
        return None
    kept = np.asarray(returns[:, moving], dtype=np.float64)
    mean, error = kept.mean(axis=0), np.sqrt(_long_run_variance(kept, length) / bars)
    far = mean < -error * math.sqrt(2.0 * math.log(math.log(bars)))
    t = mean / error
    null = (_drawn_means(kept, length, n, seed) - np.where(far, 0.0, mean)) / error
    p = float((null.max(axis=1) >= t.max()).mean())
    found = np.zeros(len(moving), bool)
    while not found.all():
        new = ~found & (t > np.quantile(null[:, ~found].max(axis=1), 1.0 - level))
        if not new.any():
            break
        found |= new
    return RealityCheck(p, tuple(int(k) for k in moving[found]))


def _drawn_means(columns: np.ndarray, length: float, n: int, seed: int) -> np.ndarray:
    """(draw, column): means over stationary bootstrap draws. Source: Politis and Romano (1994)."""
    bars, random = len(columns), np.random.default_rng(seed)
    step = max(1, _CELLS // bars)
    out = np.empty((n, columns.shape[1]))
    place = np.arange(bars)
    for begin in range(0, n, step):
        size = min(step, n - begin)
        begins = random.random((size, bars)) < 1.0 / length
        begins[:, 0] = True
        last = np.maximum.accumulate(np.where(begins, place, 0), axis=1)
        start = np.take_along_axis(random.integers(bars, size=(size, bars)), last, axis=1)
        rows = (start + place - last) % bars + np.arange(size)[:, None] * bars
        counts = np.bincount(rows.ravel(), minlength=size * bars).reshape(size, bars)
        out[begin : begin + size] = counts @ columns / bars
    return out


def _long_run_variance(columns: np.ndarray, length: float) -> np.ndarray:
    """Variance of √n times the mean under the stationary bootstrap, per column. Source: Politis and Romano (1994).

    Σ over lags i of κ(i) γ(i), with κ(i) = (1 - i/n)(1 - p)^i + (i/n)(1 - p)^(n - i) and p one over `length`.
    """
    n, p = len(columns), 1.0 / length
    centred = columns - columns.mean(axis=0)
    spectrum = np.abs(np.fft.rfft(centred, 2 * n, axis=0)) ** 2
    gamma = np.fft.irfft(spectrum, axis=0)[:n] / n
    lag = np.arange(1, n)
    kernel = (1.0 - lag / n) * (1.0 - p) ** lag + lag / n * (1.0 - p) ** (n - lag)
    found = gamma[0] + 2.0 * (kernel @ gamma[1:])
    result: np.ndarray = np.where(found > 0, found, gamma[0])
    return result
