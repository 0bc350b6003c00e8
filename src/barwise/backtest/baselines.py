"""What anybody could have done on the same bars at the same costs."""

from __future__ import annotations

import numpy as np

from barwise.backtest.grid import Grid, Signals
from barwise.backtest.ledger import Backtest, Ledger
from barwise.samples import direction

_DRAWS = 10  # random strategies; their mean is reported


def baselines(
    grid: Grid, backtest: Backtest, signals: Signals, periods_per_year: float, seed: int
) -> dict[str, list[Ledger]]:
    """Buy-and-hold, persistence, and random signals of the same turnover; a list of ledgers each, most of one.

    buy_and_hold: equal weights, bought once, a new symbol when it comes. persistence: the sign of the last close
    return. random: the strategy's own signals, each symbol's turned round in time by a random shift.
    """
    span = (grid.time >= signals.time.min()) & (grid.time <= signals.time.max())
    inside = grid.member & span[:, None]

    def traded(dense: np.ndarray) -> Ledger:
        if type(backtest) is Backtest and backtest.plain:
            dense[~(inside & np.isfinite(dense))] = 0.0
            first, last = np.flatnonzero(inside.any(axis=1))[[0, -1]]
            return backtest.run_dense(grid, dense, (int(first), int(last)), periods_per_year)
        rows, columns = np.nonzero(inside)
        return backtest.run(grid, Signals(columns, grid.time[rows], dense[rows, columns]), periods_per_year)

    hold = _buy_and_hold(grid, backtest, signals, periods_per_year)
    persistence = traded(_last_direction(grid))
    dense, own = signals.on(grid), [np.flatnonzero(column) for column in inside.T]
    random = np.random.default_rng(seed)
    return {
        "buy_and_hold": [hold],
        "persistence": [persistence],
        "random": [traded(_shifted(dense, own, random)) for _ in range(_DRAWS)],
    }


def _last_direction(grid: Grid) -> np.ndarray:
    """(time, symbol): the sign of the last close return, 0 where there is none."""
    with np.errstate(invalid="ignore"):
        found = grid.close / grid.before
    found -= 1.0
    signs: np.ndarray = np.nan_to_num(direction(found), copy=False)
    return signs


def _shifted(dense: np.ndarray, own: list[np.ndarray], random: np.random.Generator) -> np.ndarray:
    """Each symbol's signals moved along its own bars by a random number, the end joined to the beginning; `own`: the
    rows of each symbol's bars."""
    out = np.zeros(dense.shape)
    for s, rows in enumerate(own):
        if len(rows):
            out[rows, s] = np.roll(dense[rows, s], random.integers(len(rows)))
    return out


def _buy_and_hold(grid: Grid, backtest: Backtest, signals: Signals, periods_per_year: float) -> Ledger:
    """Equal weights at the first execution price and whenever the set of symbols grows; left alone in between."""
    first, last = np.searchsorted(grid.time, [signals.time.min(), signals.time.max()])
    if grid.universe is not None:
        return _hold_members(grid, backtest, (int(first), int(last)), periods_per_year)
    target = np.full(grid.has.shape, np.nan)
    held = grid.has[: first + 1].any(axis=0) & grid.has[first:].any(axis=0)
    bought = False
    later = grid.has[first + 1 : last + 1]
    listed = later[:, ~held].argmax(axis=0)[later[:, ~held].any(axis=0)] if len(later) else np.zeros(0, np.int64)
    for t in (first + 1 + np.unique(np.append(0, listed))).tolist() if len(later) else ():
        arrived = grid.has[t] & ~held
        if (arrived.any() or not bought) and grid.has[t].any():
            held = held | arrived
            target[t, grid.has[t]] = 1.0 / max(1, int((held & grid.has[t:].any(axis=0)).sum()))
            bought = True
    return backtest.trade(grid, target, (int(first), int(last)), periods_per_year, int(held.sum()))


def _hold_members(grid: Grid, backtest: Backtest, span: tuple[int, int], periods_per_year: float) -> Ledger:
    """Equal weights in the symbols of the universe, anew whenever one comes, leaves or has its last bar."""
    first, last = span
    target = np.full(grid.has.shape, np.nan)
    lives = np.flip(np.maximum.accumulate(np.flip(grid.has, axis=0), axis=0), axis=0)  # has a bar here or later
    held, count = np.zeros(grid.has.shape[1], bool), 0
    moved = np.zeros(len(grid.time), bool)  # bars at which who is in, alive or there is not as at the bar before
    for known in (np.vstack([grid.inside[:1], grid.inside[:-1]]), lives, grid.has):
        moved[1:] |= (known[1:] != known[:-1]).any(axis=1)
    waiting = True
    for t in range(first + 1, last + 1):
        if not (waiting or moved[t]):
            continue
        wanted = grid.inside[t - 1] & lives[t] & (held | grid.has[t])
        if (wanted != held).any() and grid.has[t].any():
            target[t, grid.has[t]] = wanted[grid.has[t]] / max(1, int(wanted.sum()))
            count += int((wanted != held).sum())
            held = np.where(grid.has[t], wanted, held)
        waiting = bool((wanted != held).any())
    return backtest.trade(grid, target, span, periods_per_year, count)
