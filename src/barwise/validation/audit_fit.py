"""The audit of what is learned: folds, scaler, strategy, signal rule and execution."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from barwise.data.bars import Bars
from barwise.samples import Panel
from barwise.validation.audit import Finding
from barwise.validation.folds import Fold

TINY = 400  # rows of one symbol that a quick audit trains on


def folds_are_purged(panel: Panel, folds: list[Fold], embargo: int) -> Iterator[Finding | int]:
    """No training or validation label's stretch meets a test row's, and none lies in the embargo after a test block."""
    times = np.unique(panel.time[panel.warm])
    for fold in folds:
        yield len(fold.train) + len(fold.valid)
        place = np.unique(np.searchsorted(times, panel.time[fold.test]))
        for block in np.split(place, np.flatnonzero(np.diff(place) > 1) + 1):
            inside = (panel.time[fold.test] >= times[block[0]]) & (panel.time[fold.test] <= times[block[-1]])
            begin, end = times[block[0]], _ends(panel, fold.test[inside]).max()
            banned = times[min(block[-1] + embargo, len(times) - 1)]
            for name, rows in (("training", fold.train), ("validation", fold.valid)):
                meets = (_ends(panel, rows) >= begin) & (panel.time[rows] <= max(end, banned if embargo else end))
                if meets.any():
                    yield _fold(panel, fold, int(rows[meets.argmax()]), f"{name} row", "a test block")
        if len(fold.valid):
            low, high = panel.time[fold.valid].min(), _ends(panel, fold.valid).max()
            within = (panel.time[fold.train] >= low) & (panel.time[fold.train] <= high)
            reaches = (panel.time[fold.train] < low) & (_ends(panel, fold.train) >= low)
            if (within | reaches).any():
                row = int(fold.train[(within | reaches).argmax()])
                yield _fold(panel, fold, row, "training row", "the validation rows")


def learning_ignores_later_rows(
    panel: Panel, strategy: Any, rule: Any, fit: Callable[[Panel, Fold, Any], Any], scores: Callable[..., np.ndarray]
) -> Iterator[Finding | int]:
    """Fitted on a few rows, the strategy scores the same when test rows are altered: it never saw them.

    `fit(panel, fold, strategy)` returns what `scores(fitted, panel, rows)` takes; both are the run's own.
    """
    small = miniature(panel, max(TINY, 8 * strategy.lookback))
    if small is None:
        return
    n = len(small)
    train, valid, test = (np.arange(int(a * n), int(b * n)) for a, b in ((0, 0.6), (0.6, 0.8), (0.8, 1.0)))
    train, valid = (rows[np.isfinite(small.ret[rows])] for rows in (train[:-3], valid[:-3]))
    fold = Fold(0, train, valid, test)
    other = tampered(small, test[0])
    first, second = fit(small, fold, copy.deepcopy(strategy)), fit(other, fold, copy.deepcopy(strategy))
    before, again = scores(first, small, valid), scores(second, other, valid)
    yield len(valid)
    if not _same(before, again):
        text = "what the strategy (or its scaler) learns from training rows changes when test rows are altered."
        yield Finding("strategy", "leak", text)
        return
    middle = int(0.9 * n)
    early = test[test < middle]
    score, changed = scores(first, small, test), scores(first, tampered(small, middle), test)
    yield len(early)
    if not _same(score[: len(early)], changed[: len(early)]):
        yield Finding("strategy", "leak", "the strategy's scores of a bar change when later bars are altered.")
    yield from rule_looks_back(rule, before, score, small.time[test], len(early))


def rule_looks_back(
    rule: Any, valid: np.ndarray, score: np.ndarray, time: np.ndarray, early: int
) -> Iterator[Finding | int]:
    """Signals of a bar do not change when later scores are cut off or altered."""
    if not np.isfinite(valid).any():
        return
    fitted = copy.deepcopy(rule).fit(valid)
    whole = fitted(score, time)[:early]
    later = np.concatenate([score[:early], -5.0 * score[early:][::-1]])
    yield early
    if not _same(whole, fitted(score[:early], time[:early])) or not _same(whole, fitted(later, time)[:early]):
        yield Finding("signals", "leak", "the signal rule's answer for a bar changes with later scores.")


def trades_wait(
    backtest: Any, grid_of: Callable[[list[Bars]], Any], signals_of: Callable[..., Any]
) -> Iterator[Finding | int]:
    """A signal made at a bar's close earns nothing of that bar: the probe's only move is inside the signal's bar."""
    n, at = 12, 5
    time = np.arange(n).astype("datetime64[D]").astype("datetime64[ns]")
    price = np.full(n, 100.0)
    price[at + 1 :] = 150.0
    open_, close = np.concatenate([[100.0], price[:-1]]), price.copy()
    open_[at], close[at:], open_[at + 1 :] = 100.0, 150.0, 150.0
    bars = Bars("PROBE", time, open_, np.maximum(open_, close), np.minimum(open_, close), close, np.full(n, 1e6))
    value = np.zeros(n)
    value[at] = 1.0
    ledger = backtest.run(grid_of([bars]), signals_of(np.zeros(n, int), time, value), 252.0)
    yield 1
    if np.abs(ledger.gross).max() > 0.01:
        yield Finding("execution", "leak", "the backtest earns the move of the bar whose close the signal was made at.")


def miniature(panel: Panel, n: int) -> Panel | None:
    """The first `n` finite, labelled rows of the symbol with the longest such stretch, as a panel of its own."""
    good = panel.finite & np.isfinite(panel.ret)
    begins = np.flatnonzero(good & (panel.start == np.arange(len(panel))))
    lengths = np.array([int((panel.start[b:] == b).argmin() or len(panel) - b) for b in begins])
    if not len(begins) or lengths.max() < n // 2:
        return None
    first = int(begins[lengths.argmax()])
    rows = slice(first, first + min(n, int(lengths.max())))
    names = ("X", "symbol", "time", "y", "ret", "end", "weight", "finite", "warm")
    parts = {name: getattr(panel, name)[rows].copy() for name in names}
    return replace(panel, **parts, start=np.zeros(rows.stop - rows.start, dtype=panel.start.dtype))


def tampered(panel: Panel, first: int) -> Panel:
    """The same panel with other features, labels and returns from row `first` on."""
    X, y, ret = panel.X.copy(), panel.y.copy(), panel.ret.copy()
    X[first:] = X[first:][::-1] * 3.0 + 1.0
    y[first:], ret[first:] = -y[first:], -ret[first:]
    return replace(panel, X=X, y=y, ret=ret)


def _ends(panel: Panel, rows: np.ndarray) -> np.ndarray:
    return np.where(np.isnat(panel.end[rows]), panel.time[rows], panel.end[rows])


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.allclose(a, b, rtol=1e-6, atol=1e-7, equal_nan=True))


def _fold(panel: Panel, fold: Fold, row: int, kind: str, what: str) -> Finding:
    where = f"{panel.symbols[panel.symbol[row]]} at {str(panel.time[row])[:19]}"
    return Finding("folds", "leak", f"fold {fold.number}: the label of the {kind} {where} reaches into {what}.")
