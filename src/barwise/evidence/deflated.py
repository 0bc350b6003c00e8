"""Probabilistic and deflated Sharpe ratio; every Sharpe here is per bar, not annualised."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

EULER = 0.5772156649015329
NORMAL = NormalDist()


def sharpe(returns: np.ndarray) -> float:
    """Mean over standard deviation (ddof 1) of `returns`; NaN where it is undefined."""
    if len(returns) < 2 or np.ptp(returns) == 0:
        return math.nan
    deviation = float(np.std(returns, ddof=1))
    return float(np.mean(returns)) / deviation if deviation > 0 else math.nan


@dataclass(frozen=True)
class Moments:
    """What the precision of a Sharpe ratio depends on: bars, Sharpe, skew, kurtosis (3 is normal), autocorrelation."""

    n: int
    sharpe: float
    skew: float
    kurtosis: float
    rho: float

    @classmethod
    def of(cls, returns: np.ndarray) -> Moments:
        """Population moments of `returns` and their correlation with the bar before; NaN where nothing moves."""
        ratio = sharpe(returns)
        if not math.isfinite(ratio):
            return cls(len(returns), math.nan, math.nan, math.nan, math.nan)
        z = (returns - np.mean(returns)) / np.std(returns)
        rho = float(np.dot(z[1:], z[:-1]) / np.dot(z, z))
        square = z * z
        return cls(len(returns), ratio, float(np.mean(square * z)), float(np.mean(square * square)), rho)

    @property
    def spread(self) -> float:
        """(n - 1) times the variance of the Sharpe estimator: a - b g3 SR + c (g4 - 1)/4 SR²; NaN if not above zero.

        a = (1+ρ)/(1-ρ), b = (1+ρ+ρ²)/(1-ρ²), c = (1+ρ²)/(1-ρ²) for returns whose autocorrelation dies out as ρ, ρ², …
        Source: López de Prado, Lipton and Zoonekynd, How to Use the Sharpe Ratio (2025), equation 5. With ρ = 0 it is
        that of Bailey and López de Prado, The Sharpe Ratio Efficient Frontier (2012), after Mertens (2002).
        """
        return self.spread_at(self.sharpe)

    @property
    def coefficients(self) -> tuple[float, float, float]:
        """The spread as a polynomial of the Sharpe ratio: what stands before 1, SR and SR²."""
        r = self.rho
        a, b, c = (1 + r) / (1 - r), (1 + r + r * r) / (1 - r * r), (1 + r * r) / (1 - r * r)
        return a, -b * self.skew, c * (self.kurtosis - 1) / 4

    def spread_at(self, sharpe: float) -> float:
        """The same for returns of this shape whose Sharpe ratio is `sharpe`."""
        a, b, c = self.coefficients
        value = a + b * sharpe + c * sharpe**2
        return value if value > 0 else math.nan

    @property
    def z(self) -> float:
        """Deviations that the Sharpe ratio lies above zero; standard normal without skill. NaN where undefined."""
        return self.sharpe * math.sqrt((self.n - 1) / self.spread) if self.n > 1 else math.nan


def estimator_variance(returns: np.ndarray) -> float:
    """Variance of the Sharpe estimator, with skew, kurtosis and autocorrelation; NaN where it is undefined."""
    moments = Moments.of(returns)
    return moments.spread / (moments.n - 1) if math.isfinite(moments.sharpe) else math.nan


def probabilistic_sharpe(returns: np.ndarray, benchmark: float = 0.0) -> float:
    """Probability that the true Sharpe exceeds `benchmark`: Φ((SR - benchmark)/σ(SR)); NaN where it is undefined.

    >>> returns = np.tile([0.02, -0.01, 0.015, -0.005], 60)
    >>> round(probabilistic_sharpe(returns), 3)
    1.0
    """
    return probability(Moments.of(returns), benchmark)


def probability(moments: Moments, benchmark: float = 0.0) -> float:
    """The same from moments."""
    if not math.isfinite(moments.sharpe) or not math.isfinite(moments.spread):
        return math.nan
    return NORMAL.cdf((moments.sharpe - benchmark) * math.sqrt((moments.n - 1) / moments.spread))


def min_track_record(moments: Moments, benchmark: float = 0.0, level: float = 0.95) -> float:
    """Bars from which a Sharpe like this one exceeds `benchmark` with probability `level`: 1 + spread (z/(SR - b))².

    Infinite where it does not exceed it at all; NaN where it is undefined. Source: Bailey and López de Prado (2012).

    >>> round(min_track_record(Moments(1250, 0.1, 0.0, 3.0, 0.0)))
    273
    """
    if not math.isfinite(moments.sharpe):
        return math.nan
    if moments.sharpe <= benchmark:
        return math.inf
    return 1.0 + moments.spread * (NORMAL.inv_cdf(level) / (moments.sharpe - benchmark)) ** 2


def expected_maximum(n_trials: float, variance: float) -> float:
    """The best Sharpe that `n_trials` independent trials without skill are expected to show.

    Source: Bailey and López de Prado, The Deflated Sharpe Ratio (2014): √V ((1-γ) Φ⁻¹(1-1/N) + γ Φ⁻¹(1-1/(N e))).

    >>> round(expected_maximum(100, 0.5 / 250), 4)  # 100 trials, variance of yearly ratios 1/2, in days
    0.1132
    """
    if n_trials <= 1:
        return 0.0
    high = NORMAL.inv_cdf(1.0 - 1.0 / n_trials)
    higher = NORMAL.inv_cdf(1.0 - 1.0 / (n_trials * math.e))
    return max(0.0, math.sqrt(variance) * ((1.0 - EULER) * high + EULER * higher))


def deflated_sharpe(returns: np.ndarray, n_trials: float, variance: float) -> float:
    """Probability that the true Sharpe exceeds what the best of `n_trials` lucky trials would show."""
    return probabilistic_sharpe(returns, expected_maximum(n_trials, variance))
