"""Bars out of PostgreSQL by data=query, beside ADBC bare and pandas.read_sql, which check and order nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from barwise.benchmarks.measure import FOLDER, store
from barwise.console.arguments import Arguments
from barwise.errors import DataError

_TABLE = "barwise_benchmark"
_CHUNK = 200  # symbols that are written at once
_PROBE = """
import sys, time
from barwise.benchmarks.files import high_water
from barwise.benchmarks.query import read
name, database, symbols = sys.argv[1], sys.argv[2], sys.argv[3].split(",")
import adbc_driver_postgresql.dbapi, barwise.data.query, pandas, psycopg
before, begin = high_water(), time.perf_counter()
rows = read(name, database, symbols)
print(rows, time.perf_counter() - begin, high_water() - before)
"""


def main(words: list[str]) -> None:
    """Fill a table unless it is there, ask it for some symbols in processes of their own, print and store."""
    parser = Arguments("benchmark query", __doc__ or "")
    parser.add_argument("--database", required=True, help="postgresql://host/database, of a server to write to")
    parser.add_argument("--n_symbols", type=int, default=1_000)
    parser.add_argument("--n_bars", type=int, default=1_000)
    parser.add_argument("--wanted", type=int, default=100, help="symbols that are asked for")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    given = parser.parse_args(words)
    rows = _fill(given.database, given.n_symbols, given.n_bars)
    step = max(1, given.n_symbols // given.wanted)
    symbols = [f"S{i:05d}" for i in range(0, given.n_symbols, step)][: given.wanted]
    facts: dict[str, Any] = {"rows": rows, "asked": len(symbols)}
    found: dict[str, list[tuple[int, float, float]]] = {"adbc": [], "barwise": [], "pandas": []}
    for _ in range(given.repeats):
        for name, runs in found.items():
            runs.append(_probe(name, given.database, symbols))
    bare = float(np.median([seconds for _, seconds, _ in found["adbc"]]))
    print(f"{len(symbols)} symbols of {given.n_symbols:,}, out of {rows:,} rows")
    for name, runs in found.items():
        seconds, memory = (float(np.median([run[k] for run in runs])) for k in (1, 2))
        facts[name] = {"rows": runs[0][0], "seconds": seconds, "ratio": seconds / bare, "mb": memory}
        print(
            f"  {name:<8} {seconds:8.2f} s  {seconds / bare:5.2f} times ADBC bare, {memory:,.0f} MB,"
            f" {runs[0][0]:,} rows"
        )
    print(f"stored: {store('query', {**vars(given), 'folder': str(given.folder), **facts}, given.folder)}")


def _probe(name: str, database: str, symbols: list[str]) -> tuple[int, float, float]:
    """(rows, seconds, MB by which the largest resident memory grew) of one reader in a new process."""
    words = [sys.executable, "-c", _PROBE, name, database, ",".join(symbols)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DataError(f"{name}: {' '.join(done.stderr.split())[-400:]}")
    rows, seconds, memory = done.stdout.split()[-3:]
    return int(rows), float(seconds), float(memory)


def read(name: str, database: str, symbols: list[str]) -> int:
    """Rows of these symbols, by one of the readers."""
    listed = ", ".join(f"'{symbol}'" for symbol in symbols)
    sql = f"SELECT * FROM {_TABLE} WHERE symbol IN ({listed})"
    if name == "barwise":
        from barwise.data.query import load

        return sum(map(len, load(_TABLE, database, symbols=symbols).bars))
    if name == "pandas":
        import pandas as pd
        import psycopg

        with psycopg.connect(database) as connection:
            return len(pd.read_sql(sql, connection))
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(database) as bare, bare.cursor() as cursor:
        cursor.execute(sql)
        return int(cursor.fetch_arrow_table().num_rows)


def _fill(database: str, n_symbols: int, n_bars: int) -> int:
    """Write a table of daily bars with an index by symbol and time, unless one of that size is there; its rows."""
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(database, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT to_regclass('{_TABLE}') IS NOT NULL")
        if cursor.fetchone()[0]:
            cursor.execute(f"SELECT count(*) FROM {_TABLE}")
            if cursor.fetchone()[0] == n_symbols * n_bars:
                return n_symbols * n_bars
            cursor.execute(f"DROP TABLE {_TABLE}")
        begin = time.perf_counter()
        for first in range(0, n_symbols, _CHUNK):
            part = _bars(first, min(_CHUNK, n_symbols - first), n_bars)
            cursor.adbc_ingest(_TABLE, part, mode="create" if first == 0 else "append")
        cursor.execute(f"CREATE INDEX ON {_TABLE} (symbol, time)")
        cursor.execute(f"ANALYZE {_TABLE}")
        print(f"{n_symbols * n_bars:,} rows written in {time.perf_counter() - begin:.0f} s")
    return n_symbols * n_bars


def _bars(first: int, count: int, n_bars: int) -> pa.Table:
    """Daily bars of `count` symbols, one after the other."""
    random = np.random.default_rng(first)
    days = np.datetime64("1990-01-01", "us") + np.arange(n_bars) * np.timedelta64(1, "D")
    close = 50 * np.exp(np.cumsum(random.normal(0, 0.01, (count, n_bars)), axis=1))
    open_ = np.roll(close, 1, axis=1)
    open_[:, 0] = close[:, 0]
    columns = {"open": open_, "high": np.maximum(open_, close) * 1.01, "low": np.minimum(open_, close) * 0.99,
               "close": close, "volume": random.integers(1_000, 99_999, (count, n_bars)).astype(float)}  # fmt: skip
    return pa.table({
        "time": np.tile(days, count), "symbol": np.repeat([f"S{i:05d}" for i in range(first, first + count)], n_bars),
        **{name: values.ravel() for name, values in columns.items()},
    })  # fmt: skip
