"""Ways out of a position inside a bar: stop, target, trailing stop and time limit, or the triple barrier's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Protocol

import numpy as np

from barwise.backtest.grid import Grid
from barwise.backtest.paths import REASONS, Bounds, Paths, Trades, first_touch
from barwise.console.settings import Number, OneOf, Whole, WideWindow, check_fields
from barwise.errors import ConfigError, require
from barwise.portfolio.rules import past_deviation
from barwise.samples import NO_MOVE

_TIME, _SESSION = REASONS.index("time"), REASONS.index("session")
UNITS = ("volatility", "percent")
Distance = Annotated[float, Number(0.0, 1000.0, above=True)]
Bars = Annotated[int, Whole(1, 1_000_000)]


@dataclass(frozen=True)
class Ended:
    """Orders on a grid once exits have had their say; arrays (time, symbol).

    `target`: shares of the account that are ordered, NaN for no order. `fill`: the price at which a position was ended
    inside the bar, NaN where none was. `why`: of what ended there, inside the bar or by its order, an index of
    `REASONS`.
    """

    target: np.ndarray
    fill: np.ndarray
    why: np.ndarray

    def moves(self, first: int, last: int) -> int:
        """Changes of the symbols' positions over the rows from `first` to `last`, from flat and back again."""
        count = 0
        ends = np.where(np.isnan(self.fill), np.nan, 0.0)
        for s in range(self.target.shape[1]):
            both = np.stack([np.sign(self.target[first : last + 1, s]), ends[first : last + 1, s]], axis=1).ravel()
            known = both[~np.isnan(both)]
            count += int(np.count_nonzero(np.diff(known, prepend=0.0)))
        return count


class Exits(Protocol):
    """What ends positions; `decided` bars lie between a decision and its order."""

    def on(self, grid: Grid, target: np.ndarray, execution: str, decided: int) -> Ended: ...


@dataclass(frozen=True)
class Stops:
    """A position ends where the price touches its stop or target, by the bar's high and low, or after `bars` bars.

    `stop`, `target` and `trailing` are distances from the entry price (`trailing`: from the best price since the entry,
    as known at the close before), in standard deviations of a bar's return over the last `window` bars as known when
    the order was decided, or in percent; None for none. A gap through a price is filled at the open; of two prices
    touched in one bar the worse is taken. What was ended stays flat until the orders change sides or go flat; without a
    known volatility nothing is opened.
    """

    stop: Distance | None = 3.0
    target: Distance | None = None
    trailing: Distance | None = None
    bars: Bars | None = None
    unit: Annotated[str, OneOf(UNITS)] = "volatility"
    window: WideWindow = 20

    def __post_init__(self) -> None:
        check_fields(self, "exits")
        given = (self.stop, self.target, self.trailing, self.bars)
        require(any(x is not None for x in given), "exits=stops: no exits.stop, target, trailing or bars is set; "
                "set one, such as exits.stop=3, or exits=none")  # fmt: skip
        most = self.unit == "percent" and max(self.stop or 0, self.trailing or 0) >= 100
        require(not most, "exits.stop, exits.trailing: must be below 100 percent, which no price falls")

    def on(
        self, grid: Grid, target: np.ndarray, execution: str, decided: int, evenings: bool = False
    ) -> Ended:  # fmt: skip
        """The orders with these stops; `evenings`: each session's last bar ends what it holds, at its close."""
        needed = self.unit == "volatility" and any(x is not None for x in (self.stop, self.target, self.trailing))
        unit = _volatility(grid, self.window, decided) if needed else np.full(target.shape, 0.01)
        unit = np.where(unit > 0, unit, np.nan)
        return _by_symbol(grid, target, execution, partial(self._of_symbol, unit, execution, evenings))

    def _of_symbol(self, unit: np.ndarray, execution: str, evenings: bool, path: Paths, order: np.ndarray) -> Trades:
        width, late = unit[path.rows, path.column], execution != "next_open"
        final = path.last if evenings and path.last is not None else np.zeros(len(order), bool)
        begin, end = _runs(order, np.isfinite(width) & ~(final & late), final)
        shut = final[end - 1]
        limit = end if self.bars is None else np.minimum(end, begin + self.bars)
        end, limit = end - (shut & late), np.minimum(limit, end - (shut & late))  # at a close: the order of that bar
        far = np.full(len(begin), np.nan)
        bounds = Bounds(*(far if x is None else x * width[begin] for x in (self.stop, self.target, self.trailing)))
        row, price, why = first_touch(path, np.sign(order[begin]), begin, limit, execution, bounds)
        timed = (row < 0) & (limit < end)
        row, why = np.where(timed, limit, row), np.where(timed, _TIME, why)
        closed = (row < 0) & shut
        row, why = np.where(closed, end if late else end - 1, row), np.where(closed, _SESSION, why)
        price = price if late else np.where(closed, path.close[end - 1], price)
        return Trades(begin, end, row, price, why)


@dataclass(frozen=True)
class Evening:
    """`portfolio.flat_overnight`: what is held is closed at the close of its session's last bar, as the calendar tells
    beforehand; `stops` end it earlier. The next session's orders open it again. Where the last bar is missing,
    the position stays."""

    stops: Stops | None = None

    def on(self, grid: Grid, target: np.ndarray, execution: str, decided: int) -> Ended:
        require(
            all("session_left" in bars.extra for bars in grid.bars),
            "portfolio.flat_overnight=true: needs the sessions of a calendar; set data.calendar=XNYS, or 24/7",
        )
        stops = self.stops or Stops(None, bars=1_000_000)
        return stops.on(grid, target, execution, decided, evenings=True)


@dataclass(frozen=True)
class Barriers:
    """The barriers of `labels=triple_barrier`, traded: what is bought is held until the barrier that its label names.

    An order opens a position of its size, which nothing but a barrier ends: the upper, the lower, or the last bar. The
    next one is opened at the bar after. A long position earns its label's `ret`; a short one its negative, but where
    one bar touched both barriers, of which the worse is taken. The settings are those of the labels.
    """

    horizon: Bars | None = None
    up: Distance | None = None
    down: Distance | None = None
    volatility_window: WideWindow | None = None

    def __post_init__(self) -> None:
        check_fields(self, "exits")

    def of(self, labels: Callable[..., Any]) -> Barriers:
        """With the settings of the labels; ConfigError where they are no triple barrier, or others are set."""
        named: Any = labels.func if isinstance(labels, partial) else labels
        if getattr(named, "__name__", "") != "triple_barrier":
            raise ConfigError("exits=barriers: trades the barriers of labels=triple_barrier; set both, or exits=stops")
        usual = {name: p.default for name, p in inspect.signature(named).parameters.items()}
        known = usual | (dict(labels.keywords) if isinstance(labels, partial) else {})
        if known.get("within_session"):
            raise ConfigError("exits=barriers: knows no labels.within_session; set it to false, or exits=stops")
        for name in inspect.signature(Barriers).parameters:
            given, own = getattr(self, name), known[name]
            require(
                given in (None, own), f"exits.{name}={given}: must be the labels' ({own}); set labels.{name}={given}"
            )
        return replace(self, **{name: known[name] for name in inspect.signature(Barriers).parameters})

    def on(self, grid: Grid, target: np.ndarray, execution: str, decided: int) -> Ended:
        require(self.horizon is not None, "exits=barriers: needs the labels' settings; set labels=triple_barrier")
        horizon = int(self.horizon or 1)
        width = _volatility(grid, int(self.volatility_window or 20), decided) * np.sqrt(horizon)
        return _by_symbol(grid, target, execution, partial(self._of_symbol, width, horizon, execution), hold=True)

    def _of_symbol(self, width: np.ndarray, horizon: int, execution: str, path: Paths, order: np.ndarray) -> Trades:
        wide = width[path.rows, path.column]
        begin = np.flatnonzero((np.nan_to_num(order) != 0) & np.isfinite(wide))
        side = np.sign(order[begin])
        still = min(self.up or 0.0, self.down or 0.0) * wide[begin] <= NO_MOVE  # such a price touches no barrier
        up, down = (np.where(still, np.nan, float(x or 0.0) * wide[begin]) for x in (self.up, self.down))
        limit = np.minimum(begin + horizon, len(order))
        bounds = Bounds(np.where(side > 0, down, up), np.where(side > 0, up, down), np.full(len(begin), np.nan))
        row, price, why = first_touch(path, side, begin, limit, execution, bounds)
        timed = (row < 0) & (begin + horizon < len(order))
        row, why = np.where(timed, limit, row), np.where(timed, _TIME, why)
        kept = _chained(begin, np.where(row < 0, len(order), row))
        return Trades(begin[kept], np.full(len(kept), len(order)), row[kept], price[kept], why[kept])


def _runs(order: np.ndarray, known: np.ndarray, final: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First row and end of each run of orders to one side, from the first of its orders on at which `known` holds; a
    run is over with a `final` row."""
    given = np.flatnonzero(~np.isnan(order))
    side, number = np.sign(order[given]), (np.cumsum(final) - final)[given]
    first = np.flatnonzero(np.append(True, (side[1:] != side[:-1]) | (number[1:] != number[:-1])))[: len(given)]
    begin, end = given[first], np.append(given[first[1:]], len(order))
    usable = np.append(np.where(known & ~np.isnan(order), np.arange(len(order)), len(order)), len(order))
    following = np.minimum.accumulate(usable[::-1])[::-1]
    begin, held = following[begin], side[first] != 0
    held &= begin < end
    if final.any():
        row = np.append(np.where(final, np.arange(len(order)), len(order) - 1), len(order) - 1)
        after = np.minimum.accumulate(row[::-1])[::-1] + 1
        end = np.minimum(end, after[np.minimum(begin, len(order))])
    return begin[held], end[held]


def _chained(begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Which trades are taken where one can be open at a time: the next one begins after the last one's end."""
    following = np.searchsorted(begin, end, side="right").tolist()
    kept, k = [], 0
    while k < len(following):
        kept.append(k)
        k = max(following[k], k + 1)
    return np.array(kept, np.int64)


def _volatility(grid: Grid, window: int, decided: int) -> np.ndarray:
    """(time, symbol): past standard deviation of a bar's return, as known when the order of the row was decided."""
    with np.errstate(invalid="ignore"):
        returns = np.where(grid.has, grid.close / grid.before - 1.0, np.nan)
    deviation = past_deviation(returns, grid.has, window)
    return grid.later(deviation, decided)


def _by_symbol(
    grid: Grid, target: np.ndarray, execution: str, trades_of: Callable[[Paths, np.ndarray], Trades],
    hold: bool = False,
) -> Ended:  # fmt: skip
    """Each symbol's trades put into the orders; `hold`: nothing is traded between a trade's first row and its end."""
    ended = Ended(target.copy(), np.full(target.shape, np.nan), np.zeros(target.shape, np.int8))
    for s in range(target.shape[1]):
        path = Paths.of(grid, s)
        order = target[path.rows, s]
        trades = trades_of(path, order)
        new, fill, why = trades.orders(order, execution, hold)
        ended.target[path.rows, s], ended.fill[path.rows, s], ended.why[path.rows, s] = new, fill, why
    return ended
