"""The markets of the honest table: the sample, bars that packages of the tests ship, a random walk, planted ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from barwise.data import sample, synthetic
from barwise.data.bars import Bars


@dataclass(frozen=True)
class TableMarket:
    """Bars by name; `closes`: there is one price a bar, which is traded at the next one."""

    name: str
    load: Callable[[], tuple[Bars, ...]]
    closes: bool = False


def _synthetic(ic: float, pattern: str = "linear") -> Callable[[], tuple[Bars, ...]]:
    return lambda: synthetic.load(n_symbols=5, n_bars=1200, seed=7, ic=ic, pattern=pattern).bars


def _google() -> tuple[Bars, ...]:
    """backtesting.py's daily bars of Google, 2004 to 2013."""
    from backtesting.test import GOOG

    columns = (GOOG[name].to_numpy(float) for name in ("Open", "High", "Low", "Close", "Volume"))
    return (Bars("GOOG", GOOG.index.to_numpy().astype("datetime64[ns]"), *columns),)


def _closes() -> tuple[Bars, ...]:
    """skfolio's closes of eight stocks, the last 1,500 days."""
    from skfolio.datasets import load_sp500_dataset

    frame = load_sp500_dataset().iloc[-1500:, :8]
    when = frame.index.to_numpy().astype("datetime64[ns]")
    prices = {name: frame[name].to_numpy(float) for name in frame.columns}
    return tuple(Bars(name, when, x, x, x, x, np.ones(len(when))) for name, x in prices.items())


MARKETS = (
    TableMarket("sample, five stocks", lambda: sample.load(start="2005-01-01").bars),
    TableMarket("backtesting.py's GOOG", _google),
    TableMarket("skfolio's closes, eight stocks", _closes, closes=True),
    TableMarket("random walk", _synthetic(0.0)),
    TableMarket("planted, linear, 0.1", _synthetic(0.1)),
    TableMarket("planted, nonlinear, 0.1", _synthetic(0.1, "nonlinear")),
)
