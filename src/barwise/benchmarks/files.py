"""Own files read, checked and understood, beside pandas, DuckDB and Polars that read their cells alone."""

from __future__ import annotations

import argparse
import gc
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from barwise.benchmarks.measure import FOLDER, interleaved, store
from barwise.console.arguments import Arguments

_BARE = ("pandas", "duckdb", "polars")
_PROBE = """
import sys
from barwise.benchmarks.files import high_water, reader
read, before = reader(sys.argv[1]), high_water()
kept = read(sys.argv[2])
print(high_water() - before)
"""


def main(words: list[str]) -> None:
    """Time one long file and a folder of short ones, in turns; print, with ratios to pandas, and store."""
    parser = Arguments("benchmark files", __doc__ or "")
    parser.add_argument("--n_rows", type=int, default=500_000)
    parser.add_argument("--n_files", type=int, default=3_000)
    parser.add_argument("--n_bars", type=int, default=170)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    given = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as scratch:
        one, many = _write(Path(scratch), given.n_rows, given.n_files, given.n_bars)
        facts = _measure({"one": one, "many": many}, given.repeats, given.memory)
    titles = {"one": f"one file of {given.n_rows:,} rows", "many": f"{given.n_files:,} files of {given.n_bars} rows"}
    for kind, title in titles.items():
        print(title)
        for name, found in facts[kind].items():
            memory = f", {found['mb']:,.0f} MB of memory at its peak" if found["mb"] is not None else ""
            print(f"  {name:<8} {found['seconds']:8.3f} s  {found['ratio']:6.2f} times pandas{memory}")
    print(f"stored: {store('files', {**vars(given), 'folder': str(given.folder), **facts}, given.folder)}")


def _measure(paths: dict[str, Path], repeats: int, memory: bool = True) -> dict[str, dict[str, Any]]:
    """{one, many: {reader: seconds, ratio to pandas, mb of peak memory (of the long file)}}."""
    names = ["barwise", *(name for name in _BARE if find_spec(name))]
    out: dict[str, dict[str, Any]] = {}
    for kind, path in paths.items():
        actions: dict[str, Callable[[], Any]] = {name: _bound(reader(name), path) for name in names}
        times = interleaved(actions, repeats)
        gc.collect()
        out[kind] = {
            name: {
                "seconds": times[name],
                "ratio": times[name] / times["pandas"],
                "mb": _peak(name, path) if memory and kind == "one" else None,
            }
            for name in names
        }
    return out


def _bound(read: Callable[[str], Any], path: Path) -> Callable[[], Any]:
    return lambda: read(str(path))


def _peak(name: str, path: Path) -> float:
    """MB by which the largest resident memory of a new process grows while it reads."""
    done = subprocess.run([sys.executable, "-c", _PROBE, name, str(path)], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def high_water() -> float:
    """The largest resident memory of this process so far, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count what the parent had before the process became its own
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return float(line.split()[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def reader(name: str) -> Callable[[str], Any]:
    """What reads a file, or all files of a folder, by one of the libraries."""
    if name == "barwise":
        from barwise.data.files import load

        return lambda path: load(path, timezone="UTC")
    if name == "duckdb":
        import duckdb

        return lambda path: duckdb.read_csv(
            path if Path(path).is_file() else f"{path}/*.csv", filename=True
        ).fetchnumpy()
    if name == "polars":
        import polars

        return lambda path: [polars.read_csv(file, try_parse_dates=True) for file in _files(path)]
    return lambda path: [pd.read_csv(file) for file in _files(path)]


def _files(path: str) -> list[str]:
    return [path] if Path(path).is_file() else sorted(map(str, Path(path).iterdir()))


def _write(folder: Path, n_rows: int, n_files: int, n_bars: int) -> tuple[Path, Path]:
    """One long file of minutes, and a folder of short ones of days."""
    one, many = folder / "minutes.csv", folder / "many"
    _bars(0, n_rows, pd.date_range("2015-01-01", periods=n_rows, freq="min")).to_csv(one, index=False)
    many.mkdir()
    for i in range(n_files):
        _bars(i, n_bars, pd.bdate_range("2020-01-01", periods=n_bars)).to_csv(many / f"S{i:05}.csv", index=False)
    return one, many


def _bars(seed: int, count: int, times: pd.DatetimeIndex) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.0005, count)))
    open_ = np.append(100.0, close[:-1])
    columns = {
        "open": open_,
        "high": np.maximum(open_, close) * 1.001,
        "low": np.minimum(open_, close) * 0.999,
        "close": close,
    }
    table = pd.DataFrame({name: values.round(2) for name, values in columns.items()})
    table.insert(0, "time", times)
    return table.assign(volume=random.integers(1_000, 99_999, count))
