"""The ledger against vectorbt, an independent engine, with costs and flips, to 1e-9."""

from __future__ import annotations

import numpy as np
import pytest

from barwise.backtest.grid import Grid
from barwise.backtest.ledger import Backtest
from barwise.benchmarks.backtest import _by_vectorbt, _shares
from tests.backtest.markets import market, signals


@pytest.mark.parametrize("execution", ["next_open", "next_close"])
@pytest.mark.parametrize("kind", ["real", "signs"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_returns_equal_vectorbts(execution, kind, seed):
    bars = market(seed, 1 + 3 * (seed % 2), 200, 0.0)
    grid, given = Grid.build(bars), signals(seed, bars, kind)
    # An exposure of half keeps cash above the fees: vectorbt shrinks orders that it cannot pay for, we borrow.
    rules = Backtest(execution, borrow_bps=0, max_gross=0.5)
    ledger = rules.run(grid, given, 252)
    expected = _by_vectorbt(grid, _shares(grid, given, rules), rules)[1:]
    np.testing.assert_allclose(ledger.net[1:], expected, rtol=0, atol=1e-9)
