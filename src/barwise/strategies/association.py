"""Correlations of a column with returns; NaN where there is none."""

from __future__ import annotations

import numpy as np


def pearson(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson's correlation over rows where both are finite."""
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's: Pearson's of the ranks, ties in the middle."""
    from scipy.stats import rankdata

    known = np.isfinite(x) & np.isfinite(y)
    return pearson(rankdata(x[known]), rankdata(y[known])) if known.sum() > 2 else float("nan")
