"""The audit of what was earned: what positions earn by fills at prices that the bar allows, and no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from barwise.audit.bars import altered
from barwise.audit.features import when
from barwise.audit.findings import Finding
from barwise.audit.own import is_users
from barwise.backtest.grid import Grid, Signals
from barwise.backtest.hooks import Ends, FillsIntrabar, Holds, Lends, Receives, execution_of
from barwise.backtest.ledger import Backtest, Ledger
from barwise.data.bars import Bars

_ROUNDING = 1e-9  # of the equity
_CLOSING = 1e-5  # that closing what ended at the bar before may have cost
_CUTS = 2  # bars after which prices, or signals, are others


def ledger_adds_up(backtest: Any, ledger: Ledger, grid: Grid, bars: tuple[Bars, ...]) -> Iterator[Finding | int]:
    """Each bar's gross is what the reported positions earn from the execution price, or, where the backtest declares
    `intrabar` fills (stops and targets), from a price within the bar; and costs are none below zero."""
    name = type(backtest).__name__
    yield from _books_balance(name, ledger, grid)
    if is_users(backtest):
        yield from _own_word(name, backtest, ledger)
    positions = ledger.positions if isinstance(ledger, Holds) else None
    if positions is None:
        if is_users(backtest):
            text = f"{name} reports no positions, so nothing says that its returns could be earned"
            yield Finding("execution", "not_audited", text)
        return
    rows = np.searchsorted(grid.time, ledger.time)
    if len(positions) != len(rows):
        return
    yield positions.size
    yield from _fills(name, ledger, rows, grid, bars)
    low, high = _earned(backtest, ledger, grid, rows, positions, bars)
    flow = ledger.cash_flow if isinstance(ledger, Receives) else None
    gross = ledger.gross - (0.0 if flow is None else flow)
    near = np.where(np.isin(rows - 1, list(grid.gone)), _CLOSING, _ROUNDING)
    off = (gross < low - near) | (gross > high + near) | ~np.isfinite(gross)
    off &= ~np.isin(rows, list(grid.gone)) & (ledger.equity > 0)  # what ends is closed at the same close
    if off.any():
        i = int(off.argmax())
        text = (
            f"{name}: on {when(ledger.time[i])} it says that {gross[i]:.4%} was earned, where its positions earned"
            f" {low[i]:.4%} by fills at the execution price: a fill that no order could have had."
        )
        yield Finding("execution", "leak", text)
    below = ledger.cost < -_ROUNDING
    if below.any():
        text = (
            f"{name}: a cost below zero on {when(ledger.time[int(below.argmax())])}; declare what is paid as cash_flow."
        )
        yield Finding("execution", "leak", text)


def _books_balance(name: str, ledger: Ledger, grid: Grid) -> Iterator[Finding]:
    """Net is gross less cost on every bar of a stretch, equity is what net makes of it, and nothing is left out."""
    rows = np.searchsorted(grid.time, ledger.time)
    there = (rows < len(grid.time)) & (grid.time[np.minimum(rows, len(grid.time) - 1)] == ledger.time)
    if not there.all() or not np.array_equal(rows, np.arange(rows[0], rows[0] + len(rows))):
        text = f"{name}: its ledger has {len(rows):,} rows that are not all bars from its first to its last."
        yield Finding("execution", "leak", text)
        return
    alive = np.concatenate([[True], ledger.equity[:-1] > 0]) & (ledger.equity > 0)
    start = np.concatenate([[1.0], ledger.equity[:-1]])
    with np.errstate(divide="ignore", invalid="ignore"):
        grown = ledger.equity / start - 1.0
    wrong = {
        "net is not gross less cost": ledger.net - (ledger.gross - ledger.cost),
        "equity does not grow by net": np.where(alive, ledger.net - grown, 0.0),
        "excess is not net less what cash earns": ledger.excess - (ledger.net - ledger.risk_free),
    }
    for what, off in wrong.items():
        bad = ~(np.abs(off) <= _ROUNDING)
        if bad.any():
            yield Finding("execution", "leak", f"{name}: on {when(ledger.time[int(bad.argmax())])} {what}.")
            return


def _own_word(name: str, backtest: Any, ledger: Ledger) -> Iterator[Finding]:
    """What nothing but the backtest itself says: where within a bar it filled, and what flowed beside prices."""
    if isinstance(backtest, FillsIntrabar) and backtest.intrabar:
        yield Finding("execution", "not_audited", f"{name} fills within the bar, by its own word")
    flow = ledger.cash_flow if isinstance(ledger, Receives) else None
    if flow is not None and np.any(flow):
        text = f"{name} declares cash flows of {float(np.sum(flow)):.2%} in all, by its own word"
        yield Finding("execution", "not_audited", text)


def _earned(
    backtest: Any, ledger: Ledger, grid: Grid, rows: np.ndarray, positions: np.ndarray, bars: tuple[Bars, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """The least and the most that the positions can have earned on each bar, as shares of the equity before."""
    drift = grid.drift(_execution(backtest), backtest.dividends if isinstance(backtest, Backtest) else None)
    to_price, to_close = (np.broadcast_to(x, grid.has.shape)[rows] for x in drift)
    fills = ledger.fills if isinstance(ledger, Ends) else None
    if fills is not None:
        to_price, to_close = _to_fills(_execution(backtest), grid, rows, fills, to_price, to_close)
    start = np.concatenate([[1.0], ledger.equity[:-1]])
    growth = (ledger.equity / np.where(start > 0, start, np.nan))[:, None]
    before = np.vstack([np.zeros((1, positions.shape[1])), positions[:-1]])
    ended = np.zeros(positions.shape, bool)
    for row, columns in grid.gone.items():
        ended[np.flatnonzero(rows == row), columns] = True
    if fills is not None and _execution(backtest) == "next_open":
        ended |= np.isfinite(fills)
    before[1:][ended[:-1]] = 0.0
    after = positions * growth

    def sum_at(to_fill: np.ndarray, on: np.ndarray) -> np.ndarray:
        return before * (to_fill - 1.0) + after * (1.0 - 1.0 / on)

    each = sum_at(to_price, to_close)
    bought = (after / to_close).sum(axis=1)
    account = 1.0 + (before * (to_price - 1.0)).sum(axis=1)
    interest = (ledger.risk_free if isinstance(ledger, Lends) else 0.0) * (account - bought)
    if fills is not None or not (isinstance(backtest, FillsIntrabar) and backtest.intrabar):
        return each.sum(axis=1) + interest, each.sum(axis=1) + interest
    lowest, highest = (_prices(grid, bars, name)[rows] for name in ("low", "high"))
    close, prior = grid.close[rows], grid.before[rows]
    with np.errstate(invalid="ignore", divide="ignore"):
        ends = [np.nan_to_num(sum_at(price / prior, close / price)) for price in (lowest, highest)]
    return np.minimum(*ends).sum(axis=1) + np.minimum(interest, 0), np.maximum(*ends).sum(axis=1) + np.maximum(
        interest, 0
    )


def _to_fills(
    execution: str, grid: Grid, rows: np.ndarray, fills: np.ndarray, to_price: np.ndarray, to_close: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The price ratios where a position ended inside the bar: to that price in place of the bar's later one."""
    inside = np.isfinite(fills)
    with np.errstate(invalid="ignore", divide="ignore"):
        if execution == "next_open":
            return to_price, np.where(inside, fills / grid.open[rows], to_close)
        return np.where(inside, to_price + (fills - grid.close[rows]) / grid.before[rows], to_price), to_close


def _fills(name: str, ledger: Ledger, rows: np.ndarray, grid: Grid, bars: tuple[Bars, ...]) -> Iterator[Finding | int]:
    """A position that ended inside a bar did so at a price between its low and its high."""
    fills = ledger.fills if isinstance(ledger, Ends) else None
    if fills is None:
        return
    low, high = (_prices(grid, bars, price)[rows] for price in ("low", "high"))
    off = np.isfinite(fills) & ~((fills >= low * (1 - _ROUNDING)) & (fills <= high * (1 + _ROUNDING)))
    if off.any():
        i, s = np.argwhere(off)[0]
        text = (
            f"{name}: on {when(ledger.time[i])} it ends {grid.symbols[s]} at {fills[i, s]:g}, where the bar's low is"
            f" {low[i, s]:g} and its high {high[i, s]:g}: a fill that no order could have had."
        )
        yield Finding("execution", "leak", text)


def _execution(backtest: Any) -> str:
    found = execution_of(backtest)
    return found if found in ("next_open", "next_close") else "next_open"


def _prices(grid: Grid, bars: tuple[Bars, ...], name: str) -> np.ndarray:
    out = np.full(grid.has.shape, np.nan)
    for column, symbol in enumerate(grid.symbols):
        b = next(b for b in bars if b.symbol == symbol)
        out[np.searchsorted(grid.time, b.time), column] = getattr(b, name)
    return out


def ledger_looks_back(
    backtest: Any, signals: Signals, bars: tuple[Bars, ...], grid_of: Callable[[tuple[Bars, ...]], Grid],
    per_year: float, seed: int,
) -> Iterator[Finding | int]:  # fmt: skip
    """What one's own backtest earns up to a bar is the same where later prices, or signals from it on, are others."""
    name = type(backtest).__name__
    whole = backtest.run(grid_of(bars), signals, per_year)
    times = np.unique(signals.time)
    for t in np.random.default_rng(seed).choice(times[len(times) // 4 : -2], _CUTS, replace=False):
        firsts = [int(np.searchsorted(b.time, t, side="right")) for b in bars]
        others = tuple(altered(b, k) if k < len(b) else b for b, k in zip(bars, firsts, strict=True))
        turned = Signals(signals.symbol, signals.time, np.where(signals.time >= t, -signals.value, signals.value))
        upto = whole.time <= t
        yield int(upto.sum())
        for grid, given, what in ((grid_of(others), signals, "prices"), (grid_of(bars), turned, "signals")):
            again = backtest.run(grid, given, per_year)
            if len(again.net[again.time <= t]) != int(upto.sum()):
                yield Finding("execution", "leak", f"{name}: other {what} after {when(t)} give its ledger other rows.")
                return
            off = ~np.isclose(whole.net[upto], again.net[again.time <= t], rtol=1e-9, atol=1e-12)
            if off.any():
                day = when(whole.time[int(off.argmax())])
                text = f"{name}: what it earns on {day} changes with {what} that came after {when(t)}."
                yield Finding("execution", "leak", text)
                return
