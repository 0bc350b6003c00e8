"""Scores and signals out of sample, traded: the table of predictions and what it earned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from barwise.backtest.baselines import baselines
from barwise.backtest.grid import Grid, Signals
from barwise.backtest.ledger import Backtest, Ledger
from barwise.backtest.metrics import compute, correlations, sharpe_ratio
from barwise.samples import Panel
from barwise.validation.folds import Fold


@dataclass(frozen=True)
class Table:
    """One row per scored bar, out of sample: symbol index, time, fold, label y, ret, score, signal."""

    symbols: tuple[str, ...]
    symbol: np.ndarray
    time: np.ndarray
    fold: np.ndarray
    label: np.ndarray
    ret: np.ndarray
    score: np.ndarray
    signal: np.ndarray

    ARRAYS = ("symbol", "time", "fold", "label", "ret", "score", "signal")

    @classmethod
    def of(cls, panel: Panel, fold: Fold, score: np.ndarray, signal: np.ndarray) -> Table:
        """The test rows of one fold."""
        rows = fold.test
        number = np.full(len(rows), fold.number, dtype=np.int32)
        arrays = (panel.symbol[rows], panel.time[rows], number, panel.y[rows], panel.ret[rows], score, signal)
        return cls(panel.symbols, *arrays)

    @classmethod
    def join(cls, parts: list[Table]) -> Table:
        """All folds, one after the other."""
        columns = (np.concatenate([getattr(p, name) for p in parts]) for name in cls.ARRAYS)
        return cls(parts[0].symbols, *columns)

    def select(self, mask: np.ndarray) -> Table:
        return Table(self.symbols, *(getattr(self, name)[mask] for name in self.ARRAYS))

    def signals(self) -> Signals:
        """What the ledger trades."""
        return Signals(self.symbol, self.time, self.signal)

    def columns(self) -> dict[str, np.ndarray]:
        """The columns of predictions.parquet."""
        names = np.asarray(self.symbols, dtype=object)[self.symbol]
        return {"time": self.time, "symbol": names, **{n: getattr(self, n) for n in self.ARRAYS[2:]}}


@dataclass(frozen=True)
class Result:
    """What a run found: metrics (a function of configuration, data and seed alone) and the ledgers behind them."""

    table: Table
    ledger: Ledger
    market: Ledger
    metrics: dict[str, Any]
    reasons: dict[str, str] = field(default_factory=dict)


def evaluate(table: Table, linear: Table | None, grid: Grid, backtest: Backtest, per_year: float, seed: int) -> Result:
    """Trade the table's signals, measure them, and the baselines on the same bars with the same costs."""
    ledger = backtest.run(grid, table.signals(), per_year)
    others = baselines(grid, backtest, table.signals(), per_year, seed)
    market = others["buy_and_hold"][0]
    metrics, reasons = compute(ledger, market, table.score, table.ret, table.time, per_year)
    delayed = backtest.run(grid, table.signals(), per_year, delay=1)
    metrics["sharpe_delayed"] = sharpe_ratio(delayed.net, per_year)
    metrics["baselines"] = {name: mean_sharpe(ledgers, per_year) for name, ledgers in others.items()}
    if linear is not None:
        traded = backtest.run(grid, linear.signals(), per_year)
        metrics["baselines"]["linear"] = sharpe_ratio(traded.net, per_year)
    metrics["folds"] = [of_fold(table.select(table.fold == k), ledger, per_year, k) for k in np.unique(table.fold)]
    return Result(table, ledger, market, metrics, reasons)


def mean_sharpe(ledgers: list[Ledger], per_year: float) -> float | None:
    """Mean net Sharpe over the draws of one baseline; None where none is defined."""
    found = [s for s in (sharpe_ratio(x.net, per_year) for x in ledgers) if s is not None]
    return float(np.mean(found)) if found else None


def of_fold(part: Table, ledger: Ledger, per_year: float, number: int) -> dict[str, Any]:
    """Metrics of one fold's stretch of the ledger and of its scores."""
    first, last = part.time.min(), part.time.max()
    inside = (ledger.time >= first) & (ledger.time <= last)
    return {
        "fold": int(number),
        "first": str(first),
        "last": str(last),
        "rows": len(part.time),
        "sharpe": sharpe_ratio(ledger.net[inside], per_year),
        "sharpe_gross": sharpe_ratio(ledger.gross[inside], per_year),
        **correlations(part.score, part.ret, part.time),
    }


def contribution(ledger: Ledger, symbols: tuple[str, ...]) -> Mapping[str, float]:
    """Sum of each symbol's gross return contributions."""
    return {name: float(value) for name, value in zip(symbols, ledger.contribution, strict=True)}
