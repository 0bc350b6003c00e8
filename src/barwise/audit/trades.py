"""The audit of execution: a signal is never traded on the bar it was made at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from barwise.audit.findings import Finding
from barwise.backtest.hooks import costs_of, portfolio_of
from barwise.data.bars import Bars

BARS, AT = 12, 5  # of the probe, and the bar whose close the one signal is made at
BEFORE, CLOSE, AFTER = 100.0, 150.0, 225.0


def trades_wait(
    backtest: Any, grid_of: Callable[[list[Bars]], Any], signals_of: Callable[..., Any]
) -> Iterator[Finding | int]:
    """A signal made at a bar's close earns nothing of that bar, nor of the night after it.

    The probe's price moves inside the signal's bar and before the next open, and nowhere else.
    """
    time = np.arange(BARS).astype("datetime64[D]").astype("datetime64[ns]")
    open_, close = np.full(BARS, BEFORE), np.full(BARS, BEFORE)
    close[AT] = CLOSE
    open_[AT + 1 :], close[AT + 1 :] = AFTER, AFTER
    bars = Bars("PROBE", time, open_, np.maximum(open_, close), np.minimum(open_, close), close, np.full(BARS, 1e6))
    value = np.zeros(BARS)
    value[AT] = 1.0
    if portfolio_of(backtest) is not None:
        backtest = backtest.trading(
            costs=costs_of(backtest)
        )  # a rule may hold whatever it likes: weights_wait looks at it
    ledger = backtest.run(grid_of([bars]), signals_of(np.zeros(BARS, int), time, value), 252.0)
    yield 1
    earned = float(np.abs(ledger.gross).max())
    if earned > 0.01:
        text = (
            f"{type(backtest).__name__}: a signal made at the close of a bar earns {earned:.0%} by a price that was"
            " gone by then: it is traded on the bar it was made at."
        )
        yield Finding("execution", "leak", text)
