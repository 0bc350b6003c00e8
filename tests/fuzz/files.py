"""Data files with something wrong in them: `python -m tests.fuzz.files FOLDER FIRST N` loads N of them.

Prints a JSON object {number: what it ended in} of those that ended in anything but bars or a barwise error of one line.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz.guard import Hung, bounded, ended

WORDS = (
    "", "nan", "inf", "-inf", "1e400", "-1", "0", "99999999999999999999", "2024-02-30", "2024-01-05T00:00:00+25:00",
    "\x00", '"', "'", "\x1b[2J", "x" * 5000, "\u202e", "1.5.5", "NaT", "0001-01-01", "9999-12-31", "=1+1", "%s{0}",
    "\ud7ff", "é",
)  # fmt: skip
ZONES = ("Mars/Phobos", "", "+99:00", "UTC+1", "../../etc/passwd", "America/New_York\x00", "Z" * 300)


def table(rows: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, rows)))
    return pd.DataFrame({
        "date": pd.bdate_range("2024-01-01", periods=rows), "open": close * 0.999, "high": close * 1.01,
        "low": close * 0.99, "close": close, "volume": rng.integers(100, 999, rows),
    })  # fmt: skip


def as_csv(sep: str = ",") -> bytes:
    return table().to_csv(index=False, sep=sep).encode()


def as_long() -> bytes:
    return pd.concat([table().assign(symbol=name) for name in ("AAA", "BBB")]).to_csv(index=False).encode()


def as_zip() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bars.csv", as_csv())
    return held.getvalue()


def as_parquet(change: Callable[[pa.Table], pa.Table] = lambda t: t, index: bool = False) -> bytes:
    frame = table().set_index("date") if index else table()
    held = io.BytesIO()
    pq.write_table(change(pa.Table.from_pandas(frame)), held)
    return held.getvalue()


def odd_metadata(rng: random.Random) -> bytes:
    """Parquet whose pandas metadata says what is not so."""

    def change(found: pa.Table) -> pa.Table:
        told = json.loads(found.schema.metadata[b"pandas"])
        key = rng.choice(sorted(told))
        told[key] = rng.choice([None, [], {}, 7, "x", ["nowhere"], [{"kind": "range"}], [[1]], {"name": "a"}])
        text = rng.choice([json.dumps(told), json.dumps(told)[:-9], "[]", "null", "\x00", "{" * 2000])
        return found.replace_schema_metadata({b"pandas": text.encode()})

    return as_parquet(change, index=rng.random() < 0.5)


def odd_zone(rng: random.Random) -> bytes:
    """Parquet whose times are in a zone that there is not."""
    zone = rng.choice(ZONES)

    def change(found: pa.Table) -> pa.Table:
        stamps = found["date"].cast(pa.timestamp("us")).cast(pa.int64()).cast(pa.timestamp("us", tz=zone or None))
        return found.set_column(0, "date", stamps)

    return as_parquet(change)


def damaged(data: bytes, rng: random.Random) -> bytes:
    """A few bytes changed, cut, doubled, put in or taken out."""
    made = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at, length = rng.randrange(max(1, len(made))), rng.randint(1, 40)
        kind = rng.randrange(5)
        if kind == 0 and made:
            made[min(at, len(made) - 1)] = rng.randrange(256)
        elif kind == 1:
            del made[at:]
        elif kind == 2:
            made[at:at] = made[at : at + length]
        elif kind == 3:
            del made[at : at + length]
        else:
            made[at:at] = rng.randbytes(length)
    return bytes(made)


def reworded(data: bytes, rng: random.Random) -> bytes:
    """Cells of a CSV replaced by words of WORDS; sometimes a whole column."""
    rows = [line.split(",") for line in data.decode().splitlines()]
    for _ in range(rng.randint(1, 5)):
        row, column, word = rng.randrange(len(rows)), rng.randrange(len(rows[0])), rng.choice(WORDS)
        chosen = rows[1:] if rng.random() < 0.2 else [rows[row]]
        for cells in chosen:
            cells[min(column, len(cells) - 1)] = word
    return "\n".join(",".join(row) for row in rows).encode("utf-8", "surrogatepass")


def case(number: int) -> tuple[str, bytes]:
    """Name and content of the file of that number."""
    rng = random.Random(number)
    kinds: tuple[tuple[str, Callable[[], bytes]], ...] = (
        ("a.csv", lambda: reworded(as_csv(), rng)),
        ("a.csv", lambda: reworded(as_long(), rng)),
        ("a.csv", lambda: damaged(as_csv(rng.choice(",;\t|")), rng)),
        ("a.csv.gz", lambda: damaged(gzip.compress(as_csv(), mtime=0), rng)),
        ("a.csv.gz", lambda: gzip.compress(damaged(as_csv(), rng), mtime=0)),
        ("a.csv.zip", lambda: damaged(as_zip(), rng)),
        ("a.parquet", lambda: damaged(as_parquet(), rng)),
        ("a.parquet", lambda: odd_metadata(rng)),
        ("a.parquet", lambda: odd_zone(rng)),
    )
    name, make = kinds[number % len(kinds)]
    return name, make()


def main(folder: Path, first: int, count: int) -> None:
    from barwise.data.files import load

    warnings.simplefilter("ignore")
    bad: dict[int, str] = {}
    for number in range(first, first + count):
        name, data = case(number)
        path = folder / name
        path.write_bytes(data)
        try:
            with bounded(seconds=20):
                fault = ended(lambda path=path: load(str(path)))
        except Hung:
            fault = "hung"
        if fault:
            bad[number] = f"{name}: {fault}"
        path.unlink()
    print(json.dumps(bad))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
