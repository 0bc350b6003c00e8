"""What one live bar costs, median and 99th percentile, beside recomputing the batch over the whole history."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from barwise.benchmarks.measure import once, store
from barwise.console.arguments import Arguments
from barwise.data.bars import COLUMNS, Bars, Market


def main(words: list[str]) -> None:
    """Feed the last bars of a made-up history to the model of each run, one at a time."""
    parser = Arguments("benchmark live", "Time `barwise.live` bar by bar against scoring the whole history again.")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="finished runs")
    parser.add_argument("--history", type=int, default=10_000, help="bars before the first one that is timed")
    parser.add_argument("--bars", type=int, default=500, help="bars that are timed")
    given = parser.parse_args(words)
    found = {str(run): _timed(run, given.history, given.bars) for run in given.runs}
    print(f"{'run':<40}{'window':>8}{'median ms':>11}{'CPU ms':>8}{'p99 ms':>9}{'batch ms':>10}")
    for name, row in found.items():
        costs = f"{row['median_ms']:>11.2f}{row['cpu_ms']:>8.2f}{row['p99_ms']:>9.2f}{row['batch_ms']:>10.1f}"
        print(f"{name[-38:]:<40}{row['window'] or 'all':>8}{costs}")
    print(store("live", {"history": given.history, "bars": given.bars, "runs": found}))


def _timed(run: Path, history: int, n: int) -> dict[str, Any]:
    """Milliseconds a bar, and of the batch over all bars, for one symbol."""
    from barwise.data import synthetic
    from barwise.serving.live import live
    from barwise.serving.model import serve
    from barwise.serving.predict import predict

    bars = synthetic.load(n_symbols=1, n_bars=history + n, seed=11).bars[0]
    session = live(run, Market((bars.take(slice(0, history)),)))
    spent, busy = [], []
    for i in range(history, history + n):
        begin, work = time.perf_counter(), time.process_time()
        session.update(bars.symbol, bars.time[i], **_row_of(bars, i))
        spent.append(1e3 * (time.perf_counter() - begin))
        busy.append(1e3 * (time.process_time() - work))
    served, market = serve(run), Market((bars,))
    batch = [1e3 * once(lambda: predict(served, market, seen_too=True, any_scale=True)) for _ in range(3)]
    return {
        "strategy": session.served.run.title, "features": len(session.served.features), "window": session.window,
        "median_ms": float(np.median(spent)), "cpu_ms": float(np.median(busy)),
        "p99_ms": float(np.quantile(spent, 0.99)), "batch_ms": float(np.median(batch)),
    }  # fmt: skip


def _row_of(bars: Bars, i: int) -> dict[str, float]:
    """One bar as keyword arguments."""
    return {name: float(getattr(bars, name)[i]) for name in COLUMNS}
