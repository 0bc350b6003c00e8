"""Probabilistic and deflated Sharpe ratio; every Sharpe here is per bar, not annualised."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

EULER = 0.5772156649015329
NORMAL = NormalDist()


def sharpe(returns: np.ndarray) -> float:
    """Mean over standard deviation (ddof 1) of `returns`; NaN where it is undefined."""
    if len(returns) < 2:
        return math.nan
    deviation = float(np.std(returns, ddof=1))
    return float(np.mean(returns)) / deviation if deviation > 0 else math.nan


def estimator_variance(returns: np.ndarray) -> float:
    """Variance of the Sharpe estimator with skew and kurtosis: (1 - g3 SR + (g4 - 1)/4 SR²)/(n - 1).

    Source: Bailey and López de Prado, The Sharpe Ratio Efficient Frontier (2012), after Mertens (2002).
    """
    n, ratio = len(returns), sharpe(returns)
    z = (returns - np.mean(returns)) / np.std(returns)
    skew, kurtosis = float(np.mean(z**3)), float(np.mean(z**4))
    return max(1.0 - skew * ratio + (kurtosis - 1.0) / 4.0 * ratio**2, 1e-12) / (n - 1)


def probabilistic_sharpe(returns: np.ndarray, benchmark: float = 0.0) -> float:
    """Probability that the true Sharpe exceeds `benchmark`: Φ((SR - benchmark)/σ(SR)); NaN where it is undefined."""
    ratio = sharpe(returns)
    if not math.isfinite(ratio):
        return math.nan
    return NORMAL.cdf((ratio - benchmark) / math.sqrt(estimator_variance(returns)))


def expected_maximum(n_trials: float, variance: float) -> float:
    """The best Sharpe that `n_trials` independent trials without skill are expected to show.

    Source: Bailey and López de Prado, The Deflated Sharpe Ratio (2014): √V ((1-γ) Φ⁻¹(1-1/N) + γ Φ⁻¹(1-1/(N e))).
    """
    if n_trials <= 1:
        return 0.0
    high = NORMAL.inv_cdf(1.0 - 1.0 / n_trials)
    higher = NORMAL.inv_cdf(1.0 - 1.0 / (n_trials * math.e))
    return math.sqrt(variance) * ((1.0 - EULER) * high + EULER * higher)


def deflated_sharpe(returns: np.ndarray, n_trials: float, variance: float) -> float:
    """Probability that the true Sharpe exceeds what the best of `n_trials` lucky trials would show."""
    return probabilistic_sharpe(returns, expected_maximum(n_trials, variance))
