"""The deepest drawdowns of a series of returns."""

from __future__ import annotations

from typing import Any

import numpy as np

from barwise.factor.scores import Frame, frame

_MOST = 5
_NAT = np.datetime64("NaT", "ns")


def drawdowns(time: np.ndarray, net: np.ndarray, most: int = _MOST) -> Frame:
    """The deepest first: `peak`, `trough`, `end` (NaT where it is not over), `depth`, bars `down` and bars to `recover`
    (-1 where it has not). `net` compounds from 1."""
    wealth = np.concatenate([[1.0], np.cumprod(1.0 + net)])
    high = np.maximum.accumulate(wealth)
    below = wealth < high
    begins = np.flatnonzero(below & ~np.append(False, below[:-1]))
    ends = np.flatnonzero(~below & np.append(False, below[:-1]))
    ends = np.append(ends, np.full(len(begins) - len(ends), len(wealth)))
    found: list[tuple[Any, ...]] = []
    for begin, end in zip(begins, ends, strict=True):
        trough = int(begin) + int(np.argmin(wealth[begin:end] / high[begin:end]))
        depth = float(wealth[trough] / high[trough] - 1.0)
        over = end < len(wealth)
        peak = max(int(begin) - 2, 0)  # the first value of wealth is before the first bar
        recover = int(end) - trough if over else -1
        back = time[int(end) - 1] if over else _NAT
        found.append((depth, time[peak], time[trough - 1], back, trough - int(begin) + 1, recover))
    found.sort(key=lambda row: float(row[0]))
    day = "datetime64[ns]"
    return frame({"depth": float, "peak": day, "trough": day, "end": day, "down": int, "recover": int}, found[:most])
