"""Windows that are computed together stand in long series, each whole, beside bars that are not its own."""

from __future__ import annotations

import numpy as np
import pytest

from barwise.audit.disguise import CYCLE, disguised
from barwise.audit.joined import joined
from barwise.data.bars import Bars


def market(symbols: int, start: str = "2000-01-03", n: int = 3_000) -> list[Bars]:
    time = np.datetime64(start, "ns") + np.arange(n) * np.timedelta64(1, "D")
    found = []
    for s in range(symbols):
        close = 100.0 + 10_000.0 * s + np.arange(n)  # no two bars of the market have one close
        found.append(Bars(f"S{s}", time, close, close, close, close, np.ones(n)))
    return found


def items_of(bars: list[Bars], count: int, window: int = 200) -> np.ndarray:
    random = np.random.default_rng(3)
    row = random.integers(window, len(bars[0]), count)
    return np.column_stack([random.integers(len(bars), size=count), row, row - window + 1])


@pytest.mark.parametrize("symbols", [1, 4])
def test_every_window_stands_once_and_whole(symbols):
    bars = market(symbols)
    items = items_of(bars, 120)
    seen: list[int] = []
    for group, whole in joined(bars, items):
        assert (np.diff(whole.time) > np.timedelta64(0)).all()
        ends = np.cumsum(items[group, 1] - items[group, 2] + 1)
        for i, end in zip(group, ends, strict=True):
            symbol, row, first = items[i]
            part = slice(end - (row - first + 1), end)
            np.testing.assert_array_equal(whole.close[part], bars[symbol].close[first : row + 1])
            assert not (end < len(whole) and whole.close[end] == bars[symbol].close[row] + 1.0)  # not what followed
            away = whole.time[part] - bars[symbol].time[first : row + 1]
            assert (away == away[0]).all() and away[0] % CYCLE == np.timedelta64(0)
        seen += group
    assert sorted(seen) == list(range(len(items)))


def test_windows_of_one_symbol_do_not_follow_one_another_where_there_are_others():
    bars = market(3)
    items = items_of(bars, 90)
    for group, _ in joined(bars, items):
        assert (np.diff(items[group, 0]) != 0).all()


@pytest.mark.parametrize("start", ["1905-01-02", "1962-01-02", "2000-01-03", "2055-01-04"])
def test_days_keep_their_place_in_month_and_week(start):
    bars = market(4, start)
    series = list(joined(bars, items_of(bars, 120)))
    assert len(series) < 40  # many windows, few series
    original = set(bars[0].time.astype("datetime64[D]").astype(object))
    days = {(day.month, day.day, day.weekday()) for day in original}
    for _, whole in series:
        later = disguised(whole, 0).time.astype("datetime64[D]").astype(object)
        assert all((day.month, day.day, day.weekday()) in days for day in later)
        assert later[0].year > 1900 and later[-1].year < 2100
