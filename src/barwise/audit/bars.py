"""Bars whose future is cut off, or another: what features and labels are computed on again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from barwise.data.bars import Bars

CODES = 50  # different whole numbers that a column of codes has at most
STRETCH = 1_000  # bars of a symbol that a quick audit computes on, unless the warm-up needs more


@dataclass(frozen=True)
class Look:
    """How hard to look: how many symbols (None: all), pairs of rows and holes in each, and the bars of a stretch."""

    symbols: int | None
    pairs: int
    holes: int
    stretch: int | None


@dataclass(frozen=True)
class Again:
    """Other bars that are the same up to `row`, and no further: `how` says what happened to the rest."""

    how: str
    row: int
    bars: Bars


def probes(look: Look, bars: Sequence[Bars], warmup: int, seed: int) -> Iterator[tuple[Bars, list[Again]]]:
    """Symbols spread over the market, each with the bars to compute on again."""
    random = np.random.default_rng(seed)
    count = len(bars) if look.symbols is None else min(look.symbols, len(bars))
    for i in np.unique(np.linspace(0, len(bars) - 1, count).astype(int)):
        stretch = bars[i] if look.stretch is None else _stretch(bars[i], max(look.stretch, 4 * warmup), random)
        yield stretch, list(_again(look, stretch, random))


def _again(look: Look, bars: Bars, random: np.random.Generator) -> Iterator[Again]:
    """Altered after the first bar, which shows a fill backwards; cut and altered at random rows of the later half, in
    pairs, because a week or a day that was cut at its end hides a bar labelled too early; and at holes.
    """
    n = len(bars)
    if n < 3:
        return
    yield Again("altered", 0, altered(bars, 1))
    rows = random.integers(n // 2, n - 1, look.pairs)
    found = holes(bars)
    found = random.choice(found, min(look.holes, len(found)), replace=False)
    for row in np.concatenate([rows, found]).astype(int):
        yield Again("cut off", row, bars.take(slice(0, row + 1)))
        yield Again("altered", row, altered(bars, row + 1))
    for row in np.concatenate([np.minimum(rows + 1, n - 2), _before_closings(bars.time, random)]).astype(int):
        yield Again("cut off", int(row), bars.take(slice(0, row + 1)))


def _before_closings(time: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """One row of the later half for hours, days and weeks: the bar before the last of one, where a larger bar that is
    taken as closed one bar early shows, and nowhere else."""
    found = []
    for unit in ("h", "D", "W"):
        number = time.astype(f"datetime64[{unit}]").astype(np.int64)
        last = np.flatnonzero(number[1:] != number[:-1])
        last = last[last > len(time) // 2]
        if len(last) and 2 * len(last) < len(time) // 2:  # larger than a bar
            found.append(int(random.choice(last)) - 1)
    return np.array(found, dtype=np.int64)


def _stretch(bars: Bars, length: int, random: np.random.Generator) -> Bars:
    """`length` bars in a row from anywhere; with a hole in them if there is one."""
    spare = len(bars) - length
    if spare <= 0:
        return bars
    found = holes(bars)
    middle = int(random.choice(found)) if len(found) else int(random.integers(len(bars)))
    first = min(max(0, middle - length // 2), spare)
    return bars.take(slice(first, first + length))


def holes(bars: Bars) -> np.ndarray:
    """Rows, but the last, in which a value of the source is missing, or nothing was traded."""
    missing = bars.volume == 0
    for values in bars.extra.values():
        missing = missing | np.isnan(values)
    return np.flatnonzero(missing[:-1])


def altered(bars: Bars, first: int, down_first: bool = False) -> Bars:
    """The same bars up to `first`, and from there on others, still sound: the rest runs backwards, opens where it
    closed, and is brought by turns far above and far below all that the bars have seen.
    """
    n = len(bars) - first
    tail = slice(first, None)
    back = {name: getattr(bars, name)[tail][::-1] for name in ("high", "low", "volume")}
    back |= {"open": bars.close[tail][::-1], "close": bars.open[tail][::-1]}
    up, down = 2.0 * bars.high.max() / back["low"].min(), 0.5 * bars.low.min() / back["high"].max()
    factor = np.resize([down, up] if down_first else [up, down], n)
    columns = {name: getattr(bars, name).copy() for name in back}
    for name, values in back.items():
        columns[name][tail] = values * (np.resize([7.0, 0.1], n) if name == "volume" else factor)
    columns["volume"][first] += 2.0 * bars.volume.max() + 1.0
    extra = {name: values.copy() for name, values in bars.extra.items()}
    for values in extra.values():
        scaled = not coded(values)
        values[tail] = values[tail][::-1] * factor + 1.0 if scaled else values[tail][::-1]
    groups = {name: codes.copy() for name, codes in bars.groups.items()}
    for name, codes in groups.items():
        moved = (codes[tail][::-1] + np.arange(n) + 1 + down_first) % max(1, len(bars.group_names[name]))
        codes[tail] = np.where(codes[tail][::-1] >= 0, moved, codes[tail][::-1])
    return replace(bars, **columns, extra=extra, groups=groups)


def coded(values: np.ndarray) -> bool:
    """Whether a column looks like codes, a few whole numbers: others would be none."""
    known = values[np.isfinite(values)]
    return bool((known == np.round(known)).all()) and len(np.unique(known[:10_000])) <= CODES
