"""From signals to weights: equal shares, or shares that bring each symbol to the same volatility."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from barwise.backtest.ledger import Backtest, Grid

WEIGHTINGS = ("equal", "volatility")


def weigh(grid: Grid, signal: np.ndarray, backtest: Backtest) -> np.ndarray:
    """Weights (time, symbol): the signal over the number of symbols with a bar; Σ|weight| at most `max_gross`."""
    present = np.maximum(grid.has.sum(axis=1, keepdims=True), 1)
    weight = signal / present
    if backtest.weighting == "volatility":
        weight = weight * relative_calm(grid, backtest.volatility_window)
    gross = np.abs(weight).sum(axis=1, keepdims=True)
    return np.where(gross > backtest.max_gross, weight * backtest.max_gross / np.maximum(gross, 1e-300), weight)


def relative_calm(grid: Grid, window: int) -> np.ndarray:
    """Mean volatility of the symbols with a bar over the symbol's own, from the last `window` close returns.

    Known at t's close; 1 until the window is full.
    """
    import bottleneck as bn

    with np.errstate(invalid="ignore"):
        returns = np.where(grid.has, grid.close / grid.before - 1.0, np.nan)
    volatility = bn.move_std(returns, window, min_count=window // 2 + 1, axis=0, ddof=1)
    volatility = np.where(volatility > 0, volatility, np.nan)
    with np.errstate(invalid="ignore"):
        count = np.isfinite(volatility).sum(axis=1, keepdims=True)
        typical = np.nansum(volatility, axis=1, keepdims=True) / np.maximum(count, 1)
        calm = typical / volatility
    return np.where(np.isfinite(calm), calm, 1.0)
