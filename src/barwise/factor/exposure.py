"""What scores and what they earn are exposed to: beta, size, momentum, and any file of factor returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from barwise.errors import ConfigError
from barwise.factor import bars
from barwise.factor.files import FactorReturns
from barwise.factor.inference import lags_of, mean_of, regression
from barwise.factor.scores import Frame, Scores, frame
from barwise.features.aligned import align
from barwise.neutral import column

_MOMENTUM = (252, 21)  # bars: a year, without its last month; Jegadeesh and Titman (1993), as French's factor
_LEAST = 30  # periods of a regression on factor returns


class Series(NamedTuple):
    """Returns by bar; `free`: of the whole account, so that the risk-free return of the factors is taken off."""

    time: np.ndarray
    values: np.ndarray
    free: bool = False


def exposures(scores: Scores) -> Frame:
    """Mean rank correlation within bars of the scores with `beta` (slope on the members' mean return over 60 bars),
    `size` (the column of that name, else the logarithm of money traded over 60 bars) and `momentum` (return of the last
    252 bars but 21), its t, and how many bars. Empty where symbols are few."""
    found: list[tuple[str, float, float, int]] = []
    if scores.across:
        market = align(scores.grid.bars, scores.grid.universe, ("close", "volume"))
        for name in ("beta", "size"):
            try:
                found.append((name, *_exposed(scores, column(market, name))))
            except ConfigError:  # no volume, and no column of that name
                continue
        found.append(("momentum", *_exposed(scores, scores.forward.momentum(*_MOMENTUM))))
    return frame({"exposure": object, "rank_correlation": float, "t": float, "n": int}, found)


def _exposed(scores: Scores, values: np.ndarray) -> tuple[float, float, int]:
    _, rank = bars.information(scores.values, values[scores.rows], _bars_least(scores), scores.ranks)
    mean = mean_of(rank)
    return mean.mean, mean.t, mean.n


def _bars_least(scores: Scores) -> int:
    return max(5, int(np.median(np.isfinite(scores.values).sum(axis=1))) // 2)


def alphas(series: Mapping[str, Series], factors: Sequence[tuple[str, FactorReturns]], per_year: float) -> Frame:
    """Regressions of each series on each set of factor returns: `coefficient`, its Newey-West t, and how
    many periods; `alpha` is a year's. A series is compounded to the days or months of the factors.
    """
    rows: list[tuple[str, str, str, float, float, int]] = []
    for name, one in series.items():
        for source, factor in factors:
            rows += [(name, source, *row) for row in _regressed(factor, one, per_year)]
    kinds = {"series": object, "factors": object, "factor": object, "coefficient": float, "t": float, "n": int}
    return frame(kinds, rows)


def _regressed(factor: FactorReturns, series: Series, per_year: float) -> list[tuple[str, float, float, int]]:
    """Rows of factor, coefficient, t and periods, the alpha first."""
    known = np.isfinite(series.values)
    period, y = _compounded(series.time[known], series.values[known], factor.unit)
    _, ours, theirs = np.intersect1d(period, factor.time, return_indices=True)
    y = y[ours] - (factor.free[theirs] if series.free else 0.0)
    X = np.column_stack([np.ones(len(y)), factor.values[theirs]])
    keep = np.isfinite(X).all(axis=1)
    X, y = X[keep], y[keep]
    n = len(y)
    if n < max(_LEAST, 3 * X.shape[1]):
        return [("alpha", np.nan, np.nan, n)]
    coefficients, errors = regression(y, X, lags_of(n))
    t = np.divide(coefficients, errors, out=np.full(len(errors), np.nan), where=errors > 0)
    year = {"M": 12.0, "D": min(per_year, 252.0)}.get(factor.unit, per_year)
    coefficients = coefficients * np.append(year, np.ones(len(factor.names)))
    return [(name, float(c), float(s), n) for name, c, s in zip(("alpha", *factor.names), coefficients, t, strict=True)]


def _compounded(time: np.ndarray, values: np.ndarray, unit: str) -> tuple[np.ndarray, np.ndarray]:
    """(periods, the return of each) of a series of returns, oldest first; `unit`: D, M, or ns for each bar."""
    period = time.astype(f"datetime64[{unit}]")
    if not len(period):
        return period, values
    begins = np.flatnonzero(np.append(True, period[1:] != period[:-1]))
    return period[begins], np.expm1(np.add.reduceat(np.log1p(np.maximum(values, -1 + 1e-12)), begins))
