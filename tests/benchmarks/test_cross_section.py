"""The study that barwise's stages are timed beside does the same work."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from barwise.backtest.grid import Grid, Signals
from barwise.backtest.ledger import Backtest
from barwise.benchmarks.cross_section import _HORIZON, _ours, _theirs, _traded, _usual_alpha158, _wide
from barwise.data import synthetic
from barwise.features.alpha158 import alpha158
from barwise.portfolio.portfolio import Portfolio
from barwise.portfolio.rules import deciles


def test_the_usual_alpha158_is_alpha158():
    bars = synthetic.load(n_symbols=1, n_bars=150).bars[0]
    found, right = alpha158(bars), _usual_alpha158(bars)
    assert sorted(found) == sorted(right.columns) and len(found) == 158
    for name, values in found.items():
        np.testing.assert_allclose(values[70:], right[name].to_numpy()[70:], rtol=2e-3, atol=2e-4, err_msg=name)


def test_the_usual_backtest_earns_what_the_ledger_earns():
    market = synthetic.load(n_symbols=30, n_bars=80)
    time = market.bars[0].time
    score = pd.DataFrame(np.random.default_rng(0).normal(size=(80, 30)), time, market.symbols)
    theirs = _traded(score.stack(), _wide(market, "open"), _wide(market, "close"))
    rows, columns = np.indices(score.shape).reshape(2, -1)
    book = Backtest(portfolio=Portfolio(deciles, _HORIZON)).run(
        Grid.build(market.bars), Signals(columns, time[rows], score.to_numpy()[rows, columns]), 252.0
    )
    np.testing.assert_allclose(book.net[10:], theirs.to_numpy()[10:], atol=2e-4)


@pytest.mark.slow
def test_both_sides_run():
    one, other = (side(60, 300, 10, 3, 1) for side in (_ours, _theirs))
    assert set(other["seconds"]) <= set(one["seconds"]) and one["rank_ic"] is not None
