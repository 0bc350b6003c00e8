"""Hours of a clock, such as 09:30-16:00: regular trading hours, in an exchange's own time zone."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from barwise.errors import ConfigError

_WRITTEN = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")
REGULAR = "regular"


@dataclass(frozen=True)
class Hours:
    """From `begin` to `end`, in minutes after midnight; over midnight where `end` is not later."""

    begin: int
    end: int

    def __str__(self) -> str:
        return "-".join(f"{minute // 60:02d}:{minute % 60:02d}" for minute in (self.begin, self.end))

    @property
    def overnight(self) -> bool:
        return self.end <= self.begin

    def contain(self, time: np.ndarray, zone: str) -> np.ndarray:
        """Whether each moment, in UTC, lies in [begin, end) on the clock of `zone`."""
        local = pd.DatetimeIndex(time).tz_localize("UTC").tz_convert(zone)
        second = np.asarray((local.hour * 60 + local.minute) * 60 + local.second)
        begin, end = self.begin * 60, self.end * 60
        inside = (second >= begin) | (second < end) if self.overnight else (second >= begin) & (second < end)
        return np.asarray(inside)

    @staticmethod
    def at(date: np.ndarray, minute: int, zone: str) -> np.ndarray:
        """The moment, in UTC, at which the clock of `zone` shows so many minutes on each date; one that a change of
        clocks leaves out is the first after it, of one that comes twice the first."""
        wall = pd.DatetimeIndex(date.astype("datetime64[ns]")) + pd.Timedelta(minutes=minute)
        first = np.ones(len(wall), bool)
        aware = wall.tz_localize(zone, ambiguous=first, nonexistent="shift_forward")
        return np.asarray(aware.tz_convert("UTC").tz_localize(None).to_numpy("datetime64[ns]"))


def hours(name: str, value: object) -> Hours:
    """`value` such as 09:30-16:00; ConfigError, with the `name` of the setting, for what is none."""
    found = _WRITTEN.fullmatch(str(value).strip())
    if found:
        numbers = [int(part) for part in found.groups()]
        begin, end = numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3]
        if max(numbers[1], numbers[3]) < 60 and begin < 1440 and end <= 1440 and begin != end:
            return Hours(begin, end)
    raise ConfigError(f"{name}={value}: must be hours of a day such as 09:30-16:00, or {REGULAR} with data.calendar")
