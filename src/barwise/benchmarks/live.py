"""What one live bar costs, median and 99th percentile, beside recomputing the batch over the whole history."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from barwise.benchmarks.measure import once, store
from barwise.console.arguments import Arguments
from barwise.data.bars import COLUMNS, Bars, Market
from barwise.runs.measures import shown


def main(words: list[str]) -> None:
    """Feed the last bars of a made-up history to the model of each run, one at a time."""
    parser = Arguments("benchmark live", "Time `barwise.live` bar by bar against scoring the whole history again.")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="finished runs")
    parser.add_argument("--history", type=int, default=10_000, help="bars before the first one that is timed")
    parser.add_argument("--bars", type=int, default=500, help="bars that are timed")
    parser.add_argument("--symbols", type=int, default=1, help="that have a bar at each time (1)")
    parser.add_argument("--batches", type=int, default=3, help="of the whole history, for comparison (3); 0 for none")
    given = parser.parse_args(words)
    sizes = given.history, given.bars, given.symbols, given.batches
    found = {str(run): _timed(run, *sizes) for run in given.runs}
    print(f"milliseconds a bar of {given.symbols:,} symbol{'s' * (given.symbols > 1)}")
    print(f"{'run':<40}{'window':>8}{'median':>11}{'CPU':>8}{'p99':>9}{'CPU p99':>9}{'batch':>10}")
    for name, row in found.items():
        costs = f"{row['median_ms']:>11.2f}{row['cpu_ms']:>8.2f}{row['p99_ms']:>9.2f}{row['cpu_p99_ms']:>9.2f}"
        print(f"{name[-38:]:<40}{row['window'] or 'all':>8}{costs}{shown(row['batch_ms'], '{:.1f}'):>10}")
    print(store("live", {"history": given.history, "bars": given.bars, "symbols": given.symbols, "runs": found}))


def _timed(run: Path, history: int, n: int, symbols: int, batches: int) -> dict[str, Any]:
    """Milliseconds a bar of so many symbols, and of the batch over all bars."""
    from barwise.data import synthetic
    from barwise.serving.live import live
    from barwise.serving.model import serve
    from barwise.serving.predict import predict

    every = synthetic.load(n_symbols=symbols, n_bars=history + n, seed=11).bars
    session = live(run, Market(tuple(b.take(slice(0, history)) for b in every)))
    spent, busy = [], []
    for i in range(history, history + n):
        given = {b.symbol: _row_of(b, i) for b in every}
        begin, work = time.perf_counter(), time.process_time()
        session.step(every[0].time[i], given)
        spent.append(1e3 * (time.perf_counter() - begin))
        busy.append(1e3 * (time.process_time() - work))
    served, market = serve(run), Market(every)
    batch = [1e3 * once(lambda: predict(served, market, seen_too=True, any_scale=True)) for _ in range(batches)]
    return {
        "strategy": session.served.run.title, "features": len(session.served.features), "window": session.window,
        "median_ms": float(np.median(spent)), "cpu_ms": float(np.median(busy)),
        "p99_ms": float(np.quantile(spent, 0.99)), "cpu_p99_ms": float(np.quantile(busy, 0.99)),
        "batch_ms": float(np.median(batch)) if batch else None,
    }  # fmt: skip


def _row_of(bars: Bars, i: int) -> dict[str, float]:
    """One bar as keyword arguments."""
    return {name: float(getattr(bars, name)[i]) for name in COLUMNS}
