"""The audit of execution: a signal is never traded on the bar it was made at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from barwise.audit.findings import Finding
from barwise.backtest.hooks import costs_of, portfolio_of
from barwise.backtest.ledger import Backtest
from barwise.data.bars import Bars

_BARS, _AT = 12, 5  # of the probe, and the bar whose close the one signal is made at
_BEFORE, _CLOSE, _AFTER = 100.0, 150.0, 225.0


def trades_wait(
    backtest: Any, grid_of: Callable[[list[Bars]], Any], signals_of: Callable[..., Any]
) -> Iterator[Finding | int]:
    """A signal made at a bar's close earns nothing of that bar, nor of the night after it.

    The probe's price moves inside the signal's bar and before the next open, and nowhere else.
    """
    time = np.arange(_BARS).astype("datetime64[D]").astype("datetime64[ns]")
    open_, close = np.full(_BARS, _BEFORE), np.full(_BARS, _BEFORE)
    close[_AT] = _CLOSE
    open_[_AT + 1 :], close[_AT + 1 :] = _AFTER, _AFTER
    bars = Bars("PROBE", time, open_, np.maximum(open_, close), np.minimum(open_, close), close, np.full(_BARS, 1e6))
    value = np.zeros(_BARS)
    value[_AT] = 1.0
    if portfolio_of(backtest) is not None:
        backtest = backtest.trading(
            costs=costs_of(backtest)
        )  # a rule may hold whatever it likes: weights_wait looks at it
    if isinstance(backtest, Backtest):  # what the probe has no columns of, and which touch no price
        backtest = replace(backtest, dividends=None, funding=None, borrow_bps=0.0)
    ledger = backtest.run(grid_of([bars]), signals_of(np.zeros(_BARS, int), time, value), 252.0)
    yield 1
    earned = float(np.abs(ledger.gross).max())
    if earned > 0.01:
        text = (
            f"{type(backtest).__name__}: a signal made at the close of a bar earns {earned:.0%} by a price that was"
            " gone by then: it is traded on the bar it was made at."
        )
        yield Finding("execution", "leak", text)
