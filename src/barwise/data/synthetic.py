"""Markets whose truth is known: a random walk, or one with a planted pattern of a given strength."""

from __future__ import annotations

import numpy as np

from barwise.data.bars import Bars, Market
from barwise.errors import require

PATTERNS = ("linear", "nonlinear")
MEMORY = 5  # bars of the planted pattern
VOLUME_WINDOW = 20
BURN = 40  # bars made and thrown away, so that the first kept bar has a past


def load(
    n_symbols: int = 10,
    n_bars: int = 2500,
    seed: int = 0,
    ic: float = 0.0,
    pattern: str = "linear",
    execution: str = "next_open",
) -> Market:
    """Daily bars in which the tradable return has correlation `ic` with a pattern in bars known before it.

    The tradable return of t is the one the label sees: open(t+1) → open(t+2), or close to close. `linear`: minus the
    standardised return of the last 5 bars. `nonlinear`: the same sign, but turned round while volume lies above its
    20-bar mean, so that no linear model of return and volume can see it. ic=0 is a random walk. Volatility is 1 % a bar.
    """
    require(n_symbols >= 1, f"data.n_symbols={n_symbols}: must be 1 or more; the shipped default is 10")
    require(n_bars >= 10, f"data.n_bars={n_bars}: must be 10 or more; the shipped default is 2500")
    require(0 <= ic < 1, f"data.ic={ic}: must lie in [0, 1); 0 is a random walk, 0.1 a strong daily signal")
    require(pattern in PATTERNS, f"data.pattern={pattern}: must be one of {', '.join(PATTERNS)}")
    require(
        execution in ("next_open", "next_close"),
        f"data.execution={execution}: must be next_open or next_close, as backtest.execution",
    )
    columns = simulate(n_symbols, n_bars + BURN, np.random.default_rng(seed), ic, pattern, execution)
    days = np.arange(n_bars)
    time = (np.datetime64("2000-01-03") + days // 5 * 7 + days % 5).astype("datetime64[ns]")  # Mondays to Fridays
    bars = tuple(
        Bars(f"S{i:04d}", time, **{name: np.ascontiguousarray(x[BURN:, i]) for name, x in columns.items()})
        for i in range(n_symbols)
    )
    note = f"a synthetic market, ic={ic:g}, {pattern if ic else 'random walk'}"
    return Market(bars, None, {"name": "synthetic", "note": note, "adjusted": True})


def simulate(
    n_symbols: int, n: int, random: np.random.Generator, ic: float, pattern: str, execution: str
) -> dict[str, np.ndarray]:
    """Open, high, low, close and volume, each (bar, symbol).

    `mark` is the log of the execution price. mark(t+2) - mark(t+1) is drawn once the bars up to t are known; the other
    price of each bar lies between two marks, with noise, and so tells nothing of later moves.
    """
    sigma = 0.01
    shock = random.standard_normal((n + 2, n_symbols))
    wobble = 0.2 * sigma * random.standard_normal((n + 2, n_symbols))
    volume = 1e6 * (1.0 + 0.5 * random.uniform(-1, 1, (n, n_symbols)))
    mark = np.full((n + 2, n_symbols), np.log(100.0))
    other = mark.copy()
    at_open = execution == "next_open"
    for t in range(n):
        # other[t]: the close of t lies between open(t) and open(t+1); the open of t between close(t-1) and close(t)
        before, after = (mark[t], mark[t + 1]) if at_open else (mark[max(t - 1, 0)], mark[t])
        other[t] = 0.5 * (before + after) + wobble[t]
        close = other if at_open else mark
        z = planted(close[: t + 1], volume[: t + 1], sigma, pattern) if ic else 0.0
        mark[t + 2] = mark[t + 1] + sigma * (ic * z + np.sqrt(1 - ic**2) * shock[t]) if t + 2 < n + 2 else mark[t + 1]
    open_, close = (mark[:n], other[:n]) if at_open else (other[:n], mark[:n])
    reach = 0.3 * sigma * np.abs(random.standard_normal((2, n, n_symbols)))
    high, low = np.maximum(open_, close) + reach[0], np.minimum(open_, close) - reach[1]
    prices = {"open": open_, "high": high, "low": low, "close": close}
    return {**{name: np.exp(x) for name, x in prices.items()}, "volume": volume}


def planted(close: np.ndarray, volume: np.ndarray, sigma: float, pattern: str) -> np.ndarray | float:
    """The pattern per symbol at the last bar of (bar, symbol) log closes and volumes; near unit variance."""
    if len(close) <= VOLUME_WINDOW:
        return 0.0
    momentum = (close[-1] - close[-1 - MEMORY]) / (sigma * np.sqrt(MEMORY - 0.5))
    if pattern == "linear":
        return -np.clip(momentum, -3, 3)
    return np.sign(momentum) * np.sign(volume[-1] - volume[-VOLUME_WINDOW:].mean(axis=0))
