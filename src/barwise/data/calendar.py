"""Bars per year and the size of a bar, told by the usual spacing of the times."""

from __future__ import annotations

import numpy as np
import pandas as pd

from barwise.errors import DataError

_DAY = 86_400.0  # seconds
DAYS_A_YEAR = 365.2425
KNOWN = (252.0, 52.0, 12.0, 4.0, 1.0)  # daily, weekly, monthly, quarterly, yearly
SNAP = 0.02  # relative: within it a count is one of KNOWN
_LONGEST_PAUSE = 15.0  # days; the longest holidays of an exchange, such as China's or Japan's golden week, are 11
_SHORT = 90  # days of a stretch too short to show its holidays: its weekdays tell
_OTHER_SIZE = 3.0  # times as many or as few bars a day are bars of another size
_AROUND = 11  # traded days, in the middle of which a day is judged: a half day or a Sunday evening is no change of size
_DISAGREE = 0.1  # relative: beyond it the count over the span and the usual spacing tell different stories


def periods_per_year(times: np.ndarray) -> float:
    """Bars per year of the unique sorted `times` (datetime64), by their usual spacing; above 0.

    Bars a trading day times trading days a year; holes, stray times and stretches of bars of another size do not count.
    Within 2 % of 252, 52, 12, 4 or 1 it is that number. DataError for fewer than 3 times.

    >>> import pandas as pd
    >>> round(periods_per_year(pd.bdate_range("2020-01-01", periods=500).to_numpy()))  # weekdays, no holiday
    261
    """
    if len(times) < 3:
        raise DataError(f"data: {len(times)} distinct times; at least 3 are needed to tell the bar size")
    days = _days(times)
    spacing = float(np.median(np.diff(days)))
    if spacing > 4:  # weeks, months, years
        return _snapped(_rate(days, np.ones(len(days), bool), 3 * spacing) * DAYS_A_YEAR)
    day, count, usual = _traded(days)
    kept = np.repeat(usual, count)
    if spacing > 1:
        a_day, day = 1.0, days
        usual = np.ones(len(days), bool)
    else:
        sizes = count[usual]
        typical = float(np.median(sizes))
        a_day = typical if np.mean(sizes == typical) >= 0.8 else float(kept.sum() / usual.sum())
    return _snapped(a_day * _trading_days(day.astype(float), usual))


def spacing_warning(times: np.ndarray) -> str | None:
    """One line where bars per year by the usual spacing and by count over span differ by over a tenth, or None.

    It names the widest hole, or the first and last of the bars of another size.
    """
    usual = periods_per_year(times)
    days = _days(times)
    counted = (len(days) - 1) / (days[-1] - days[0]) * DAYS_A_YEAR
    if abs(counted / usual - 1.0) <= _DISAGREE:
        return None
    told = f"periods a year: {usual:.5g} by the usual spacing of the bars, {counted:.5g} by their count over the span"
    gaps = np.diff(days)
    widest = int(np.argmax(gaps))
    reason = _other_sizes(times, days)
    if reason is None and gaps[widest] > max(_LONGEST_PAUSE, 3 * float(np.median(gaps))):
        reason = f"there are no bars from {_date(times[widest])} to {_date(times[widest + 1])}"
    if reason is None:
        return None
    return f"{told}; {reason}; the first is taken; data.periods_per_year={counted:.5g} sets the other"


def bar_size(times: np.ndarray) -> str:
    """The median distance of the sorted `times`, such as `86400s`, or `month`; the same when bars are added or cut off.

    Bars per year are not: those of five minutes change with every day that is added.
    """
    seconds = int(np.median(np.diff(times.astype("datetime64[s]").astype(np.int64)))) if len(times) > 1 else 0
    return "month" if 25 <= seconds / _DAY <= 35 else f"{seconds}s"


def bar_size_name(times: np.ndarray) -> str:
    """The size of a bar as people write it: 5 minutes, 1 hour, 1 day, 1 week, 1 month.

    >>> import pandas as pd
    >>> bar_size_name(pd.date_range("2024-01-01", periods=300, freq="5min").to_numpy())
    '5 minutes'
    """
    size = bar_size(times)
    if size == "month":
        return "1 month"
    seconds = int(size[:-1])
    units = (("year", 365 * 86_400), ("week", 7 * 86_400), ("day", 86_400), ("hour", 3_600), ("minute", 60))
    for name, length in units:
        if seconds >= length and (seconds % length == 0 or name == "year"):
            count = seconds // length
            return f"{count} {name}{'s' if count > 1 else ''}"
    return f"{seconds} seconds"


def _days(times: np.ndarray) -> np.ndarray:
    """Days since 1970 as floats; seconds first, since 64 bits of nanoseconds end in 1677 and 2262."""
    return times.astype("datetime64[s]").astype(np.int64) / _DAY


def _traded(days: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The days with bars, their counts, and whether the days around have about as many as the usual bar's day."""
    day, count = np.unique(np.floor(days).astype(np.int64), return_counts=True)
    usual = float(np.median(np.repeat(count, count)))
    around = pd.Series(count).rolling(_AROUND, center=True, min_periods=1).median().to_numpy()
    alike = (around * _OTHER_SIZE >= usual) & (around <= _OTHER_SIZE * usual)
    return day, count, alike if alike.any() else np.ones(len(day), bool)


def _trading_days(day: np.ndarray, usual: np.ndarray) -> float:
    """Trading days a year over the stretches of `usual` days; 252 where a short stretch has no weekend."""
    rate = _rate(day, usual, _LONGEST_PAUSE) * DAYS_A_YEAR
    weekday = (np.floor(day[usual]).astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
    weekend = {int(w) for w in np.unique(weekday)} & {5, 6}
    if float(day[-1] - day[0]) < _SHORT or usual.sum() < _SHORT / 2:
        rate = 252.0 if not weekend else DAYS_A_YEAR * (5 + len(weekend)) / 7
    return _snapped(rate)


def _rate(days: np.ndarray, usual: np.ndarray, longest: float) -> float:
    """Steps a day between neighbours that are both `usual` and at most `longest` days apart."""
    gaps = np.diff(days)
    if not len(gaps):
        return 1.0
    within = (gaps <= longest) & usual[1:] & usual[:-1]
    if not within.any():
        within = gaps <= np.median(gaps)
    return float(within.sum() / gaps[within].sum())


def _snapped(found: float) -> float:
    return next((known for known in KNOWN if abs(found / known - 1.0) <= SNAP), float(found))


def _other_sizes(times: np.ndarray, days: np.ndarray) -> str | None:
    _, count, usual = _traded(days)
    odd = times[np.repeat(~usual, count)]
    if not len(odd):
        return None
    return f"the {len(odd)} bars from {_date(odd[0])} to {_date(odd[-1])} are of another size"


def _date(time: np.datetime64) -> str:
    return str(time.astype("datetime64[m]")).replace("T00:00", "").replace("T", " ")
