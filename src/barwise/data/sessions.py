"""Sessions of an exchange's calendar: which one each bar lies in, when it closes, and which bars are missing.

All that is said of a bar here the calendar says beforehand: no later bar is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from barwise.data.bars import Bars, Market
from barwise.data.expected import MissingBars, bars_a_year
from barwise.data.hours import Hours
from barwise.data.schedules import Place, Schedule, place, schedule
from barwise.errors import ConfigError

COLUMNS = ("session_number", "session_minute", "session_left", "session_weekday", "session_month_left")
_DAY = np.timedelta64(1, "D")
_MINUTE = 60 * 10**9  # nanoseconds


def _columns(found: Place, sessions: Schedule) -> dict[str, np.ndarray]:
    """By name: the number of a bar's session, minutes traded since it opened and until it closes, its day of the week
    from Monday, 0, and how many sessions its month still has. NaN for a bar outside all sessions."""
    row = np.maximum(found.row, 0)
    left = (sessions.closes[row] - found.closed).astype("timedelta64[ns]").astype(np.int64)
    month = sessions.date.astype("datetime64[M]").astype(np.int64)
    last = np.searchsorted(month, month, side="right") - 1
    values = (
        sessions.date[row].astype(np.int64),  # days since 1970: the same wherever the bars begin
        np.maximum(found.traded, 0) / _MINUTE,
        np.maximum(left, 0) / _MINUTE,
        (sessions.date[row].astype(np.int64) + 3) % 7,
        last[row] - row,
    )
    return {
        name: np.where(found.row >= 0, each, np.nan).astype(np.float64)
        for name, each in zip(COLUMNS, values, strict=True)
    }


def _usual_size(bars: Bars) -> int:
    """The size of a bar in nanoseconds, by the usual spacing."""
    return int(np.median(np.diff(bars.time).astype("timedelta64[ns]").astype(np.int64))) if len(bars) > 1 else 0


@dataclass(frozen=True)
class Clock:
    """A calendar beside bars: `name`, how they are stamped, the hours that each session is cut to, and the size of a
    bar in nanoseconds, None for the usual spacing of those that are given."""

    name: str
    stamp: str = "open"
    hours: Hours | None = None
    size: int | None = None

    def sessions(self, time: np.ndarray) -> Schedule:
        """Those that sorted times lie in, and some before and after."""
        return schedule(self.name, time[0], time[-1]).within(self.hours)

    def beside(self, bars: Bars) -> Bars:
        """The bars with the calendar's columns, in place of those that they may have."""
        sessions = self.sessions(bars.time)
        where = place(bars.time, self.size or _usual_size(bars), self.stamp, sessions)
        return replace(bars, extra={**bars.extra, **_columns(where, sessions)})

    def on(self, market: Market) -> Market:
        """The market with the calendar's columns (`COLUMNS`) beside the prices, periods a year by the calendar, and in
        its facts what is missing. ConfigError for bars of more than a day, or columns of their own of these names."""
        times = market.times()
        size = self.size or _usual_size(max(market.bars, key=len))
        if size > 86_400 * 10**9 * 1.5:
            raise ConfigError(f"data.calendar={self.name}: bars of more than a day have no session; set it to null")
        own = replace(self, size=size)
        sessions = own.sessions(times)
        tally, early = MissingBars(), 0
        for bars in market.bars:
            taken = [column for column in COLUMNS if column in bars.extra and "calendar" not in market.facts]
            if taken:
                raise ConfigError(f"data.calendar={self.name}: the bars have a column {taken[0]}; rename it")
            where = place(bars.time, size, self.stamp, sessions)
            tally, early = tally.plus(where, sessions, bars.symbol), where.early
        return replace(
            market,
            bars=tuple(map(own.beside, market.bars)),
            periods_per_year=market.periods_per_year or bars_a_year(sessions, times, size, early),
            facts={
                **market.facts,
                "calendar": tally.facts(sessions, times, size),
                "notes": [*market.facts.get("notes", ()), *tally.notes(self.name)],
            },
        )


def inside(
    bars: Bars, size: int, clock: Clock | None, hours: Hours | None, zone: str, stamp: str
) -> np.ndarray:  # fmt: skip
    """Which bars open within `hours` on the clock of `zone`, and within the sessions of the calendar, if there are."""
    found = np.ones(len(bars), bool)
    if hours is not None:
        opened = bars.time if stamp == "open" else bars.time - np.timedelta64(size, "ns")
        found &= hours.contain(opened, zone)
    if clock is not None:
        found &= place(bars.time, size, stamp, clock.sessions(bars.time)).row >= 0
    return found


def kept(market: Market, asked: str, contains: Callable[[Bars, int], np.ndarray]) -> Market:
    """The market without the bars that lie outside what was `asked` for; ConfigError where none is left."""
    found, dropped = [], 0
    for bars in market.bars:
        here = contains(bars, _usual_size(bars))
        dropped += int((~here).sum())
        if here.any():
            found.append(bars.take(np.flatnonzero(here)))
    if not found:
        raise ConfigError(
            f"data.session={asked}: no bar lies within it; data.timezone says on whose clock the bars are"
        )
    return replace(market, bars=tuple(found), facts={**market.facts, "outside_session": dropped})
