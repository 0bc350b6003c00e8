"""A day appended to a market of partitioned Parquet: bars, matrix and panel, beside their first build."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from barwise.benchmarks.measure import FOLDER, store
from barwise.console.arguments import Arguments
from barwise.data import files
from barwise.data.bars import Market
from barwise.data.calendar import periods_per_year
from barwise.data.checks import check_market
from barwise.data.hash import data_hash
from barwise.data.kept import KeptBars
from barwise.data.memmap import blocks
from barwise.devices.cores import cores
from barwise.features.prepare import prepared
from barwise.features.price import price
from barwise.features.store import Report, Store
from barwise.labels import next_return_sign
from barwise.panel import build_panel
from barwise.runs.directory import peak_memory_mb
from barwise.samples import Panel

_STAGES = ("bars", "matrix", "panel")
_STEPS = ("first", "appended", "opened", "fresh")


def main(words: list[str]) -> None:
    """Write a market less its last day, build; append the day, build again; print the ratio, and store."""
    parser = Arguments("benchmark append", __doc__ or "")
    parser.add_argument("--n_symbols", type=int, default=1000)
    parser.add_argument("--n_bars", type=int, default=2500)
    parser.add_argument("--threads", type=int, default=None, help="all cores by default")
    parser.add_argument("--scratch", type=Path, help="where source and store lie; the system's folder by default")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--step", choices=_STEPS, help="one build in this process, of what lies in --scratch")
    given = parser.parse_args(words)
    threads = given.threads or cores()
    if given.step:
        print(json.dumps(_built(given.scratch, given.step, threads)))
        return
    facts: dict[str, Any] = {"symbols": given.n_symbols, "bars": given.n_bars, "threads": threads}
    with tempfile.TemporaryDirectory(dir=given.scratch) as name:
        folder = Path(name)
        last = _write(folder / "bars", given.n_symbols, given.n_bars)
        for step in _STEPS:
            if step == "appended":
                last()
            command = [sys.executable, "-m", "barwise", "benchmark", "append", "--step", step, "--scratch", name,
                       "--threads", str(threads)]  # fmt: skip
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            facts[step] = json.loads(done.stdout.strip().splitlines()[-1])
    facts["cpu_ratio"] = _total(facts["appended"], "cpu") / _total(facts["first"], "cpu")
    facts["ratio"] = _total(facts["appended"], "seconds") / _total(facts["first"], "seconds")
    _show(facts)
    print(f"stored: {store('append', facts, given.folder)}")


def _total(one: dict[str, Any], kind: str) -> float:
    return float(sum(one[kind].values()))


def _show(facts: dict[str, Any]) -> None:
    print(f"{facts['symbols']:,} symbols × {facts['bars']:,} days; CPU seconds")
    print(f"  {'':<10}" + "".join(f"{stage:>9}" for stage in (*_STAGES, "all", "clock", "peak MB")))
    for step in _STEPS:
        one = facts[step]
        cells = [*(one["cpu"][stage] for stage in _STAGES), _total(one, "cpu"), _total(one, "seconds"), one["peak_mb"]]
        print(f"  {step:<10}" + "".join(f"{cell:>9,.2f}" for cell in cells) + f"  {one['status']}")
    print(f"  appended over first: {facts['cpu_ratio']:.3f} of the CPU, {facts['ratio']:.3f} by the clock")
    print(f"  largest distance from a fresh build: {facts['fresh']['distance']:.1e}")


def _write(folder: Path, n_symbols: int, n_bars: int) -> Callable[[], object]:
    """Daily bars in a folder a year; returns what writes the last day, a file more."""
    random = np.random.default_rng(0)
    days = np.busday_offset("2015-01-01", np.arange(n_bars), roll="forward").astype("datetime64[D]")
    years = days.astype("datetime64[Y]")
    price = random.uniform(20, 200, n_symbols)
    symbols = pa.array([f"S{i:05d}" for i in range(n_symbols)])

    def bars(chosen: np.ndarray) -> pa.Table:
        """Rows by day, then symbol."""
        nonlocal price
        steps = random.normal(0, 0.01, (len(chosen), n_symbols))
        close = (price * np.exp(np.cumsum(steps, axis=0))).round(2)
        open_ = np.vstack([price.round(2), close[:-1]])
        price = close[-1]
        columns = {"open": open_, "high": (np.maximum(open_, close) * 1.01).round(2),
                   "low": (np.minimum(open_, close) * 0.99).round(2), "close": close,
                   "volume": random.integers(1_000, 99_999, close.shape).astype(float)}  # fmt: skip
        table = {"time": np.repeat(chosen.astype("datetime64[us]"), n_symbols),
                 "symbol": pa.DictionaryArray.from_arrays(np.tile(np.arange(n_symbols, dtype=np.int32), len(chosen)),
                                                          symbols)}  # fmt: skip
        return pa.table({**table, **{name: values.ravel() for name, values in columns.items()}})

    for year in np.unique(years[:-1]):
        place = folder / f"year={year}"
        place.mkdir(parents=True)
        pq.write_table(bars(days[:-1][years[:-1] == year]), place / "bars.parquet")
    place = folder / f"year={years[-1]}"
    table = bars(days[-1:])

    def last() -> None:
        place.mkdir(exist_ok=True)
        pq.write_table(table, place / f"{days[-1]}.parquet")

    return last


def _built(folder: Path, step: str, threads: int) -> dict[str, Any]:
    """One build, in a process whose imports are done; of the fresh one the distance from what is kept too."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        small = Path(name)
        last = _write(small / "bars", 2, 600)
        _build(small / "bars", small / "store", threads)
        last()
        _build(small / "bars", small / "store", threads)
    found, facts = _build(folder / "bars", folder / ("other" if step == "fresh" else "store"), threads)
    if step == "fresh":
        kept, _ = _build(folder / "bars", folder / "store", threads)
        facts["distance"] = _distance(kept, found)
    return facts


def _distance(one: Panel, other: Panel) -> float:
    """The largest of two matrices, in sizes and deviations of their columns; infinite where anything else differs."""
    scale = np.nanstd(other.X[:: max(1, len(other) // 100_000)].astype(float), axis=0)
    if any(not np.array_equal(getattr(one, n), getattr(other, n), equal_nan=True) for n in ("time", "ret", "start")):
        return float("inf")
    most = 0.0
    for rows in blocks(other.X, len(other)):
        was, now = (np.nan_to_num(panel.X[rows], nan=np.inf) for panel in (one, other))
        same = np.isinf(was) & np.isinf(now)
        with np.errstate(invalid="ignore"):
            most = max(most, float(np.where(same, 0.0, np.abs(now - was) / (np.abs(was) + scale)).max()))
    return most


def _build(source: Path, home: Path, threads: int) -> tuple[Panel, dict[str, Any]]:
    """What a run does until it has its panel, with seconds by stage."""
    seconds: dict[str, float] = {}
    cpu: dict[str, float] = {}
    reports: list[Report] = []

    def stage(name: str, action: Callable[[], Any]) -> Any:
        begin, work = time.perf_counter(), _cpu()
        found = action()
        seconds[name], cpu[name] = time.perf_counter() - begin, _cpu() - work
        return found

    def bars() -> tuple[Market, str]:
        kept = KeptBars(home / "bars", gb=100, least=0)
        market = check_market(kept.source(partial(files.load, path=str(source)))())
        periods_per_year(market.times())
        return market, data_hash(market)

    market, hashed = stage("bars", bars)
    matrix, _ = stage("matrix", lambda: prepared(market, hashed, {"price": price}, threads, Store(home, gb=100),
                                                 reports.append))  # fmt: skip
    panel = stage("panel", lambda: build_panel(matrix, next_return_sign))
    status = reports[-1].status
    return panel, {"seconds": seconds, "cpu": cpu, "peak_mb": peak_memory_mb(), "status": status, "rows": len(panel)}


def _cpu() -> float:
    """Seconds of CPU of this process and of those that it waited for."""
    return float(sum(psutil.Process().cpu_times()[:4]))
