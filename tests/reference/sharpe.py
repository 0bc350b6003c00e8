"""Slow, plain formulas from the papers, as oracles for barwise.validation: loops and scipy, nothing of ours."""

from __future__ import annotations

from itertools import combinations
from math import e, log, sqrt

import numpy as np
from scipy import stats


def sharpe(x: np.ndarray) -> float:
    return x.mean() / x.std(ddof=1)


def variance(x: np.ndarray, rho: float | None = None) -> float:
    """López de Prado, Lipton, Zoonekynd (2025), equation 5, with n - 1; `rho` measured if it is not given."""
    if rho is None:
        d = x - x.mean()
        rho = sum(d[t] * d[t - 1] for t in range(1, len(d))) / sum(v * v for v in d)
    b, c = rho / (1 - rho), rho**2 / (1 - rho**2)
    skew, kurtosis = stats.skew(x), stats.kurtosis(x, fisher=False)
    ratio = sharpe(x)
    total = (1 + 2 * b) - (1 + b + c) * skew * ratio + (1 + 2 * c) * (kurtosis - 1) / 4 * ratio**2
    return total / (len(x) - 1)


def psr(x: np.ndarray, benchmark: float = 0.0, rho: float | None = None) -> float:
    return float(stats.norm.cdf((sharpe(x) - benchmark) / sqrt(variance(x, rho))))


def luck(n: float, spread: float) -> float:
    """Bailey and López de Prado (2014), equation 1 with mean zero."""
    gamma = np.euler_gamma
    return sqrt(spread) * ((1 - gamma) * stats.norm.ppf(1 - 1 / n) + gamma * stats.norm.ppf(1 - 1 / (n * e)))


def pbo(returns: np.ndarray, splits: int) -> float:
    """Bailey, Borwein, López de Prado, Zhu (2015), section 2.2, step by step."""
    blocks = np.split(returns, splits)
    logits = []
    for inside in combinations(range(splits), splits // 2):
        train = np.concatenate([blocks[i] for i in inside])
        test = np.concatenate([blocks[i] for i in range(splits) if i not in inside])
        best = int(np.argmax([sharpe(train[:, k]) for k in range(returns.shape[1])]))
        rank = stats.rankdata([sharpe(test[:, k]) for k in range(returns.shape[1])])[best]
        omega = rank / (returns.shape[1] + 1)
        logits.append(log(omega / (1 - omega)))
    return float(np.mean([x <= 1e-12 for x in logits]))
