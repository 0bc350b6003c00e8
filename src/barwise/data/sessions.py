"""Sessions of an exchange's calendar: which one each bar lies in, when it closes, and which bars are missing.

All that is said of a bar here the calendar says beforehand: no later bar is looked at.
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from barwise.data.bars import Bars, Market
from barwise.data.calendar import DAYS_A_YEAR, KNOWN, SNAP
from barwise.data.hours import Hours
from barwise.errors import ConfigError

COLUMNS = ("session_number", "session_minute", "session_left", "session_weekday", "session_month_left")
_DAY = np.timedelta64(1, "D")
_MINUTE = 60 * 10**9  # nanoseconds
_MONTH = np.timedelta64(40, "D")  # beyond the last bar: the end of its month, and the next session
_WIDE = np.timedelta64(400, "D")  # the least that sessions a year are counted over


@dataclass(frozen=True)
class Schedule:
    """The sessions of a calendar, oldest first: `date` (the day that each is called by), and when it `opens` and
    `closes` in UTC; `pause`: (begin, end) of a break at noon, NaT without one. `zone`: the exchange's."""

    name: str
    zone: str
    date: np.ndarray
    opens: np.ndarray
    closes: np.ndarray
    pause: np.ndarray

    def within(self, hours: Hours | None) -> Schedule:
        """The same with each session cut to `hours` of the exchange's clock; one that lies outside them is left out."""
        if hours is None or hours.overnight:
            return self
        begin, end = (hours.at(self.date, minute, self.zone) for minute in (hours.begin, hours.end))
        opens, closes = np.maximum(self.opens, begin), np.minimum(self.closes, end)
        kept = opens < closes
        return replace(self, date=self.date[kept], opens=opens[kept], closes=closes[kept], pause=self.pause[kept])

    @property
    def minutes(self) -> np.ndarray:
        """How long each session is traded."""
        pause = np.where(np.isnat(self.pause[:, 0]), np.timedelta64(0), self.pause[:, 1] - self.pause[:, 0])
        return np.asarray((self.closes - self.opens - pause) / np.timedelta64(1, "m"))


@dataclass(frozen=True)
class _Place:
    """Where bars lie among sessions: the row of the schedule (-1 outside all of them), when each bar closed, and how
    long its session had been traded when it opened. `traded`, `size` (of a bar): nanoseconds."""

    row: np.ndarray
    closed: np.ndarray
    traded: np.ndarray
    size: int

    @property
    def slot(self) -> np.ndarray:
        """The number of the bar in its session: one that opened before the session, on the full hour, is the first."""
        return np.asarray(np.maximum(-(-self.traded // self.size), 0))

    @property
    def early(self) -> int:
        """How long before a session its first bar opens, where bars keep to the full hour."""
        inside = self.row >= 0
        return int(np.median(-self.traded[inside] % self.size)) if inside.any() else 0


def schedule(name: str, first: np.datetime64, last: np.datetime64) -> Schedule:
    """The sessions of the calendar `name` from before `first` to the end of the month of `last`.

    ConfigError without exchange_calendars, for a name it does not have, or years that it does not know.
    """
    begin, end = str(min(first - _DAY, last - _WIDE))[:4], str(last + _MONTH)[:4]
    return _schedule(str(name), f"{begin}-01-01", f"{end}-12-31")  # whole years: live bars meet the same again


@lru_cache(maxsize=8)
def _schedule(name: str, first: str, last: str) -> Schedule:
    xc = _library(name)
    try:
        with warnings.catch_warnings(category=DeprecationWarning, action="ignore"):  # of pandas, about the library
            found = xc.get_calendar(name, start=first, end=last)
            table = found.schedule
    except xc.errors.InvalidCalendarName:
        near = difflib.get_close_matches(name.upper(), xc.get_calendar_names(), n=3, cutoff=0.5)
        hint = f"; near to it are {', '.join(near)}" if near else "; XNYS, XLON, CMES and 24/7 are some"
        raise ConfigError(f"data.calendar={name}: exchange_calendars has no such calendar{hint}") from None
    except Exception as error:  # years that a calendar does not know raise several kinds
        line = " ".join(str(error).split())[:160]
        raise ConfigError(f"data.calendar={name}: has no sessions from {first} to {last} ({line})") from None
    zone = str(found.tz)
    columns = [_utc(table[column]) for column in ("open", "close", "break_start", "break_end")]
    date = table.index.to_numpy("datetime64[ns]").astype("datetime64[D]")
    return Schedule(name, zone, date, columns[0], columns[1], np.column_stack(columns[2:]))


def zone_of(name: str) -> str:
    """The time zone of the exchange; ConfigError as for `schedule`."""
    return schedule(name, np.datetime64("2024-01-01", "ns"), np.datetime64("2024-01-02", "ns")).zone


def _library(name: str) -> Any:
    """exchange_calendars, or ConfigError with the command that installs it."""
    try:
        import exchange_calendars
    except ImportError:
        raise ConfigError(
            f"data.calendar={name}: needs exchange_calendars; install it with: pip install 'barwise[calendars]'"
        ) from None
    return exchange_calendars


def _utc(column: Any) -> np.ndarray:
    return np.asarray(column.dt.tz_convert(None).astype("datetime64[ns]").to_numpy())


def _place(time: np.ndarray, size: int, stamp: str, sessions: Schedule) -> _Place:
    """Where bars of `size` nanoseconds stamped at their open or close lie; those of a day go by their date."""
    if size >= 86_400 * 10**9:
        day = time.astype("datetime64[D]")
        row = np.minimum(np.searchsorted(sessions.date, day), len(sessions.date) - 1)
        row = np.where(sessions.date[row] == day, row, -1)
        return _Place(row, sessions.closes[row], np.zeros(len(time), np.int64), size)
    length = np.timedelta64(size, "ns")
    opened = time if stamp == "open" else time - length
    closed = opened + length
    row = np.searchsorted(sessions.opens, closed, side="left") - 1
    at = np.maximum(row, 0)
    pause, resume = sessions.pause[at].T  # comparisons with NaT are false
    inside = (row >= 0) & (opened < sessions.closes[at]) & ~((opened >= pause) & (closed <= resume))
    rested = np.where(opened >= resume, resume - pause, np.timedelta64(0, "ns"))
    traded = (opened - sessions.opens[at] - rested).astype("timedelta64[ns]").astype(np.int64)
    return _Place(np.where(inside, row, -1), closed, np.where(inside, traded, 0), size)


def _columns(found: _Place, sessions: Schedule) -> dict[str, np.ndarray]:
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
        where = _place(bars.time, self.size or _usual_size(bars), self.stamp, sessions)
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
        tally, early = _Tally(), 0
        for bars in market.bars:
            taken = [column for column in COLUMNS if column in bars.extra and "calendar" not in market.facts]
            if taken:
                raise ConfigError(f"data.calendar={self.name}: the bars have a column {taken[0]}; rename it")
            where = _place(bars.time, size, self.stamp, sessions)
            tally, early = tally.plus(where, sessions, bars.symbol), where.early
        return replace(
            market,
            bars=tuple(map(own.beside, market.bars)),
            periods_per_year=market.periods_per_year or _periods_by(sessions, times, size, early),
            facts={
                **market.facts,
                "calendar": tally.facts(sessions, times, size),
                "notes": [*market.facts.get("notes", ()), *tally.notes(self.name)],
            },
        )


@dataclass(frozen=True)
class _Tally:
    """How many bars the calendar expects and how many of these are missing, over all symbols."""

    expected: int = 0
    missing: int = 0
    empty: int = 0
    outside: int = 0
    most: tuple[int, str] = (0, "")

    def plus(self, found: _Place, sessions: Schedule, symbol: str) -> _Tally:
        """With one symbol more, between its first bar and its last."""
        inside = found.row >= 0
        outside = self.outside + int((~inside).sum())
        if not inside.any():
            return replace(self, outside=outside)
        row, slot = found.row[inside], found.slot[inside]
        slots = _expected_slots(sessions, found.size, found.early)
        first, last = row[0], row[-1]
        begin = np.concatenate([[0], np.cumsum(slots[first : last + 1])])
        there = np.unique(begin[row - first] + np.minimum(slot, slots[row] - 1))
        expected = int(begin[-1] - slot[0] - (slots[last] - 1 - min(slot[-1], slots[last] - 1)))
        missing = max(0, expected - len(there))
        empty = int(last - first + 1 - len(np.unique(row)))
        return _Tally(
            self.expected + expected, self.missing + missing, self.empty + empty, outside,
            max(self.most, (missing, symbol)),
        )  # fmt: skip

    def facts(self, sessions: Schedule, times: np.ndarray, size: int) -> dict[str, Any]:
        """What run.json's `data.calendar` says."""
        used = (sessions.date >= times[0].astype("datetime64[D]")) & (
            sessions.date <= times[-1].astype("datetime64[D]")
        )
        minutes = sessions.minutes[used]
        usual = float(np.median(minutes)) if len(minutes) else 0.0
        return {
            "name": sessions.name, "timezone": sessions.zone, "sessions": int(used.sum()),
            "short_sessions": int((minutes < usual).sum()), "session_minutes": usual,
            "expected_bars": self.expected, "missing_bars": self.missing, "sessions_without_bars": self.empty,
            "bars_outside": self.outside, "bar_seconds": size // 10**9,
        }  # fmt: skip

    def notes(self, name: str) -> list[str]:
        """What is told of bars that are not where the calendar has them."""
        told = []
        if self.missing:
            most = f", most of them of {self.most[1]} ({self.most[0]:,})" if self.most[0] < self.missing else ""
            told.append(f"{name}: {self.missing:,} of {self.expected:,} expected bars are missing{most}")
        if self.outside:
            told.append(f"{name}: {self.outside:,} bars lie outside its sessions; data.session=regular leaves them out")
        return told


def _expected_slots(sessions: Schedule, size: int, early: int = 0) -> np.ndarray:
    """How many bars of `size` nanoseconds each session has, the first of which opens so much before it; one of a day
    has one. A break at noon has none."""
    if size >= 86_400 * 10**9:
        return np.ones(len(sessions.date), np.int64)
    return np.ceil((sessions.minutes * _MINUTE + early) / size - 1e-9).astype(np.int64)


def _periods_by(sessions: Schedule, times: np.ndarray, size: int, early: int = 0) -> float:
    """Bars a year by the calendar: sessions a year, over the whole years that end with the last bar, times the bars of
    the usual one; 252 sessions where it is that within 2 %."""
    last = times[-1].astype("datetime64[D]")
    years = max(1, round(float((times[-1] - times[0]) / np.timedelta64(1, "D")) / DAYS_A_YEAR))
    used = (sessions.date > last - np.timedelta64(round(years * DAYS_A_YEAR), "D")) & (sessions.date <= last)
    a_year = float(used.sum()) / years
    a_year = next((known for known in KNOWN if abs(a_year / known - 1.0) <= SNAP), a_year)
    return a_year * float(np.median(_expected_slots(sessions, size, early)[used]))


def inside(
    bars: Bars, size: int, clock: Clock | None, hours: Hours | None, zone: str, stamp: str
) -> np.ndarray:  # fmt: skip
    """Which bars open within `hours` on the clock of `zone`, and within the sessions of the calendar, if there are."""
    found = np.ones(len(bars), bool)
    if hours is not None:
        opened = bars.time if stamp == "open" else bars.time - np.timedelta64(size, "ns")
        found &= hours.contain(opened, zone)
    if clock is not None:
        found &= _place(bars.time, size, stamp, clock.sessions(bars.time)).row >= 0
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
