"""Windows of bars put one behind the other, so that many rows are computed at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from barwise.audit.disguise import CYCLE
from barwise.data.bars import COLUMNS, Bars

_APART = 3  # bars at least between two windows of one symbol: what follows a window is not what followed it
_FROM, _TO = np.datetime64("1873", "ns"), np.datetime64("2071", "ns")  # 28 years on, every fourth year is a leap year


def joined(bars: Sequence[Bars], items: np.ndarray) -> Iterator[tuple[list[int], Bars]]:
    """The windows of `items` (symbol, row, first bar, …) in long series of bars, and which items each is made of, in
    order.

    Windows follow one another in time, each of another symbol than the one before it where there are several; windows
    with other columns stay apart. Where no later one is left the next begin anew, whole cycles of the calendar away:
    weekdays, months and leap years stay as they are.
    """
    starts, ends = (np.array([bars[i[0]].time[i[k]] for i in items]) for k in (2, 1))
    groups = _by_time(bars, items, starts, ends)
    shifts = _shifts(starts.min(), ends.max())
    while groups:
        chain = [groups.pop(0)]
        for group in groups[: 4 * len(shifts)]:
            if len(chain) < len(shifts) and _follows(bars, items, chain[-1][-1], group[0]):
                chain.append(group)
        groups = [group for group in groups if not any(group is one for one in chain)]
        parts = []
        for group, shift in zip(chain, shifts, strict=False):
            windows = (bars[items[i, 0]].take(slice(int(items[i, 2]), int(items[i, 1]) + 1)) for i in group)
            parts += [replace(window, time=window.time + shift) for window in windows]
        yield [i for group in chain for i in group], _one_behind_the_other(parts)


def _by_time(bars: Sequence[Bars], items: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> list[list[int]]:
    """Items in groups whose windows follow one another in time."""
    start, end = starts.astype(np.int64).tolist(), ends.astype(np.int64).tolist()
    groups: list[list[int]] = []
    reach: list[int] = []  # of each group
    for i in np.argsort(starts, kind="stable").tolist():
        free = (k for k, last in enumerate(reach) if last < start[i] and _follows(bars, items, groups[k][-1], i))
        k = next(free, len(groups))
        if k == len(groups):
            groups.append([])
            reach.append(0)
        groups[k].append(i)
        reach[k] = end[i]
    return groups


def _follows(bars: Sequence[Bars], items: np.ndarray, last: int, then: int) -> bool:
    """Whether the window of item `then` may stand behind that of `last`: it is not what followed it."""
    one, other = bars[items[last, 0]], bars[items[then, 0]]
    near = len(bars) > 1 or 0 < items[then, 2] - items[last, 1] <= _APART
    return not (one is other and near) and one.extra.keys() == other.extra.keys()


def _shifts(first: np.datetime64, last: np.datetime64) -> list[np.timedelta64]:
    """Moves by whole cycles of the calendar, each past the one before, that bars from `first` to `last` can make."""
    step = CYCLE * (1 + int((last - first) // CYCLE))
    low, high = -int((first - _FROM) // step), int((_TO - last) // step)
    return [k * step for k in range(low, high + 1)] if low <= 0 <= high else [0 * step]


def _one_behind_the_other(parts: list[Bars]) -> Bars:
    first = parts[0]
    columns: dict[str, Any] = {name: np.concatenate([getattr(p, name) for p in parts]) for name in ("time", *COLUMNS)}
    extra = {name: np.concatenate([p.extra[name] for p in parts]) for name in first.extra}
    return replace(first, **columns, extra=extra)
