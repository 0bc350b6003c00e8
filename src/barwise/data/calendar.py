"""Bars per year and the size of a bar, told by the times."""

from __future__ import annotations

import numpy as np

from barwise.errors import DataError

YEAR = np.timedelta64(31_556_952, "s")  # 365.2425 days
KNOWN = (252.0, 52.0, 12.0)  # daily, weekly, monthly


def periods_per_year(times: np.ndarray) -> float:
    """Bars per year of the unique sorted `times`; within 2 % of 252, 52 or 12 it is that number."""
    if len(times) < 3:
        raise DataError(f"data: {len(times)} distinct times; at least 3 are needed to tell the bar size")
    span = (times[-1] - times[0]) / YEAR
    found = (len(times) - 1) / span
    for known in KNOWN:
        if abs(found / known - 1.0) <= 0.02:
            return known
    return float(found)


def bar_size(times: np.ndarray) -> str:
    """The median distance of the sorted `times`, such as `86400s`, or `month`; the same when bars are added or cut off.

    Bars per year are not: those of five minutes change with every day that is added.
    """
    seconds = int(np.median(np.diff(times.astype("datetime64[s]").astype(np.int64)))) if len(times) > 1 else 0
    return "month" if 25 <= seconds / 86_400 <= 35 else f"{seconds}s"
