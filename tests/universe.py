"""A made universe of stocks whose truth is known: a signal that is there within sectors alone, and what spoils it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from barwise.backtest.grid import Grid
from barwise.backtest.metrics import cross_section
from barwise.console.arguments import compose
from barwise.data.bars import Bars, Market, Universe
from barwise.experiment.recipe import parts_of
from barwise.experiment.results import OutOfSample
from barwise.experiment.run import walk
from barwise.experiment.session import FitSession
from barwise.features.aligned import AlignedBars, across_symbols
from barwise.features.matrix import build
from barwise.neutral import Neutral
from barwise.panel import build_panel

NOISE, SLOW, FAST = 0.02, 0.98, 0.9  # a day's volatility; how much of sector offsets, and of signals, stays a day


@dataclass(frozen=True)
class Made:
    """The market, and per symbol what its next return is truly expected by, known at each bar."""

    market: Market
    truth: Mapping[str, np.ndarray]

    def of(self, table: OutOfSample) -> np.ndarray:
        """The truth of each row of a table."""
        out = np.full(len(table.time), np.nan)
        times = {bars.symbol: bars.time for bars in self.market.bars}
        for i, name in enumerate(table.symbols):
            rows = np.flatnonzero(table.symbol == i)
            out[rows] = self.truth[name][np.searchsorted(times[name], table.time[rows])]
        return out


def made(symbols: int = 500, bars: int = 2500, sectors: int = 11, seed: int = 0, ic: float = 0.06) -> Made:
    """Daily bars with members, five delistings, holes, sectors, and a monthly fundamental known from its release on.

    `momentum` and `book` are the columns that a signal is made of. Both lie about offsets of the sector that are five
    times as wide and mean nothing, so that the columns as they are rank sectors; within one they rank its symbols.
    """
    random = np.random.default_rng(seed)
    time = np.busday_offset("2010-01-04", np.arange(bars)).astype("datetime64[ns]")
    sector = np.arange(symbols) % sectors
    fast = persistent(random, bars, symbols, FAST)
    offset = 5.0 * persistent(random, bars, sectors, SLOW)
    book = released(random, time, symbols)
    truth = np.sqrt(0.8) * fast + np.sqrt(0.2) * book
    market = random.normal(3e-4, 0.008, bars)[:, None]
    of_sector = random.normal(0, 0.006, (bars, sectors))
    own = NOISE * (ic * truth + np.sqrt(1 - ic**2) * random.normal(size=truth.shape))
    earned = market + of_sector[:, sector] + own  # from the next open to the one after it
    log_open = np.log(50.0) + np.cumsum(np.vstack([np.zeros((2, symbols)), earned[:-2]]), axis=0)
    after = np.vstack([log_open[1:], log_open[-1:]])
    open_, close = np.exp(log_open), np.exp(after + random.normal(0, 5e-4, after.shape))
    volume = np.exp(random.normal(13, 0.5, open_.shape))
    columns = {
        "momentum": fast + offset[:, sector],
        "book": book + 5.0 * persistent(random, bars, sectors, SLOW)[:, sector],
    }
    last = np.full(symbols, bars)
    last[random.choice(symbols, 5, replace=False)] = random.integers(bars // 2, bars - 5, 5)
    has = (random.random(open_.shape) > 0.01) & (np.arange(bars)[:, None] < last)
    names = [f"S{i:03d}" for i in range(symbols)]
    every, known = [], {}
    for i, name in enumerate(names):
        rows = has[:, i]
        o, c = open_[rows, i], close[rows, i]
        codes = np.full(len(o), sector[i], np.int32)
        every.append(
            Bars(name, time[rows], o, np.maximum(o, c) * 1.001, np.minimum(o, c) * 0.999, c, volume[rows, i],
                 extra={key: values[rows, i] for key, values in columns.items()}, groups={"sector": codes},
                 group_names={"sector": tuple(f"sector {k:02d}" for k in range(sectors))})
        )  # fmt: skip
        known[name] = truth[rows, i]
    universe = Universe("made", members(random, names, time))
    return Made(Market(tuple(every), 252.0, {"name": "made"}, universe), known)


def persistent(random: np.random.Generator, bars: int, count: int, stays: float) -> np.ndarray:
    """(bar, count): independent autoregressions of variance 1."""
    out = random.normal(size=(bars, count))
    for t in range(1, bars):
        out[t] = stays * out[t - 1] + np.sqrt(1 - stays**2) * out[t]
    return out


def released(random: np.random.Generator, time: np.ndarray, symbols: int) -> np.ndarray:
    """(bar, symbol): the last monthly figure that was out by the bar, 20 to 50 days after its month."""
    months = np.arange(time[0].astype("datetime64[M]") - 4, time[-1].astype("datetime64[M]") + 1)
    figures = random.normal(size=(len(months), symbols))
    ends = (months + 1).astype("datetime64[D]").astype("datetime64[ns]")
    out = np.empty((len(time), symbols))
    for i in range(symbols):
        release = ends + random.integers(20, 50, len(months)) * np.timedelta64(1, "D")
        latest = np.maximum.accumulate(release)
        out[:, i] = figures[np.searchsorted(latest, time, side="right") - 1, i]
    return out


def members(random: np.random.Generator, names: Sequence[str], time: np.ndarray) -> dict[str, Any]:
    """Stays: a fifth come late, a tenth leave early."""
    stays = {}
    for name in names:
        first = time[random.integers(1, len(time) // 2)] if random.random() < 0.2 else time[0]
        last = time[random.integers(len(time) * 2 // 3, len(time))] if random.random() < 0.1 else time[-1]
        stays[name] = ((first, last),)
    return stays


def as_they_are(bars: Bars) -> dict[str, np.ndarray]:
    """The two columns of the source."""
    return {name: bars.extra[name] for name in ("momentum", "book")}


@across_symbols
def within_sectors(market: AlignedBars) -> dict[str, np.ndarray]:
    """The two columns less the mean of the sector's members."""
    found, codes = {}, market.groups["sector"]
    for name in ("momentum", "book"):
        values, out = market.extra[name], np.full(market.has.shape, np.nan)
        for code in np.unique(codes[codes >= 0]):
            own = (codes == code) & market.inside
            some = np.where(own, values, 0.0).sum(axis=1) / np.maximum(own.sum(axis=1), 1)
            out = np.where(codes == code, values - some[:, None], out)
        found[f"{name}_in_sector"] = out
    return found


def scored(universe: Made, *words: str, raw: bool = False, neutral: Sequence[str] = ()) -> OutOfSample:
    """Out-of-sample scores of a strategy, named as on a command line, on the second half of the universe."""
    words = ("data=synthetic", "validation=holdout", "validation.splitter.test_fraction=0.4", "signals=none", *words)
    parts = parts_of(compose(list(words)))
    sets: dict[str, Any] = {"columns": as_they_are} if raw else {"sectors": within_sectors}
    market = universe.market
    matrix = build(market.bars, sets, universe=market.universe)
    panel = build_panel(matrix, parts.labels, market.universe)
    if neutral:
        panel = replace(panel, neutral=Neutral(tuple(neutral)).on(market.bars, market.universe))
    return walk(panel, parts.validation.folds(panel), parts.strategy, parts.signals, FitSession())


def rank_ics(universe: Made, table: OutOfSample) -> tuple[float | None, float | None]:
    """The mean rank correlation across symbols of a table's scores, and of the truth, with what could be earned."""
    found = tuple(cross_section(score, table.ret, table.time) for score in (table.score, universe.of(table)))
    return found[0], found[1]


def grid_of(universe: Made) -> Grid:
    return Grid.build(universe.market.bars, universe.market.universe)
