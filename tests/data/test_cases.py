"""Files of the kinds that people have, shortened: each ends as tests/data/cases/cases.json says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from barwise.data.calendar import periods_per_year
from barwise.data.checks import check_market
from barwise.data.files import load
from barwise.errors import DataError

FOLDER = Path(__file__).with_name("cases")
CASES: dict[str, dict[str, Any]] = json.loads((FOLDER / "cases.json").read_text())
SAID = {  # what must be said, in notes or warnings
    "bad_tick_100x.csv": "bad ticks",
    "cryptodatadownload.csv": "newest first",
    "databento.csv": "data.price_scale=1e-9",
    "exact_duplicates.csv": "repeat another exactly",
    "footer_note.csv": "is no bar",
    "fx_no_volume.csv": "there is no volume",
    "flat_only.csv": "there is no volume",
    "ibkr_volume_minus1.csv": "there is no volume",
    "index_dot_thousands.csv": "the dot that of thousands",
    "intraday_ddmmyy_first12.csv": "dates are read day first",
    "investing_com.csv": "newest first",
    "kaggle_all_stocks.csv": "BRK.B row 61 has a close and no other price",
    "monthly_ddmm.csv": "dates are read day first",
    "months_with_symbol": "5 files are one symbol",
    "mt5_EURUSD_D1.csv": "tick volume is taken",
    "partial_last_row.csv": "the last row is cut",
    "repeated_header.csv": "is no bar",
    "split_unadjusted.csv": "as of a split 4 for 1",
    "tradingview_novolume.csv": "there is no volume",
    "unsorted.csv": "not in the order of time",
}


@pytest.mark.parametrize("name", CASES)
def test_a_file_ends_as_it_should(name: str):
    case = CASES[name]
    path, settings = str(FOLDER / name), case.get("settings", {})
    if "refused" in case:
        with pytest.raises(DataError) as caught:
            load(path, **settings)
        assert case["refused"] in str(caught.value) and "\n" not in str(caught.value)
        return
    market = check_market(load(path, **settings))
    assert list(market.symbols) == case["symbols"]
    assert sum(map(len, market.bars)) == case["bars"]
    assert str(min(b.time[0] for b in market.bars))[:16] == case["first"]
    assert str(max(b.time[-1] for b in market.bars))[:16] == case["last"]
    said = " ".join([*market.facts["notes"], *market.facts["warnings"]])
    assert SAID.get(name, "") in said


def test_the_cases_that_say_something_are_there():
    assert set(SAID) <= set(CASES)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("yearly_int.csv", 1), ("monthly_ddmm.csv", 12), ("weekly_dd_mm_yy_dots.csv", 52),
     ("two_markets_csv", 252), ("gap_11_years.csv", 252)],
)  # fmt: skip
def test_periods_a_year_of_what_was_read(name: str, expected: float):
    assert periods_per_year(load(str(FOLDER / name)).times()) == pytest.approx(expected, rel=0.05)


def test_the_unit_of_an_epoch_is_told_row_by_row():
    step = np.diff(load(str(FOLDER / "binance_ms_to_us_header.csv")).bars[0].time)
    assert (step == np.timedelta64(1, "h")).all()


def test_thousands_dots_are_no_decimal_points():
    close = load(str(FOLDER / "index_dot_thousands.csv")).bars[0].close
    assert close.min() > 500 and (np.abs(np.diff(np.log(close))) < 0.2).all()


PATHS = ["#1", "50%", "BRK.B", "[2024] bars", "a&b", "a=b", "bars (1)", "bars,2024", "données_été", "it's", "my bars"]
PATHS += ["x@y", "株"]


@pytest.mark.parametrize("stem", PATHS)
def test_a_path_is_taken_as_it_is(tmp_path: Path, stem: str):
    shutil.copy(FOLDER / "plain.csv", tmp_path / f"{stem}.csv")
    assert load(str(tmp_path / f"{stem}.csv")).symbols == (stem,)
    assert load(str(tmp_path)).symbols == (stem,)
