"""What a backtest, or its ledger, may offer beyond running: one small Protocol each, known by its names alone."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np

EXECUTION = "next_open"  # where a backtest does not say


@runtime_checkable
class Executes(Protocol):
    """Says at which price it trades: next_open or next_close."""

    execution: str


@runtime_checkable
class Weights(Protocol):
    """Trades the weights of a portfolio."""

    portfolio: Any


@runtime_checkable
class Pays(Protocol):
    """Pays by a model of costs."""

    costs: Any


@runtime_checkable
class FillsIntrabar(Protocol):
    """Fills at prices within a bar, such as stops and targets, where `intrabar`."""

    intrabar: bool


@runtime_checkable
class Holds(Protocol):
    """A ledger that says what was held: (bar, symbol) shares of the equity at each close."""

    positions: np.ndarray | None


@runtime_checkable
class Receives(Protocol):
    """A ledger with declared flows, such as dividends, that are part of `gross`."""

    cash_flow: np.ndarray | None


@runtime_checkable
class Lends(Protocol):
    """A ledger whose idle cash earns so much a bar."""

    risk_free: float


@runtime_checkable
class Ends(Protocol):
    """A ledger that says at which price a position ended inside a bar: (bar, symbol), NaN where none did."""

    fills: np.ndarray | None


HOOKS: tuple[type, ...] = (Executes, Weights, Pays, FillsIntrabar)
LEDGER: tuple[type, ...] = (Holds, Receives, Lends, Ends)
KINDS = {"intrabar": bool, "execution": str}


def execution_of(backtest: object) -> str:
    """The price that the backtest says it trades at; the default where it does not say."""
    return backtest.execution if isinstance(backtest, Executes) else EXECUTION


def portfolio_of(backtest: object) -> Any:
    """The portfolio whose weights the backtest trades, None where it has its own way."""
    return backtest.portfolio if isinstance(backtest, Weights) else None


def costs_of(backtest: object) -> Any:
    """The model of costs, None where the backtest has its own."""
    return backtest.costs if isinstance(backtest, Pays) else None
