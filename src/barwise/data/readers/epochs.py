"""Times that are numbers: 20240102, 202401, 2024, Excel's days since 1899, and counts since 1970 in any unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from barwise.data.readers.dates import NAT as NO_DAY
from barwise.data.readers.dates import _days

_NAT = np.datetime64("NaT", "ns")
_LARGEST = 7_258_118_400  # seconds: 2200-01-01; a larger number counts something smaller
_SMALLEST = -8_520_336_000  # 1700-01-01
_UNITS = (1_000_000_000, 1_000_000, 1_000, 1)  # ns in a second, a millisecond, …
_EXCEL = (10_000, 110_000)  # 1927 to 2201
_COUNTER = 1_000_000  # smaller numbers, if they are no whole minutes, count something else
_LONGEST = 400 * 86_400e9  # ns between bars
_GOOD = 0.9  # of the numbers must be dates, if they are read as such


@dataclass(frozen=True)
class Epochs:
    """`time`: datetime64[ns]; `instants`: in UTC, counted since 1970; else dates and times without a zone."""

    time: np.ndarray
    instants: bool


def read(whole: np.ndarray, fraction: np.ndarray | None, known: np.ndarray) -> Epochs:
    """The times of whole numbers (int64) and what is beyond the point; `known`: which of them are numbers."""
    values = whole[known]
    if not len(values):
        return Epochs(np.full(len(whole), _NAT), False)
    low, high = int(values.min()), int(values.max())
    parted = fraction is not None and bool((fraction[known] != 0).any())
    for fits, of in (
        (low >= 1700 and high <= 2200 and not parted, _years),
        (low >= 170_001 and high <= 220_012 and not parted, _months),
        (low >= 17_000_101 and high <= 22_001_231 and not parted, _ymd),
        (low >= 170_001_010_000 and high <= 220_012_312_359 and not parted, _minutes),
        (low >= 17_000_101_000_000 and high <= 22_001_231_235_959 and not parted, _seconds),
    ):
        if fits:
            time = of(whole)
            if (~np.isnat(time[known])).mean() >= _GOOD:
                return Epochs(np.where(known, time, _NAT), False)
    if _EXCEL[0] <= low and high <= _EXCEL[1]:
        return Epochs(np.where(known, _excel(whole, fraction), _NAT), False)
    return Epochs(np.where(known, _counts(whole, fraction, known), _NAT), True)


def _years(whole: np.ndarray) -> np.ndarray:
    return _date(whole, 1, 1)


def _months(whole: np.ndarray) -> np.ndarray:
    return _date(whole // 100, whole % 100, 1)


def _ymd(whole: np.ndarray) -> np.ndarray:
    return _date(whole // 10_000, whole // 100 % 100, whole % 100)


def _minutes(whole: np.ndarray) -> np.ndarray:
    clock = whole % 10_000
    return _clocked(_ymd(whole // 10_000), clock // 100, clock % 100, 0)


def _seconds(whole: np.ndarray) -> np.ndarray:
    clock = whole % 1_000_000
    return _clocked(_ymd(whole // 1_000_000), clock // 10_000, clock // 100 % 100, clock % 100)


def _clocked(day: np.ndarray, hour: np.ndarray, minute: np.ndarray, second: np.ndarray | int) -> np.ndarray:
    ok = (hour < 24) & (minute < 60) & (np.asarray(second) < 60)
    seconds = (hour * 3600 + minute * 60 + second).astype("timedelta64[s]")
    return np.where(ok, day + seconds.astype("timedelta64[ns]"), _NAT)


def _date(year: np.ndarray, month: np.ndarray | int, day: np.ndarray | int) -> np.ndarray:
    table = np.column_stack([year, np.broadcast_to(month, year.shape), np.broadcast_to(day, year.shape)])
    days = _days(table, (0, 1, 2))
    return np.where(np.isnat(days), _NAT, np.where(np.isnat(days), NO_DAY, days).astype("datetime64[ns]"))


def _excel(whole: np.ndarray, fraction: np.ndarray | None) -> np.ndarray:
    """43467 is 2019-01-02; the fraction is of a day, to the second."""
    day = np.datetime64("1899-12-30", "D") + np.clip(whole, *_EXCEL).astype("timedelta64[D]")
    seconds = np.zeros(len(whole), np.int64) if fraction is None else np.rint(fraction * 86_400).astype(np.int64)
    found: np.ndarray = day.astype("datetime64[ns]") + seconds.astype("timedelta64[s]").astype("timedelta64[ns]")
    return found


def _counts(whole: np.ndarray, fraction: np.ndarray | None, known: np.ndarray) -> np.ndarray:
    """Counts since 1970; each row's unit from its own size, so that a column may change from ms to µs.

    A few rows around 1970 are as small in a finer unit: they have that of the others, if this keeps them in order.
    """
    size = np.abs(whole)
    unit = np.select([size <= _LARGEST * 10 ** (3 * k) for k in range(3)], [0, 1, 2], 3)
    while (unit[known] < 3).all() and _gap(_scaled(whole, fraction, unit)[known]) > _LONGEST:
        unit = unit + 1  # bars lie at most a year apart
    if size[known].max() < _COUNTER and (whole[known] % 60 != 0).any():
        return np.full(len(whole), _NAT)  # the numbers of rows
    used, counts = np.unique(unit[known], return_counts=True)
    time = _scaled(whole, fraction, unit)
    if len(used) > 1:
        major = int(used[counts.argmax()])
        alike = _scaled(whole, fraction, np.where(unit < major, major, unit))
        if _ordered(alike[known]) and not _ordered(time[known]):
            time = alike
    return time


def _scaled(whole: np.ndarray, fraction: np.ndarray | None, unit: np.ndarray) -> np.ndarray:
    factor = np.array(_UNITS, np.int64)[unit]
    ok = np.abs(whole) <= _LARGEST * (10**9 // factor)
    ns = np.where(ok, whole, 0) * factor
    if fraction is not None:
        ns = ns + np.rint(fraction * np.where(factor > 1, factor, 0) / 1e3).astype(np.int64) * np.where(
            factor > 1, 1000, 0
        )
    time = ns.astype("datetime64[ns]")
    return np.where(ok & (ns >= _SMALLEST * 10**9), time, _NAT)


def _gap(time: np.ndarray) -> float:
    """The usual distance between two times, in ns."""
    step = np.abs(np.diff(np.unique(time).astype(np.int64)))
    return float(np.median(step)) if len(step) else 0.0


def _ordered(time: np.ndarray) -> bool:
    step = np.diff(time.astype(np.int64))
    return bool((step >= 0).all() or (step <= 0).all())
