"""Larger bars of smaller ones: what they are made of, and from which stamp on they are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barwise.console.arguments import compose
from barwise.data.bars import Bars, Market
from barwise.data.durations import duration
from barwise.data.resample import Size, combined, group, resampled
from barwise.errors import ConfigError
from barwise.experiment.recipe import data_source
from tests.features.intraday import pairs

MINUTE = np.timedelta64(60, "s").astype("timedelta64[ns]")


def size(every: str, stamp: str = "open", timezone: str | None = None) -> Size:
    return Size(duration("every", every), stamp, timezone)


def bars_at(time: np.ndarray) -> Bars:
    close = 100 * np.exp(0.001 * np.random.default_rng(0).normal(size=len(time)).cumsum())
    return Bars(
        "A", time.astype("datetime64[ns]"), close, close * 1.01, close * 0.99, close, np.arange(1.0, len(time) + 1)
    )


def minutes(first: str, n: int, step: int = 5) -> np.ndarray:
    return np.datetime64(first, "ns") + np.arange(n) * step * MINUTE


@pytest.mark.parametrize(
    ("every", "freq"), [("15min", "15min"), ("1h", "1h"), ("4h", "4h"), ("1d", "1D"), ("1M", "MS")]
)
def test_larger_bars_are_those_of_pandas(every, freq):
    bars = replace(pairs(900)[0], extra={"bid": np.where(np.arange(10_800) % 7, np.arange(10_800.0), np.nan)})
    frame = pd.DataFrame(
        {n: getattr(bars, n) for n in ("open", "high", "low", "close", "volume")} | bars.extra, bars.time
    )
    how = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum", "bid": "last"}
    wanted = frame.resample(freq).agg(how).dropna(subset=["close"])
    groups = group(bars.time, size(every))
    found = combined(bars, groups.number, groups.time)
    np.testing.assert_array_equal(found.time, wanted.index.to_numpy("datetime64[ns]"))
    for name in how:
        values = found.extra[name] if name == "bid" else getattr(found, name)
        np.testing.assert_allclose(values, wanted[name].to_numpy())


def test_a_larger_bar_is_known_with_the_bar_that_closes_it():
    opens = group(minutes("2024-03-04T09:00", 24), size("1h"))
    np.testing.assert_array_equal(opens.known, [-1] * 11 + [0] * 12 + [1])
    closes = group(minutes("2024-03-04T09:05", 24), size("1h", "close"))
    np.testing.assert_array_equal(closes.known, opens.known)
    assert str(closes.time[0])[:16] == "2024-03-04T10:00" and str(opens.time[0])[:16] == "2024-03-04T09:00"


def test_without_its_last_bar_it_is_known_with_the_next():
    time = np.delete(minutes("2024-03-04T09:00", 36), 23)  # 10:55
    found = group(time, size("1h"))
    known = dict(zip(time.astype("datetime64[m]").astype(str), found.known, strict=True))
    assert known["2024-03-04T10:50"] == 0 and known["2024-03-04T11:00"] == 1


def test_weeks_begin_on_mondays_and_a_friday_does_not_close_one():
    days = np.array(["2024-03-04", "2024-03-05", "2024-03-08", "2024-03-11"], "datetime64[ns]")
    found = group(days, size("1W"))
    np.testing.assert_array_equal(found.known, [-1, -1, -1, 0])
    assert str(found.time[0])[:10] == "2024-03-04"


@pytest.mark.parametrize("day", ["2024-03-10", "2024-11-03"])
def test_days_and_hours_are_those_of_the_time_zone_through_a_change_of_clocks(day):
    zone = "America/New_York"
    begin = np.datetime64(day, "ns") - np.timedelta64(24, "h")
    time = begin + np.arange(3 * 288) * 5 * MINUTE
    local = pd.DatetimeIndex(time).tz_localize("UTC").tz_convert(zone)
    days = group(time, size("1d", timezone=zone))
    assert len(days.time) == len(set(local.date))
    np.testing.assert_array_equal(days.time[days.number].astype("datetime64[D]"), local.date.astype("datetime64[D]"))
    hours = group(time, size("1h", timezone=zone))
    assert (np.bincount(hours.number) == 12).all()  # the hour that comes twice is two
    half = group(time, size("1h", timezone="Asia/Kolkata"))
    assert str(half.time[1])[14:16] == "30"


@settings(max_examples=30, deadline=None)
@given(
    steps=st.lists(st.sampled_from([1, 2, 3, 5, 5, 5, 7, 10, 60, 240, 3000]), min_size=2, max_size=150),
    every=st.sampled_from(["7min", "30min", "1h", "4h", "1d", "1W", "1M"]),
    stamp=st.sampled_from(["open", "close"]),
    zone=st.sampled_from([None, "America/New_York", "Australia/Lord_Howe"]),
    cut=st.integers(1, 150),
)
def test_what_is_known_never_changes_when_bars_are_added(steps, every, stamp, zone, cut):
    time = np.datetime64("2024-03-08T21:03", "ns") + np.cumsum(steps) * MINUTE
    whole, part = group(time, size(every, stamp, zone)), group(time[:cut], size(every, stamp, zone))
    n = len(part.number)
    np.testing.assert_array_equal(whole.number[:n], part.number)
    np.testing.assert_array_equal(whole.known[:n], part.known)
    assert (
        (np.diff(whole.number) >= 0).all()
        and (np.diff(whole.number) <= 1).all()
        and (np.diff(whole.time) > MINUTE).all()
    )
    for row, last in enumerate(whole.known):  # a larger bar that is known gets no further bar
        assert not (whole.number[row + 1 :] <= last).any()


def test_resample_keeps_closed_bars_and_says_what_it_leaves_out():
    bars = pairs(48)
    market = resampled(Market(tuple(b.take(slice(0, -3)) for b in bars)), size("1h"))
    assert [len(b) for b in market.bars] == [47] * 3
    assert "3 symbols had not closed" in market.facts["notes"][-1]
    assert [len(b) for b in resampled(Market(tuple(bars)), size("1h")).bars] == [48] * 3


def test_every_source_can_be_resampled():
    weeks = data_source(compose(["data=sample", "data.symbols=[IBM]", "data.resample=1W"]))().bars[0]
    assert (np.diff(weeks.time) >= np.timedelta64(7, "D")).all() and len(weeks) > 600


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["data.resample=1x"], "data.resample=1x: must be a length such as"),
        (["data.resample=1h"], "data.resample=1h: the bars of AAPL are of 1 day; it must be longer"),
        (["data=files", "data.stamp=middle"], "data.stamp=middle: must be one of open, close"),
        (["data=files", "data.path=x.csv", "data.stamp=close"], "data.stamp=close: has no effect without larger bars"),
    ],
)
def test_a_wrong_setting_is_told_in_one_line(words, said):
    with pytest.raises(ConfigError, match=said):
        data_source(compose(words))()
