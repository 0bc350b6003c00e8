"""The user's own files take symbols, start and end as the sample does."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from barwise.data.files import load
from barwise.errors import BarwiseError


@pytest.fixture
def folder(tmp_path):
    days = pd.bdate_range("2020-01-01", periods=300)
    for i, symbol in enumerate(("AAA", "BBB", "CCC")):
        close = 100 + np.sin(np.arange(300) + i)
        pd.DataFrame(
            {"time": days[100 * (i == 2) :], **{c: close[100 * (i == 2) :] for c in ("open", "high", "low", "close")}}
        ).assign(volume=1.0 + np.arange(300 - 100 * (i == 2))).to_csv(tmp_path / f"{symbol}.csv", index=False)
    return str(tmp_path)


def test_symbols_and_dates_choose_the_bars(folder):
    market = load(folder, symbols=["BBB", "AAA"], start="2020-03-02", end="2020-03-31")
    assert market.symbols == ("AAA", "BBB")
    assert all(str(b.time[0])[:10] == "2020-03-02" and str(b.time[-1])[:10] == "2020-03-31" for b in market.bars)
    assert load(folder, symbols="CCC").symbols == ("CCC",)


def test_a_symbol_without_a_bar_there_is_named(folder):
    market = load(folder, end="2020-03-31")
    assert market.symbols == ("AAA", "BBB")
    assert any(w.startswith("CCC: no bars from None to 2020-03-31") for w in market.facts["warnings"])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"symbols": "AAB"}, "data.symbols=AAB: is not in .*did you mean AAA"),
        ({"symbols": []}, r"data.symbols=\[\]: must name"),
        ({"start": "soon"}, "data.start=soon: must be a date"),
        ({"end": True}, "data.end=True: must be a date"),
        ({"start": "2021-01-01", "end": "2020-01-01"}, "must not be after"),
        ({"start": "2031-01-01"}, "no bars from 2031-01-01"),
    ],
)
def test_what_is_not_there_is_named(folder, settings, said):
    with pytest.raises(BarwiseError, match=said):
        load(folder, **settings)


def test_the_end_of_intraday_bars_is_the_whole_day_of_the_users_clock(tmp_path):
    hours = pd.date_range("2024-01-01", periods=96, freq="h")
    frame = pd.DataFrame({"time": hours, "open": 1.0, "high": 1.0, "low": 1.0, "close": 1.0, "volume": np.arange(96.0)})
    frame.to_csv(tmp_path / "X.csv", index=False)
    bars = load(str(tmp_path / "X.csv"), timezone="America/New_York", start="2024-01-02", end="2024-01-02").bars[0]
    assert len(bars) == 24 and bars.time[0] == np.datetime64("2024-01-02T05:00")
