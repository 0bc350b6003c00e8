"""What contracts add to the cost of trading: fills rounded to ticks, commissions a contract, and rolls."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from barwise.backtest.costs import BPS, Prices
from barwise.backtest.grid import Grid

_CLOSE = 1e-9  # of a tick: what rounding leaves of a price that lies on one


def _has(grid: Grid, name: str) -> bool:
    return any(name in bars.extra for bars in grid.bars)


def contract_prices(
    grid: Grid, execution: str, prices: Prices | None, commission_bps: float, slippage_bps: float
) -> Prices | None:
    """`prices` (None: flat) with a commission a contract, and with fills that are rounded to the tick against the
    trade: a buy up, a sale down, from the price that commission and impact leave out."""
    if not (_has(grid, "contract_tick") or _has(grid, "contract_commission")):
        return prices
    flat = (commission_bps + slippage_bps) * BPS
    found = prices or Prices(np.full(grid.has.shape, flat))
    price = grid.open if execution == "next_open" else grid.close
    tick = grid.column("contract_tick")
    slipped = found.rate - commission_bps * BPS
    with np.errstate(invalid="ignore", divide="ignore"):
        each = np.nan_to_num(grid.column("contract_commission", 0.0) / price)
        above, below = price * (1 + slipped), price * (1 - slipped)
        up = np.nan_to_num((np.ceil(above / tick - _CLOSE) * tick - above) / price)
        down = np.nan_to_num((below - np.maximum(np.floor(below / tick + _CLOSE), 1.0) * tick) / price)
    return replace(found, rate=found.rate + each, up=np.maximum(up, 0.0), down=np.maximum(down, 0.0))


def rolls_of(grid: Grid) -> np.ndarray | None:
    """(time, symbol): the symbol's contract is another than at its bar before; None where none ever is."""
    if not _has(grid, "contract_rolls"):
        return None
    count = grid.column("contract_rolls")
    found = np.asarray(count > grid.later(count, 1))
    return found if found.any() else None
