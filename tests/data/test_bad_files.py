"""Each bad input ends in one line that names file, symbol, row and value."""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from barwise.console.messages import one_line
from barwise.data.files import load
from barwise.errors import BarwiseError, ConfigError, DataError

BAD_ROWS = {
    "NaN price": ("2024-01-04,10,12,9,,102", "close is not a finite number (nan)"),
    "infinite price": ("2024-01-04,10,inf,9,11,102", "high is not a finite number (inf)"),
    "zero price": ("2024-01-04,10,12,0,11,102", "low is not above 0 (0)"),
    "negative price": ("2024-01-04,-10,12,9,11,102", "open is not above 0 (-10)"),
    "price in words": ("2024-01-04,10,12,9,eleven,102", "close is not a number ('eleven')"),
    "negative volume": ("2024-01-04,10,12,9,11,-1", "volume is below 0 (-1)"),
    "missing volume": ("2024-01-04,10,12,9,11,", "volume is not a finite number (nan)"),
    "high below low": ("2024-01-04,10,8,9,10,102", "high lies below low (8)"),
    "high below open": ("2024-01-04,13,12,9,11,102", "high lies below open (12)"),
    "high below close": ("2024-01-04,10,12,9,12.5,102", "high lies below close (12)"),
    "low above open": ("2024-01-04,8.5,12,9,11,102", "low lies above open (9)"),
    "low above close": ("2024-01-04,10,12,9,8.5,102", "low lies above close (9)"),
    "unparsable time": ("the 4th,10,12,9,11,102", "time cannot be read ('the 4th')"),
    "missing time": (",10,12,9,11,102", "time cannot be read ('')"),
    "duplicate time": ("2024-01-03,10,12,9,11,102", "time comes twice (2024-01-03)"),
    "unsorted time": ("2023-12-29,10,12,9,11,102", "time runs backwards (2023-12-29)"),
}


def refusal(path: object, **settings: object) -> str:
    """The message of the error that loading ends in, which is one line."""
    with pytest.raises(BarwiseError) as caught:
        load(str(path), **settings)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message and len(message) < 400
    return message


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_bad_row_is_named(write, case):
    line, fault = BAD_ROWS[case]
    path = write({3: line})
    helps = "mend the rows, or data.on_bad=drop leaves them out"
    if "above 0" in fault:
        helps = "a return needs prices above 0; data.on_bad=drop leaves out this bar"
    assert refusal(path) == f"{path}: 1 fault: MY row 3: {fault}; {helps}"


@pytest.mark.parametrize("case", BAD_ROWS)
def test_drop_leaves_the_bad_row_out_and_counts_it(write, case):
    market = load(write({3: BAD_ROWS[case][0]}), on_bad="drop")
    assert market.facts["dropped_rows"] == 1
    assert any("1 bad row" in warning for warning in market.facts["warnings"])
    assert market.bars[0].volume.tolist() == [100, 101, 103, 104, 105]


def test_many_faults_are_counted_and_the_first_listed(write):
    path = write({i: f"2024-01-{i + 1:02},10,12,9,-1,1" for i in range(2, 7)})
    assert re.search(
        r"MY.csv: 5 faults: MY row 2: .*; MY row \d: .*; MY row \d: .*; and 2 more; a return", refusal(path)
    )


def test_dropping_most_of_a_file_is_refused(write):
    path = write({i: f"2024-01-{i + 1:02},10,12,9,-1,1" for i in range(2, 7)})
    assert "would leave out 5 of 6 rows, more than half" in refusal(path, on_bad="drop")


def test_where_most_rows_are_odd_leaving_them_out_is_not_offered(write):
    path = write({i: f"2024-01-{i + 1:02},10,12,9,eleven,1" for i in range(2, 7)})
    assert "drop" not in refusal(path) and "not what it seems" in refusal(path)


def test_bars_of_one_time_that_differ_are_not_thinned_out(write):
    path = write({i: f"2024-01-0{i // 2 + 1},10,12,9,{11 - i / 10},1" for i in range(1, 7)})
    assert "time comes twice" in refusal(path) and "drop" not in refusal(path)


@pytest.mark.parametrize("on_bad", ["error", "drop"])
def test_a_missing_column_is_named(write, on_bad):
    message = refusal(write(header="Date,Open,High,Low,Stuff,Volume"), on_bad=on_bad)
    assert "no column for close" in message and message.endswith("as their values look: data.columns.close=Stuff")


def test_a_mapped_column_that_is_not_there_is_named(write):
    assert "no column Last, which data.columns.close names" in refusal(write(), columns={"close": "Last"})


def test_two_columns_for_one_thing_are_refused(write):
    rows = {i: f"2024-01-0{i},2023-01-0{i},10,12,9,11,1" for i in range(1, 7)}
    message = refusal(write(rows, header="Date,Timestamp,Open,High,Low,Close,Volume"))
    assert (
        "columns Date and Timestamp could both be time" in message.replace("Timestamp and Date", "Date and Timestamp")
        and "data.columns.time=" in message
    )


def test_an_empty_file_is_said_to_be(tmp_path: Path):
    (tmp_path / "MY.csv").write_text("")
    assert "MY.csv: the file is empty" in refusal(tmp_path / "MY.csv")


def test_a_header_without_rows_is_said_to_be(tmp_path: Path):
    (tmp_path / "MY.csv").write_text("Date,Open,High,Low,Close,Volume\n")
    assert "a header and no rows" in refusal(tmp_path / "MY.csv")


def test_offsets_that_change_with_the_season_are_each_their_own(write):
    winter, summer = "2024-01-02 09:30-05:00,10,12,9,11,1", "2024-07-02 09:30-04:00,10,12,9,11,1"
    rest = {i: f"2024-07-02 {i + 8}:30-04:00,10,12,9,11,1" for i in range(3, 7)}
    bars = load(write({1: winter, 2: summer, **rest})).bars[0]
    assert bars.time[:2].tolist() == np.array(["2024-01-02T14:30", "2024-07-02T13:30"], "datetime64[ns]").tolist()


def test_times_with_and_without_a_zone_are_refused(write):
    assert "mixed time zones: row 4 has Z, row 1 has none" in refusal(write({4: "2024-01-05T00:00:00Z,10,12,9,11,1"}))


def test_files_with_and_without_a_zone_are_refused(write, tmp_path: Path):
    write({i: f"2024-01-01 0{i}:00,10,12,9,11,1" for i in range(1, 7)}, name="A.csv")
    write({i: f"2024-01-01 0{i}:00Z,10,12,9,11,1" for i in range(1, 7)}, name="B.csv")
    message = refusal(tmp_path)
    assert "B.csv has one" in message and "A.csv has none" in message
    assert load(str(tmp_path), timezone="UTC").symbols == ("A", "B")


@pytest.mark.parametrize("name", ["bars.xlsx", "bars.csv", "bars.parquet", "bars.csv.gz", "bars.csv.zip"])
def test_a_file_that_is_not_csv_or_parquet_is_refused(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(b"PK\x03\x04\x00\x00\xff\xfe" * 40)
    message = refusal(tmp_path / name)
    assert name in message and ("not a kind of file" in message or "cannot be" in message)


def test_a_row_with_too_many_fields_is_refused(write):
    path = write({3: "2024-01-04,10,12,9,11,1,234"})
    assert "MY row 3: has 7 cells for 6 columns ('2024-01-04,10" in refusal(path)
    assert load(path, on_bad="drop").facts["dropped_rows"] == 1


def test_rows_all_longer_than_the_header_are_refused(write):
    path = write({i: f"2024-01-0{i},10,12,9,11,1,234" for i in range(1, 7)})  # 1,234 without quotes is not 1
    assert "cannot be read as CSV" in refusal(path)


def test_a_path_that_is_not_there_is_named(tmp_path: Path):
    assert "nowhere.csv: is not there" in refusal(tmp_path / "nowhere.csv")
    assert "matches no file" in refusal(tmp_path / "*.csv")
    assert "the folder holds no file ending in .csv" in refusal(tmp_path)


def test_one_symbol_in_two_files_is_refused_unless_its_bars_are_the_same(write, tmp_path: Path):
    write()
    table = pd.read_csv(tmp_path / "MY.csv")
    table.to_parquet(tmp_path / "MY.parquet")
    market = load(str(tmp_path))
    assert len(market.bars[0]) == 6 and "all of its bars of MY are in" in market.facts["warnings"][0]
    table.assign(Close=11.5).to_parquet(tmp_path / "MY.parquet")
    assert re.search(r"symbol MY is in .*MY.csv and in .*MY.parquet", refusal(tmp_path))


def test_a_missing_symbol_is_a_bad_row(write):
    path = write(
        {i: f"2024-01-0{i},10,12,9,11,1,{'' if i == 3 else 'A'}" for i in range(1, 7)},
        header="Date,Open,High,Low,Close,Volume,Ticker",
    )
    assert "row 3: symbol is missing" in refusal(path)
    assert load(path, on_bad="drop").symbols == ("A",)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"on_bad": "ignore"}, "data.on_bad=ignore: must be one of error, drop"),
        ({"periods_per_year": 0}, "data.periods_per_year=0: must be a number from 1"),
        ({"adjusted": "yes"}, "data.adjusted=yes: must be true or false"),
        ({"columns": "Last"}, "data.columns=Last: must map our names"),
        ({"timezone": "Mars/Olympus"}, "data.timezone=Mars/Olympus: must be a zone's name"),
        ({"adjusted": True}, "has no adjusted close"),
    ],
)
def test_a_setting_that_cannot_be_is_named(write, settings, said):
    with pytest.raises(ConfigError, match=re.escape(said)):
        load(write(), **settings)


def test_a_path_is_needed():
    with pytest.raises(ConfigError, match=r"data\.path=null: must name"):
        load(None)


def test_a_long_file_names_the_symbol_and_the_row_of_the_file(frame, tmp_path: Path):
    both = pd.concat([frame.assign(ticker="A"), frame.assign(ticker="B")]).sort_values("time", kind="stable")
    both.iloc[7, both.columns.get_loc("close")] = np.nan  # the fourth bar of B
    both.to_csv(tmp_path / "long.csv", index=False)
    with pytest.raises(DataError, match=re.escape("long.csv: 1 fault: B row 8: close is not a finite number (nan)")):
        load(str(tmp_path / "long.csv"))


def broken_gz(frame: pd.DataFrame) -> bytes:
    packed = bytearray(gzip.compress(frame.to_csv(index=False).encode() * 50, mtime=0))
    packed[20:24] = b"\xff\xff\xff\xff"
    return bytes(packed)


def in_zone(zone: str, frame: pd.DataFrame) -> bytes:
    table = pa.Table.from_pandas(frame)
    stamps = table["time"].cast(pa.timestamp("us")).cast(pa.int64()).cast(pa.timestamp("us", tz=zone))
    return parquet(table.set_column(0, "time", stamps))


def with_metadata(text: str, frame: pd.DataFrame) -> bytes:
    return parquet(pa.Table.from_pandas(frame).replace_schema_metadata({"pandas": text}))


def parquet(table: pa.Table) -> bytes:
    held = io.BytesIO()
    pq.write_table(table, held)
    return held.getvalue()


DAMAGED: dict[str, tuple[str, Callable[[pd.DataFrame], bytes]]] = {
    "gzip": ("a.csv.gz", broken_gz),
    "gzip cut": ("a.csv.gz", lambda frame: broken_gz(frame)[:12]),
    "no such zone": ("a.parquet", partial(in_zone, "Mars/Phobos")),
    "no such offset": ("a.parquet", partial(in_zone, "+99:00")),
    "a path for a zone": ("a.parquet", partial(in_zone, "../../etc/passwd")),
    "no date is one": ("a.csv", lambda frame: frame.assign(time="never").to_csv(index=False).encode()),
    "all dates missing": ("a.parquet", lambda frame: parquet(pa.Table.from_pandas(frame.assign(time=pd.NaT)))),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_file_is_one_line_that_names_it(tmp_path: Path, frame: pd.DataFrame, case: str):
    name, make = DAMAGED[case]
    (tmp_path / name).write_bytes(make(frame))
    assert name in refusal(tmp_path / name)


@pytest.mark.parametrize("text", ["[]", "{", '{"index_columns": ["nowhere"], "columns": []}', '{"index_columns": 7}'])
def test_odd_metadata_of_pandas_is_passed_over_or_one_line(tmp_path: Path, frame: pd.DataFrame, text: str):
    (tmp_path / "a.parquet").write_bytes(with_metadata(text, frame))
    try:
        assert len(load(str(tmp_path / "a.parquet")).bars[0]) == len(frame)
    except DataError as error:
        assert "a.parquet" in str(error)


def test_names_of_any_length_and_kind_are_cut_and_escaped(write):
    name = "n" * 5000 + "\x1b[2J"
    with pytest.raises(BarwiseError) as caught:
        load(write(header=f"Date,Open,High,Low,{name},Volume"))
    line = one_line(caught.value)[1]
    assert line.isprintable() and len(line) < 1500 and "data.columns" in line
