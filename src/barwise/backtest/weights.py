"""From signals to weights: equal shares, or shares that bring each symbol to the same volatility."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from barwise.backtest.grid import gross_sums
from barwise.portfolio.rules import relative_calm

if TYPE_CHECKING:
    from barwise.backtest.grid import Grid

WEIGHTINGS = ("equal", "volatility")


class Weighting(Protocol):
    """The settings that weights depend on."""

    @property
    def weighting(self) -> str: ...
    @property
    def volatility_window(self) -> int: ...
    @property
    def max_gross(self) -> float: ...


def weigh(grid: Grid, signal: np.ndarray, backtest: Weighting) -> np.ndarray:
    """Weights (time, symbol): the signal over the number of symbols in the universe with a bar.

    Σ|weight| is at most `max_gross`.
    """
    members = grid.members
    weight = signal / (float(members[0, 0]) if len(members) and (members == members[0]).all() else members)
    if backtest.weighting == "volatility":
        with np.errstate(invalid="ignore"):
            returns = np.where(grid.has, grid.close / grid.before - 1.0, np.nan)
        weight = weight * relative_calm(returns, grid.has, backtest.volatility_window)
    gross = gross_sums(weight)[:, None]
    above = gross > backtest.max_gross
    found: np.ndarray = weight
    if above.any():
        found = np.where(above, weight * backtest.max_gross / np.maximum(gross, 1e-300), weight)
    return found
