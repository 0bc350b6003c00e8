"""Larger bars made of smaller ones: which bars make up which, and when the larger one has closed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from barwise.data.bars import Bars, Market
from barwise.data.durations import ORIGIN, Duration
from barwise.errors import ConfigError

_RECENT = 50  # spacings, the smallest of which is the size of a bar: one that is too small only waits longer
_FEW = 20  # bars, from which on their usual spacing is told
_UNITS = {"min": 60, "h": 3_600, "d": 86_400, "w": 604_800}  # seconds
_MONTHS = {"m": 1, "q": 3, "y": 12}
STAMPS = ("open", "close")


@dataclass(frozen=True)
class Size:
    """The size of a larger bar, such as 1h, and how the smaller ones are stamped.

    `stamp`: whether `time` is when a bar opens or when it closes. `timezone`: on whose clock hours and days begin;
    None: UTC. Weeks begin on Mondays, months on their first days.
    """

    every: Duration
    stamp: str = "open"
    timezone: str | None = None

    @property
    def seconds(self) -> int:
        """The longest that it can be."""
        if self.every.unit in _MONTHS:
            return self.every.count * _MONTHS[self.every.unit] * 31 * 86_400
        return self.every.count * _UNITS[self.every.unit]

    def begins(self, time: np.ndarray) -> np.ndarray:
        """When the larger bar begins that each moment lies in: in UTC, or the date of one of a day or more."""
        offset = self.offset(time)
        wall = time + offset
        if self.every.unit in _MONTHS:
            count = self.every.count * _MONTHS[self.every.unit]
            month = wall.astype("datetime64[M]").astype(np.int64) // count * count
            return np.asarray(month.astype("datetime64[M]").astype("datetime64[ns]"))
        length = np.timedelta64(self.every.count * _UNITS[self.every.unit], "s").astype("timedelta64[ns]")
        origin = ORIGIN.to_datetime64().astype("datetime64[ns]")
        begin = origin + (wall - origin) // length * length
        return np.asarray(begin if self.dated else begin - offset)

    @property
    def dated(self) -> bool:
        """Whether the larger bars are of a day or more, which have a date and no time."""
        return self.every.unit not in ("min", "h") or self.seconds % 86_400 == 0

    def offset(self, time: np.ndarray) -> np.ndarray:
        """From UTC to the clock of the timezone."""
        if self.timezone is None or not len(time):
            return np.zeros(len(time), "timedelta64[ns]")
        aware = pd.DatetimeIndex(time).tz_localize("UTC").tz_convert(self.timezone)
        return np.asarray(aware.tz_localize(None).as_unit("ns").to_numpy() - time)


@dataclass(frozen=True)
class Groups:
    """Which larger bar each bar belongs to, numbered from 0, and whether it has closed with it.

    `time`: the stamp of each larger bar. A bar that comes after its larger one has closed counts to the next.
    """

    number: np.ndarray
    closes: np.ndarray
    time: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """Per bar the last larger bar that has closed by its stamp; -1 before there is one."""
        return np.asarray(np.where(self.closes, self.number, self.number - 1))


def group(time: np.ndarray, size: Size) -> Groups:
    """The larger bars of sorted stamps. Row t is told by the stamps up to t alone, so that it never changes later."""
    if not len(time):
        return Groups(np.zeros(0, np.int64), np.zeros(0, bool), time)
    if (time == time.astype("datetime64[D]")).all():  # bars of days have a date, whatever the clock
        size = replace(size, stamp="open", timezone=None)
    if size.stamp == "close":
        own = np.maximum.accumulate(size.begins(time - np.timedelta64(1, "ns")))
        later = np.maximum(size.begins(time), own)
    else:
        own = np.maximum.accumulate(size.begins(time))
        later = np.maximum(size.begins(time + _sizes(time)), own)
    first = np.concatenate([[True], own[1:] != own[:-1]])
    closed = later > own
    before = np.cumsum(closed) - closed  # closed rows before each
    late = before > np.maximum.accumulate(np.where(first, before, 0))  # of these, some in its own larger bar
    begin = np.where(late, _next(own, size), own)
    begin = np.maximum.accumulate(begin)
    starts = np.concatenate([[True], begin[1:] != begin[:-1]])
    stamps = begin[starts]
    return Groups(
        np.cumsum(starts) - 1,
        closed & ~late,
        _next(stamps, size) if size.stamp == "close" and not size.dated else stamps,
    )


def _next(begin: np.ndarray, size: Size) -> np.ndarray:
    """Where the larger bar after each begins."""
    if size.every.unit in _MONTHS:
        count = size.every.count * _MONTHS[size.every.unit]
        return np.asarray((begin.astype("datetime64[M]") + count).astype("datetime64[ns]"))
    return np.asarray(begin + np.timedelta64(size.seconds, "s"))


def _sizes(time: np.ndarray) -> np.ndarray:
    """Per row the smallest of the last spacings; 0 before there is one."""
    if len(time) < 2:
        return np.zeros(len(time), "timedelta64[ns]")
    gaps = pd.Series(np.diff(time).astype("timedelta64[ns]").astype(np.int64))
    smallest = gaps.rolling(_RECENT, min_periods=1).min().to_numpy()
    return np.concatenate([[0], smallest]).astype(np.int64).astype("timedelta64[ns]")


def combined(bars: Bars, number: np.ndarray, stamps: np.ndarray) -> Bars:
    """One bar for each group: the first open, highest high, lowest low, last close, groups and known extra values, all
    volume.

    `number`: the group of each bar, rising; `stamps`: those of the groups.
    """
    starts = np.flatnonzero(np.concatenate([[True], np.diff(number) > 0]))
    ends = np.concatenate([starts[1:], [len(bars)]]) - 1
    return Bars(
        bars.symbol,
        stamps[number[starts]],
        bars.open[starts],
        np.maximum.reduceat(bars.high, starts),
        np.minimum.reduceat(bars.low, starts),
        bars.close[ends],
        np.add.reduceat(bars.volume, starts),
        {name: _last(values, number, ends) for name, values in bars.extra.items()},
        {name: codes[ends] for name, codes in bars.groups.items()},
        bars.group_names,
    )


def _last(values: np.ndarray, number: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The last known value of each group; NaN where it has none."""
    row = np.maximum.accumulate(np.where(np.isfinite(values), np.arange(len(values)), -1))[ends]
    return np.asarray(np.where((row >= 0) & (number[row] == number[ends]), values[row], np.nan))


def check_size(bars: Bars, size: Size, setting: str) -> None:
    """ConfigError where a larger bar would hold no more than one bar."""
    if len(bars) < _FEW:
        return
    spacing = int(np.median(np.diff(bars.time)).astype("timedelta64[ns]").astype(np.int64)) // 10**9
    if spacing >= size.seconds * (28 / 31 if size.every.unit in _MONTHS else 1):
        from barwise.data.calendar import bar_size_name

        raise ConfigError(
            f"{setting}={size.every}: the bars of {bars.symbol} are of {bar_size_name(bars.time)}; it must be longer"
        )


def resampled(market: Market, size: Size, setting: str = "data.resample") -> Market:
    """The market in larger bars, stamped as the smaller ones were; one at the end that has not closed is left out."""
    found, unfinished = [], 0
    for bars in market.bars:
        check_size(bars, size, setting)
        groups = group(bars.time, size)
        larger = combined(bars, groups.number, groups.time)
        open_ = not groups.closes[-1]
        unfinished += open_
        found.append(larger.take(slice(0, len(larger) - int(open_))))
    notes = [*market.facts.get("notes", ())]
    if unfinished:
        notes.append(f"{setting}={size.every}: the last larger bar of {unfinished} symbols had not closed; left out")
    kept = tuple(b for b in found if len(b))
    if not kept:
        raise ConfigError(f"{setting}={size.every}: no larger bar has closed in these bars; choose a shorter one")
    return replace(market, bars=kept, facts={**market.facts, "resampled": str(size.every), "notes": notes})
