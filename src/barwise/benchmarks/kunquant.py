"""Alpha158 beside KunQuant's compiled one, on the same bars in turns; it runs in an interpreter of its own that has it.

python -m barwise benchmark kunquant --python /path/to/its/bin/python
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from barwise.benchmarks.features import market_of
from barwise.benchmarks.measure import FOLDER, store
from barwise.console.arguments import Arguments
from barwise.data.bars import Bars
from barwise.features.alpha158 import alpha158
from barwise.features.matrix import build
from barwise.features.parallel import shared

_NAMES = ("open", "high", "low", "close", "volume", "amount")
_LANES = 8  # symbols that KunQuant computes at once: its arrays are (symbol / 8, bar, symbol % 8)
_SCRIPT = """
import json, resource, sys, time
from KunQuant.jit import cfake
from KunQuant.Op import Builder, Input, Output
from KunQuant.predefined.Alpha158 import AllData
from KunQuant.runner import KunRunner
from KunQuant.Stage import Function
import numpy as np

begin, names = time.process_time(), {names}
builder = Builder()
with builder:
    data = AllData(**{{name: Input(name) for name in names}})
    prices = [("OPEN", data.open), ("HIGH", data.high), ("LOW", data.low), ("VWAP", data.vwap)]
    chosen = {{"kbar": {{}}, "price": {{"windows": [0], "feature": prices}}, "rolling": {{}}}}
    fields, columns = data.build(chosen)
    for one, name in zip(fields, columns):
        Output(one, name)
settings = cfake.KunCompilerConfig(input_layout="STs", output_layout="STs", dtype="float")
library = cfake.compileit([("all", Function(builder.ops), settings)], "all", cfake.CppCompilerConfig())
children = resource.getrusage(resource.RUSAGE_CHILDREN)
spent = time.process_time() - begin + children.ru_utime + children.ru_stime
inputs = {{name: np.load(sys.argv[1] + "/" + name + ".npy") for name in names}}
shape = (inputs["close"].shape[0], inputs["close"].shape[1], 8)
outputs = {{name: np.empty(shape, np.float32) for name in columns}}
print(json.dumps({{"compile_cpu_s": spent}}), flush=True)
for line in sys.stdin:
    threads = int(line)
    make = KunRunner.createMultiThreadExecutor
    engine = make(threads) if threads > 1 else KunRunner.createSingleThreadExecutor()
    cpu, wall = time.process_time(), time.perf_counter()
    KunRunner.runGraph(engine, library.getModule("all"), inputs, 0, shape[1], outputs)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({{"wall": wall, "cpu": cpu}}), flush=True)
"""


def main(words: list[str]) -> None:
    """Measure in turns, print a table, store."""
    parser = Arguments("benchmark kunquant", __doc__ or "")
    parser.add_argument("--python", required=True, help="an interpreter with KunQuant, and a C++ compiler beside")
    parser.add_argument("--n_symbols", type=int, default=504, help="a multiple of 8 (504)")
    parser.add_argument("--n_bars", type=int, default=2500)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    given = parser.parse_args(words)
    if given.n_symbols % _LANES:
        parser.error(f"--n_symbols={given.n_symbols}: must be a multiple of {_LANES}")
    bars = market_of(given.n_symbols, given.n_bars).bars
    facts: dict[str, Any] = {"symbols": given.n_symbols, "bars": given.n_bars}
    facts["first_cpu_s"], facts["cached_cpu_s"] = _first_uses()
    with tempfile.TemporaryDirectory() as folder:
        _write(bars, Path(folder))
        facts |= _in_turns(bars, given.python, folder, given.repeats)
    _show(facts)
    print(f"stored: {store('kunquant', facts, given.folder)}")


def _in_turns(bars: Sequence[Bars], python: str, folder: str, repeats: int) -> dict[str, Any]:
    """Median wall and CPU seconds of each, on one core and on two."""
    command = [python, "-c", _SCRIPT.format(names=_NAMES), folder]
    found: dict[str, list[dict[str, float]]] = {}
    X = shared((sum(map(len, bars)), 158))  # each writes into memory that it has written before
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None and other.stdout is not None
        compiled = json.loads(other.stdout.readline())["compile_cpu_s"]
        build(bars[:1], {"alpha158": alpha158})
        for _ in range(repeats + 1):  # the first warms caches
            for threads in (1, 2):
                found.setdefault(f"ours_{threads}", []).append(_ours(bars, threads, X))
                other.stdin.write(f"{threads}\n")
                other.stdin.flush()
                found.setdefault(f"kunquant_{threads}", []).append(json.loads(other.stdout.readline()))
        other.stdin.close()
    medians = {
        name: {kind: statistics.median(one[kind] for one in several[1:]) for kind in ("wall", "cpu")}
        for name, several in found.items()
    }
    return {"compile_cpu_s_kunquant": compiled, **medians}


def _ours(bars: Sequence[Bars], threads: int, X: np.ndarray) -> dict[str, float]:
    """Wall and CPU seconds, those of forked processes too."""
    cpu, wall = sum(os.times()[:4]), time.perf_counter()
    build(bars, {"alpha158": alpha158}, threads, room=lambda _: X)
    return {"wall": time.perf_counter() - wall, "cpu": sum(os.times()[:4]) - cpu}


def _first_uses() -> tuple[float, float]:
    """CPU seconds of a process that imports the kernels: with nothing kept, and again."""
    code = (
        "import os, barwise.features.alpha158; a = sum(os.times()[:2]);"
        " import barwise.features.kernels; print(sum(os.times()[:2]) - a)"
    )
    with tempfile.TemporaryDirectory() as cache:
        own = {**os.environ, "BARWISE_CACHE": cache}
        words = [sys.executable, "-c", code]
        times = [float(subprocess.run(words, env=own, stdout=subprocess.PIPE, check=True).stdout) for _ in range(2)]
    return times[0], times[1]


def _write(bars: Sequence[Bars], folder: Path) -> None:
    """The same bars as KunQuant's arrays: float32, (symbol / 8, bar, symbol % 8)."""
    for name in _NAMES:
        columns = [getattr(b, name) if name != "amount" else (b.high + b.low + b.close) / 3.0 * b.volume for b in bars]
        table = np.array(columns, np.float32).reshape(len(bars) // _LANES, _LANES, -1)
        np.save(folder / f"{name}.npy", np.ascontiguousarray(table.transpose(0, 2, 1)))


def _show(facts: dict[str, Any]) -> None:
    rows = facts["symbols"] * facts["bars"]
    print(f"alpha158, {facts['symbols']:,} symbols × {facts['bars']:,} bars, rows a second (medians)")
    for threads in (1, 2):
        ours, other = facts[f"ours_{threads}"], facts[f"kunquant_{threads}"]
        for kind in ("wall", "cpu"):
            print(
                f"  {threads} core{'s' * (threads > 1)}, {kind:4}  barwise {rows / ours[kind]:>11,.0f}"
                f"  KunQuant {rows / other[kind]:>9,.0f}: {other[kind] / ours[kind]:.2f} times"
            )
    print(
        f"  first use {facts['first_cpu_s']:.1f} CPU seconds to import numba and compile, {facts['cached_cpu_s']:.1f} "
        f"from the cache; KunQuant {facts['compile_cpu_s_kunquant']:.1f} in each process"
    )
