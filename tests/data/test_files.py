"""Good files of every shape give the same bars."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from barwise.data.bars import COLUMNS, Bars
from barwise.data.checks import check_market
from barwise.data.files import load
from barwise.errors import DataError


def same(a: Bars, b: Bars) -> None:
    for name in ("time", *COLUMNS):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


@pytest.mark.parametrize(
    "names",
    [
        ("Date", "Open", "High", "Low", "Close", "Volume"),
        ("DATETIME", "OPEN", "HIGH", "LOW", "CLOSE", "VOL"),
        ("timestamp", "o", "h", "l", "c", "v"),
        ("Trade Date", "1. open", "2. high", "3. low", "4. close", "5. volume"),
    ],
)
@pytest.mark.parametrize("sep", [",", ";", "\t"])
def test_common_names_and_separators_are_known(frame, tmp_path: Path, names, sep):
    frame.set_axis(names, axis=1).to_csv(tmp_path / "AAPL.csv", index=False, sep=sep)
    market = load(str(tmp_path / "AAPL.csv"))
    assert market.symbols == ("AAPL",)
    assert market.bars[0].time[0] == np.datetime64("2024-01-02")
    assert market.bars[0].volume.tolist() == frame["volume"].tolist()
    assert market.facts["dropped_rows"] == 0 and market.facts["warnings"] == []


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "csv.zip", "parquet", "pq"])
def test_long_file_folder_and_glob_give_the_same_bars(frame, tmp_path: Path, ending):
    def write(table: pd.DataFrame, path: Path) -> None:
        table.to_parquet(path) if ending in ("parquet", "pq") else table.to_csv(path, index=False)

    parts = {"B": frame.assign(close=10.5), "A": frame, "NA": frame.iloc[1:], "000001": frame.iloc[:4]}
    write(pd.concat([part.assign(Ticker=name) for name, part in parts.items()]), tmp_path / f"long.{ending}")
    (tmp_path / "each").mkdir()
    for name, part in parts.items():
        write(part, tmp_path / "each" / f"{name}.{ending}")
    markets = [load(str(tmp_path / p)) for p in (f"long.{ending}", "each", f"each/*.{ending}")]
    assert [m.facts["files"] for m in markets] == [1, 4, 4]
    for market in markets:
        assert check_market(market).symbols == ("000001", "A", "B", "NA")
        for a, b in zip(market.bars, markets[0].bars, strict=True):
            same(a, b)


def test_a_long_file_sorted_by_time_is_taken_apart(frame, tmp_path: Path):
    both = pd.concat([frame.assign(symbol="A"), frame.assign(symbol="B", close=10.5)]).sort_values(
        "time", kind="stable"
    )
    both.to_parquet(tmp_path / "long.parquet")
    a, b = load(str(tmp_path / "long.parquet")).bars
    assert a.close[0] == 11.0 and b.close[0] == 10.5 and len(a) == len(b) == 6


def test_columns_maps_other_names_and_goes_before_the_common_ones(frame, tmp_path: Path):
    frame.assign(Last=11.5, day_no=range(6)).to_csv(tmp_path / "A.csv", index=False)
    market = load(str(tmp_path / "A.csv"), columns={"close": "Last", "age": "day_no"})
    bars = market.bars[0]
    assert market.facts["ignored_columns"] == ["close"]
    assert load(str(tmp_path / "A.csv"), columns={"close": "Last", "open": None}).bars[0].open[0] == 10.0
    assert bars.close[0] == 11.5
    assert bars.extra["age"].tolist() == [0, 1, 2, 3, 4, 5]


def test_numeric_columns_go_along_and_others_are_named(frame, tmp_path: Path):
    frame.assign(Bid=10.9, Offer=[11.1, None, 11.1, 11.1, 11.1, 11.1], trades=7, venue="X").to_csv(tmp_path / "A.csv")
    market = load(str(tmp_path / "A.csv"))
    extra = market.bars[0].extra
    assert set(extra) == {"bid", "ask", "trades"} and np.isnan(extra["ask"][1])
    assert market.facts["ignored_columns"] == ["venue"]


def test_an_extra_column_that_not_every_symbol_has_is_left_out_with_a_warning(frame, tmp_path: Path):
    frame.assign(bid=10.9).to_csv(tmp_path / "A.csv", index=False)
    frame.to_csv(tmp_path / "B.csv", index=False)
    market = load(str(tmp_path))
    assert all(not b.extra for b in market.bars)
    assert "column bid is left out" in market.facts["warnings"][0]


TIMES = {
    "ISO": ("2024-01-02 14:30:00+00:00", None),
    "Zulu": ("2024-01-02T14:30:00Z", None),
    "words": ("2024-01-02 14:30 UTC", None),
    "offset": ("2024-01-02 09:30:00-05:00", None),
    "naive in a zone": ("2024-01-02 09:30", "America/New_York"),
    "month in words": ("Jan 2, 2024 09:30", "America/New_York"),
    "seconds": ("1704205800", None),
    "milliseconds": ("1704205800000", None),
    "nanoseconds": ("1704205800000000000", None),
}


@pytest.mark.parametrize("case", TIMES)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_times_of_every_form_come_out_in_utc(frame, tmp_path: Path, case, ending):
    text, zone = TIMES[case]
    one = frame.iloc[:1].assign(time=text)
    path = tmp_path / f"A.{ending}"
    one.to_csv(path, index=False) if ending == "csv" else one.to_parquet(path)
    market = load(str(path), timezone=zone)
    assert market.bars[0].time.dtype == np.dtype("datetime64[ns]")
    assert market.bars[0].time[0] == np.datetime64("2024-01-02T14:30:00")
    assert market.facts["warnings"] == []


def test_a_compact_date_is_a_date(frame, tmp_path: Path):
    frame.assign(time=frame["time"].dt.strftime("%Y%m%d").astype(int)).to_csv(tmp_path / "A.csv", index=False)
    assert load(str(tmp_path / "A.csv")).bars[0].time[-1] == np.datetime64("2024-01-09")


@pytest.mark.parametrize(
    ("form", "start"),
    [
        ("%d/%m/%Y", "2024-01-11"),
        ("%m/%d/%Y", "2024-01-11"),
        ("%d.%m.%Y", "2024-01-02"),
        ("%b %d, %Y", "2024-01-02"),
    ],
)
def test_day_and_month_are_told_apart(frame, tmp_path: Path, form, start):
    days = pd.date_range(start, periods=6)
    frame.assign(time=days.strftime(form)).to_csv(tmp_path / "A.csv", index=False)
    market = load(str(tmp_path / "A.csv"))
    assert (market.bars[0].time == days.to_numpy()).all()
    assert market.facts["warnings"] == []


def test_where_day_and_month_cannot_be_told_apart_the_setting_decides(frame, tmp_path: Path):
    days = pd.date_range("2024-02-01", periods=6)
    frame.assign(time=days.strftime("%m/%d/%Y")).to_csv(tmp_path / "A.csv", index=False)
    with pytest.raises(DataError, match=r"could be 2024-01-02 or 2024-02-01.*data\.day_first=true or data\.day_first"):
        load(str(tmp_path / "A.csv"))
    assert (load(str(tmp_path / "A.csv"), day_first=False).bars[0].time == days.to_numpy()).all()
    assert load(str(tmp_path / "A.csv"), day_first=True).bars[0].time[1] == np.datetime64("2024-02-02")


def test_a_parquet_index_of_times_is_the_time_and_keeps_its_local_date(frame, tmp_path: Path):
    frame.assign(time=frame["time"].dt.tz_localize("Asia/Tokyo")).set_index("time").to_parquet(tmp_path / "A.parquet")
    assert load(str(tmp_path / "A.parquet")).bars[0].time[0] == np.datetime64("2024-01-02")


def test_naive_intraday_times_are_taken_as_utc_with_a_warning(frame, tmp_path: Path):
    frame.assign(time=pd.date_range("2024-01-02 09:00", periods=6, freq="h")).to_csv(tmp_path / "A.csv", index=False)
    market = load(str(tmp_path / "A.csv"))
    assert market.bars[0].time[0] == np.datetime64("2024-01-02T09:00")
    assert "taken as UTC; data.timezone" in market.facts["warnings"][0]


def test_an_hour_that_the_clock_skips_is_a_bad_row_and_one_that_it_repeats_is_told_by_order(frame, tmp_path: Path):
    stamps = ["2024-03-10 01:30", "2024-03-10 02:30", "2024-03-10 03:30"]
    frame.iloc[:3].assign(time=stamps).to_csv(tmp_path / "A.csv", index=False)
    assert load(str(tmp_path / "A.csv"), timezone="America/New_York", on_bad="drop").facts["dropped_rows"] == 1
    autumn = [f"2024-11-03 {clock}" for clock in ("00:30", "01:00", "01:30", "01:00", "01:30", "02:00")]
    for order in (1, -1):
        frame.assign(time=autumn)[::order].to_csv(tmp_path / "B.csv", index=False)
        with pytest.raises(DataError, match=r"so a clock does in autumn: data\.timezone=America/New_York"):
            load(str(tmp_path / "B.csv"))
        bars = load(str(tmp_path / "B.csv"), timezone="America/New_York").bars[0]
        assert [str(t)[11:16] for t in bars.time] == ["04:30", "05:00", "05:30", "06:00", "06:30", "07:00"]


def split_file(frame: pd.DataFrame, folder: Path) -> str:
    """2 for 1 at the fourth bar, and a bid."""
    old = np.arange(6) < 3
    table = frame.assign(bid=10.5, adj_close=11.0)
    columns = ["open", "high", "low", "close", "bid"]
    table[columns] = table[columns].mul(np.where(old, 2, 1), axis=0)
    table.to_csv(folder / "A.csv", index=False)
    return str(folder / "A.csv")


def test_adjusted_moves_prices_and_volume_to_the_adjusted_close(frame, tmp_path: Path):
    market = load(split_file(frame, tmp_path), adjusted=True)
    bars = market.bars[0]
    assert market.facts["adjusted"] and market.facts["warnings"] == []
    for name, value in {"open": 10, "high": 12, "low": 9, "close": 11}.items():
        np.testing.assert_allclose(getattr(bars, name), value)
    np.testing.assert_allclose(bars.extra["bid"], 10.5)
    np.testing.assert_allclose(bars.volume, [200, 202, 204, 103, 104, 105])
    assert set(bars.extra) == {"bid"}


def test_unadjusted_splits_are_warned_of(frame, tmp_path: Path):
    market = load(split_file(frame, tmp_path))
    assert market.facts["warnings"] == [
        "unadjusted closes have splits: A 2024-01-05 (2 for 1); "
        "data.adjusted=true mends prices and volume by the adjusted close"
    ]
    assert "adj_close" in market.bars[0].extra


def test_files_that_are_neither_are_passed_over_in_a_folder_with_a_warning(write, tmp_path: Path):
    write()
    (tmp_path / "README.md").write_text("hello")
    assert "README.md passed over" in load(str(tmp_path)).facts["warnings"][0]


def test_periods_per_year_is_handed_on(write):
    assert load(write(), periods_per_year=365).periods_per_year == 365.0
    assert load(write()).periods_per_year is None


def test_dropping_keeps_the_first_of_two_and_what_is_later_than_all_before(write):
    path = write({2: "2024-01-02,10,12,9,11,7", 4: "2023-01-01,10,12,9,11,7"})
    assert load(path, on_bad="drop").bars[0].volume.tolist() == [100, 102, 104, 105]


@pytest.mark.parametrize("symbols", [["A", "B", "A", None], [600000, 600001, 600000, None]])
@pytest.mark.parametrize("index", [False, True])
def test_a_parquet_file_is_the_same_in_one_row_group_or_many(frame, tmp_path: Path, symbols, index):
    parts = [frame.assign(symbol=pd.Series([name] * len(frame), dtype="Int64" if symbols[0] != "A" else "str"),
                          time=frame["time"] + i * pd.Timedelta(days=100))
             for i, name in enumerate(symbols)]  # fmt: skip
    long = pd.concat(parts, ignore_index=True)
    long["note"] = [None] * len(frame) + ["x"] * (len(long) - len(frame))  # no text at all in the first row group
    long = long.set_index("time") if index else long
    found = []
    for name, size in (("one", None), ("many", len(frame))):
        long.to_parquet(tmp_path / f"{name}.parquet", row_group_size=size)
        found.append(load(str(tmp_path / f"{name}.parquet"), on_bad="drop"))
    assert [m.symbols for m in found] == [tuple(str(s) for s in symbols[:2])] * 2
    assert [m.facts["dropped_rows"] for m in found] == [len(frame)] * 2
    assert [m.facts["ignored_columns"] for m in found] == [["note"]] * 2
    for a, b in zip(*(m.bars for m in found), strict=True):
        same(a, b)


def test_a_fault_in_a_later_row_group_is_told_with_the_row_of_the_file(frame, tmp_path: Path):
    long = pd.concat([frame.assign(symbol="A"), frame.assign(symbol="B")], ignore_index=True)
    long.loc[len(long) - 1, "close"] = -1.0
    long.to_parquet(tmp_path / "long.parquet", row_group_size=len(frame))
    with pytest.raises(DataError, match=rf"row {len(long)}\b"):
        load(str(tmp_path / "long.parquet"))
