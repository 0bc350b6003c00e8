"""The optimised portfolio of one bar as cvxpy states it, with its own canonical form and solver."""

from __future__ import annotations

from typing import Any

import cvxpy as cp
import numpy as np


def weights(
    alpha: np.ndarray, covariance: np.ndarray, held: np.ndarray, aversion: float, penalty: float, gross: float,
    **limits: Any,
) -> np.ndarray:  # fmt: skip
    """Maximise alpha·w - aversion/2 w·Σ·w - penalty Σ|w - held|, by cvxpy; limits by name, each optional."""
    w = cp.Variable(len(alpha))
    earned = alpha @ w - aversion / 2 * cp.quad_form(w, cp.psd_wrap(covariance)) - penalty * cp.norm1(w - held)
    rules = [cp.norm1(w) <= gross]
    if limits.get("long_only"):
        rules.append(w >= 0)
    if limits.get("max_weight"):
        rules.append(cp.abs(w) <= limits["max_weight"])
    if limits.get("net") is not None:
        rules.append(cp.abs(cp.sum(w)) <= limits["net"])
    if limits.get("most"):
        rules.append(cp.norm1(w - held) <= limits["most"])
    if limits.get("max_group"):
        rules += [cp.norm1(w[limits["groups"] == g]) <= limits["max_group"] for g in np.unique(limits["groups"])]
    if limits.get("beta") is not None:
        rules.append(limits["beta"] @ w == 0)
    for g in np.unique(limits["flat"]) if limits.get("flat") is not None else ():
        rules.append(cp.sum(w[limits["flat"] == g]) == 0)
    if limits.get("deviation"):
        rules.append(cp.norm(np.linalg.cholesky(covariance).T @ w) <= limits["deviation"])
    problem = cp.Problem(cp.Maximize(1000 * earned), rules)
    problem.solve(solver=cp.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    assert problem.status == cp.OPTIMAL
    found: np.ndarray = w.value
    return found
