"""Random small markets with gaps, late listings and delistings, and random signals on them."""

from __future__ import annotations

import numpy as np

from barwise.backtest.grid import Signals
from barwise.data.bars import Bars


def market(seed: int, n_symbols: int, n_bars: int, gaps: float = 0.1) -> list[Bars]:
    """Bars of `n_symbols`, each over a stretch of its own, with holes."""
    random = np.random.default_rng(seed)
    days = np.datetime64("2020-01-01", "ns") + np.arange(n_bars) * np.timedelta64(1, "D")
    found = []
    for s in range(n_symbols):
        first, last = (0, n_bars) if gaps == 0 else sorted(random.choice(n_bars, 2, replace=False))
        if last - first < n_bars // 3:
            first, last = 0, n_bars
        rows = np.arange(first, last)
        rows = rows[random.random(len(rows)) >= gaps]
        n = len(rows)
        close = 100 * np.exp(np.cumsum(0.02 * random.standard_normal(n)))
        open_ = close * np.exp(0.01 * random.standard_normal(n))
        high, low = np.maximum(open_, close) * 1.001, np.minimum(open_, close) * 0.999
        found.append(Bars(f"S{s}", days[rows], open_, high, low, close, np.full(n, 1e6)))
    return found


def signals(seed: int, bars: list[Bars], kind: str = "real", first: int = 0) -> Signals:
    """A signal for nearly every bar from the first'th on: real numbers in [-1, 1], or signs with flips; some NaN."""
    random = np.random.default_rng(seed + 1000)
    symbol = np.concatenate([np.full(len(b), s) for s, b in enumerate(bars)])
    time = np.concatenate([b.time for b in bars])
    value = random.uniform(-1, 1, len(time)) if kind == "real" else random.integers(-1, 2, len(time)).astype(float)
    value[random.random(len(time)) < 0.05] = np.nan
    times = np.unique(time)
    begin = times[min(first, len(times) - 1)]  # a market of few times has its last one left
    kept = (random.random(len(time)) < 0.95) & (time >= begin)
    kept |= ~kept.any() & (time == times[-1])
    order = random.permutation(np.flatnonzero(kept))
    return Signals(symbol[order], time[order], value[order])
