"""Labels that compare the symbols of a bar: the rank of a return, its excess over others, and what beta leaves."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from barwise.console.settings import WideWindow, checked
from barwise.data.bars import Bars, Universe
from barwise.errors import ConfigError, require
from barwise.features import rolling
from barwise.features.aligned import AlignedBars, across_symbols, align, sees_all
from barwise.features.cross_section import own_return, rank
from barwise.labels import NAT, PRICE_OF, Execution, Horizon, Weighting, weights
from barwise.samples import Labels

PATIENCE = 20  # rows of the market that a return may be late, as after a hole, and still be compared
WINDOW = 60  # bars that a beta is estimated on


@dataclass(frozen=True)
class Bound:
    """A labeler across symbols, computed on one market, as a labeler of its symbols."""

    market: AlignedBars
    labels: Labels

    def __call__(self, bars: Bars) -> Labels:
        i = self.market.symbols.index(bars.symbol)
        rows = self.market.rows[i]
        if not np.array_equal(self.market.time[rows], bars.time):
            raise ValueError(f"{bars.symbol}: other bars than those that the labels were made of")
        found = self.labels
        return Labels(*(values[rows, i] for values in (found.y, found.ret, found.end, found.weight)))


def bound(labeler: Callable[..., Labels], bars: Sequence[Bars], universe: Universe | None = None) -> Any:
    """`labeler`, computed on `bars` if it is one across symbols; what is given back takes one of these symbols.

    ConfigError where there is one symbol, or where it gave something else than arrays of (bar, symbol).
    """
    if not sees_all(labeler):
        return labeler
    if len(bars) < 2:
        raise ConfigError(f"labels: compare the symbols of a bar, and there is one, {bars[0].symbol}; use other labels")
    market = align(bars, universe)
    return Bound(market, evaluated(labeler, market))


def horizon_of(labeler: Callable[..., Labels]) -> int | None:
    """The bars that a trade is held for, of a labeler across symbols, whose labels end with all compared; else None."""
    if not sees_all(labeler):
        return None
    asked = inspect.signature(labeler).parameters.get("horizon")
    return asked.default if asked is not None and isinstance(asked.default, int) else None


def evaluated(labeler: Callable[..., Labels], market: AlignedBars) -> Labels:
    """The labels of a market; ConfigError for arrays of another shape."""
    found = labeler(market)
    for name in ("y", "ret", "end", "weight"):
        shape = np.asarray(getattr(found, name, None)).shape
        if shape != market.has.shape:
            raise ConfigError(
                f"labels: {name} has shape {shape} for {market.has.shape[0]} bars of {market.has.shape[1]} symbols; a"
                " labeler across symbols returns arrays of (bar, symbol)"
            )
    return found


@across_symbols
@checked("labels")
def cross_rank(
    market: AlignedBars, horizon: Horizon = 5, execution: Execution = "next_open", weighting: Weighting = "uniform"
) -> Labels:
    """The rank of the return from the execution price over `horizon` bars among the bar's members, in [-1, 1].

    Ties count half; 0 where there is no other. `ret`, `end`: see `compared`.
    """
    ret, end, member = compared(market, horizon, execution)
    y = 2.0 * rank(ret, np.where(member, ret, np.nan)) - 1.0
    return _labels(market, y, ret, end, weighting)


@across_symbols
@checked("labels")
def excess_return(
    market: AlignedBars, horizon: Horizon = 5, execution: Execution = "next_open", weighting: Weighting = "uniform",
    group: str | None = None,
) -> Labels:  # fmt: skip
    """The return over `horizon` bars less the mean of the bar's members, or of those of the symbol's own `group`.

    Symbols without a group are one together. `ret`, `end`: see `compared`.
    """
    groups = codes_of(market, group, "labels.group")
    ret, end, member = compared(market, horizon, execution, groups)
    return _labels(market, ret - group_mean(ret, member, groups), ret, end, weighting)


@across_symbols
@checked("labels")
def residual_return(
    market: AlignedBars, horizon: Horizon = 5, execution: Execution = "next_open", weighting: Weighting = "uniform",
    window: WideWindow = WINDOW, group: str | None = None,
) -> Labels:  # fmt: skip
    """The return over `horizon` bars less beta times that of the market, the mean of the bar's members.

    Beta: the slope of the symbol's one-bar returns on the market's over its last `window` bars, known at t. With
    `group`, the like part of the mean residual of the symbol's group is taken out too. `ret`, `end`: see `compared`.
    """
    ret, end, member = compared(market, horizon, execution)
    moved, y = own_return(market, 1), ret
    inside = market.inside & np.isfinite(moved)
    for name in (None, group) if group is not None else (None,):
        groups = codes_of(market, name, "labels.group")
        past = group_mean(moved, inside, groups)
        beta = market.each(partial(rolling.slope, window=window), past, moved)
        y, moved = y - beta * group_mean(y, member & np.isfinite(y), groups), moved - beta * past
        inside = inside & np.isfinite(moved)
    return _labels(market, y, ret, end, weighting)


def compared(
    market: AlignedBars, horizon: int, execution: str, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(return, end, whether the return is compared) per bar and symbol, of trades held for `horizon` own bars.

    A comparison is known once every member's return is: `end` is the latest end among the members of the bar (of the
    group). Who has no return PATIENCE rows of the market after it was due, gone or in a hole, is left out of the
    comparison, which is then known at that row. NaN and NaT where it is not known yet.
    """
    require(execution in PRICE_OF, f"labels.execution={execution}: must be one of {', '.join(PRICE_OF)}")
    n, last = len(market.time), len(market.time)
    price = getattr(market, PRICE_OF[execution])
    ret, end = np.full(market.has.shape, np.nan), np.full(market.has.shape, last)
    for i, rows in enumerate(market.rows):
        k = len(rows) - 1 - horizon
        if k > 0:
            own = price[rows, i]
            ret[rows[:k], i] = own[1 + horizon :] / own[1:-horizon] - 1.0
            end[rows[:k], i] = rows[1 + horizon :]
    limit = np.arange(n)[:, None] + 1 + horizon + PATIENCE
    late = end > limit
    due = np.where(market.inside, np.minimum(end, limit), -1)
    known = np.minimum(_latest(due, groups), last)  # the row at which all that is compared is known
    known = np.maximum(known, np.where(late, -1, end))
    bad = late | (known >= last) | ~market.has
    ret = np.where(bad, np.nan, ret)
    time = np.append(market.time, NAT)[np.where(bad, last, known)]
    return ret, time, market.inside & np.isfinite(ret)


def _latest(rows: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """The latest of each bar's rows, in the symbol's own group."""
    if groups is None:
        return np.broadcast_to(rows.max(axis=1, keepdims=True), rows.shape)
    cell, size = _cells(groups)
    found = np.full(size, -1)
    np.maximum.at(found, cell.ravel(), rows.ravel())
    result: np.ndarray = found[cell]
    return result


def group_mean(values: np.ndarray, member: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """The mean over the members of each bar (bar, symbol), in the symbol's own group; NaN where it has none."""
    cell, size = _cells(np.zeros(values.shape, np.int32) if groups is None else groups)
    own = cell[member]
    total, count = np.bincount(own, values[member], size), np.bincount(own, minlength=size)
    found: np.ndarray = np.divide(total, count, out=np.full(size, np.nan), where=count > 0)[cell]
    return found


def codes_of(market: AlignedBars, name: str | None, setting: str) -> np.ndarray | None:
    """The codes of a group; None for the whole market. ConfigError where the source has no such group."""
    if name is None:
        return None
    if name not in market.groups:
        there = ", ".join(market.groups) or "no groups"
        raise ConfigError(f"{setting}={name}: the bars have {there}; name one of the source's groups, or null")
    return market.groups[name]


def _cells(groups: np.ndarray) -> tuple[np.ndarray, int]:
    """A number for each bar and group, and how many there are; no group is a group too."""
    count = int(groups.max(initial=-1)) + 2
    return np.arange(len(groups))[:, None] * count + groups + 1, len(groups) * count


def _labels(market: AlignedBars, y: np.ndarray, ret: np.ndarray, end: np.ndarray, weighting: str) -> Labels:
    """The labels where `y` is known."""
    known = np.isfinite(y) & np.isfinite(ret)
    y, ret, end = np.where(known, y, np.nan), np.where(known, ret, np.nan), np.where(known, end, NAT)
    weight = np.ones(y.shape)
    for i, (symbol, rows) in enumerate(zip(market.symbols, market.rows, strict=True)):
        columns = {name: getattr(market, name)[rows, i] for name in ("open", "high", "low", "close", "volume")}
        bars = Bars(symbol, market.time[rows], **columns, extra={}, groups={}, group_names={})
        weight[rows, i] = weights(bars, end[rows, i], weighting)
    return Labels(y, ret, end, weight)
