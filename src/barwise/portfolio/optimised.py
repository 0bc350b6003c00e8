"""Mean-variance weights with what trading costs, by a covariance shrunk on past returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Annotated

import numpy as np

from barwise.console.settings import Fraction, Number, Whole, check_fields
from barwise.errors import ConfigError
from barwise.portfolio.context import Context
from barwise.portfolio.quadratic import Problem

_MARKET = "market"  # neutral to the members' mean by beta; any other name is a group's


@dataclass(frozen=True)
class Optimised:
    """Maximise alpha·w - risk_aversion/2 × w·Σ·w - turnover_penalty × Σ|change of w|, within the portfolio's limits.

    alpha: `ic` × volatility × score over the root mean square of the bar's scores, a bar's expected return (Grinold,
    1994). Σ: Ledoit and Wolf's (2004) shrunk covariance of the last `window` returns, by scikit-learn. `neutral`:
    market, for a beta of 0 to the members' mean, and groups in which Σ w is 0. A symbol that has no score, or fewer
    than half of `window` returns, is only ever reduced; one without a bar is kept as it is. Where a limit of the
    turnover leaves no weights that meet the others, those nearest to what is held are taken.
    """

    window: Annotated[int, Whole(10, 10_000)] = 120
    risk_aversion: Annotated[float, Number(0, 1e6)] = 5.0
    turnover_penalty: Annotated[float, Number(0, 1)] = 1e-4
    ic: Fraction = 0.02
    neutral: Sequence[str] = ()

    reads_scores = reads_held = keeps_limits = True

    def __post_init__(self) -> None:
        check_fields(self, "portfolio.rule")
        if find_spec("clarabel") is None:
            raise ConfigError("portfolio=optimised: needs the solver Clarabel; pip install 'barwise[optimised]'")

    def __call__(self, context: Context) -> np.ndarray:
        """The weights (symbol,) of the context's last row."""
        out = np.zeros(len(context.symbols))
        known = self._known(context)
        chosen = np.flatnonzero((known | (context.held != 0)) & context.inside[-1])
        if not len(chosen):
            return out
        problem = self._problem(context, chosen, known[chosen])
        out[chosen] = found = _solved(problem)
        places = context.limits.max_positions
        if places is not None and np.count_nonzero(found) > places:
            kept = np.sort(np.argsort(-np.abs(found), kind="stable")[:places])
            out[:] = 0.0
            out[chosen[kept]] = _solved(self._problem(context, chosen[kept], known[chosen[kept]]))
        return out

    def _known(self, context: Context) -> np.ndarray:
        """Which symbols have a score, a bar and a history."""
        past = np.isfinite(context.returns[-self.window :]) & context.has[-self.window :]
        found: np.ndarray = np.isfinite(context.score[-1]) & context.member[-1] & (past.sum(axis=0) >= self.window // 2)
        return found

    def _problem(self, context: Context, chosen: np.ndarray, known: np.ndarray) -> Problem:
        """The last row's problem of the `chosen` symbols, of which those `known` have a view."""
        limits, held = context.limits, context.held[chosen]
        own = _centred(context.returns[-self.window :, chosen])
        covariance = _shrunk(own)
        score = np.where(known, context.score[-1, chosen], 0.0)
        size = float(np.sqrt((score**2).sum() / max(1, int(known.sum()))))
        alpha = self.ic * np.sqrt(np.diag(covariance)) * score / (size or 1.0)
        most = min(x for x in (limits.max_weight, limits.gross, 100.0) if x is not None)
        high = np.where(known, most, np.clip(held, 0.0, most))
        low = np.where(known, -most, np.clip(held, -most, 0.0)) * (not limits.long_only)
        kept = ~context.has[-1, chosen]
        low, high = np.where(kept, high + low, low), np.where(kept, high + low, high)
        most_traded = None
        if context.max_turnover is not None:  # what has left the universe is sold first
            left = np.abs(np.delete(context.held, chosen)).sum()
            most_traded = max(0.0, context.max_turnover - float(left))
        groups = None if context.limited is None else context.limited[-1, chosen]
        return Problem(
            alpha, covariance, held, low, high, self.risk_aversion, self.turnover_penalty, limits,
            self._exposures(context, chosen, own), groups, most_traded, context.volatility,
        )  # fmt: skip

    def _exposures(self, context: Context, chosen: np.ndarray, own: np.ndarray) -> np.ndarray:
        """(k, symbol): beta to the members' mean return, and membership of each group; what Σ w × is 0 of."""
        rows = []
        for name in self.neutral:
            if name == _MARKET:
                past = context.returns[-self.window :]
                inside = context.member[-self.window :] & np.isfinite(past)
                market = np.where(inside, past, 0.0).sum(axis=1) / np.maximum(inside.sum(axis=1), 1)
                market = market - market.mean()
                rows.append((market @ own) / max(float(market @ market), 1e-300))
            else:
                codes = context.group(name, "portfolio.rule.neutral")[-1, chosen]
                rows += [(codes == code) * 1.0 for code in np.unique(codes)]
        return np.array(rows).reshape(len(rows), len(chosen))


def _solved(problem: Problem) -> np.ndarray:
    """The weights of a problem; those nearest to what is held where the turnover or a missing bar leaves none."""
    found = problem.solve()
    if found is not None:
        return found
    return replace(problem, low=np.minimum(problem.low, 0.0), high=np.maximum(problem.high, 0.0)).nearest()


def _centred(returns: np.ndarray) -> np.ndarray:
    """Returns (bar, symbol) less each symbol's mean; 0 where there is none."""
    known = np.isfinite(returns)
    mean = np.where(known, returns, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(known, returns - mean, 0.0)


def _shrunk(returns: np.ndarray) -> np.ndarray:
    """The Ledoit-Wolf covariance of centred returns (bar, symbol)."""
    from sklearn.covariance import ledoit_wolf

    found: np.ndarray = ledoit_wolf(returns, assume_centered=True)[0]
    return found
