"""Features of an exchange's sessions, which its calendar knows beforehand, and the gap over night."""

from __future__ import annotations

import numpy as np

from barwise.console.settings import checked
from barwise.data.bars import Bars
from barwise.data.sessions import COLUMNS
from barwise.errors import ConfigError


@checked("features.session")
def session(bars: Bars) -> dict[str, np.ndarray]:
    """Where a bar lies in its session: `minute_of_session` when it opens, `minutes_to_close` when it closes,
    `first_bar`, `last_bar`, `day_of_week` from Monday, 0, `sessions_to_month_end` and `month_end`.

    NaN outside the sessions of `data.calendar`; ConfigError without one.
    """
    own = _calendar_columns(bars, "session")
    minute, left, weekday, month = (own[name] for name in COLUMNS[1:])
    return {
        "minute_of_session": minute,
        "minutes_to_close": left,
        "first_bar": _flag(minute == 0, minute),
        "last_bar": _flag(left == 0, left),
        "day_of_week": weekday,
        "sessions_to_month_end": month,
        "month_end": _flag(month == 0, month),
    }


@checked("features.gap")
def gap(bars: Bars) -> dict[str, np.ndarray]:
    """`gap`: the session's open over the close of the session before, less 1, known from its first bar on;
    `since_close`: the bar's close over that close, less 1.

    A bar of a day or more is a session of its own; others need `data.calendar`, else ConfigError.
    """
    if len(bars) and (bars.time == bars.time.astype("datetime64[D]")).all() and COLUMNS[0] not in bars.extra:
        number = np.arange(len(bars), dtype=np.float64)
    else:
        number = _calendar_columns(bars, "gap")[COLUMNS[0]]
    inside = np.flatnonzero(np.isfinite(number))  # bars before and after hours are no session's
    out = {name: np.full(len(bars), np.nan) for name in ("gap", "since_close")}
    if len(inside):
        starts = np.concatenate([[True], np.diff(number[inside]) != 0])
        which = np.cumsum(starts) - 1
        first = np.flatnonzero(starts)
        before = np.append(np.nan, bars.close[inside][first[1:] - 1])[which]
        out["gap"][inside] = bars.open[inside][first][which] / before - 1.0
        out["since_close"][inside] = bars.close[inside] / before - 1.0
    return out


def _flag(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """1 and 0, NaN where it is not known."""
    return np.where(np.isfinite(known), values.astype(np.float64), np.nan)


def _calendar_columns(bars: Bars, name: str) -> dict[str, np.ndarray]:
    """The columns that `data.calendar` adds; ConfigError without one."""
    if COLUMNS[0] not in bars.extra:
        raise ConfigError(
            f"features.{name}: needs the sessions of a calendar; set data.calendar=XNYS for New York's, 24/7 for crypto"
        )
    return {column: bars.extra[column] for column in COLUMNS}
