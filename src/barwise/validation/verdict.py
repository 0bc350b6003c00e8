"""What the evidence supports, given how often one tried."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from barwise.validation.deflated import deflated_sharpe, estimator_variance, sharpe
from barwise.validation.trials import sharpes


def verdict(net: np.ndarray, trials: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """`n_trials`, `dsr` and one plain sentence for per-bar net returns after the trials on the same problem.

    The variance across trials is at least the estimator's own: a handful of alike trials must not look certain.
    """
    n, seen = max(1, len(trials)), sharpes(trials)
    if len(net) < 3 or not math.isfinite(sharpe(net)):
        return {"n_trials": n, "dsr": None, "sentence": "No evidence: the strategy did not trade, or never moved."}
    spread = float(np.var(seen, ddof=1)) if len(seen) > 1 else 0.0
    dsr = deflated_sharpe(net, n, max(spread, estimator_variance(net)))
    return {"n_trials": n, "dsr": dsr, "sentence": sentence(dsr, n)}


def sentence(dsr: float, n_trials: int) -> str:
    """The verdict as one sentence; 0.95 is the usual level of a one-sided test."""
    trials = f"after {n_trials} trial{'s' if n_trials > 1 else ''} on this problem"
    if dsr > 0.95:
        return f"Evidence of skill: DSR {dsr:.2f} {trials}."
    if dsr > 0.8:
        return f"Weak evidence of skill, not enough to trade on: DSR {dsr:.2f} {trials}."
    return f"No evidence of skill: DSR {dsr:.2f} {trials}."
