"""The weights of one bar as a quadratic program, for Clarabel: the solver that cvxpy takes for these by default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from barwise.errors import ConfigError
from barwise.portfolio.limits import Limits

_INFEASIBLE = ("PrimalInfeasible", "AlmostPrimalInfeasible")
_DUST = 1e-8  # what an interior point method leaves of a weight, or of a change, that is none


@dataclass(frozen=True)
class Problem:
    """Maximise alpha·w - aversion/2 × w·covariance·w - penalty × Σ|w - held| within the limits; arrays are by symbol.

    `low`, `high`: bounds of each weight. `exposures` (k, symbol): rows e with e·w = 0. `groups`: codes for
    `limits.max_group`. `most`: Σ|w - held| at most. `deviation`: √(w·covariance·w) at most. None: no such limit.
    """

    alpha: np.ndarray
    covariance: np.ndarray
    held: np.ndarray
    low: np.ndarray
    high: np.ndarray
    aversion: float
    penalty: float
    limits: Limits
    exposures: np.ndarray
    groups: np.ndarray | None = None
    most: float | None = None
    deviation: float | None = None

    def solve(self) -> np.ndarray | None:
        """The weights, to 1e-9 within all limits; None where nothing is."""
        found = self._solver(self.alpha, self.aversion, self.penalty, self.most).solve()
        return None if str(found.status) in _INFEASIBLE else self._exact(found)

    def nearest(self) -> np.ndarray:
        """The weights nearest to those held, by Σ|change|, within all limits but that of the turnover."""
        return self._exact(self._solver(np.zeros_like(self.alpha), 0.0, 1.0, None).solve())

    def _solver(self, alpha: np.ndarray, aversion: float, penalty: float, most: float | None) -> Any:
        """Variables are w, then t ≥ |w - held|, then u ≥ |w|; each row of A x + s = b has s in a cone."""
        import clarabel
        from scipy import sparse

        n, limits = len(alpha), self.limits
        equal, below = _Rows(n), _Rows(n)
        for exposure in self.exposures:
            equal.add({0: exposure}, 0.0)
        if limits.net == 0:
            equal.add({0: np.ones(n)}, 0.0)
        elif limits.net is not None:
            below.add({0: np.ones(n)}, limits.net)
            below.add({0: -np.ones(n)}, limits.net)
        below.add_each({0: 1.0}, self.high)
        below.add_each({0: -1.0}, -self.low)
        for sign in (1.0, -1.0):
            below.add_each({0: sign, 1: -1.0}, sign * self.held)
            below.add_each({0: sign, 2: -1.0}, np.zeros(n))
        if most is not None:
            below.add({1: np.ones(n)}, max(0.0, most - 2 * n * _DUST))
        if limits.gross is not None:
            below.add({2: np.ones(n)}, limits.gross)
        if self.groups is not None and limits.max_group is not None:
            for code in np.unique(self.groups[self.groups >= 0]):
                below.add({2: (self.groups == code) * 1.0}, limits.max_group)
        cones = [clarabel.ZeroConeT(equal.count)] if equal.count else []
        cones.append(clarabel.NonnegativeConeT(below.count))
        parts = [equal, below]
        if self.deviation is not None:
            cone = _Rows(n)
            cone.add({}, self.deviation)
            for root in np.linalg.cholesky(self.covariance + 1e-14 * np.eye(n)).T:
                cone.add({0: -root}, 0.0)
            cones.append(clarabel.SecondOrderConeT(n + 1))
            parts.append(cone)
        matrix, vector = _together(parts)
        unit = 1.0 / max(float(np.abs(alpha).max()), penalty, 1e-12)  # returns of a bar are small beside the tolerance
        risk = sparse.csc_matrix(np.triu(unit * aversion * self.covariance))
        risk.resize(3 * n, 3 * n)
        linear = unit * np.concatenate([-alpha, np.full(n, penalty), np.zeros(n)])
        return clarabel.DefaultSolver(risk, linear, matrix, vector, cones, _settings())

    def _exact(self, found: Any) -> np.ndarray:
        """The solver's weights without what its tolerance leaves: dust, and excess of a billionth over a limit.

        All limits but the turnover's hold for smaller weights of the same shape, so that the whole is scaled.
        """
        if not str(found.status).endswith("Solved"):
            raise ConfigError(
                f"portfolio.rule: Clarabel found no weights ({found.status}); widen the limits, or raise risk_aversion"
            )
        w = np.array(found.x[: len(self.alpha)])
        w = np.where(np.abs(w - self.held) < _DUST, self.held, w)
        w = np.clip(np.where(np.abs(w) < _DUST, 0.0, w), self.low, self.high)
        rows = np.vstack([self.exposures, np.ones((1, len(w)))]) if self.limits.net == 0 else self.exposures
        free = (w > self.low + _DUST) & (w < self.high - _DUST) & (w != 0.0)
        if len(rows) and free.any():
            w[free] -= np.linalg.lstsq(rows[:, free], rows @ w, rcond=None)[0]
        return w / max(1.0, self._excess(w)) + 0.0

    def _excess(self, w: np.ndarray) -> float:
        """The largest quotient of what a limit is of and the limit."""
        limits, size = self.limits, np.abs(w)
        used = [(size.sum(), limits.gross), (abs(w.sum()), limits.net), (size.max(initial=0.0), limits.max_weight)]
        if self.groups is not None:
            codes = np.unique(self.groups[self.groups >= 0])
            used += [(size[self.groups == code].sum(), limits.max_group) for code in codes]
        return max((float(value) / limit for value, limit in used if limit), default=0.0)


class _Rows:
    """Rows of A and b, in three blocks of `n` columns each, gathered as coordinates."""

    def __init__(self, n: int) -> None:
        self.n, self.count = n, 0
        self.places: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.bounds: list[np.ndarray] = []

    def add(self, blocks: Mapping[int, np.ndarray], bound: float) -> None:
        """One row: the coefficients of each block."""
        every = np.arange(self.n)
        for block, values in blocks.items():
            self.places.append((np.full(self.n, self.count), every + block * self.n, values))
        self.bounds.append(np.array([bound]))
        self.count += 1

    def add_each(self, blocks: Mapping[int, float], bounds: np.ndarray) -> None:
        """A row for each symbol: one coefficient in each block."""
        every = np.arange(self.n)
        for block, value in blocks.items():
            self.places.append((every + self.count, every + block * self.n, np.full(self.n, value)))
        self.bounds.append(bounds)
        self.count += self.n


def _together(parts: Sequence[_Rows]) -> tuple[Any, np.ndarray]:
    """A, sparse by column, and b of all rows."""
    from scipy import sparse

    first, places = 0, []
    for part in parts:
        places += [(rows + first, columns, values) for rows, columns, values in part.places]
        first += part.count
    rows, columns, values = (np.concatenate(each) for each in zip(*places, strict=True))
    used = values != 0.0
    shape = (first, 3 * parts[0].n)
    matrix = sparse.csc_matrix((values[used], (rows[used], columns[used])), shape)
    return matrix, np.concatenate([bound for part in parts for bound in part.bounds]).astype(np.float64)


def _settings() -> Any:
    """Clarabel's settings: silent, on one thread, to a billionth."""
    import clarabel

    found = clarabel.DefaultSettings()
    found.verbose = False
    found.tol_gap_abs = found.tol_gap_rel = found.tol_feas = 1e-9
    return found
