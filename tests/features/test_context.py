"""Extra columns as features, and a file of them joined as it was known: never earlier, whatever the clock."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from barwise.data import sample, synthetic
from barwise.data.bars import Market
from barwise.data.context import beside
from barwise.data.files import load
from barwise.data.hash import data_hash
from barwise.errors import BarwiseError, ConfigError, DataError
from barwise.features.context import context
from barwise.features.matrix import build
from tests.serving.conftest import write_csv

HOUR = np.timedelta64(1, "h")


@pytest.fixture(scope="module")
def market() -> Market:
    """Two symbols on the same 60 business days from 2000-01-03."""
    return synthetic.load(n_symbols=2, n_bars=60)


def file(folder: Path, text: str, name: str = "context.csv") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def extra(market: Market, path: str, name: str = "x", **given: object) -> list[float]:
    return beside(market, path, **given).bars[0].extra[name].tolist()  # type: ignore[arg-type]


def on(market: Market, values: list[float], day: str) -> float:
    return values[int(np.searchsorted(market.bars[0].time, np.datetime64(day)))]


def test_time_is_the_clock_of_the_bars_and_a_known_date_is_over_with_its_day(market, tmp_path):
    same = extra(market, file(tmp_path, "Time,x\n2000-01-05,1\n2000-01-10,2\n"))
    assert np.isnan(same[:2]).all() and on(market, same, "2000-01-05") == 1 and on(market, same, "2000-01-10") == 2
    known = extra(market, file(tmp_path, "known,x\n2000-01-05,1\n2000-01-07,2\n"))
    assert np.isnan(on(market, known, "2000-01-05")) and on(market, known, "2000-01-06") == 1
    assert on(market, known, "2000-01-07") == 1 and on(market, known, "2000-01-10") == 2  # a Friday, then a Monday
    both = extra(market, file(tmp_path, "time,known,x\n1999-12-31,2000-01-20T16:30,3\n1999-09-30,2000-01-20T16:30,2\n"))
    assert np.isnan(on(market, both, "2000-01-20")) and on(market, both, "2000-01-21") == 3  # the later period is newer


def test_beside_intraday_bars_a_days_close_is_known_the_day_after(market, tmp_path):
    hours = tuple(replace(b, time=np.datetime64("2000-01-03T09", "ns") + np.arange(60) * HOUR) for b in market.bars)
    values = extra(Market(hours), file(tmp_path, "time,x\n2000-01-03,1\n2000-01-04,2\n"))
    assert np.isnan(values[:15]).all() and values[15:39] == [1.0] * 24 and values[39:] == [2.0] * 21
    stamped = extra(Market(hours), file(tmp_path, "time,x\n2000-01-03T12:00,1\n2000-01-04T00:00,2\n"))
    assert np.isnan(stamped[:3]).all() and stamped[3:15] == [1.0] * 12 and stamped[15:] == [2.0] * 45


def test_naive_times_mean_the_zone_that_the_bars_have(tmp_path):
    rows = "".join(f"2024-01-{d:02}T{h:02}:00,1,1,1,1,1\n" for d in (3, 4) for h in (10, 12, 14))
    bars = file(tmp_path, "time,open,high,low,close,volume\n" + rows, "bars.csv")
    path = file(
        tmp_path, "known,x\n2024-01-03T11:00,1\n2024-01-04T12:00,2\n2024-01-04T13:30-05:00,3\n".replace("-05:00", "")
    )
    found = load(bars, timezone="America/New_York", context=path)
    assert found.bars[0].time[0] == np.datetime64("2024-01-03T15:00")
    np.testing.assert_array_equal(found.bars[0].extra["x"], [np.nan, 1, 1, 1, 2, 3])
    assert found.facts["context"] == path
    dates = load(bars, timezone="America/New_York", context=file(tmp_path, "known,x\n2024-01-03,1\n"))
    np.testing.assert_array_equal(dates.bars[0].extra["x"], [np.nan] * 3 + [1] * 3)


def test_rows_of_a_symbol_are_its_own_and_each_column_is_carried_by_itself(market, tmp_path):
    text = "symbol,known,eps,sales\nS0000,2000-01-04,1.5,\nS0001,2000-01-04,NA,7\nS0000,2000-01-11,,9\n"
    found = beside(market, file(tmp_path, text))
    first, second = found.bars
    assert first.extra["eps"][-1] == 1.5 and first.extra["sales"][-1] == 9 and second.extra["sales"][-1] == 7
    assert np.isnan(second.extra["eps"]).all() and np.isnan(on(market, first.extra["sales"].tolist(), "2000-01-11"))
    assert data_hash(found) != data_hash(market)
    one = beside(market, file(tmp_path, "symbol,known,eps\nS0001,2000-01-04,2\n"))
    assert one.facts["warnings"][0].endswith("has no row of S0000") and np.isnan(one.bars[0].extra["eps"]).all()
    matrix = build(one.bars, {"context": partial(context, periods=[1])})
    assert [b.symbol for b in matrix.bars] == ["S0001"] and "eps is defined on none" in matrix.left_out[0][1]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), n=st.integers(1, 30), name=st.sampled_from(["time", "known"]))
def test_equals_a_plain_loop_and_nothing_is_known_early(market, tmp_path, seed, n, name):
    random = np.random.default_rng(seed)
    stamps = np.datetime64("1999-12-30", "m") + random.integers(0, 90 * 24 * 60, n) * np.timedelta64(1, "m")
    stamps = np.sort(np.where(random.random(n) < 0.3, stamps.astype("datetime64[D]"), stamps).astype("datetime64[m]"))
    stamps = np.unique(stamps)
    values = np.where(random.random(len(stamps)) < 0.2, np.nan, random.normal(size=len(stamps)))
    order = random.permutation(len(stamps))
    table = pd.DataFrame({name: stamps.astype(str), "x": values}).iloc[order]
    path = tmp_path / "context.csv"
    table.to_csv(path, index=False)
    found = beside(market, str(path)).bars[0]
    over = np.timedelta64(24 * 60 - 1, "m")
    dates = [name == "known" and stamp == stamp.astype("datetime64[D]") for stamp in stamps]
    known = [stamp + over if date else stamp for stamp, date in zip(stamps, dates, strict=True)]
    for time, value in zip(found.time, found.extra["x"], strict=True):
        wanted = np.nan
        for stamp, number in sorted(zip(known, values, strict=True), key=lambda row: row[0]):
            if stamp <= time and not np.isnan(number):
                wanted = number
        np.testing.assert_equal(value, wanted)


def test_parquet_and_the_sample_and_files_take_it(market, tmp_path):
    path = tmp_path / "vix.parquet"
    days = pd.bdate_range("2000-01-03", periods=60)
    pd.DataFrame({"time": days, "vix": np.arange(60.0)}).to_parquet(path)
    assert beside(market, str(path)).bars[1].extra["vix"].tolist() == list(range(60))
    pd.DataFrame({"vix": np.arange(60.0)}, index=days.rename("time")).to_parquet(path)
    assert beside(market, str(path)).bars[1].extra["vix"].tolist() == list(range(60))
    bars = write_csv(tmp_path / "bars.csv", list(market.bars))
    assert load(str(bars), context=str(path)).bars[0].extra["vix"].tolist() == list(range(60))
    assert sample.load(["IBM"], context=str(path)).bars[0].extra["vix"][-1] == 59
    assert beside(market, None) is market


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("time,close\n2000-01-03,1\n", "column close is a column of the bars too; give it another name"),
        ("x,y\n1,2\n", "has the columns x, y; it must have time or known, and numbers"),
        ("time\n2000-01-03\n", "must have time or known, and numbers"),
        ("time,x\n", "must have time or known, and numbers"),
        (
            "time,x\n2000-01-03,1\nsoon,2\n2000-01-05,1\n2000-01-06,1\n",
            "row 2: time is 'soon'; it must be a date or time",
        ),
        ("known,x\n2000-01-03,1\n,2\n2000-01-06,1\n", "row 2: known is ''; it must be a date or time"),
        ("time,x\n2000-01-03,high\n", "row 1: x is 'high'; it must be a finite number"),
        ("time,x\n2000-01-03,inf\n", "row 1: x is 'inf'; it must be a finite number"),
        ("symbol,time,x\nIBM,2000-01-03,1\n", "has no row of S0000, S0001; mend the names of its symbols"),
    ],
)
def test_what_is_wrong_in_the_file_is_one_line(market, tmp_path, text, line):
    path = file(tmp_path, text)
    with pytest.raises(DataError) as caught:
        beside(market, path)
    assert str(caught.value).startswith(f"data.context={path}") and line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_such_file_and_no_such_ending(market, tmp_path):
    with pytest.raises(DataError, match=r"data\.context=none\.csv: is not there"):
        beside(market, "none.csv")
    with pytest.raises(BarwiseError, match=r"must be a file ending in \.csv or \.parquet"):
        beside(market, "none.txt")
    with pytest.raises(DataError, match="cannot be read"):
        beside(market, file(tmp_path, "no parquet", "x.parquet"))


def with_extra(market: Market, **columns: np.ndarray) -> Market:
    return replace(market, bars=tuple(replace(b, extra=columns) for b in market.bars))


def test_transforms_are_of_what_was_last_known(market):
    x = np.where(np.arange(60) % 7 == 3, np.arange(60) - 20.0, np.nan)
    bars = with_extra(market, x=x, bid=x, vix=np.arange(1.0, 61)).bars[0]
    found = context(bars, transforms=["level", "change", "difference"], periods=[1, 5])
    filled = pd.Series(x).ffill()
    assert (
        list(found)[:5] == ["x", "x_change_1", "x_change_5", "x_difference_1", "x_difference_5"] and "bid" not in found
    )
    np.testing.assert_array_equal(found["x"], filled)
    np.testing.assert_allclose(found["x_difference_5"], filled - filled.shift(5))
    change = filled / filled.shift(5) - 1
    np.testing.assert_allclose(found["x_change_5"], change.where(np.isfinite(change)))
    np.testing.assert_allclose(found["vix_change_1"], pd.Series(bars.extra["vix"]).pct_change())
    assert list(context(bars, columns="bid", transforms="level")) == ["bid"]


@pytest.mark.parametrize(
    ("chosen", "line"),
    [
        (
            {"columns": ["vix"]},
            r"columns=\['vix'\]: S0000 has no column vix; there are x; data\.context=<file> adds some",
        ),
        ({"columns": []}, r"columns=\[\]: there is no column to make features of; there are x"),
        ({"transforms": ["log"]}, r"transforms=\['log'\]: must be some of level, change, difference"),
        ({"periods": [0]}, r"features\.context\.periods=\[0\]: must be whole numbers of 1 or more"),
    ],
)
def test_what_is_no_choice_is_told(market, chosen, line):
    with pytest.raises(ConfigError, match=line):
        context(with_extra(market, x=np.ones(60)).bars[0], **chosen)
    with pytest.raises(ConfigError, match=r"columns=null: there is no column to make features of; data\.context"):
        context(market.bars[0])


@pytest.mark.parametrize("name", ["time", "known"])
def test_a_few_rows_at_odd_hours_are_not_known_from_their_midnight(market, tmp_path, name):
    rows = "2000-01-05 21:40,1\n2000-01-12 09:15,2\n2000-01-19 23:59,3\n"
    found = beside(market, file(tmp_path, f"{name},x\n{rows}")).bars[0]
    day = found.time.astype("datetime64[D]")
    for stamp, value in (("2000-01-05", 1), ("2000-01-12", 2), ("2000-01-19", 3)):
        x = found.extra["x"][day > np.datetime64(stamp)]
        assert found.extra["x"][day == np.datetime64(stamp)][0] != value and x[0] == value
