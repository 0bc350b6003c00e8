"""Parquet by pieces: partitions, row groups, columns, here and at an address; and servers that give nothing."""

from __future__ import annotations

import http.server
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from barwise.data.files import load
from barwise.data.readers.pushdown import Wanted
from barwise.errors import BarwiseError
from tests.data.test_query import FRAME, MARKET, assert_same
from tests.servers import free_port
from tests.sweeps.test_isolated import wait_until


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("parts")
    for symbol, part in FRAME.assign(bid=1.0, ask=2.0, odd=3.0, tags=[[1]] * len(FRAME)).groupby("symbol"):
        for year, some in part.groupby(part.time.dt.year):
            target = place / "hive" / f"symbol={symbol}" / f"year={year}" / "part-0.parquet"
            target.parent.mkdir(parents=True)
            some.drop(columns="symbol").to_parquet(target)
    FRAME.to_parquet(place / "all.parquet", row_group_size=100)
    return place


class Ranges(http.server.SimpleHTTPRequestHandler):
    """A server of files that gives the pieces it is asked for, and counts their bytes."""

    sent = 0

    def log_message(self, *_: object) -> None:
        return

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if span:
            first, last = int(span[1]), min(int(span[2] or len(data) - 1), len(data) - 1)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
            data = data[first : last + 1]
        else:
            self.send_response(200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        type(self).sent += len(data)


@pytest.fixture(scope="module")
def web(folder: Path) -> Iterator[str]:
    pytest.importorskip("aiohttp")
    handler = type(
        "Here", (Ranges,), {"__init__": lambda self, *a, **k: Ranges.__init__(self, *a, directory=folder, **k)}
    )
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_a_partition_gives_all_its_bars_and_reads_those_asked_for(folder, monkeypatch):
    assert_same(load(str(folder / "hive")))
    opened: list[str] = []
    real = pq.ParquetFile.__init__
    monkeypatch.setattr(
        pq.ParquetFile, "__init__", lambda self, where, **k: opened.append(str(where)) or real(self, where, **k)
    )
    found = load(str(folder / "hive"), symbols="S0001", start="2001-01-05")
    assert found.symbols == ("S0001",)
    assert {re.sub(r".*hive/", "", name) for name in opened} == {"symbol=S0001/year=2001/part-0.parquet"}


@pytest.mark.parametrize("where", ["folder", "web"])
def test_row_groups_of_others_are_not_read(where, folder, web, monkeypatch):
    path = f"{web}/all.parquet" if where == "web" else str(folder / "all.parquet")
    groups: list[int] = []
    real = pq.ParquetFile.read_row_groups
    monkeypatch.setattr(
        pq.ParquetFile, "read_row_groups", lambda s, g, *a, **k: groups.extend(g) or real(s, g, *a, **k)
    )
    found = load(path, symbols=["S0002"], start="2000-10-01")
    inside = MARKET.bars[2].time >= np.datetime64("2000-10-01")
    assert_same(found, type(MARKET)((MARKET.bars[2].take(inside),)))
    assert groups == [7, 8]
    assert_same(load(path))


def test_columns_that_are_not_asked_for_are_not_read(folder):
    every = load(str(folder / "hive"), symbols="S0000")
    assert set(every.bars[0].extra) == {"bid", "ask", "odd"}
    assert set(load(str(folder / "hive"), symbols="S0000", extra=[]).bars[0].extra) == {"bid", "ask"}
    file = pq.ParquetFile(next((folder / "hive").rglob("*.parquet")))
    assert "odd" not in Wanted(extra=()).table(file)[0].column_names


def test_faults_name_the_row_of_the_file(tmp_path):
    bad = FRAME.copy()
    bad.loc[650, "high"] = 0.001
    bad.to_parquet(tmp_path / "bad.parquet", row_group_size=100)
    with pytest.raises(BarwiseError, match="S0002 row 651"):
        load(str(tmp_path / "bad.parquet"), symbols="S0002")


def test_a_partition_without_rows_is_told_and_passed_over(folder, tmp_path):
    for symbol in ("S0000", "S0001"):
        target = tmp_path / f"symbol={symbol}" / "p.parquet"
        target.parent.mkdir()
        FRAME[(FRAME.symbol == symbol) & (symbol == "S0000")].drop(columns="symbol").to_parquet(target)
    found = load(str(tmp_path))
    assert found.symbols == ("S0000",)
    assert any("passed over: it has no rows" in line for line in found.facts["warnings"])


@pytest.mark.parametrize("change", [{"volume": str}, {"close": "float32"}, {"time": str}, {"symbol": "category"}])
def test_a_column_that_changes_type_between_files_is_read(change, tmp_path):
    first = FRAME[FRAME.time < "2000-10-01"]
    first.to_parquet(tmp_path / "a.parquet")
    FRAME[FRAME.time >= "2000-10-01"].astype(change).to_parquet(tmp_path / "b.parquet")
    found = load(str(tmp_path))
    assert found.symbols == MARKET.symbols
    np.testing.assert_allclose(found.bars[0].close, MARKET.bars[0].close, rtol=1e-6)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("s3://key:secret@bars/x.parquet", "holds a secret"),
        ("s3://bars/x.parquet?secret_key=abc", "holds a secret"),
        ("ftp://host/x.csv", "ftp:// is not spoken"),
        ("http://127.0.0.1:9/x.parquet", "is not there|cannot be"),
        ("WEB/nothing.parquet", "is not there"),
        ("WEB/all.parquet?", "has no row of .data.symbols=.ZZZ"),
    ],
)
def test_an_address_that_gives_nothing_is_one_line(path, said, web):
    asked = {"symbols": ["ZZZ"]} if path.endswith("?") else {}
    with pytest.raises(BarwiseError, match=said) as told:
        load(path.replace("WEB", web).rstrip("?"), **asked)
    assert "\n" not in str(told.value) and "secret@" not in str(told.value) and "abc" not in str(told.value)


@pytest.mark.slow
def test_s3_on_loopback(tmp_path, monkeypatch):
    """moto wants other versions than ours: an environment of its own."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    subprocess.run([tmp_path / "venv/bin/pip", "install", "-q", "moto[server]"], check=True)
    port = free_port()
    for name, value in {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_DEFAULT_REGION": "us-east-1",
                        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    import pyarrow.fs as fs

    server = subprocess.Popen([tmp_path / "venv/bin/moto_server", "-H", "127.0.0.1", "-p", str(port)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        wait_until(lambda: os.system(f"curl -s -o /dev/null http://127.0.0.1:{port}/moto-api/") == 0)
        s3 = fs.S3FileSystem(endpoint_override=f"http://127.0.0.1:{port}", allow_bucket_creation=True)
        s3.create_dir("bars")
        for symbol, part in FRAME.groupby("symbol"):
            part.drop(columns="symbol").to_parquet(f"bars/d/symbol={symbol}/p.parquet", filesystem=s3)
        FRAME.to_parquet("bars/all.parquet", filesystem=s3, row_group_size=100)
        for path in ("s3://bars/d", "s3://bars/all.parquet", "s3://bars/d/*/*.parquet"):
            assert_same(load(path))
        assert load("s3://bars/d", symbols="S0001").facts["files"] == 1
    finally:
        server.kill()
        server.wait()
