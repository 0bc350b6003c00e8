"""What a symbol is: months of one are one, copies are told, wide tables are their tickers, folders may name them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from barwise.data.files import load
from barwise.errors import DataError

DAYS = pd.bdate_range("2020-01-01", "2020-06-30")


def bars(seed: int = 0, days: pd.DatetimeIndex = DAYS) -> pd.DataFrame:
    close = 50 + np.cumsum(np.random.default_rng(seed).normal(0, 0.5, len(DAYS)))[: len(days)]
    columns = {
        "Open": close,
        "High": close + 1,
        "Low": close - 1,
        "Close": close + 0.5,
        "Volume": 1000 + np.arange(len(days)),
    }
    return pd.DataFrame({"Date": days, **columns}).round(4)


def by_month(folder: Path, name: str, table: pd.DataFrame) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for month, part in table.groupby(table["Date"].dt.strftime("%Y-%m")):
        part.to_csv(folder / name.format(month=month, year=month[:4], m=month[5:]), index=False)


@pytest.mark.parametrize(
    ("name", "symbol"),
    [("BTCUSDT-1h-{month}.csv", "BTCUSDT-1h"), ("EURUSD_{year}{m}.csv", "EURUSD"), ("EURUSD{year}{m}.csv", "EURUSD"),
     ("DAT_ASCII_EURUSD_M1_{year}{m}.csv", "DAT_ASCII_EURUSD_M1"), ("{month}.csv", "prices"),
     ("AAPL.{year}.{m}.csv", "AAPL")],
)  # fmt: skip
def test_a_file_a_month_of_one_symbol_is_one_symbol(tmp_path: Path, name: str, symbol: str):
    by_month(tmp_path / "prices", name, bars())
    found = load(str(tmp_path / "prices"))
    assert found.symbols == (symbol,) and len(found.bars[0]) == len(DAYS)
    assert "6 files are one symbol" in found.facts["notes"][-1]


def test_months_of_several_symbols_and_numbers_that_are_no_dates(tmp_path: Path):
    by_month(tmp_path, "AAA-{month}.csv", bars(0))
    by_month(tmp_path, "BBB-{month}.csv", bars(1))
    for i, code in enumerate(("200011", "200012", "600519", "S1901", "S1902")):
        bars(i + 2).to_csv(tmp_path / f"{code}.csv", index=False)
    assert load(str(tmp_path)).symbols == ("200011", "200012", "600519", "AAA", "BBB", "S1901", "S1902")


def test_months_with_a_symbol_column_and_months_in_folders(tmp_path: Path):
    by_month(tmp_path / "a", "{month}.csv", bars().assign(ticker="XYZ"))
    assert load(str(tmp_path / "a")).symbols == ("XYZ",)
    by_month(tmp_path / "b" / "AAPL", "{month}.csv", bars())
    by_month(tmp_path / "b" / "IBM", "{month}.csv", bars(1))
    assert load(str(tmp_path / "b")).symbols == ("AAPL", "IBM")
    for name in ("AAPL", "IBM"):
        (tmp_path / "c" / name).mkdir(parents=True)
        bars(len(name)).to_csv(tmp_path / "c" / name / "daily.csv", index=False)
    assert load(str(tmp_path / "c")).symbols == ("AAPL", "IBM")


@pytest.mark.parametrize("layout", ["symbol={}/year={}/part.parquet", "market=US/ticker={}/{}.parquet"])
def test_hive_folders_name_the_symbol(tmp_path: Path, layout: str):
    for seed, name in enumerate(("BRK.B", "A%20B")):
        for year in (2020, 2021):
            path = tmp_path / layout.format(name, year)
            path.parent.mkdir(parents=True, exist_ok=True)
            days = DAYS + pd.DateOffset(years=year - 2020)
            bars(seed).assign(Date=days)[days.dayofweek < 5].to_parquet(path)
    found = load(str(tmp_path))
    assert found.symbols == ("A B", "BRK.B") and all(b.time[-1] > np.datetime64("2021") for b in found.bars)


def test_a_zip_of_files_is_its_files(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for seed, name in enumerate(("AAA", "BBB")):
            archive.writestr(f"sub/{name}.csv", bars(seed).to_csv(index=False))
    assert load(str(tmp_path / "all.zip")).symbols == ("AAA", "BBB")
    assert load(str(tmp_path)).symbols == ("AAA", "BBB")


def test_copies_are_told(tmp_path: Path):
    bars().to_csv(tmp_path / "AAA.csv", index=False)
    bars().to_csv(tmp_path / "AAA (1).csv", index=False)
    found = load(str(tmp_path))
    assert found.symbols == ("AAA",) and "all of its bars of AAA" in found.facts["warnings"][0]
    bars(7).to_csv(tmp_path / "AAA (1).csv", index=False)
    found = load(str(tmp_path))
    assert found.symbols == ("AAA", "AAA (1)") and "by its name a copy of AAA" in found.facts["warnings"][0]


def test_the_same_series_under_two_names_is_told(tmp_path: Path):
    bars().to_csv(tmp_path / "AAA.csv", index=False)
    bars().to_csv(tmp_path / "OTHER.csv", index=False)
    found = load(str(tmp_path))
    assert found.symbols == ("AAA", "OTHER") and "AAA and OTHER have the same bars" in found.facts["warnings"][0]


def test_a_download_that_was_repeated_later_is_joined(tmp_path: Path):
    table = bars()
    table.iloc[:80].to_csv(tmp_path / "AAA-2020-01.csv", index=False)
    table.iloc[60:].to_csv(tmp_path / "AAA-2020-04.csv", index=False)
    found = load(str(tmp_path))
    assert found.symbols == ("AAA",) and len(found.bars[0]) == len(DAYS)
    assert "20 of its bars of AAA are in" in found.facts["warnings"][0]


def test_days_and_hours_of_one_symbol_are_not_mixed(tmp_path: Path):
    bars().assign(symbol="AAA").to_csv(tmp_path / "days.csv", index=False)
    hours = pd.date_range("2020-07-01", periods=100, freq="h")
    bars(0, DAYS[:100]).assign(symbol="AAA", Date=hours).to_csv(tmp_path / "hours.csv", index=False)
    with pytest.raises(DataError, match=r"symbol AAA has bars of days in .*days.csv and shorter ones in .*hours.csv"):
        load(str(tmp_path), timezone="UTC")


def wide(order: str, names: tuple[str, ...] = ("ZQX", "KLM")) -> pd.DataFrame:
    parts = {name: bars(seed).set_index("Date") for seed, name in enumerate(names)}
    table = pd.concat(parts, axis=1, names=["Ticker", "Price"])
    return table.swaplevel(axis=1).sort_index(axis=1) if order == "price" else table


@pytest.mark.parametrize("order", ["price", "ticker"])
@pytest.mark.parametrize("form", ["csv", "parquet", "flat", "spaced", "old", "feather"])
@pytest.mark.parametrize("names", [("ZQX",), ("ZQX", "KLM"), ("600519.SS", "BRK-B", "^GSPC")])
def test_wide_tables_are_their_tickers(tmp_path: Path, order: str, form: str, names: tuple[str, ...]):
    table, path = wide(order, names), tmp_path / f"prices.{form if form in ('parquet', 'feather') else 'csv'}"
    if form == "csv":
        table.to_csv(path)
    elif form == "old":  # without names of the levels
        table.columns.names = [None, None]
        table.to_csv(path)
    elif form == "parquet":
        table.to_parquet(path)
    else:
        mark = " " if form == "spaced" else "_"
        table.columns = [mark.join(levels) for levels in table.columns]
        table.to_csv(path) if form != "feather" else table.reset_index().to_feather(path)
    found = load(str(path))
    assert found.symbols == tuple(sorted(names))
    for seed, name in enumerate(names):
        one = found.bars[found.symbols.index(name)]
        np.testing.assert_allclose(one.close, bars(seed)["Close"])
        np.testing.assert_allclose(one.open, bars(seed)["Open"])
        assert one.time[0] == DAYS[0].to_datetime64()


def test_a_ticker_that_began_later_has_its_own_bars(tmp_path: Path):
    table = wide("price")
    table.loc[DAYS[:30], (slice(None), "KLM")] = np.nan
    table.to_csv(tmp_path / "prices.csv")
    assert [len(b) for b in load(str(tmp_path / "prices.csv")).bars] == [len(DAYS) - 30, len(DAYS)]


@pytest.mark.parametrize(
    "name", ["Name", "TckrSymb", "ts_code", "Code", "PERMNO", "股票代码", "銘柄コード", "Instrument"]
)
@pytest.mark.parametrize("symbols", [("NA", "TRUE"), ("000001", "600519"), ("ÑANDÚ/EUR", "BRK.B")])
def test_a_symbol_column_of_many_names_keeps_its_text(tmp_path: Path, name: str, symbols: tuple[str, str]):
    table = pd.concat([bars(seed).assign(**{name: symbol}) for seed, symbol in enumerate(symbols)])
    table.to_csv(tmp_path / "long.csv", index=False)
    table.astype({name: "category"}).to_parquet(tmp_path / "long.parquet")
    for ending in ("csv", "parquet"):
        assert load(str(tmp_path / f"long.{ending}")).symbols == tuple(sorted(symbols))
