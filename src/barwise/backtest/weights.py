"""From signals to weights: equal shares, or shares that bring each symbol to the same volatility."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from barwise.labels import past_volatility

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


CALMEST = 4.0  # a halted symbol must not take the whole account


def weigh(grid: Grid, signal: np.ndarray, backtest: Weighting) -> np.ndarray:
    """Weights (time, symbol): the signal over the number of symbols in the universe with a bar.

    Σ|weight| is at most `max_gross`.
    """
    present = np.maximum(grid.member.sum(axis=1, keepdims=True), 1)
    weight = signal / present
    if backtest.weighting == "volatility":
        weight = weight * relative_calm(grid, backtest.volatility_window)
    gross = np.abs(weight).sum(axis=1, keepdims=True)
    found: np.ndarray = np.where(
        gross > backtest.max_gross, weight * backtest.max_gross / np.maximum(gross, 1e-300), weight
    )
    return found


def relative_calm(grid: Grid, window: int) -> np.ndarray:
    """Mean volatility of the symbols with a bar over the symbol's own, at most `CALMEST`; (time, symbol).

    Volatility: standard deviation (ddof 1) of the symbol's last `window` close returns, known at t's close. 1 until
    the window is full, and for a price that stood still.
    """
    volatility = np.full(grid.has.shape, np.nan)
    for s in range(grid.has.shape[1]):
        rows = np.flatnonzero(grid.has[:, s])
        volatility[rows, s] = past_volatility(grid.close[rows, s], window)
    known = volatility > 0.0
    count = known.sum(axis=1, keepdims=True)
    typical = np.where(known, volatility, 0.0).sum(axis=1, keepdims=True) / np.maximum(count, 1)
    calm = np.divide(typical, volatility, out=np.ones_like(volatility), where=known)
    found: np.ndarray = np.minimum(calm, CALMEST)
    return found
