"""A matrix larger than memory: what building it in its file and training from there takes."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from barwise.benchmarks.measure import FOLDER, resident, store, watched
from barwise.console.arguments import Arguments
from barwise.data import synthetic
from barwise.data.bars import Market
from barwise.devices.cores import cores
from barwise.runs.directory import peak_memory_mb

_WINDOWS = (5, 10, 15, 20, 30, 40, 50, 60)  # of alpha158's rolling factors: 245 columns
_TOGETHER = 100  # symbols that are simulated at once


def main(words: list[str]) -> None:
    """Measure in a process of its own, print and store."""
    parser = Arguments("benchmark larger", __doc__ or "")
    parser.add_argument("--n_symbols", type=int, default=1000, help="1000: 2.3 GB; 3510: 8 GB")
    parser.add_argument("--n_bars", type=int, default=2500)
    parser.add_argument("--rounds", type=int, default=3, help="of boosting (3); 0 builds alone")
    parser.add_argument("--threads", type=int, default=None, help="all cores by default")
    parser.add_argument("--scratch", type=Path, help="where the matrix lies meanwhile; the system's folder by default")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--here", action="store_true", help="in this process, for whom watches it")
    given = parser.parse_args(words)
    if given.here:
        size = (given.n_symbols, given.n_bars, given.rounds, given.threads or cores())
        print(json.dumps(_larger(size, given.scratch)))
        return
    with tempfile.TemporaryDirectory(dir=given.scratch) as folder:
        command = [sys.executable, "-m", "barwise", "benchmark", "larger", "--here", *words, "--scratch", folder]
        text, most = watched(command)
    facts = json.loads(text)
    facts["peak_mb"] = max(most, facts.pop("own_peak_mb"))
    print(f"  {facts['symbols']:,} symbols × {facts['bars']:,} bars × {facts['features']} features")
    print(f"  matrix    {facts['matrix_mb']:,.0f} MB, built in {facts['build_s']:,.0f} s")
    if given.rounds:
        print(f"  XGBoost   {facts['train_rows']:,} rows, {facts['rounds']} rounds in {facts['train_s']:,.0f} s")
    print(f"  peak      {facts['peak_mb']:,.0f} MB, of which {facts['data_mb']:,.0f} MB before it was built")
    print(f"stored: {store('larger', facts, given.folder)}")


def _larger(size: tuple[int, int, int, int], folder: Path) -> dict[str, Any]:
    """alpha158 over eight windows, built mapped in `folder`; XGBoost trained on the first 45 % of times, stopped by the
    next 10 %, and asked for the rest.

    No symbol comes twice. `size`: symbols, bars, rounds, threads. Memory is what is resident, mapped files too, in MB.
    """
    from barwise.features.alpha158 import alpha158
    from barwise.features.prepare import prepared
    from barwise.features.store import Store
    from barwise.labels import next_return_sign
    from barwise.panel import build_panel
    from barwise.samples import Samples
    from barwise.strategies.base import FitContext
    from barwise.strategies.xgb import XGBoostStrategy

    import_module("barwise.features.kernels")  # what a compiler holds is no matrix's
    n_symbols, n_bars, rounds, threads = size
    market = universe(n_symbols, n_bars)
    facts: dict[str, Any] = {"symbols": n_symbols, "bars": n_bars, "data_mb": resident()}
    begin = time.perf_counter()
    kept, sets = Store(folder, gb=1e6, mapped=True), {"alpha158": partial(alpha158, windows=_WINDOWS)}
    matrix, _ = prepared(market, "larger", sets, threads, kept)
    panel = build_panel(matrix, next_return_sign)
    facts |= {"features": len(matrix.names), "matrix_mb": matrix.X.nbytes / 2**20}
    facts |= {"build_s": time.perf_counter() - begin, "own_peak_mb": peak_memory_mb()}
    if not rounds:
        return facts
    usable = panel.warm & np.isfinite(panel.ret)
    edges = np.quantile(panel.time.view(np.int64), [0.45, 0.55]).astype("datetime64[ns]")
    train = np.flatnonzero(usable & (panel.end < edges[0]))
    valid = np.flatnonzero(usable & (panel.time >= edges[0]) & (panel.end < edges[1]))
    test = np.flatnonzero(panel.warm & (panel.time >= edges[1]))
    begin, context = time.perf_counter(), FitContext(threads=threads)
    model = XGBoostStrategy(n_estimators=rounds).fit(Samples(panel, train), Samples(panel, valid), context)
    facts |= {"rounds": rounds, "train_rows": len(train), "train_s": time.perf_counter() - begin}
    score = model.predict(Samples(panel, test))
    facts |= {"test_rows": len(test), "scored": int(np.isfinite(score).sum()), "own_peak_mb": peak_memory_mb()}
    return facts


def universe(n_symbols: int, n_bars: int) -> Market:
    """A random-walk market, simulated some symbols at a time."""
    bars = [
        replace(b, symbol=f"S{first + i:05d}")
        for first in range(0, n_symbols, _TOGETHER)
        for i, b in enumerate(synthetic.load(min(_TOGETHER, n_symbols - first), n_bars, seed=first).bars)
    ]
    return Market(tuple(bars))
