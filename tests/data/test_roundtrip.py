"""A market written in any combination of dialect, dates, zone, header, grouping and order is read back equal."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from barwise.data.files import load

HEADERS = {
    "english": ("Date", "Open", "High", "Low", "Close", "Volume", "Ticker"),
    "lower": ("time", "open", "high", "low", "close", "volume", "symbol"),
    "metatrader": ("<DATE>", "<OPEN>", "<HIGH>", "<LOW>", "<CLOSE>", "<VOL>", "<TICKER>"),
    "numbered": ("timestamp", "1. open", "2. high", "3. low", "4. close", "5. volume", "6. symbol"),
    "german": ("Datum", "Eröffnung", "Hoch", "Tief", "Schlusskurs", "Volumen", "Symbol"),
    "chinese": ("日期", "开盘", "最高", "最低", "收盘", "成交量", "代码"),
    "japanese": ("日付", "始値", "高値", "安値", "終値", "出来高", "銘柄コード"),
    "none": None,
}
DAY_FORMS = [
    "%Y-%m-%d",
    "%Y%m%d",
    "%d.%m.%Y",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%d-%b-%Y",
    "%b %d, %Y",
    "%Y/%m/%d",
    "%y-%m-%d",
    "excel",
]
HOUR_FORMS = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y%m%d %H%M%S", "%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M %p"]
HOUR_FORMS += ["s", "ms", "us", "ns", "split"]
ZONES = [None, "UTC", "America/New_York", "Europe/Berlin", "Asia/Tokyo", "Australia/Sydney"]


@st.composite
def markets(draw: st.DrawFn) -> dict[str, object]:
    days = draw(st.booleans())
    return {
        "days": days,
        "symbols": draw(st.sampled_from([("AAA",), ("AAA", "NA"), ("000001", "BRK.B", "x y")])),
        "form": draw(st.sampled_from(DAY_FORMS if days else HOUR_FORMS)),
        "zone": draw(st.sampled_from(ZONES)),
        "delimiter": draw(st.sampled_from([",", ";", "\t", "|"])),
        "decimal": draw(st.sampled_from([".", ","])),
        "thousands": draw(st.booleans()),
        "header": draw(st.sampled_from(list(HEADERS))),
        "grouping": draw(st.sampled_from(["long", "by time", "files", "months"])),
        "order": draw(st.sampled_from(["oldest", "newest"])),
        "encoding": draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])),
        "ending": draw(st.sampled_from(["\n", "\r\n"])),
        "packed": draw(st.sampled_from([".csv", ".csv.gz", ".txt", ".csv.bz2"])),
        "start": draw(st.dates(pd.Timestamp("1999-01-01").date(), pd.Timestamp("2022-06-01").date())),
        "level": draw(st.sampled_from([0.85, 42.0, 990.0, 31000.0])),
        "seed": draw(st.integers(0, 2**16)),
    }  # fmt: skip


def made(how: dict[str, object]) -> dict[str, pd.DataFrame]:
    """Bars of each symbol; `time` is what is to be read."""
    count, out = 90, {}
    for i, name in enumerate(how["symbols"]):
        random = np.random.default_rng([how["seed"], i])
        start = pd.Timestamp(how["start"])
        times = pd.bdate_range(start, periods=count) if how["days"] else pd.date_range(start, periods=count, freq="h")
        close = how["level"] * np.exp(np.cumsum(random.normal(0, 0.01, count)))
        open_ = close * np.exp(random.normal(0, 0.002, count))
        columns = {"open": open_, "high": np.maximum(open_, close) * 1.01, "low": np.minimum(open_, close) * 0.99}
        table = {"time": times, **columns, "close": close, "volume": random.integers(1, 10**6, count)}
        out[name] = pd.DataFrame(table).round(5 if how["level"] < 10 else 2)
    return out


def stamped(times: pd.DatetimeIndex, how: dict[str, object]) -> list[str]:
    """The times as text; those of hours are given in UTC, and written on the clock of the zone."""
    form, zone = how["form"], how["zone"]
    if form == "excel":
        return [str((t - pd.Timestamp("1899-12-30")).days) for t in times]
    if how["days"]:
        if zone and form == "%Y-%m-%d":  # local midnights with their offset
            return [t.isoformat(sep=" ") for t in times.tz_localize(zone)]
        return list(times.strftime(form))
    if form in ("s", "ms", "us", "ns"):
        return [
            str(int(t))
            for t in times.as_unit("ns").astype("int64") // {"s": 10**9, "ms": 10**6, "us": 1000, "ns": 1}[form]
        ]
    local = times.tz_localize("UTC").tz_convert(zone) if zone else times
    if zone and form == "%Y-%m-%d %H:%M:%S":
        return [t.isoformat(sep=" ") for t in local]
    return list(local.strftime("%Y-%m-%d\0%H:%M" if form == "split" else form))


def number(value: float, how: dict[str, object]) -> str:
    decimals = 5 if how["level"] < 10 else 2
    grouped = how["thousands"] and how["delimiter"] != ("," if how["decimal"] == "." else "")
    text = f"{value:,.{decimals}f}" if grouped else f"{value:.{decimals}f}"
    return text.translate(str.maketrans(",.", ".,")) if how["decimal"] == "," else text


def rows(name: str, table: pd.DataFrame, how: dict[str, object], named: bool) -> pd.DataFrame:
    times = stamped(pd.DatetimeIndex(table["time"]), how)
    columns = {"time": [t.split("\0")[0] for t in times]}
    if how["form"] == "split":
        columns["clock"] = [t.split("\0")[1] for t in times]
    columns |= {c: [number(v, how) for v in table[c]] for c in ("open", "high", "low", "close")}
    columns["volume"] = table["volume"].astype(str).tolist()
    out = pd.DataFrame(columns)
    if named:
        out["symbol"] = name
    return out[::-1] if how["order"] == "newest" else out


def text_of(table: pd.DataFrame, how: dict[str, object]) -> bytes:
    names = HEADERS[how["header"]]
    if names is not None:
        words = dict(zip(("time", "open", "high", "low", "close", "volume", "symbol"), names, strict=True))
        table = table.rename(columns={**words, "clock": "Time" if names[0] != "time" else "clock"})
    out = io.StringIO()
    table.to_csv(out, sep=how["delimiter"], index=False, header=names is not None, lineterminator=how["ending"])
    return out.getvalue().encode(how["encoding"])


def written(folder: Path, tables: dict[str, pd.DataFrame], how: dict[str, object]) -> Path:
    import bz2
    import gzip

    pack = {".csv.gz": gzip.compress, ".csv.bz2": bz2.compress}.get(how["packed"], lambda data: data)
    if how["grouping"] in ("long", "by time"):
        parts = [rows(name, table, how, True) for name, table in tables.items()]
        both = pd.concat(parts)
        if how["grouping"] == "by time":
            both = both.assign(place=np.concatenate([np.arange(len(p)) for p in parts])).sort_values(
                "place", kind="stable"
            )
            both = both.drop(columns="place")
        path = folder / f"all{how['packed']}"
        path.write_bytes(pack(text_of(both, how)))
        return path
    for name, table in tables.items():
        pieces = {"": table}
        if how["grouping"] == "months":
            pieces = {f"-{m}": part for m, part in table.groupby(table["time"].dt.strftime("%Y-%m"))}
        for mark, part in pieces.items():
            (folder / f"{name}{mark}{how['packed']}").write_bytes(pack(text_of(rows(name, part, how, False), how)))
    return folder


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(markets())
def test_any_market_is_read_back_equal(how: dict[str, object]):
    check(how)


def check(how: dict[str, object]) -> None:
    """Write, read, compare."""
    tables = made(how)
    if how["delimiter"] == "," and how["decimal"] == ",":
        how["decimal"] = "."  # pandas quotes such cells; nobody writes them so
    if how["grouping"] == "months" and (
        how["header"] == "none" or not how["days"] or how["form"] in ("%d/%m/%Y", "%m/%d/%Y", "%y-%m-%d")
    ):
        how["grouping"] = "files"  # a piece of few rows tells neither
    if how["header"] == "none" and "000001" in how["symbols"]:
        how["header"] = "lower"  # a number without a name is no symbol
    if how["header"] == "none" and how["form"] == "excel":
        how["header"] = "lower"  # nor a date
    asked = {}
    if how["form"] in ("%d/%m/%Y", "%m/%d/%Y", "%m/%d/%Y %I:%M %p"):
        asked["day_first"] = how["form"][1] == "d"  # four days of hours do not always tell
    if how["zone"] and not how["days"] and how["form"] not in ("s", "ms", "us", "ns", "%Y-%m-%d %H:%M:%S"):
        asked["timezone"] = how["zone"]
    with tempfile.TemporaryDirectory() as folder:
        found = load(str(written(Path(folder), tables, how)), **asked)
    assert found.symbols == tuple(sorted(tables))
    for bars in found.bars:
        table = tables[bars.symbol]
        assert bars.time.tolist() == table["time"].to_numpy("datetime64[ns]").tolist()
        for name in ("open", "high", "low", "close", "volume"):
            np.testing.assert_array_equal(getattr(bars, name), table[name].to_numpy(float), err_msg=name)
