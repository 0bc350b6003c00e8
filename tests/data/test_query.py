"""Bars from databases and frames are the bars that were put there, and nothing but reading is possible."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from barwise.console.secrets import _secret, holds_secret
from barwise.data import frame, query, synthetic
from barwise.data.bars import Market
from barwise.errors import BarwiseError, ConfigError
from barwise.safety.targets import Targets
from tests import warm
from tests.conftest import ROOT
from tests.servers import postgresql

duckdb = pytest.importorskip("duckdb")
MARKET = synthetic.load(n_symbols=3, n_bars=300)
FRAME = pd.concat(
    [
        pd.DataFrame({"time": b.time, "symbol": b.symbol} | {n: getattr(b, n) for n in ("open", "high", "low", "close")}
                     | {"volume": b.volume})
        for b in MARKET.bars
    ],
    ignore_index=True,
)  # fmt: skip


def assert_same(found: Market, wanted: Market = MARKET) -> None:
    assert found.symbols == wanted.symbols
    for ours, theirs in zip(found.bars, wanted.bars, strict=True):
        for name in ("time", "open", "high", "low", "close", "volume"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("bases")
    FRAME.to_parquet(place / "bars.parquet")
    with duckdb.connect(str(place / "bars.duckdb")) as base:
        base.execute(f"CREATE TABLE bars AS SELECT * FROM '{place}/bars.parquet'")
    with sqlite3.connect(place / "bars.sqlite") as lite:
        FRAME.assign(time=FRAME.time.astype(str)).to_sql("bars", lite, index=False)
    lite.close()
    return place


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    dbapi = pytest.importorskip("adbc_driver_postgresql.dbapi")
    with postgresql() as address:
        with dbapi.connect(f"postgresql://{address}") as base:
            with base.cursor() as cursor:
                cursor.adbc_ingest("bars", pa.Table.from_pandas(FRAME, preserve_index=False))
                cursor.execute("CREATE TABLE odd AS SELECT time, symbol, open::numeric, high, low, close FROM bars")
            base.commit()
        yield f"postgresql://{address}"


def where(base: str, folder: Path, request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue("server")) if base == "postgresql" else str(folder / f"bars.{base}")


@pytest.mark.parametrize("base", ["duckdb", "sqlite", "postgresql"])
def test_a_database_gives_the_bars_that_were_put_there(base, folder, request):
    address = where(base, folder, request)
    assert_same(query.load("bars", address))
    found = query.load("SELECT * FROM bars WHERE symbol = $1 AND close > $2;", address, parameters=["S0001", 0.5])
    assert_same(found, Market(MARKET.bars[1:2]))


@pytest.mark.parametrize("base", ["duckdb", "sqlite", "postgresql"])
def test_symbols_and_dates_are_asked_of_the_database(base, folder, request):
    found = query.load("bars", where(base, folder, request), symbols="S0002", start="2000-06-01", end="2000-07-31")
    assert found.facts["rows"] <= len(found.bars[0]) + 4  # a day wider on both sides, no more
    inside = (MARKET.bars[2].time >= np.datetime64("2000-06-01")) & (MARKET.bars[2].time < np.datetime64("2000-08-01"))
    assert_same(found, Market((MARKET.bars[2].take(inside),)))


@pytest.mark.parametrize("base", ["duckdb", "sqlite", "postgresql"])
@pytest.mark.parametrize("sql", ["DROP TABLE bars", "CREATE TABLE worse AS SELECT 1", "DELETE FROM bars"])
def test_nothing_can_be_written(base, sql, folder, request):
    address = where(base, folder, request)
    with pytest.raises(BarwiseError):
        query.load(sql, address)
    assert_same(query.load("bars", address))


@pytest.mark.parametrize("base", ["duckdb", "sqlite", "postgresql"])
@pytest.mark.parametrize("order", ["random()", "close", "time DESC", "close > 130, time"])
def test_the_rows_of_a_database_need_no_order(base, order, folder, request):
    found = query.load(f"SELECT * FROM bars ORDER BY {order}", where(base, folder, request))
    assert_same(found)
    assert found.facts["warnings"] == []


def test_numbers_without_a_type_of_arrow_are_read(server):
    found = query.load("odd", server)
    np.testing.assert_allclose(found.bars[0].open, MARKET.bars[0].open, rtol=1e-14)  # of 15 digits


def test_a_server_that_goes_away_ends_in_one_line(server):
    with pytest.raises(BarwiseError, match=r"^data\.database=") as told:
        query.load("SELECT *, pg_terminate_backend(pg_backend_pid()) FROM bars", server)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "data.sql=null: must be one SELECT"),
        ({"sql": "COPY (SELECT 1) TO 'x.csv'"}, "must be one SELECT"),
        ({"sql": "SELECT 1; SELECT 2"}, "must be one SELECT"),
        ({"sql": "SELECT * FROM 'https://example.org/a.parquet'"}, "httpfs"),
        ({"sql": "bars", "database": "nowhere.db"}, "is not there; paths count from"),
        ({"sql": "bars", "database": "bars.parquet"}, "is no database of DuckDB or SQLite"),
        ({"sql": "bars", "database": "env:NO_SUCH_URL"}, "the environment has no NO_SUCH_URL"),
        ({"sql": "bars", "database": "mysql://h/x"}, "mysql:// is not spoken"),
        ({"sql": "bars", "database": "bars.sqlite", "symbols": ["XYZ"]}, "its first symbols are S0000, S0001"),
        ({"sql": "bars", "database": "bars.duckdb", "parameters": {"a": 1}}, "must be a list"),
        ({"sql": "nope", "database": "bars.sqlite"}, "no such table: nope"),
    ],
)
def test_a_mistake_is_one_line(settings, said, folder, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(BarwiseError, match=said) as told:
        query.load(**settings)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("address", ["postgresql://me:hunter2@h/b", "postgresql://h/b?user=me&password=hunter2"])
def test_a_password_is_kept_by_no_run(address, monkeypatch):
    with pytest.raises(ConfigError, match="holds a secret") as told:
        query.load("bars", address)
    assert "hunter2" not in str(told.value)
    monkeypatch.setenv("BARS_URL", address.replace("@h/", "@127.0.0.1:1/").replace("//h/", "//127.0.0.1:1/"))
    with pytest.raises(BarwiseError) as refused:
        query.load("bars", "env:BARS_URL")
    assert "hunter2" not in str(refused.value)


SWEEP = ["-m", "seed=1,2"]
HOW = {  # the command beside `data=mine`, whose YAML carries a password; or one whose words do
    "word": ["data=query", "data.sql=bars", "data.database=ADDRESS"],
    "yaml": ["data=mine"],
    "sweep": [*SWEEP, "data=mine"],
    "sweep over data": ["-m", "data=mine,sample", "hydra.launcher.n_jobs=1"],
    "sweep by Hydra": [*SWEEP, "data=mine", "hydra/launcher=basic"],
    "study": [*SWEEP, "data=mine", "hydra/sweeper=study", "hydra.sweeper.n_trials=2"],
    "a key named so": ["data=keyed"],
    "a tracker": ["+tracking.mlflow.uri=https://me:hunter2@h/"],
}


@pytest.mark.parametrize("how", HOW)
def test_a_refused_password_stands_in_no_file(how, tmp_path):
    """Hydra keeps what it composed before a part is made, and a sweeper before a trial is."""
    conf = tmp_path / "conf" / "data"
    conf.mkdir(parents=True)
    node = (ROOT / "conf/data/query.yaml").read_text("utf-8").replace("sql: null", "sql: bars")
    address = "postgresql://me:hunter2@127.0.0.1:1/b"
    (conf / "mine.yaml").write_text(node.replace("database: null", f"database: {address}"))
    (conf / "keyed.yaml").write_text("_target_: my.load\n_partial_: true\nserver: {password: hunter2}\n")
    words = [word.replace("ADDRESS", address) for word in HOW[how]]
    searched = f"hydra.searchpath=[file://{conf.parent}]"
    done = warm.run(["train.py", searched, *words, "experiment=smoke" if how == "sweep over data" else "audit=none",
                     f"output_dir={tmp_path / 'out'}"])  # fmt: skip
    some_ran = how in ("sweep over data", "sweep by Hydra")  # 4: trials failed, each of them with the line
    assert done.returncode == (4 if some_ran else 2) and "holds a secret" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr and "Traceback" not in done.stderr
    kept = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert not [path for path in kept if b"hunter2" in path.read_bytes()]


@pytest.mark.parametrize(
    ("key", "value", "held"),
    [
        ("data.database", "postgresql://me:pw@h/b", True),
        ("data.database", "postgresql://me:${oc.env:PW}@h/b", False),
        ("data.database", "postgresql://me@h/b", False),
        ("hydra.sweeper.storage", "postgresql://me:pw@h/b", True),
        ("hydra.sweeper.storage", "${oc.env:BARWISE_STORAGE,null}", False),
        ("data.server.api_key", "abc", True),
        ("data.server.password", "${oc.env:PW}", False),
        ("features.x.path", "s3://b/x?token=abc", True),
        ("strategy.tokens", "abc", False),
    ],
)
def test_what_holds_a_secret(key, value, held):
    assert _secret(key, value) is held
    assert not held or ("pw" not in str(holds_secret(key, value)) and "abc" not in str(holds_secret(key, value)))


@pytest.mark.parametrize("database", ["postgresql://h/b", "env:BARS_URL"])
def test_a_stranger_s_run_asks_no_server(database):
    node = {"_target_": "barwise.data.query.load", "_partial_": True, "sql": "bars", "database": database}
    with pytest.raises(ConfigError, match=r"--allow data\.database"):
        Targets(ROOT / "conf").check("data", node)


@pytest.mark.parametrize(
    "kind", ["pandas", "indexed", "wide", "wide by symbol", "polars", "lazy", "arrow", "duckdb", "function"]
)
def test_a_frame_of_any_kind_gives_the_same_bars(kind):
    pl = pytest.importorskip("polars")
    made = {
        "pandas": lambda: FRAME,
        "indexed": lambda: FRAME.set_index(["symbol", "time"]),
        "wide": lambda: FRAME.pivot(index="time", columns="symbol"),
        "wide by symbol": lambda: FRAME.pivot(index="time", columns="symbol").swaplevel(axis=1),
        "polars": lambda: pl.from_pandas(FRAME),
        "lazy": lambda: pl.from_pandas(FRAME).lazy(),
        "arrow": lambda: pa.Table.from_pandas(FRAME),
        "duckdb": lambda: duckdb.sql("SELECT * FROM FRAME"),
        "function": lambda: lambda: FRAME,
    }[kind]()
    assert_same(frame.load(made))


def test_of_a_lazy_frame_only_what_is_asked_for_is_collected():
    pl = pytest.importorskip("polars")
    asked = frame.Asked(symbols=["S0001"], start="2000-06-01", end="2000-07-31")
    collected = frame._collected(pl.from_pandas(FRAME).lazy(), asked)
    assert collected["symbol"].unique().to_list() == ["S0001"]
    found = frame.load(pl.from_pandas(FRAME).lazy(), symbols="S0001", start="2000-06-01", end="2000-07-31")
    assert len(found.bars[0]) <= len(collected) <= len(found.bars[0]) + 4


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "data.frame=null: must be a frame of pandas"),
        (3, "is int; it must be a frame"),
        ("my.bars", "'data.frame={_target_: my.bars, _partial_: true}' names a function"),
        (lambda: 1 / 0, "raised ZeroDivisionError"),
        (lambda: None, "is NoneType"),
        (FRAME.iloc[:0], "has a header and no rows"),
        (FRAME.drop(columns="close"), "no column for close"),
        (FRAME.assign(close=[{"a": 1}] * len(FRAME)), "no column for close"),
    ],
)
def test_a_frame_that_is_none_is_one_line(given, said):
    with pytest.raises(BarwiseError, match=said) as told:
        frame.load(given)
    assert "\n" not in str(told.value)
