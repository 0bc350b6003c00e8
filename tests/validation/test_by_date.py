"""Validation by dates and by the calendar: blocks, windows, embargo and validation stretches where they belong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hydra.utils import instantiate
from hypothesis import given
from hypothesis import strategies as st

from barwise.console.arguments import compose
from barwise.data.durations import duration, moment
from barwise.errors import ConfigError
from barwise.validation.by_date import Dates
from barwise.validation.folds import Validation
from barwise.validation.splits import PurgedKFold, WalkForward
from tests.validation.test_folds import panel_of

DAYS = pd.bdate_range("2015-01-01", "2020-12-31").to_numpy("datetime64[ns]")
HOURS = pd.date_range("2020-01-01", periods=5000, freq="h").to_numpy("datetime64[ns]")


def dates(positions: np.ndarray) -> tuple[str, str]:
    return str(DAYS[positions[0]])[:10], str(DAYS[positions[-1]])[:10]


@pytest.mark.parametrize(
    ("every", "freq"), [("1W", "W-SUN"), ("1M", "M"), ("1Q", "Q"), ("1Y", "Y"), ("2Y", "2Y"), ("5D", None)]
)
def test_each_test_block_is_one_stretch_of_the_calendar(every, freq):
    splits = list(WalkForward(every=every, first_train="3Y").split(DAYS))
    tested = np.concatenate([test for _, test in splits])
    assert (np.diff(tested) == 1).all() and tested[-1] == len(DAYS) - 1
    assert all(train[0] == 0 and train[-1] == test[0] - 1 for train, test in splits)
    if freq and not freq.startswith("2"):
        periods = [set(pd.DatetimeIndex(DAYS[test]).to_period(freq)) for _, test in splits]
        assert all(len(p) == 1 for p in periods) and len(set.union(*periods)) == len(splits)
    if every == "1Y":
        assert [dates(test) for _, test in splits] == [
            ("2018-01-01", "2018-12-31"), ("2019-01-01", "2019-12-31"), ("2020-01-01", "2020-12-31")
        ]  # fmt: skip


def test_a_window_is_years_of_the_calendar():
    splits = list(WalkForward(every="1Q", first_train="3Y", window="2Y").split(DAYS))
    assert dates(splits[0][0]) == ("2016-01-01", "2017-12-29") and dates(splits[0][1]) == ("2018-01-01", "2018-03-30")
    for train, test in splits:
        begin = (pd.Timestamp(DAYS[test[0]]) - pd.DateOffset(years=2)).to_datetime64()
        assert DAYS[train[0]] >= begin > DAYS[train[0] - 1]


def test_a_share_begins_with_the_next_whole_stretch():
    (train, test), *_ = WalkForward(every="1Y", first_train=0.4).split(DAYS)
    assert dates(test) == ("2018-01-01", "2018-12-31") and dates(train)[1] == "2017-12-29"


def test_validation_hands_the_calendar_to_its_splitter():
    config = compose(["validation.every=1Q", "validation.window=2Y", "validation.splitter.first_train=3Y"])
    splitter = instantiate(config.validation, _convert_="all").splitter
    assert splitter == WalkForward(every="1Q", window="2Y", first_train="3Y")
    assert splitter.get_n_splits(DAYS) == len(list(splitter.split(DAYS))) == 12


def test_fixed_dates_are_included_and_make_one_fold():
    ((train, valid, test),) = Dates("2017", "2018-06", "2019-12-31", "2015-06-01").split(DAYS)
    assert dates(train) == ("2015-06-01", "2017-12-29")
    assert dates(valid) == ("2018-01-01", "2018-06-29") and dates(test) == ("2018-07-02", "2019-12-31")


def test_validation_takes_the_dates_stretches():
    panel = panel_of(1, 1, 0.0, 0, n=400)
    times = np.unique(panel.time)
    splitter = Dates(str(times[200])[:10], str(times[300])[:10])
    (fold,) = Validation(splitter, valid_fraction=None, min_train=1).folds(panel)
    assert panel.time[fold.valid].min() == times[201] and panel.time[fold.test].min() == times[301]
    assert panel.end[fold.train].max() < times[201] and panel.end[fold.valid].max() < times[301]
    with pytest.raises(ConfigError, match="valid_fraction: the splitter says"):
        Validation(splitter, min_train=1).folds(panel)


@pytest.mark.parametrize(("length", "bars"), [(50, 50), ("50D", 50), ("10D", 10)])
def test_the_validation_stretch_has_a_length(length, bars):
    panel = panel_of(1, 1, 0.0, 0, n=400)  # a bar a day
    for fold in Validation(WalkForward(2), valid_fraction=None, valid_length=length, min_train=1).folds(panel):
        times = np.unique(panel.time)
        first_test = np.searchsorted(times, panel.time[fold.test].min())
        assert np.searchsorted(times, panel.time[fold.valid].min()) == first_test - bars


@pytest.mark.parametrize(("written", "bars"), [("5D", 5), ("1W", 7)])
def test_an_embargo_of_days_is_that_of_as_many_daily_bars(written, bars):
    panel = panel_of(1, 1, 0.0, 0, n=400)
    by_date, by_bars = (Validation(PurgedKFold(4), embargo=e, min_train=1).folds(panel) for e in (written, bars))
    for one, other in zip(by_date, by_bars, strict=True):
        np.testing.assert_array_equal(one.train, other.train)
        np.testing.assert_array_equal(one.valid, other.valid)


@given(
    st.integers(1, 30),
    st.sampled_from("DWMQY"),
    st.dates(pd.Timestamp("1990-01-01").date(), pd.Timestamp("2040-01-01").date()),
)
def test_after_and_before_agree_with_pandas(count, unit, day):
    given_day = np.datetime64(day, "ns")
    found = duration("x", f"{count}{unit}")
    offset = {
        "D": {"days": count},
        "W": {"weeks": count},
        "M": {"months": count},
        "Q": {"months": 3 * count},
        "Y": {"years": count},
    }
    assert found.after(given_day) == np.datetime64((pd.Timestamp(day) + pd.DateOffset(**offset[unit])).to_datetime64())
    assert found.before(found.after(given_day)) <= given_day


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: WalkForward(every="1X"), "validation.splitter.every=1X"),
        (lambda: WalkForward(window="long"), "validation.splitter.window=long"),
        (lambda: WalkForward(first_train=1.5), "validation.splitter.first_train=1.5"),
        (lambda: list(WalkForward(every="1Y", first_train="9Y").split(DAYS)), "first_train=9Y: leaves no test block"),
        (lambda: list(WalkForward(every="1h").split(HOURS)), "folds, each a model trained"),
        (lambda: Dates("2018", "2017"), "train_until must come before valid_until"),
        (lambda: Dates("soon", "2017"), "validation.splitter.train_until=soon"),
        (lambda: list(Dates("2030", "2031").split(DAYS)), "no validation bars between its dates"),
        (lambda: Validation(WalkForward(), embargo="5X"), "validation.embargo=5X"),
        (lambda: Validation(WalkForward(), every="5X"), "validation.every=5X"),
        (lambda: Validation(PurgedKFold(), every="1M"), "validation.every=1M: PurgedKFold has none"),
        (lambda: Validation(WalkForward(3), every="1M"), "n_splits=3: has no effect with every=1M; leave it at 5"),
        (lambda: Validation(WalkForward(), valid_length="6M"), "set validation.valid_fraction=null"),
        (lambda: Validation(WalkForward(), valid_fraction=None, valid_length=0), "validation.valid_length=0"),
    ],
)  # fmt: skip
def test_a_setting_out_of_range_is_one_line(make, said):
    with pytest.raises(ConfigError, match=said):
        make()


def test_dates_are_days_months_and_years():
    assert moment("x", "2019", False) == np.datetime64("2019-01-01") and moment("x", 2019, True) < np.datetime64(
        "2020-01-01"
    )
    assert moment("x", "2019-02", True) == np.datetime64("2019-03-01", "ns") - np.timedelta64(1, "ns")
