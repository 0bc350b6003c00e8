"""The sessions of an exchange's calendar, as exchange_calendars has them, and where bars lie among them."""

from __future__ import annotations

import difflib
import warnings
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from barwise.data.hours import Hours
from barwise.errors import ConfigError

_DAY = np.timedelta64(1, "D")
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
class Place:
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
    return _whole_years(str(name), f"{begin}-01-01", f"{end}-12-31")  # whole years: live bars meet the same again


@lru_cache(maxsize=8)
def _whole_years(name: str, first: str, last: str) -> Schedule:
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


def place(time: np.ndarray, size: int, stamp: str, sessions: Schedule) -> Place:
    """Where bars of `size` nanoseconds stamped at their open or close lie; those of a day go by their date."""
    if size >= 86_400 * 10**9:
        day = time.astype("datetime64[D]")
        row = np.minimum(np.searchsorted(sessions.date, day), len(sessions.date) - 1)
        row = np.where(sessions.date[row] == day, row, -1)
        return Place(row, sessions.closes[row], np.zeros(len(time), np.int64), size)
    length = np.timedelta64(size, "ns")
    opened = time if stamp == "open" else time - length
    closed = opened + length
    row = np.searchsorted(sessions.opens, closed, side="left") - 1
    at = np.maximum(row, 0)
    pause, resume = sessions.pause[at].T  # comparisons with NaT are false
    inside = (row >= 0) & (opened < sessions.closes[at]) & ~((opened >= pause) & (closed <= resume))
    rested = np.where(opened >= resume, resume - pause, np.timedelta64(0, "ns"))
    traded = (opened - sessions.opens[at] - rested).astype("timedelta64[ns]").astype(np.int64)
    return Place(np.where(inside, row, -1), closed, np.where(inside, traded, 0), size)


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
