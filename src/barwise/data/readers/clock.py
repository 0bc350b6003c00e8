"""From times as written to the times of bars: a day's bar has its exchange's own date, a shorter one stands in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from barwise.data.notes import Notes
from barwise.data.readers.stamps import Stamps
from barwise.errors import ConfigError, DataError

_DAY = 86_400_000_000_000
_FEW = 3  # different times of day that bars of a day may have: summer, winter, a short day
_SURE = 10  # days that weekdays are told from
_AUTUMN = ("America/New_York", "Europe/Berlin", "Europe/London", "America/Chicago", "Australia/Sydney")


@dataclass(frozen=True)
class Settled:
    """`time`: datetime64[ns] of each row; `days`: bars of a day or more; `naive`: intraday, and taken as UTC."""

    time: np.ndarray
    days: bool
    naive: bool


def check_zone(timezone: str | None) -> None:
    """ConfigError unless `timezone` is None or a zone's name."""
    if timezone is None:
        return
    try:
        ZoneInfo(timezone)
    except (KeyError, ValueError, OSError, TypeError):
        raise ConfigError(
            f"data.timezone={timezone}: must be a zone's name such as America/New_York or UTC, or null"
        ) from None


def settle(stamps: Stamps, groups: np.ndarray, timezone: str | None, where: str, notes: Notes) -> Settled:
    """The time of each row; `groups` are the codes of symbols, rows in the order of the file.

    Bars of a day or more have the midnight of their own date, whatever `timezone` is. Naive intraday times are of
    `timezone`, of the zone that the file names, or of UTC.
    """
    wall = local(stamps, timezone)
    zone = timezone or stamps.zone
    if _of_days(wall, groups):
        moved = 0
        if not _midnights(wall) and (stamps.ahead is None or not stamps.ahead.any()) and not (
            stamps.instants and timezone is not None
        ):  # fmt: skip
            moved = _shift(wall)
        if moved:
            turned = "a day later" if moved > 0 else "a day earlier"
            notes.warn(
                where,
                f"dates are taken {turned} than they stand in UTC, so that they are those of weekdays; "
                "data.timezone names the exchange's zone",
            )
        days = wall.astype("datetime64[D]") + np.timedelta64(moved, "D")
        return Settled(days.astype("datetime64[ns]"), True, False)
    if stamps.ahead is not None:
        return Settled(stamps.wall - stamps.ahead.astype("timedelta64[ns]"), False, False)
    if zone is None:
        return Settled(wall, False, True)
    return Settled(_to_utc(wall, groups, zone), False, False)


def _of_days(wall: np.ndarray, groups: np.ndarray) -> bool:
    """Whether the rows are bars of a day or more: no two different times of a symbol on one date.

    Times that are no midnight must be the same on all days, but for summer and winter.
    """
    known = ~np.isnat(wall)
    time, groups = wall[known], groups[known]
    if not len(time):
        return False
    if _midnights(time):
        return True
    day = time.astype("datetime64[D]")
    days = len(np.unique(day))
    if days < _FEW or len(np.unique(time - day)) > min(
        _FEW, days // _FEW
    ):  # few rows differ by chance: three times, no days
        return False
    order = np.lexsort((time, groups))
    day, time, groups = day[order], time[order], groups[order]
    same = (groups[1:] == groups[:-1]) & (day[1:] == day[:-1]) & (time[1:] != time[:-1])
    return not same.any()


def _midnights(time: np.ndarray) -> bool:
    known = time[~np.isnat(time)]
    return bool((known.astype(np.int64) % _DAY == 0).all())


def local(stamps: Stamps, timezone: str | None) -> np.ndarray:
    """The times on the clock of their exchange, as far as it is told."""
    return _local(stamps.wall, timezone) if stamps.instants and timezone is not None else stamps.wall


def universal(stamps: Stamps, wall: np.ndarray, timezone: str | None) -> np.ndarray:
    """UTC of `wall`, which is `local` of the stamps, perhaps moved within its day."""
    if stamps.ahead is not None and not (stamps.instants and timezone is not None):
        found: np.ndarray = wall - stamps.ahead.astype("timedelta64[ns]")
        return found
    zone = timezone or stamps.zone
    return wall if zone is None else _to_utc(wall, np.zeros(len(wall), np.int64), zone)


def _local(utc: np.ndarray, zone: str) -> np.ndarray:
    found: np.ndarray = (
        pd.DatetimeIndex(utc).tz_localize("UTC").tz_convert(zone).tz_localize(None).to_numpy("datetime64[ns]")
    )
    return found


def _shift(wall: np.ndarray) -> int:
    """Days by which dates in UTC miss the exchange's: told by weekdays that have none, or by months that end."""
    known = wall[~np.isnat(wall)]
    days = np.unique(known.astype("datetime64[D]"))
    if len(days) < _SURE:
        return 0
    late = (
        float(np.median((known - known.astype("datetime64[D]").astype("datetime64[ns]")).astype(np.int64))) >= _DAY / 2
    )
    weekday = (days.astype(np.int64) + 3) % 7  # Monday is 0
    share = np.bincount(weekday, minlength=7) / len(days)
    if late and share[6] > 0.1 and share[4] < 0.02:
        return 1
    if late and np.median(np.diff(days.astype(np.int64))) >= 27:
        tomorrow = days + np.timedelta64(1, "D")
        return int((tomorrow == tomorrow.astype("datetime64[M]").astype("datetime64[D]")).mean() > 0.9)
    return -1 if not late and share[5] > 0.1 and share[0] < 0.02 else 0


def _to_utc(wall: np.ndarray, groups: np.ndarray, zone: str) -> np.ndarray:
    """UTC of naive times in `zone`; NaT for an hour that the clock skips.

    The hour that it repeats in autumn is told by order: the first pass is summer's, and what follows a step back
    winter's. Rows may run newest first.
    """
    index = pd.DatetimeIndex(wall)
    summer = index.tz_localize(zone, ambiguous=np.ones(len(wall), bool), nonexistent="NaT")
    winter = index.tz_localize(zone, ambiguous=np.zeros(len(wall), bool), nonexistent="NaT")
    first, second = (i.tz_convert("UTC").tz_localize(None).to_numpy("datetime64[ns]") for i in (summer, winter))
    rows = np.flatnonzero((first != second) & ~np.isnat(wall))
    if len(rows):
        first = first.copy()
        for some in _together(rows, groups, wall):
            step = np.diff(wall[some].astype(np.int64))
            back = _backwards(some, wall, groups)
            turn = np.flatnonzero(step >= 0 if back else step <= 0)
            if len(turn):
                cut = turn[0] + 1
                late = some[:cut] if back else some[cut:]
                first[late] = second[late]
    found: np.ndarray = first
    return found


def _together(rows: np.ndarray, groups: np.ndarray, wall: np.ndarray) -> list[np.ndarray]:
    """The rows of one symbol and one autumn, in the order of the file."""
    day = wall[rows].astype("datetime64[D]").astype(np.int64)
    order = np.lexsort((rows, day, groups[rows]))
    rows, day = rows[order], day[order]
    cut = np.flatnonzero((np.diff(groups[rows]) != 0) | (np.diff(day) != 0)) + 1
    return np.split(rows, cut)


def _backwards(some: np.ndarray, wall: np.ndarray, groups: np.ndarray) -> bool:
    """Whether the file runs newest first around these rows."""
    mine = np.flatnonzero(groups == groups[some[0]])
    at = np.searchsorted(mine, [some[0], some[-1]])
    before, after = wall[mine[max(at[0] - 1, 0)]], wall[mine[min(at[1] + 1, len(mine) - 1)]]
    return bool(before > after)


def doubled_in(times: np.ndarray) -> str | None:
    """A zone whose clock repeats the hour that these naive times come twice in; None if there is none."""
    for zone in _AUTUMN:
        index = pd.DatetimeIndex(np.unique(times))
        one = index.tz_localize(zone, ambiguous=np.ones(len(index), bool), nonexistent="NaT")
        two = index.tz_localize(zone, ambiguous=np.zeros(len(index), bool), nonexistent="NaT")
        if len(index) and bool((one != two).all()):
            return zone
    return None


def check_mixed(naive: list[str], aware: list[str]) -> None:
    """DataError where some files' intraday times have a zone and others' have none."""
    if naive and aware:
        raise DataError(
            f"data: mixed time zones: {aware[0]} has one, {naive[0]} has none; set data.timezone for the latter"
        )
