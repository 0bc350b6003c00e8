"""Features and labels of sessions: known by the calendar, not by later bars; no leak, and as live as in batch."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from barwise.audit.features import features_look_back
from barwise.audit.findings import Audit
from barwise.audit.labels import labels_can_be_earned, labels_wait
from barwise.data.bars import Market
from barwise.data.shape import Shape
from barwise.errors import ConfigError
from barwise.features.context import context
from barwise.features.matrix import build
from barwise.features.price import price
from barwise.features.sessions import gap, session
from barwise.labels import forward_return, next_return_sign, triple_barrier
from tests.data.trading import session_bars
from tests.features.test_every import SHORT, worth
from tests.reference.sessions import barrier_by_hand, held_by_hand

CALENDAR = Shape.of({"calendar": "XNYS"})


def autumn(minutes: int = 30, lost: tuple[int, ...] = ()):
    bars = session_bars("XNYS", "2023-10-30", "2024-01-19", minutes)
    market = Market((bars.take(np.delete(np.arange(len(bars)), lost)),))
    return CALENDAR.shaped(lambda: market)().bars[0]


def test_first_and_last_bars_times_to_close_and_ends_of_months():
    bars = autumn()
    found = session(bars)
    assert found["first_bar"].sum() == found["last_bar"].sum() == 56
    last = found["last_bar"] == 1
    assert (found["minutes_to_close"][last] == 0).all() and found["minute_of_session"][0] == 0
    ends = bars.time[(found["month_end"] == 1) & last].astype("datetime64[D]").astype(str)
    assert list(ends) == ["2023-10-31", "2023-11-30", "2023-12-29"]


def test_the_gap_is_that_over_the_close_before():
    bars = autumn(lost=(200,))
    found = gap(bars)
    number = bars.extra["session_number"]
    assert np.isnan(found["gap"][number == number[0]]).all()
    for day in np.unique(number)[1:]:
        own, before = number == day, bars.close[number < day][-1]
        np.testing.assert_allclose(found["gap"][own], bars.open[own][0] / before - 1)
        np.testing.assert_allclose(found["since_close"][own], bars.close[own] / before - 1)
    days = session_bars("XNYS", "2023-10-30", "2024-01-19", 390)
    daily = replace(days, time=days.time.astype("datetime64[D]").astype("datetime64[ns]"))
    np.testing.assert_allclose(gap(daily)["gap"][1:], daily.open[1:] / daily.close[:-1] - 1)


def test_without_a_calendar_they_say_what_to_set():
    bars = session_bars("XNYS", "2023-10-30", "2023-11-03")
    for one in (session, gap, partial(next_return_sign, within_session=True)):
        with pytest.raises(ConfigError, match=r"set data.calendar=XNYS"):
            one(bars)
    with pytest.raises(ConfigError, match="there is no column to make features of"):
        context(autumn())


@pytest.mark.parametrize("execution", ["next_open", "next_close"])
@pytest.mark.parametrize("horizon", [1, 4, 40])
def test_trades_that_end_with_the_session_are_those_by_hand(execution, horizon):
    bars = autumn(lost=(12, 100, 101, 250))  # 12: a session's last bar
    found = forward_return(bars, horizon, execution, within_session=True)
    ret, end = held_by_hand(bars, horizon, execution)
    np.testing.assert_allclose(found.ret, ret)
    np.testing.assert_array_equal(found.end, end)
    barriers = triple_barrier(bars, min(horizon, 10), 1.0, 1.0, 20, execution, within_session=True)
    np.testing.assert_allclose(barriers.ret, barrier_by_hand(bars, min(horizon, 10), 1.0, 20, execution))
    number = bars.extra["session_number"]
    known = np.flatnonzero(np.isfinite(barriers.ret))
    assert (number[np.searchsorted(bars.time, barriers.end[known])] == number[known + 1]).all()


@pytest.mark.parametrize("execution", ["next_open", "next_close"])
def test_what_the_calendar_knows_is_no_leak(execution):
    bars = autumn(lost=(12, 100))
    matrix = build([bars], {"session": session, "gap": gap})
    audit = Audit("thorough", 0)
    audit.hear("features", features_look_back(audit, matrix, {"session": session, "gap": gap}))
    for labeler in (partial(next_return_sign, execution=execution, within_session=True),
                    partial(triple_barrier, execution=execution, within_session=True)):  # fmt: skip
        audit.hear("labels", labels_wait(audit, matrix, labeler))
        audit.hear("labels", labels_can_be_earned(audit, matrix, labeler, execution))
    assert not audit.findings
    leaky = Audit("quick", 0)
    leaky.hear("features", features_look_back(leaky, matrix, {"session": last_by_the_bars}))
    assert [f.level for f in leaky.findings] == ["leak"]


def last_by_the_bars(bars):
    """Wrong: the last bar of a session is told by the bar that follows."""
    number = bars.extra["session_number"]
    return {"last": np.append(np.diff(number) > 0, True).astype(float)}


def test_what_the_calendar_shows_is_found_by_session_and_by_nothing_else():
    """The last hour of a session, half days too, goes up on Mondays, Wednesdays and Fridays, and down on the others."""
    bars = []
    for s, name in enumerate("ABC"):
        made = replace(session_bars("XNYS", "2022-09-01", "2023-12-29", 30, name, s))
        own = CALENDAR.shaped(lambda made=made: Market((made,)))().bars[0]
        side = np.where(own.extra["session_weekday"] % 2 == 0, 1.0, -1.0)
        drift = np.cumsum(np.where(own.extra["session_left"] < 90, 0.0008 * side, 0.0))
        scale = {n: getattr(own, n) * np.exp(drift) for n in ("open", "high", "low", "close")}
        top = np.maximum(scale["high"], scale["open"])
        bars.append(replace(own, **{**scale, "high": top}))
    found, by_price = worth(bars, {"session": session}), worth(bars, {"price": partial(price, **SHORT), "gap": gap})
    assert found > 0.05 and abs(by_price) < 0.03, (found, by_price)
