"""The distinct times of many rows, without sorting them all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np

_ROWS = 2**20  # that are looked at at once


class _Timed(Protocol):
    @property
    def time(self) -> np.ndarray: ...


def distinct(time: np.ndarray, where: np.ndarray | None = None) -> np.ndarray:
    """`np.unique(time[where])`, a stretch of rows after the other: of as many rows as fit a cache, not of all.

    >>> distinct(np.array(["2020-01-02", "2020-01-01", "2020-01-02"], "datetime64[D]")).astype(str).tolist()
    ['2020-01-01', '2020-01-02']
    """
    parts = []
    for low in range(0, max(1, len(time)), _ROWS):
        some = time[low : low + _ROWS]
        parts.append(np.unique(some if where is None else some[where[low : low + _ROWS]]))
    return parts[0] if len(parts) == 1 else np.unique(np.concatenate(parts))


def times_of(bars: Iterable[_Timed]) -> np.ndarray:
    """The distinct times of all symbols, in order; a symbol with the times of the one before it adds none."""
    parts: list[np.ndarray] = []
    rows = 0
    for b in bars:
        if parts and (np.array_equal(parts[-1], b.time) or np.array_equal(parts[0], b.time)):
            continue
        parts.append(b.time)
        rows += len(b.time)
        if rows > _ROWS:
            parts = [_union(parts), b.time]
            rows = 0
    return _union(parts)


def _union(parts: list[np.ndarray]) -> np.ndarray:
    """The distinct times of all, in order; each has its own in order and once."""
    return parts[0].copy() if len(parts) == 1 else np.unique(np.concatenate(parts))
