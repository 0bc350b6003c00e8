"""Scores and signals out of sample, traded: the table of predictions and what it earned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from barwise.backtest.baselines import baselines
from barwise.backtest.capacity import capacity
from barwise.backtest.grid import Grid, Signals
from barwise.backtest.ledger import Backtest, Ledger
from barwise.backtest.metrics import compute, correlations, drawdown, gross_sharpe, net_sharpe
from barwise.backtest.positions import Positions
from barwise.samples import Panel
from barwise.validation.folds import Fold
from barwise.validation.paths import full_paths, path_of

_MOST_CELLS = 50_000_000  # bars times symbols of which positions are kept: 2.4 GB


@dataclass(frozen=True)
class OutOfSample:
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
    def of(cls, panel: Panel, fold: Fold, score: np.ndarray, signal: np.ndarray) -> OutOfSample:
        """The test rows of one fold."""
        rows = fold.test
        number = np.full(len(rows), fold.number, dtype=np.int32)
        arrays = (panel.symbol[rows], panel.time[rows], number, panel.y[rows], panel.ret[rows], score, signal)
        return cls(panel.symbols, *arrays)

    @classmethod
    def join(cls, parts: list[OutOfSample]) -> OutOfSample:
        """All folds, one after the other."""
        columns = (np.concatenate([getattr(p, name) for p in parts]) for name in cls.ARRAYS)
        return cls(parts[0].symbols, *columns)

    def select(self, mask: np.ndarray) -> OutOfSample:
        """The rows where `mask` holds; these very rows where it holds throughout."""
        if mask.dtype == bool and mask.all():
            return self
        return OutOfSample(self.symbols, *(getattr(self, name)[mask] for name in self.ARRAYS))

    def signals(self) -> Signals:
        """What the ledger trades."""
        return Signals(self.symbol, self.time, self.signal, self.score)

    def columns(self) -> dict[str, np.ndarray]:
        """The columns of predictions.parquet."""
        names = np.asarray(self.symbols, dtype=object)[self.symbol]
        return {"time": self.time, "symbol": names, **{n: getattr(self, n) for n in self.ARRAYS[2:]}}


@dataclass(frozen=True)
class Result:
    """What a run found: metrics (a function of configuration, data and seed alone) and the ledgers behind them."""

    table: OutOfSample
    ledger: Ledger
    market: Ledger
    metrics: dict[str, Any]
    reasons: dict[str, str] = field(default_factory=dict)
    weight: np.ndarray | None = None  # per row of the table, as decided at its bar; NaN without an order
    positions: Mapping[str, np.ndarray] | None = None
    trades: Mapping[str, np.ndarray] | None = None
    main: OutOfSample | None = None  # the rows of the path that is traded, where splits overlap


def evaluate(
    table: OutOfSample, linear: OutOfSample | None, grid: Grid, backtest: Backtest, per_year: float, seed: int
) -> Result:
    """Trade the table's signals, measure them, and the baselines on the same bars with the same costs.

    Where splits overlap, ledger and metrics are those of the middle path, and `paths` tells the spread.
    """
    main, ledger, books = middle_path(table, grid, _keeping(backtest, grid), per_year)
    signals = main.signals()
    others = baselines(grid, backtest, signals, per_year, seed)
    market = others["buy_and_hold"][0]
    metrics, reasons = compute(ledger, market, main.score, main.ret, main.time, per_year)
    delayed = backtest.run(grid, signals, per_year, delay=1)
    metrics["sharpe_delayed"] = net_sharpe(delayed, per_year)
    metrics["baselines"] = {name: _mean_sharpe(ledgers, per_year) for name, ledgers in others.items()}
    if linear is not None:
        metrics["baselines"]["linear"] = net_sharpe(middle_path(linear, grid, backtest, per_year)[1], per_year)
    parts = [(k, table.select(table.fold == k)) for k in np.flatnonzero(np.bincount(table.fold)).tolist()]
    own = [ledger] * len(parts)
    if len(books) > 1:  # a fold is judged by its own signals, few of which the middle path trades
        metrics["paths"] = _of_paths(books, per_year)
        own = [backtest.run(grid, part.signals(), per_year) for _, part in parts]
    metrics["folds"] = [_of_fold(part, book, per_year, k) for (k, part), book in zip(parts, own, strict=True)]
    limits = capacity(grid, backtest, ledger, signals, per_year)
    if limits is not None:
        metrics["capacity"] = limits
    if ledger.held is None:
        return Result(table, ledger, market, metrics, reasons, main=main)
    held = ledger.held
    weight = _decided(table, _path_rows(table, main), held, grid)
    return Result(
        table, ledger, market, metrics, reasons, weight, held.columns(grid), held.trades(grid, backtest.execution), main
    )


def so_far(parts: list[OutOfSample], grid: Grid, backtest: Backtest, per_year: float) -> dict[str, float | None]:
    """Metrics of the folds scored so far, net as at the end; where splits overlap, of each bar's first score."""
    table = OutOfSample.join(parts)
    table = table.select(path_of(table.symbol, table.time, table.fold) == 0)
    ledger = backtest.run(grid, table.signals(), per_year)
    found: dict[str, float | None] = compute(ledger, ledger, table.score, table.ret, table.time, per_year)[0]
    return found


def _keeping(backtest: Any, grid: Grid) -> Any:
    """The backtest so that its ledger holds positions, where they fit in memory; one of the user's own as it is."""
    fits = grid.has.size <= _MOST_CELLS
    return replace(backtest, keep_positions=True) if isinstance(backtest, Backtest) and fits else backtest


def _path_rows(table: OutOfSample, main: OutOfSample) -> np.ndarray:
    """Which rows of `table` are those of its path `main`."""
    if len(main.time) == len(table.time):
        return np.ones(len(table.time), bool)
    return np.isin(_keys(table), _keys(main))


def _decided(table: OutOfSample, rows: np.ndarray, held: Positions, grid: Grid) -> np.ndarray:
    """Per row of the table the weight that was decided at its bar; NaN where there was no order, or on other paths."""
    out = np.full(len(table.time), np.nan)
    place = grid.row_of(table.time[rows]) - held.first
    out[rows] = held.decided[place, table.symbol[rows]]
    return out


def _keys(table: OutOfSample) -> np.ndarray:
    parts = (table.fold, table.symbol, table.time.astype("datetime64[ns]").view(np.int64))
    return np.rec.fromarrays([np.ascontiguousarray(part).astype(np.int64) for part in parts])


def middle_path(
    table: OutOfSample, grid: Grid, backtest: Backtest, per_year: float
) -> tuple[OutOfSample, Ledger, list[Ledger]]:
    """The rows and ledger of the path whose net Sharpe ratio is the (lower) middle one, and the ledgers of all paths.

    One model a bar, as in any other run, and neither the luckiest nor the unluckiest split: any fixed path may be
    either, and scores averaged over the splits would trade an ensemble that no path holds.
    """
    path = path_of(table.symbol, table.time, table.fold)
    tables = [table.select(path == k) for k in full_paths(path)]
    books = [backtest.run(grid, t.signals(), per_year) for t in tables]
    order = sorted(range(len(books)), key=lambda k: net_sharpe(books[k], per_year) or 0.0)
    shown = order[(len(order) - 1) // 2]
    return tables[shown], books[shown], books


def _of_paths(ledgers: list[Ledger], per_year: float) -> dict[str, Any]:
    """Sharpe ratios and worst drawdown of each path, and mean, deviation, least and most of the net Sharpe ratios."""
    net = [net_sharpe(book, per_year) for book in ledgers]
    known = np.asarray([s for s in net if s is not None])
    spread = {
        "sharpe_mean": float(known.mean()), "sharpe_std": float(known.std(ddof=1)) if len(known) > 1 else None,
        "sharpe_min": float(known.min()), "sharpe_max": float(known.max()),
    } if len(known) else {}  # fmt: skip
    return {
        "n": len(ledgers),
        "sharpe": net,
        "sharpe_gross": [gross_sharpe(book, per_year) for book in ledgers],
        "max_drawdown": [float(drawdown(book.equity, 0.0).min()) for book in ledgers],
        **spread,
    }


def _mean_sharpe(ledgers: list[Ledger], per_year: float) -> float | None:
    """Mean net Sharpe over the draws of one baseline; None where none is defined."""
    found = [s for s in (net_sharpe(x, per_year) for x in ledgers) if s is not None]
    return float(np.mean(found)) if found else None


def _of_fold(part: OutOfSample, ledger: Ledger, per_year: float, number: int) -> dict[str, Any]:
    """Metrics of one fold's stretch of the ledger and of its scores."""
    first, last = part.time.min(), part.time.max()
    inside = np.zeros(len(ledger.time), bool)
    inside[np.searchsorted(ledger.time, part.time)] = True  # the ledger has a row for each of its times
    return {
        "fold": int(number),
        "first": str(first),
        "last": str(last),
        "rows": len(part.time),
        "sharpe": net_sharpe(ledger, per_year, inside),
        "sharpe_gross": gross_sharpe(ledger, per_year, inside),
        **correlations(part.score, part.ret, part.time),
    }


def contribution(ledger: Ledger, symbols: tuple[str, ...]) -> Mapping[str, float]:
    """Sum of each symbol's gross return contributions."""
    return {name: float(value) for name, value in zip(symbols, ledger.contribution, strict=True)}
