"""The ledger against vectorbt, an independent engine, with costs and flips, to 1e-9."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from barwise.backtest.grid import Grid
from barwise.backtest.ledger import Backtest
from barwise.backtest.weights import weigh
from tests.backtest.markets import market, signals


def by_vectorbt(grid: Grid, weight: np.ndarray, rules: Backtest) -> np.ndarray:
    """Net returns of vectorbt's from_orders: the weights of t are target shares of value at t + 1's price."""
    import vectorbt as vbt

    fees = (rules.commission_bps + rules.slippage_bps) / 1e4
    price = grid.open if rules.execution == "next_open" else grid.close
    size = np.full(weight.shape, np.nan)
    size[1:] = weight[:-1]
    portfolio = vbt.Portfolio.from_orders(
        pd.DataFrame(grid.close), size=pd.DataFrame(size), size_type="targetpercent", price=pd.DataFrame(price),
        val_price=pd.DataFrame(price), fees=fees, cash_sharing=True, group_by=np.zeros(weight.shape[1], int),
        init_cash=1.0, call_seq="auto", ffill_val_price=True, freq="1D",
    )  # fmt: skip
    return portfolio.value().pct_change().to_numpy()


@pytest.mark.parametrize("execution", ["next_open", "next_close"])
@pytest.mark.parametrize("kind", ["real", "signs"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_returns_equal_vectorbts(execution, kind, seed):
    bars = market(seed, 1 + 3 * (seed % 2), 200, 0.0)
    grid, given = Grid.build(bars), signals(seed, bars, kind)
    # An exposure of half keeps cash above the fees: vectorbt shrinks orders that it cannot pay for, we borrow.
    rules = Backtest(execution, borrow_bps=0, max_gross=0.5)
    ledger = rules.run(grid, given, 252)
    weight = weigh(grid, given.on(grid), rules)
    expected = by_vectorbt(grid, weight, rules)[1:]
    np.testing.assert_allclose(ledger.net[1:], expected, rtol=0, atol=1e-9)
