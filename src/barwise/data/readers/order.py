"""The order of one symbol's rows: newest first is turned round, shuffled is sorted, exact repeats go; all said."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from barwise.data.checks import BarFinding
from barwise.data.notes import Notes

_STRAY = 0.01  # of the rows: so few out of place are faults, more are another order


def ordered(
    where: str, symbol: str, time: np.ndarray, rows: np.ndarray, values: Mapping[str, np.ndarray], notes: Notes
) -> tuple[np.ndarray, list[BarFinding]]:
    """(`rows`, oldest first and without exact repeats; faults: times that come twice or are out of place)."""
    stamps = time[rows].view(np.int64)
    step = np.diff(stamps)
    if (step > 0).all():
        return rows, []
    if (step <= 0).all() and (step < 0).any():
        rows, stamps = rows[::-1], stamps[::-1]
        notes.note(where, "newest first: turned round")
    elif (step < 0).any():
        stray = _stray(stamps)
        if len(stray) <= max(1, _STRAY * len(rows)):
            fault = BarFinding("time runs backwards", rows[stray], time[rows[stray]])
            left = np.delete(rows, stray)
            kept, twice = _once(where, symbol, time, left, values, notes)
            return np.sort(np.append(kept, rows[stray])), [fault, *twice]
        order = np.argsort(stamps, kind="stable")
        rows = rows[order]
        notes.warn(where, f"not in the order of time ({symbol}): sorted")
    return _once(where, symbol, time, rows, values, notes)


def _stray(stamps: np.ndarray) -> np.ndarray:
    """The rows that are out of place: earlier than one before them, or later than one after, whichever are fewer."""
    before = np.maximum.accumulate(stamps)
    after = np.minimum.accumulate(stamps[::-1])[::-1]
    early = np.flatnonzero(stamps < before)
    late = np.flatnonzero(stamps > after)
    return early if len(early) <= len(late) else late


def _once(
    where: str, symbol: str, time: np.ndarray, rows: np.ndarray, values: Mapping[str, np.ndarray], notes: Notes
) -> tuple[np.ndarray, list[BarFinding]]:
    """The rows without those that repeat another in everything; those of one time that differ are faults."""
    stamps = time[rows].view(np.int64)
    again = np.append(False, stamps[1:] == stamps[:-1])
    if not again.any():
        return rows, []
    same = again.copy()
    for column in values.values():
        mine = column[rows]
        same[1:] &= (mine[1:] == mine[:-1]) | (np.isnan(mine[1:]) & np.isnan(mine[:-1]))
    if same.any():
        count = int(same.sum())
        first = str(time[rows[np.flatnonzero(same)[0]]].astype("datetime64[m]")).replace("T00:00", "")
        notes.warn(where, f"{count} {'row repeats' if count == 1 else 'rows repeat'} another exactly, "
                          f"the first of {first} ({symbol}): left out")  # fmt: skip
    twice = again & ~same
    found = [BarFinding("time comes twice", rows[twice], time[rows[twice]])] if twice.any() else []
    return rows[~same], found
