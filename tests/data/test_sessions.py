"""Sessions of a calendar: half days, holidays, changes of clocks, hours, bars that are missing."""

from __future__ import annotations

import builtins

import numpy as np
import pytest

from barwise.console.arguments import compose
from barwise.data.bars import Bars, Market
from barwise.data.hours import hours
from barwise.data.sessions import COLUMNS
from barwise.data.shape import Shape
from barwise.errors import ConfigError
from barwise.experiment.recipe import data_source
from tests.data.trading import MINUTES, bars_at, local, session_bars

AUTUMN = session_bars("XNYS", "2023-10-30", "2023-12-08")  # the clocks go back on 5 November; 24 November is a half day


def shaped(bars: Bars, **settings) -> Market:
    return Shape.of(settings).shaped(lambda: Market((bars,)))()


def day(bars: Bars, date: str) -> np.ndarray:
    return np.asarray(local(bars.time).strftime("%Y-%m-%d") == date)


def test_each_bar_knows_its_session_through_half_days_and_changes_of_clocks():
    (bars,) = shaped(AUTUMN, calendar="XNYS").bars
    number, minute, left, weekday, month = (bars.extra[name] for name in COLUMNS)
    clock = local(bars.time)
    assert len(np.unique(number)) == 29 and (np.diff(number) >= 0).all()
    np.testing.assert_array_equal(minute, clock.hour * 60 + clock.minute - 570)
    half = day(bars, "2023-11-24")
    assert half.sum() == 42 and left[half][-1] == 0 and left[half][0] == 205
    assert ((left == 0) == np.append(np.diff(number) > 0, True)).all()
    np.testing.assert_array_equal(weekday, clock.day_of_week)
    assert month[day(bars, "2023-11-30")].max() == 0 and month[day(bars, "2023-11-29")].min() == 1
    assert month[day(bars, "2023-12-08")][0] == 14  # the calendar's, beyond the last bar there is
    assert not day(bars, "2023-11-23").any()  # Thanksgiving


@pytest.mark.parametrize("stamp", ["open", "close"])
def test_bars_stamped_at_their_close_lie_where_those_stamped_at_their_open_do(stamp):
    moved = bars_at(AUTUMN.time + (MINUTES if stamp == "close" else 0 * MINUTES))
    found, wanted = shaped(moved, calendar="XNYS", stamp=stamp).bars[0], shaped(AUTUMN, calendar="XNYS").bars[0]
    for name in COLUMNS:
        np.testing.assert_array_equal(found.extra[name], wanted.extra[name])


def test_missing_bars_and_sessions_are_counted():
    lost = np.concatenate([[100, 101], np.flatnonzero(day(AUTUMN, "2023-11-14")), [1500]])
    extra = bars_at(np.append(AUTUMN.time[0] - 12 * MINUTES, np.delete(AUTUMN.time, lost)))  # one before hours
    market = shaped(extra, calendar="XNYS")
    facts = market.facts["calendar"]
    assert (facts["expected_bars"], facts["missing_bars"]) == (len(AUTUMN), 2 + 78 + 1)
    assert (facts["sessions"], facts["short_sessions"], facts["sessions_without_bars"]) == (29, 1, 1)
    assert facts["bars_outside"] == 1 and np.isnan(market.bars[0].extra["session_left"][0])
    assert any("81 of 2,226 expected bars are missing" in note for note in market.facts["notes"])
    assert market.periods_per_year == 252 * 78


@pytest.mark.parametrize(("minutes", "expected"), [(60, 7), (30, 13), (7, 56)])
def test_bars_that_do_not_begin_with_the_session_are_expected_too(minutes, expected):
    if minutes == 60:  # on the full hour: the first opens half an hour before the session
        market = shaped(AUTUMN, calendar="XNYS", resample="1h")
    else:
        market = shaped(session_bars("XNYS", "2023-10-30", "2023-12-08", minutes), calendar="XNYS")
    facts, extra = market.facts["calendar"], market.bars[0].extra
    assert facts["missing_bars"] == 0 and market.periods_per_year == 252 * expected
    for name in ("session_left", "session_minute"):
        assert (extra[name] == 0).sum() == 29


def test_a_break_at_noon_is_no_session():
    bars = session_bars("XHKG", "2024-03-04", "2024-03-15")
    market = shaped(bars, calendar="XHKG")
    facts = market.facts["calendar"]
    assert facts["expected_bars"] == 10 * 66 and facts["missing_bars"] == 0 and facts["bars_outside"] == 10 * 12
    assert [len(b) for b in shaped(bars, calendar="XHKG", session="regular").bars] == [660]


def test_hours_are_those_of_the_exchange():
    bars = bars_at(np.datetime64("2023-11-03", "ns") + np.arange(4 * 288) * MINUTES)  # round the clock, over the change
    by_zone = shaped(bars, session="09:30-16:00", timezone="America/New_York").bars[0]
    clock = local(by_zone.time)
    minute = clock.hour * 60 + clock.minute
    assert set(minute) == set(range(570, 960, 5)) and len(by_zone) == 4 * 78
    with_calendar = shaped(bars, session="09:30-16:00", calendar="XNYS")
    assert len(with_calendar.bars[0]) == 2 * 78  # no Saturday, no Sunday
    assert with_calendar.facts["outside_session"] == len(bars) - 2 * 78
    narrow = shaped(AUTUMN, session="10:00-15:00", calendar="XNYS").bars[0]
    assert (narrow.extra["session_left"] == 0).sum() == 29 and len(narrow) == 28 * 60 + 36
    night = hours("x", "18:00-09:30").contain(bars.time, "America/New_York")
    np.testing.assert_array_equal(night, ~hours("x", "09:30-18:00").contain(bars.time, "America/New_York"))


def test_round_the_clock_is_a_session_a_day():
    market = shaped(bars_at(np.datetime64("2024-01-01", "ns") + np.arange(10 * 288) * MINUTES), calendar="24/7")
    assert market.periods_per_year == pytest.approx(365 * 288, rel=0.01)
    assert (market.bars[0].extra["session_left"] == 0).sum() == 10


def test_every_source_may_have_a_calendar():
    market = data_source(compose(["data=sample", "data.symbols=[IBM]", "data.calendar=XNYS"]))()
    facts = market.facts["calendar"]
    assert facts["missing_bars"] == facts["bars_outside"] == 0 and facts["sessions"] == len(market.bars[0])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["data.calendar=XNIS"], r"data.calendar=XNIS: exchange_calendars has no such calendar; near to it are"),
        (["data.calendar=7"], r"data.calendar=7: must be the name of a calendar"),
        (["+data.session=regular"], r"data.session=regular: which hours are regular the calendar says"),
        (["+data.session=09:30-16:00"], r"data.session=09:30-16:00: on which clock\?"),
        (["+data.session=9-16", "data.calendar=XNYS"], r"data.session=9-16: must be hours of a day such as"),
        (["data.resample=1W", "data.calendar=XNYS"], r"bars of more than a day have no session"),
    ],
)
def test_a_wrong_setting_is_told_in_one_line(words, said):
    with pytest.raises(ConfigError, match=said):
        data_source(compose(["data=sample", "data.symbols=[IBM]", *words]))()


def test_without_the_library_one_line_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def refused(name, *rest):
        if name.startswith("exchange_calendars"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refused)
    with pytest.raises(ConfigError, match=r"pip install 'barwise\[calendars\]'"):
        shaped(AUTUMN, calendar="XLON")
