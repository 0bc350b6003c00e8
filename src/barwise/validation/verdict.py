"""What the evidence supports, given how often one tried."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from barwise.validation.deflated import deflated_sharpe, estimator_variance, sharpe
from barwise.validation.trials import sharpes


def verdict(net: np.ndarray, trials: Mapping[str, Mapping[str, Any]], t_alpha: float | None = None) -> dict[str, Any]:
    """`n_trials`, `dsr` and one plain sentence for per-bar net returns after the trials on the same problem.

    The variance across trials is at least the estimator's own: a handful of alike trials must not look certain.
    """
    n, seen = max(1, len(trials)), sharpes(trials)
    if len(net) < 3 or not math.isfinite(sharpe(net)):
        return {"n_trials": n, "dsr": None, "sentence": "No evidence: the strategy did not trade, or never moved."}
    spread = float(np.var(seen, ddof=1)) if len(seen) > 1 else 0.0
    dsr = deflated_sharpe(net, n, max(spread, estimator_variance(net)))
    return {"n_trials": n, "dsr": dsr, "sentence": sentence(dsr, n, t_alpha)}


def sentence(dsr: float, n_trials: int, t_alpha: float | None) -> str:
    """The verdict as one sentence; 0.95 is the usual level of a one-sided test, and 1.645 its t.

    A Sharpe that buy-and-hold explains is the market's, not skill: `t_alpha` is the t of alpha on it.
    """
    trials = f"DSR {dsr:.2f} after {n_trials} trial{'s' if n_trials > 1 else ''} on this problem"
    if dsr <= 0.8:
        return f"No evidence of skill: {trials}."
    if t_alpha is not None and t_alpha < 1.645:
        return f"No evidence of skill beyond buy-and-hold: t of alpha {t_alpha:.2f}, though {trials}."
    if dsr <= 0.95:
        return f"Weak evidence of skill, not enough to trade on: {trials}."
    return f"Evidence of skill: {trials}."
