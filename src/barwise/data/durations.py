"""Stretches of the calendar, such as 5D, 1W, 6M, 1Q and 2Y: how lengths of time are told."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from barwise.errors import ConfigError

WRITTEN = re.compile(r"([1-9]\d{0,3})\s*([a-zA-Z]+)")
UNITS = {
    "min": pd.DateOffset(minutes=1), "h": pd.DateOffset(hours=1), "d": pd.DateOffset(days=1),
    "w": pd.DateOffset(weeks=1), "m": pd.DateOffset(months=1), "q": pd.DateOffset(months=3),
    "y": pd.DateOffset(years=1),
}  # fmt: skip
ORIGIN = pd.Timestamp("1969-12-29")  # a Monday


@dataclass(frozen=True)
class Duration:
    """`count` times a unit of the calendar: min, h, d, w, m (months), q (quarters) or y."""

    count: int
    unit: str

    def __str__(self) -> str:
        return f"{self.count}{self.unit if self.unit in ('min', 'h') else self.unit.upper()}"

    def after(self, time: np.datetime64) -> np.datetime64:
        """The moment so much later; months keep the day, as far as they have it."""
        return _moment(pd.Timestamp(time) + UNITS[self.unit] * self.count)

    def before(self, time: np.datetime64) -> np.datetime64:
        """The moment so much earlier."""
        return _moment(pd.Timestamp(time) - UNITS[self.unit] * self.count)

    def periods(self, times: np.ndarray) -> np.ndarray:
        """The number of the calendar's stretch of this length that each time lies in.

        Weeks begin on Mondays, months, quarters and years on their first days; longer stretches are multiples of them.
        """
        index = pd.DatetimeIndex(times)
        if self.unit in ("m", "q"):
            whole = index.year * 12 + index.month - 1
            length = self.count * (3 if self.unit == "q" else 1)
        elif self.unit == "y":
            whole, length = index.year, self.count
        else:
            seconds = {"min": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}[self.unit]
            whole = (index.as_unit("s").asi8 - int(ORIGIN.timestamp())) // seconds
            length = self.count
        return np.asarray(whole) // length


def duration(name: str, value: object) -> Duration:
    """`value` such as 5D, 1W, 3M, 1Q or 5Y; ConfigError, with the `name` of the setting, for anything else.

    Months are M or m, minutes min; case does not matter.
    """
    found = WRITTEN.fullmatch(str(value).strip())
    if found and found[2].lower() in UNITS:
        return Duration(int(found[1]), found[2].lower())
    raise ConfigError(f"{name}={value}: must be a length such as 5D, 1W, 3M, 1Q or 2Y")


def moment(name: str, value: object, last: bool) -> np.datetime64:
    """A date or time as UTC; a date alone is its first moment, or its last with `last`. ConfigError for what is none.

    2019 and 2019-06 are a year and a month.
    """
    text = str(value).strip()
    try:
        if isinstance(value, bool | float) or not re.match(r"\d{4}", text):
            raise ValueError
        begin = pd.Timestamp(f"{text}-01-01" if len(text) == 4 else f"{text}-01" if len(text) == 7 else text)
        begin = begin.tz_convert("UTC").tz_localize(None) if begin.tzinfo else begin
    except (ValueError, TypeError, OverflowError):
        raise ConfigError(
            f"{name}={value}: must be a date such as 2019-12-31, a month such as 2019-12, or a year"
        ) from None
    if not last or ":" in text:
        return _moment(begin)
    unit = "y" if len(text) == 4 else "m" if len(text) == 7 else "d"
    return _moment(begin + UNITS[unit]) - np.timedelta64(1, "ns")


def _moment(stamp: pd.Timestamp) -> np.datetime64:
    return np.datetime64(stamp.as_unit("ns").to_datetime64())
