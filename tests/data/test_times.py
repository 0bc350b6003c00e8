"""Times of every form: dates of days stay their exchange's own, units are told row by row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from barwise.data.files import load
from barwise.errors import BarwiseError

DAYS = pd.bdate_range("2020-01-06", periods=60)
WEEKS = pd.date_range("2020-01-06", periods=60, freq="W-MON")
MONTHS = pd.date_range("2015-01-01", periods=60, freq="MS")
ZONES = ["Europe/Berlin", "Asia/Tokyo", "America/New_York", "Australia/Sydney", "Asia/Kolkata"]


def bars(times: object, count: int = 60) -> pd.DataFrame:
    close = 100 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.01, count)))
    columns = {
        "open": close,
        "high": close * 1.01,
        "low": close * 0.99,
        "close": close,
        "volume": np.arange(1, count + 1),
    }
    return pd.DataFrame({"time": times, **columns}).round(2)


def times_of(path: Path, **settings: object) -> np.ndarray:
    return load(str(path), **settings).bars[0].time  # type: ignore[arg-type]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("days", [DAYS, WEEKS, MONTHS], ids=["days", "weeks", "months"])
@pytest.mark.parametrize("form", ["text", "ms", "parquet", "parquet in utc", "naive in utc"])
def test_local_midnights_are_their_own_dates(tmp_path: Path, zone: str, days: pd.DatetimeIndex, form: str):
    local = days.tz_localize(zone)
    utc = local.tz_convert("UTC")
    path = tmp_path / ("A.parquet" if form.startswith("parquet") else "A.csv")
    given = {"text": local.map(str), "ms": utc.as_unit("ms").astype("int64"), "parquet": local, "parquet in utc": utc,
             "naive in utc": utc.tz_localize(None)}[form]  # fmt: skip
    table = bars(given)
    table.to_parquet(path) if form.startswith("parquet") else table.to_csv(path, index=False)
    assert times_of(path).tolist() == days.to_numpy("datetime64[ns]").tolist()
    if form != "naive in utc":
        assert times_of(path, timezone=zone).tolist() == days.to_numpy("datetime64[ns]").tolist()


@pytest.mark.parametrize("zone", [None, *ZONES])
def test_a_bare_date_is_not_moved_by_a_zone(tmp_path: Path, zone: str | None):
    bars(DAYS).to_csv(tmp_path / "A.csv", index=False)
    assert times_of(tmp_path / "A.csv", timezone=zone).tolist() == DAYS.to_numpy("datetime64[ns]").tolist()


@pytest.mark.parametrize("clock", ["09h30min", "16h", "23h59min"])
def test_a_stamp_at_the_open_or_the_close_is_its_days(tmp_path: Path, clock: str):
    opens = (DAYS + pd.Timedelta(clock)).tz_localize("America/New_York")
    bars(opens.map(str)).to_csv(tmp_path / "A.csv", index=False)
    assert times_of(tmp_path / "A.csv").tolist() == DAYS.to_numpy("datetime64[ns]").tolist()


def test_members_and_context_count_the_same_dates(tmp_path: Path):
    bars([f"{day:%Y-%m-%d} 00:00:00+09:00" for day in DAYS]).to_csv(tmp_path / "A.csv", index=False)
    (tmp_path / "members.csv").write_text("symbol,from,to\nA,2020-01-06,2020-01-31\n")
    pd.DataFrame({"time": DAYS, "vix": range(60)}).to_csv(tmp_path / "vix.csv", index=False)
    for zone in (None, "Asia/Tokyo", "America/New_York"):
        market = load(str(tmp_path / "A.csv"), timezone=zone, universe=str(tmp_path / "members.csv"),
                      context=str(tmp_path / "vix.csv"))  # fmt: skip
        inside = market.universe.inside("A", market.bars[0].time)
        assert inside.sum() == 20 and market.bars[0].time[inside][-1] == np.datetime64("2020-01-31")
        assert market.bars[0].extra["vix"].tolist() == list(range(60))


def test_a_member_of_intraday_bars_is_one_for_its_exchanges_day(tmp_path: Path):
    hours = pd.date_range("2020-01-06 00:00", periods=60, freq="h")
    bars(hours).to_csv(tmp_path / "A.csv", index=False)
    (tmp_path / "members.csv").write_text("symbol,from,to\nA,2020-01-07,2020-01-07\n")
    market = load(str(tmp_path / "A.csv"), timezone="Asia/Tokyo", universe=str(tmp_path / "members.csv"))
    inside = market.bars[0].time[market.universe.inside("A", market.bars[0].time)]
    assert len(inside) == 24 and inside[0] == np.datetime64("2020-01-06T15:00")


@pytest.mark.parametrize("units", [(1, 1000), (1000, 10**6), (1000, 10**9), (10**6, 1)])
def test_a_unit_may_change_in_the_middle(tmp_path: Path, units: tuple[int, int]):
    seconds = DAYS.as_unit("s").astype("int64")
    bars([int(s) * units[i >= 30] for i, s in enumerate(seconds)]).to_csv(tmp_path / "A.csv", index=False)
    assert times_of(tmp_path / "A.csv").tolist() == DAYS.to_numpy("datetime64[ns]").tolist()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("first", ["1969-12-01", "1964-05-01"])
def test_counts_around_1970(tmp_path: Path, unit: str, first: str):
    days = pd.date_range(first, periods=60)
    bars(days.as_unit(unit).astype("int64")).to_csv(tmp_path / "A.csv", index=False)
    assert times_of(tmp_path / "A.csv").tolist() == days.to_numpy("datetime64[ns]").tolist()


FORMS = ["%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%y%m%d", "%d-%m-%Y", "%m-%d-%Y", "%d-%m-%y", "%y/%m/%d", "%Y.%m.%d"]
FORMS += ["%A, %d %B %Y", "%a %Y-%m-%d", "%d %b %Y", "%b %d %Y", "%d%b%Y", "%Y-%m-%d 00:00:00", "%Y%m%d 0000"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shuffled", [False, True])
def test_dates_of_every_form(tmp_path: Path, form: str, shuffled: bool):
    table = bars(DAYS.strftime(form))
    table = table.sample(frac=1, random_state=0) if shuffled else table
    table.to_csv(tmp_path / "A.csv", index=False)
    assert times_of(tmp_path / "A.csv").tolist() == DAYS.to_numpy("datetime64[ns]").tolist()


@pytest.mark.parametrize("form", ["%Y%m", "%m/%Y", "%b-%y", "%B %Y", "%Y-%m", "%d/%m/%Y", "%d/%m/%y"])
def test_months_of_every_form(tmp_path: Path, form: str):
    bars(MONTHS.strftime(form)).to_csv(tmp_path / "A.csv", index=False)
    assert times_of(tmp_path / "A.csv").tolist() == MONTHS.to_numpy("datetime64[ns]").tolist()


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("symbols", [1, 2])
def test_the_doubled_hour_is_told_by_order(tmp_path: Path, order: int, symbols: int):
    utc = pd.date_range("2023-10-28 12:00", periods=60, freq="30min", tz="UTC")
    table = bars(utc.tz_convert("Europe/Berlin").tz_localize(None))
    table = pd.concat([table.assign(symbol=str(i), place=range(60)) for i in range(symbols)])
    table = table.sort_values("place", kind="stable").drop(columns="place")[::order]
    table.to_csv(tmp_path / "A.csv", index=False)
    for one in load(str(tmp_path / "A.csv"), timezone="Europe/Berlin").bars:
        assert one.time.tolist() == utc.tz_localize(None).to_numpy("datetime64[ns]").tolist()


@pytest.mark.parametrize("suffix", [" EST", " US/Eastern", "-05:00", " GMT-0500", " America/New_York"])
def test_zones_beside_the_times(tmp_path: Path, suffix: str):
    hours = pd.date_range("2020-01-06", periods=60, freq="h")
    bars([f"{t:%Y-%m-%d %H:%M:%S}{suffix}" for t in hours]).to_csv(tmp_path / "A.csv", index=False)
    assert times_of(tmp_path / "A.csv")[0] == np.datetime64("2020-01-06T05:00")


@pytest.mark.parametrize("zone", ["US/Eastern", "EST", "America/New_York"])
def test_old_names_of_zones(tmp_path: Path, zone: str):
    bars(pd.date_range("2020-01-06", periods=60, freq="h")).to_csv(tmp_path / "A.csv", index=False)
    assert times_of(tmp_path / "A.csv", timezone=zone)[0] == np.datetime64("2020-01-06T05:00")


@pytest.mark.parametrize("times", [range(60), [f"{i:02}0000" for i in range(60)], ["soon"] * 60, [""] * 60])
def test_what_is_no_time_is_refused(tmp_path: Path, times: object):
    bars(times).to_csv(tmp_path / "A.csv", index=False)
    with pytest.raises(BarwiseError):
        load(str(tmp_path / "A.csv"))


@pytest.mark.parametrize("order", ["close open low high", "open close high low"])
def test_rows_without_names_whose_open_is_not_told_are_refused(tmp_path: Path, order: str):
    table = bars(DAYS)
    table["open"] = table["open"] * 1.003  # no nearer to the close before than to its own
    table[["time", *order.split()]].to_csv(tmp_path / "A.csv", index=False, header=False)
    with pytest.raises(BarwiseError, match=r"name all 5 in their order by data\.header"):
        load(str(tmp_path / "A.csv"))
    assert len(load(str(tmp_path / "A.csv"), header=["time", *order.split()]).bars[0]) == 60


def test_hours_alone_are_hours(tmp_path: Path):
    hours = pd.date_range("2024-03-04", periods=60, freq="h")
    table = bars(hours.strftime("%Y-%m-%d"))
    table.insert(1, "Hour", hours.hour)
    table.rename(columns={"time": "Date"}).to_csv(tmp_path / "A.csv", index=False)
    assert times_of(tmp_path / "A.csv").tolist() == hours.to_numpy("datetime64[ns]").tolist()


def test_a_file_that_does_not_tell_day_and_month_is_told_by_the_others_of_its_folder(tmp_path: Path):
    for name, days in (("A", DAYS[:5]), ("B", DAYS)):
        bars(days.strftime("%d/%m/%Y"), len(days)).to_csv(tmp_path / f"{name}.csv", index=False)
    found = load(str(tmp_path))
    assert [str(b.time[0])[:10] for b in found.bars] == ["2020-01-06"] * 2
    assert any("told by the other files" in note for note in found.facts["notes"])
