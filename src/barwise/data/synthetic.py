"""Markets whose truth is known: a random walk, or one with a planted pattern of a given strength."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np

from barwise.console.settings import Number, OneOf, Seed, Whole, checked
from barwise.data.bars import COLUMNS, Bars, Market
from barwise.errors import require

PATTERNS = ("linear", "nonlinear")
EXECUTIONS = ("next_open", "next_close")
MEMORY = 5  # bars of return that the pattern sees
VOLUME_WINDOW = 20  # bars of volume that it sees, the last included
MOST = 50_000_000  # bars of all symbols: 4 GB while they are made
BURN = 60  # bars made and thrown away, so that the first kept bar has a past
VOLUME = (0.4e6, 1.6e6)  # uniform, so symmetric about its mean
TYPICAL = 0.288e6  # the median distance of volume from its mean of 20 bars: far is as frequent as near
OVERNIGHT = 0.3  # the share of a day's variance that falls between close and open
PILOT = (400, 150)  # bars and symbols of the trial market that measures the spread of the pattern


@dataclass(frozen=True)
class Recipe:
    """What one market is drawn from; `spread` is the standard deviation of the raw pattern."""

    ic: float
    pattern: str
    execution: str
    volatility: float
    spread: float = field(default=1.0)


@checked("data")
def load(
    n_symbols: Annotated[int, Whole(1, MOST)] = 10,
    n_bars: Annotated[int, Whole(10, MOST)] = 2500,
    seed: Seed = 0,
    ic: Annotated[float, Number(0.0, 0.5)] = 0.0,
    pattern: Annotated[str, OneOf(PATTERNS)] = "linear",
    execution: Annotated[str, OneOf(EXECUTIONS)] = "next_open",
    volatility: Annotated[float, Number(1e-4, 0.2)] = 0.02,
) -> Market:
    """Daily bars whose tradable return has the correlation `ic` with a pattern in the bars known before it.

    The tradable return of t is the one the label sees: open(t+1) → open(t+2), or close to close with `next_close`.
    Pattern: `linear`, minus the return of the last 5 bars; `nonlinear`, up while volume lies far from its 20-bar mean,
    on either side, and down while near, which no linear model of return and volume can see. ic=0 is a random walk
    without drift. `volatility`: standard deviation of one bar's return. Times are business days from 2000-01-03.
    ConfigError for a setting out of range.

    >>> market = load(n_symbols=2, n_bars=300)
    >>> market.symbols, len(market.bars[0])
    (('S0000', 'S0001'), 300)
    """
    cells = n_symbols * n_bars
    require(
        cells <= MOST, f"data.n_symbols={n_symbols}, data.n_bars={n_bars}: are {cells} bars; at most {MOST} are made"
    )
    recipe = calibrated(Recipe(ic, pattern, execution, volatility))
    columns = simulate(recipe, n_bars + BURN, n_symbols, np.random.default_rng(seed))
    days = np.arange(n_bars)
    time = (np.datetime64("2000-01-03") + days // 5 * 7 + days % 5).astype("datetime64[ns]")  # Mondays to Fridays
    bars = tuple(
        Bars(
            symbol=f"S{i:04d}",
            time=time,
            extra={},
            groups={},
            group_names={},
            **{name: columns[name][BURN:, i].copy() for name in COLUMNS},
        )
        for i in range(n_symbols)
    )
    note = f"a synthetic market, ic={ic:g}, {pattern if ic else 'random walk'}"
    facts = {"name": "synthetic", "note": note, "adjusted": True, "ic": float(ic), "pattern": pattern if ic else None}
    return Market(bars, None, facts)


def simulate(recipe: Recipe, n: int, n_symbols: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Open, high, low, close and volume, each (bar, symbol).

    Log prices move in two steps a bar, close → open and open → close. Each step's expected move is that of the stretch
    it lies in, set by the pattern when the stretch was still to come: two bars before for the night, and for the day
    one bar before (`next_open`, whose stretch begins with it) or two (`next_close`).
    """
    night, day = np.sqrt(OVERNIGHT), np.sqrt(1 - OVERNIGHT)
    day_lag = 1 if recipe.execution == "next_open" else 2
    rest = recipe.volatility * np.sqrt(1 - recipe.ic**2)
    drift = recipe.volatility * recipe.ic
    steps = random.standard_normal((2, n, n_symbols))
    volume = random.uniform(*VOLUME, (n, n_symbols))
    open_, close, planted = np.zeros((3, n, n_symbols))
    fair = -0.5 * recipe.volatility**2  # the growth of a log price without drift
    for t in range(1, n):
        gap = OVERNIGHT * (drift * planted[t - 2] + fair) + night * rest * steps[0, t]
        move = (1 - OVERNIGHT) * (drift * planted[t - day_lag] + fair) + day * rest * steps[1, t]
        open_[t] = close[t - 1] + gap
        close[t] = open_[t] + move
        if recipe.ic and t >= VOLUME_WINDOW:
            recent = volume[t - VOLUME_WINDOW + 1 : t + 1]
            planted[t] = raw_pattern(close[t] - close[t - MEMORY], recent, recipe) / recipe.spread
    reach = 0.4 * recipe.volatility * np.abs(random.standard_normal((2, n, n_symbols)))
    high, low = np.maximum(open_, close) + reach[0], np.minimum(open_, close) - reach[1]
    prices = {"open": open_, "high": high, "low": low, "close": close}
    return {**{name: 100.0 * np.exp(x) for name, x in prices.items()}, "volume": volume}


def raw_pattern(log_return: np.ndarray, recent_volume: np.ndarray, recipe: Recipe) -> np.ndarray:
    """The pattern at one bar, per symbol; `log_return` over MEMORY bars, `recent_volume` (bar, symbol)."""
    if recipe.pattern == "linear":
        limit = 4.0 * recipe.volatility * np.sqrt(MEMORY)
        found: np.ndarray = -np.clip(log_return, -limit, limit) / recipe.volatility
        return found
    mean = recent_volume.mean(axis=0)
    found = np.sign(np.abs(recent_volume[-1] - mean) - TYPICAL)
    return found


def pattern_of(bars: Bars, pattern: str) -> np.ndarray:
    """The pattern at each bar, as bars <= t show it, up to its scale; NaN in the first 19 bars. An oracle for tests."""
    n = len(bars)
    found = np.full(n, np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(bars.volume, VOLUME_WINDOW).T  # (bar of the window, row)
    rows = np.arange(VOLUME_WINDOW - 1, n)
    moves = np.log(bars.close[rows] / bars.close[rows - MEMORY])
    found[rows] = raw_pattern(moves, windows, Recipe(0.0, pattern, "next_open", 1.0))
    return found


def calibrated(recipe: Recipe) -> Recipe:
    """`recipe` with the spread its pattern has in a trial market, so that the correlation is `ic` and no less.

    The pattern feeds back on the prices it is made of: the spread is found by turns.
    """
    if not recipe.ic or recipe.pattern == "nonlinear":  # signs have spread 1
        return recipe
    bars, symbols = PILOT
    spread = np.sqrt(MEMORY)
    for _ in range(4):
        trial = Recipe(recipe.ic, recipe.pattern, recipe.execution, recipe.volatility, spread)
        close = np.log(simulate(trial, bars, symbols, np.random.default_rng(0))["close"])[BURN:]
        spread = float((close[MEMORY:] - close[:-MEMORY]).std() / recipe.volatility)
    return Recipe(recipe.ic, recipe.pattern, recipe.execution, recipe.volatility, spread)
