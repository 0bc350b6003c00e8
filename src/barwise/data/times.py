"""Times of a file, in whatever common form, to datetime64[ns] in UTC."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from barwise.errors import ConfigError, DataError

SLASHED = r"(\d{1,2})([/.-])(\d{1,2})[/.-]\d{4}\b"  # day and month, in either order
OFFSET = r"\d\d:\d\d.*?\s?(Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)$"  # a clock time first, so that a date's -05 is none
EPOCHS = ((1e17, "ns"), (1e14, "us"), (1e11, "ms"), (0.0, "s"))  # a unit from the size of the number: 1973 to 5138
FIRST, LAST = pd.Timestamp("1700-01-01"), pd.Timestamp("2200-01-01")


@dataclass(frozen=True)
class Times:
    """`utc`: datetime64[ns], NaT where unreadable; `naive`: no time named its zone; `intraday`: not all at midnight.

    `doubtful`: a date such as 03/04/2024 that was read month first, where no other date of the file tells; or None.
    """

    utc: np.ndarray
    naive: bool
    intraday: bool
    doubtful: str | None = None


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


def parse(raw: pd.Series, timezone: str | None, where: str) -> Times:
    """The times of `raw`: stamps, ISO or other common text, YYYYMMDD, or seconds to nanoseconds since 1970.

    `timezone` says what naive times mean; None means UTC. DataError where zones are mixed.
    """
    doubtful = None
    if isinstance(raw.dtype, pd.DatetimeTZDtype):
        stamps, naive = raw.dt.tz_convert("UTC").dt.tz_localize(None), False
    elif pd.api.types.is_datetime64_dtype(raw.dtype):
        stamps, naive = raw, True
    else:
        text = raw.astype("string").str.strip()
        digits = text.str.fullmatch(r"\d{8,19}(\.\d+)?").fillna(False).astype(bool)
        if digits.any() and digits.sum() * 2 > text.notna().sum():
            stamps, naive = _numbers(text.where(digits))
        else:
            stamps, naive, doubtful = _texts(text, timezone, where)
    stamps = stamps.where((stamps >= FIRST) & (stamps < LAST)).astype("datetime64[ns]")
    known = stamps.dropna()
    intraday = bool((known != known.dt.normalize()).any())
    if naive and timezone is not None:
        local = stamps.dt.tz_localize(timezone, ambiguous="NaT", nonexistent="NaT")
        stamps = local.dt.tz_convert("UTC").dt.tz_localize(None)
    return Times(stamps.to_numpy("datetime64[ns]"), naive, intraday, doubtful)


def _numbers(text: pd.Series) -> tuple[pd.Series, bool]:
    """20240102 is a date, which is naive; larger numbers count from 1970 in UTC."""
    value = pd.to_numeric(text, errors="coerce").astype("float64")
    if value.max() < 1e8:
        return pd.to_datetime(text, format="%Y%m%d", errors="coerce"), True
    unit = next(unit for least, unit in EPOCHS if value.median() >= least)
    whole = pd.to_numeric(text.str.partition(".")[0], errors="coerce").astype("Int64") if unit == "ns" else value
    return pd.to_datetime(whole, unit=unit, errors="coerce").astype("datetime64[ns]"), False


def _texts(text: pd.Series, timezone: str | None, where: str) -> tuple[pd.Series, bool, str | None]:
    zones = text.str.extract(OFFSET, expand=False)
    naive = bool(zones.isna().all())
    text = text.str.replace(r"\s?(UTC|GMT)$", "Z", regex=True)
    doubtful = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas warns of slow or guessed formats; what is not read is a fault here
        stamps = pd.to_datetime(text, format="ISO8601", errors="coerce", utc=True)
        if stamps.isna().sum() * 2 > len(text):
            day_first, doubtful = _day_first(text)
            stamps = pd.to_datetime(text, errors="coerce", utc=True, dayfirst=day_first)
    if not naive:
        _one_zone(zones[stamps.notna()], stamps.dropna(), timezone, where)
    return stamps.dt.tz_localize(None), naive, doubtful


def _day_first(text: pd.Series) -> tuple[bool, str | None]:
    """Whether 03/04/2024 is in April, as dates that read one way only tell; and a date in doubt where none tells."""
    parts = text.str.extract(rf"^{SLASHED}").dropna()
    if parts.empty:
        return False, None
    first, second = parts[0].astype(int), parts[2].astype(int)
    if (first > 12).any() or (parts[1] == ".").any():
        return True, None
    differ = first != second
    tells = bool((second > 12).any()) or not differ.any()
    return False, None if tells else str(text[differ.idxmax()])


def _one_zone(zones: pd.Series, stamps: pd.Series, timezone: str | None, where: str) -> None:
    """DataError unless all times carry one offset, or those of `timezone`'s summer and winter."""
    shown = zones.fillna("none")
    other = shown != shown.iloc[0]
    if not other.any():
        return
    row, odd = int(other.idxmax()), shown[other.idxmax()]
    seen = f"{where}: mixed time zones: row {int(shown.index[0]) + 1} has {shown.iloc[0]}, row {row + 1} has {odd}"
    if zones.isna().any():
        raise DataError(f"{seen}; give every time its zone, or none and data.timezone")
    if timezone is None:
        raise DataError(f"{seen}; if they are one zone's summer and winter, name it: data.timezone=America/New_York")
    local = stamps.dt.tz_convert(timezone).dt.strftime("%z")
    given = zones.replace({"Z": "+0000", "UTC": "+0000", "GMT": "+0000"}).str.replace(":", "").str.ljust(5, "0")
    wrong = local != given
    if wrong.any():
        row = int(wrong.idxmax())
        raise DataError(f"{where}: mixed time zones: row {row + 1} has {zones[row]}, which is not {timezone}'s there")
