"""Means and regressions of series whose bars depend on each other (Newey and West)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from barwise.evidence.bootstrap import default_block, drawn_sums

_NORMAL_95 = 1.959963984540054


class Mean(NamedTuple):
    """A mean, its t, the 95 % interval, the standard deviation (ddof 1) and how many values it is made of."""

    mean: float
    t: float
    low: float
    high: float
    deviation: float
    n: int


def lags_of(n: int, horizon: int = 1) -> int:
    """How many lags: what overlapping returns of `horizon` bars share, at least 4 (n / 100)^(2/9).

    Source: Newey and West, Review of Economic Studies 61 (1994).
    """
    return int(max(0, min(n - 1, max(horizon - 1, int(4 * (n / 100) ** (2 / 9))))))


def mean_of(values: np.ndarray, horizon: int = 1) -> Mean:
    """The mean of what is finite in `values`, with Newey-West errors; NaN where there are fewer than two.

    Source: Newey and West, Econometrica 55 (1987), with Bartlett's weights.
    """
    known = values[np.isfinite(values)]
    n = len(known)
    if n < 2:
        only = float(known[0]) if n else np.nan
        return Mean(only, np.nan, np.nan, np.nan, np.nan, n)
    coefficients, errors = regression(known, np.ones((n, 1)), lags_of(n, horizon))
    mean, error = float(coefficients[0]), float(errors[0])
    spread = _NORMAL_95 * error
    deviation = float(known.std(ddof=1))
    return Mean(mean, mean / error if error > 0 else np.nan, mean - spread, mean + spread, deviation, n)


def bootstrap_of(values: np.ndarray, horizon: int = 1, draws: int = 1000) -> tuple[float, float]:
    """The middle 95 % of means of what is finite in `values`, drawn again in circular blocks of the cube root of its
    length, `horizon` at least; (NaN, NaN) for fewer than ten values. Source: Politis and Romano (1992)."""
    known = values[np.isfinite(values)]
    n = len(known)
    if n < 10:
        return np.nan, np.nan
    block = min(n, max(default_block(n), horizon))
    sums = drawn_sums(known[:, None], block, draws, np.random.default_rng(0))[:, 0]
    low, high = np.quantile(sums / n, [0.025, 0.975])
    return float(low), float(high)


def regression(y: np.ndarray, X: np.ndarray, lags: int) -> tuple[np.ndarray, np.ndarray]:
    """Least-squares coefficients of `y` on the columns of `X`, and their Newey-West standard errors; NaN where the
    columns depend on each other."""
    gram = X.T @ X
    if np.linalg.matrix_rank(gram) < X.shape[1]:
        return np.full((2, X.shape[1]), np.nan)[0], np.full(X.shape[1], np.nan)
    inverse = np.linalg.inv(gram)
    coefficients = inverse @ (X.T @ y)
    moments = X * (y - X @ coefficients)[:, None]
    spread = moments.T @ moments
    for lag in range(1, lags + 1):
        shared = moments[lag:].T @ moments[:-lag]
        spread += (1 - lag / (lags + 1)) * (shared + shared.T)
    variance = np.diag(inverse @ spread @ inverse)
    return coefficients, np.sqrt(np.maximum(variance, 0.0))


def p_of(t: np.ndarray) -> np.ndarray:
    """Two-sided p of t by the normal distribution; NaN stays NaN."""
    from scipy.special import erfc

    found: np.ndarray = erfc(np.abs(t) / np.sqrt(2))
    return found


def false_discovery(p: np.ndarray) -> np.ndarray:
    """The least false discovery rate at which each p is among the discoveries; NaN stays NaN.

    Source: Benjamini and Hochberg, Journal of the Royal Statistical Society B 57 (1995).
    """
    out = np.full(len(p), np.nan)
    known = np.flatnonzero(np.isfinite(p))
    if len(known):
        order = known[np.argsort(p[known], kind="stable")]
        raised = p[order] * len(order) / np.arange(1, len(order) + 1)
        out[order] = np.minimum(np.minimum.accumulate(raised[::-1])[::-1], 1.0)
    return out
