"""The bars that a calendar expects: how many a session and a year have, and how many of a market's are missing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from barwise.data.calendar import DAYS_A_YEAR, KNOWN, SNAP
from barwise.data.schedules import Place, Schedule

_MINUTE = 60 * 10**9  # nanoseconds


@dataclass(frozen=True)
class MissingBars:
    """How many bars the calendar expects and how many of these are missing, over all symbols."""

    expected: int = 0
    missing: int = 0
    empty: int = 0
    outside: int = 0
    most: tuple[int, str] = (0, "")

    def plus(self, found: Place, sessions: Schedule, symbol: str) -> MissingBars:
        """With one symbol more, between its first bar and its last."""
        inside = found.row >= 0
        outside = self.outside + int((~inside).sum())
        if not inside.any():
            return replace(self, outside=outside)
        row, slot = found.row[inside], found.slot[inside]
        slots = _bars_a_session(sessions, found.size, found.early)
        first, last = row[0], row[-1]
        begin = np.concatenate([[0], np.cumsum(slots[first : last + 1])])
        there = np.unique(begin[row - first] + np.minimum(slot, slots[row] - 1))
        expected = int(begin[-1] - slot[0] - (slots[last] - 1 - min(slot[-1], slots[last] - 1)))
        missing = max(0, expected - len(there))
        empty = int(last - first + 1 - len(np.unique(row)))
        return MissingBars(
            self.expected + expected, self.missing + missing, self.empty + empty, outside,
            max(self.most, (missing, symbol)),
        )  # fmt: skip

    def facts(self, sessions: Schedule, times: np.ndarray, size: int) -> dict[str, Any]:
        """What run.json's `data.calendar` says."""
        used = (sessions.date >= times[0].astype("datetime64[D]")) & (
            sessions.date <= times[-1].astype("datetime64[D]")
        )
        minutes = sessions.minutes[used]
        usual = float(np.median(minutes)) if len(minutes) else 0.0
        return {
            "name": sessions.name, "timezone": sessions.zone, "sessions": int(used.sum()),
            "short_sessions": int((minutes < usual).sum()), "session_minutes": usual,
            "expected_bars": self.expected, "missing_bars": self.missing, "sessions_without_bars": self.empty,
            "bars_outside": self.outside, "bar_seconds": size // 10**9,
        }  # fmt: skip

    def notes(self, name: str) -> list[str]:
        """What is told of bars that are not where the calendar has them."""
        told = []
        if self.missing:
            most = f", most of them of {self.most[1]} ({self.most[0]:,})" if self.most[0] < self.missing else ""
            told.append(f"{name}: {self.missing:,} of {self.expected:,} expected bars are missing{most}")
        if self.outside:
            told.append(f"{name}: {self.outside:,} bars lie outside its sessions; data.session=regular leaves them out")
        return told


def bars_a_year(sessions: Schedule, times: np.ndarray, size: int, early: int = 0) -> float:
    """Bars a year by the calendar: sessions a year, over the whole years that end with the last bar, times the bars of
    the usual one; 252 sessions where it is that within 2 %."""
    last = times[-1].astype("datetime64[D]")
    years = max(1, round(float((times[-1] - times[0]) / np.timedelta64(1, "D")) / DAYS_A_YEAR))
    used = (sessions.date > last - np.timedelta64(round(years * DAYS_A_YEAR), "D")) & (sessions.date <= last)
    a_year = float(used.sum()) / years
    a_year = next((known for known in KNOWN if abs(a_year / known - 1.0) <= SNAP), a_year)
    return a_year * float(np.median(_bars_a_session(sessions, size, early)[used]))


def _bars_a_session(sessions: Schedule, size: int, early: int = 0) -> np.ndarray:
    """How many bars of `size` nanoseconds each session has, the first of which opens so much before it; one of a day
    has one. A break at noon has none."""
    if size >= 86_400 * 10**9:
        return np.ones(len(sessions.date), np.int64)
    return np.ceil((sessions.minutes * _MINUTE + early) / size - 1e-9).astype(np.int64)
