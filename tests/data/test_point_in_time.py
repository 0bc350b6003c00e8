"""The past as it was: restated fundamentals by when they were known, splits and dividends from their ex-date on."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barwise.data.files import load
from barwise.data.frame import load as from_frame
from barwise.errors import BarwiseError

DAYS = pd.bdate_range("2020-01-01", periods=120)


def bars(close: np.ndarray, symbol: str = "ABC") -> pd.DataFrame:
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    return pd.DataFrame({"time": DAYS[: len(close)], "symbol": symbol, **prices, "volume": 1000.0})


def written(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def plain_as_of(table: pd.DataFrame, day: pd.Timestamp) -> float:
    """Slow and plain: of the rows known before the day is over, the latest version of the latest period."""
    known = table[table.known < day]  # a date is over with its day, so it counts from the next bar on
    if known.empty:
        return np.nan
    last = known[known.time == known.time.max()]
    return float(last[last.known == last.known.max()].eps.iloc[-1])


def test_restated_values_are_those_that_were_known(tmp_path):
    table = pd.DataFrame(
        [("2019-09-30", "2020-01-10", 1.0), ("2019-12-31", "2020-02-10", 2.0), ("2019-09-30", "2020-03-02", 1.5),
         ("2019-12-31", "2020-04-01", 2.5), ("2020-03-31", "2020-05-11", 3.0)],
        columns=["time", "known", "eps"],
    )  # fmt: skip
    path = written(tmp_path, "eps.csv", table.assign(symbol="ABC").to_csv(index=False))
    for setting in ("as_of", "context"):
        found = from_frame(bars(np.full(120, 9.0)), **{setting: path}).bars[0].extra["eps"]
        table = table.astype({"time": "datetime64[ns]", "known": "datetime64[ns]"})
        np.testing.assert_array_equal(found, [plain_as_of(table, day) for day in DAYS])
        assert 1.5 not in found  # an older period restated when a newer one is known


def test_several_tables_and_one_without_known(tmp_path):
    one = written(tmp_path, "a.csv", "known,eps\n2020-01-05,1\n")
    two = written(tmp_path, "b.csv", "known,book\n2020-01-05,2\n")
    found = from_frame(bars(np.full(20, 9.0)), as_of=[one, two])
    assert set(found.bars[0].extra) == {"eps", "book"}
    assert found.facts["as_of"] == [one, two]
    three = written(tmp_path, "c.csv", "time,book\n2020-01-05,2\n")
    with pytest.raises(BarwiseError, match="has no column known"):
        from_frame(bars(np.full(20, 9.0)), as_of=three)


def test_a_split_and_a_dividend_by_hand(tmp_path):
    close = np.array([100.0, 102, 51, 52, 50, 50])  # 2 for 1 at the third bar, 2 paid at the fifth
    path = written(
        tmp_path, "actions.csv", f"symbol,ex_date,split,dividend\nABC,{DAYS[2]:%F},2,\nABC,{DAYS[4]:%F},,2\n"
    )
    found = from_frame(bars(close), actions=path)
    got = found.bars[0]
    np.testing.assert_allclose(got.close[:4], [100, 102, 102, 104])
    np.testing.assert_allclose(got.close[4] / got.close[3], 52 / 52 * 50 / (52 - 2))  # a holder has lost nothing
    np.testing.assert_array_equal(got.volume, [1000, 1000, 500, 500, 500, 500])
    np.testing.assert_array_equal(got.extra["raw_close"], close)
    assert found.facts["warnings"] == []  # a split that is known is no bad tick


@given(
    st.lists(
        st.tuples(st.integers(1, 59), st.sampled_from([0.5, 2.0, 3.0]), st.sampled_from([0.0, 0.1])),
        min_size=1,
        max_size=5,
    )
)
def test_later_actions_change_no_earlier_price(tmp_path_factory, actions):
    folder = tmp_path_factory.mktemp("actions")
    close = 50 + np.sin(np.arange(60))
    rows = [f"ABC,{DAYS[day]:%F},{split},{dividend}" for day, split, dividend in sorted(actions)]
    found = [
        from_frame(
            bars(close), actions=written(folder, f"{n}.csv", "\n".join(["symbol,date,split,dividend", *rows[:n]]))
        ).bars[0]
        for n in range(1, len(rows) + 1)
    ]
    for n, (before, after) in enumerate(pairwise(found), start=1):
        day = sorted(actions)[n][0]
        np.testing.assert_array_equal(before.close[:day], after.close[:day])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("symbol,date\nABC,2020-01-05\n", "it must have symbol, ex_date, and split or dividend"),
        ("symbol,date,split\nABC,2020-01-05,0\n", "row 1: split is 0"),
        ("symbol,date,split\nABC,2020-01-05,x\n", "row 1: split is 'x'"),
        ("symbol,date,dividend\nABC,2020-01-06,-1\n", "row 1: dividend is -1"),
        ("symbol,date,dividend\nABC,2020-01-06,99\n", "is not below the close before"),
        ("symbol,date,split\nABC,soon,2\n", "row 1: date is 'soon'"),
        ("symbol,date,split\nXYZ,2020-01-05,2\n", "has no symbol of the bars"),
        ("symbol,date,split\n", "the file has no rows"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_line(text, said, tmp_path):
    with pytest.raises(BarwiseError, match=said) as told:
        from_frame(bars(np.full(20, 9.0)), actions=written(tmp_path, "a.csv", text))
    assert "\n" not in str(told.value)


def test_adjusted_prices_are_not_adjusted_again(tmp_path):
    path = written(tmp_path, "a.csv", "symbol,date,split\nABC,2020-01-06,2\n")
    frame = bars(np.full(20, 9.0)).assign(adj_close=9.0)
    frame.to_csv(tmp_path / "bars.csv", index=False)
    with pytest.raises(BarwiseError, match="set one of them"):
        load(str(tmp_path / "bars.csv"), adjusted=True, actions=path)
