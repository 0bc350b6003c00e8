"""Periods a year by the usual spacing: no hole, stray row or change of bar size rescales a Sharpe ratio."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barwise.data.calendar import bar_size_name, periods_per_year, spacing_warning

NEW_YORK = [pd.Timedelta(minutes=5 * i) for i in range(168, 246)]  # 14:00 to 20:25 UTC, 78 bars
WEEK = pd.date_range("2023-01-01", periods=6000, freq="h")


def at(times: object) -> np.ndarray:
    return pd.DatetimeIndex(times).to_numpy("datetime64[ns]")


def days(start: str, count: int) -> pd.DatetimeIndex:
    return pd.bdate_range(start, periods=count)


def intraday(index: pd.DatetimeIndex, clock: list[pd.Timedelta]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex([day + time for day in index for time in clock])


def fx() -> pd.DatetimeIndex:
    """Hours from Sunday 22:00 to Friday 21:00."""
    since = ((WEEK.day_of_week + 1) % 7) * 24 + WEEK.hour
    return WEEK[(since >= 22) & (since < 5 * 24 + 22)]


USUAL = {
    "weekdays": (days("2010-01-01", 2500), 260.9),
    "twenty weekdays": (days("2010-01-04", 20), 252),
    "every day": (pd.date_range("2015-01-01", periods=1500), 365.24),
    "hours of every day": (pd.date_range("2024-01-01", periods=3000, freq="h"), 8765.8),
    "weeks": (pd.date_range("2005-01-07", periods=700, freq="7D"), 52),
    "months": (pd.date_range("1995-01-01", periods=360, freq="MS"), 12),
    "ends of business months": (pd.date_range("1995-01-01", periods=360, freq="BME"), 12),
    "quarters": (pd.date_range("1995-01-01", periods=80, freq="QS"), 4),
    "hours of foreign exchange": (fx(), 6261),
    "two bars a day": (intraday(days("2022-01-03", 900), [pd.Timedelta(0), pd.Timedelta(hours=12)]), 521.8),
    "five minutes of a session": (intraday(days("2018-01-01", 400), NEW_YORK), 78 * 260.9),
}  # fmt: skip


@pytest.mark.parametrize("name", USUAL)
def test_bars_a_year_of_an_even_series(name):
    times, right = USUAL[name]
    assert periods_per_year(at(times)) == pytest.approx(right, rel=0.01)
    assert spacing_warning(at(times)) is None


def test_years_as_far_back_as_1700_are_one_a_year():
    assert periods_per_year(np.array([f"{year}-01-01" for year in range(1700, 2024)], "datetime64[s]")) == 1.0


UNEVEN = {
    "a hole of eleven years": (days("2008-01-01", 450).append(days("2020-01-01", 450)), 260.9, "2009-09-21 to 2020-01"),
    "a stray row of 1970": (pd.DatetimeIndex(["1970-01-01"]).append(days("2020-01-01", 900)), 260.9, "1970-01-01 to"),
    "days before five minutes": (
        days("2010-01-01", 2000).append(intraday(days("2018-01-01", 300), NEW_YORK)), 78 * 260.9, "2000 bars from 2010"
    ),
    "a few sessions after days": (
        days("2010-01-01", 2000).append(intraday(days("2018-01-01", 5), NEW_YORK)), 260.9, "390 bars from 2018-01-01"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNEVEN)
def test_what_is_not_usual_rescales_nothing_and_is_named(name):
    times, right, said = UNEVEN[name]
    assert periods_per_year(at(times)) == pytest.approx(right, rel=0.01)
    warning = spacing_warning(at(times))
    assert warning is not None and said in warning
    (number,) = re.findall(r"data\.periods_per_year=([\d.e+]+)", warning)  # the advice can be run as printed
    assert 1 <= float(number) <= 1e8


@given(
    st.lists(st.integers(-(10**10), 10**10), min_size=3, max_size=60, unique=True),
)
def test_it_is_above_zero_whatever_the_times(seconds):
    times = np.sort(np.array(seconds, "datetime64[s]"))
    assert periods_per_year(times) > 0
    spacing_warning(times)


@pytest.mark.parametrize(
    ("freq", "name"),
    [("5min", "5 minutes"), ("h", "1 hour"), ("D", "1 day"), ("7D", "1 week"), ("MS", "1 month"), ("YS", "1 year")],
)
def test_a_bars_size_has_a_name(freq, name):
    assert bar_size_name(at(pd.date_range("2001-01-01", periods=30, freq=freq))) == name
