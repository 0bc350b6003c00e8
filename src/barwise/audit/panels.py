"""The audit of sets that see all symbols of a bar: each row is made of what the market was by then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from barwise.audit.bars import altered
from barwise.audit.features import differs, scale_of, when
from barwise.audit.findings import Audit, Finding
from barwise.data.bars import Bars
from barwise.data.times import times_of
from barwise.features import FeatureSet
from barwise.features.aligned import AlignedBars, align, between, evaluated, sees_all
from barwise.features.matrix import FeatureMatrix

_SYMBOLS = 30  # that a quick audit makes a market of, spread over all


@dataclass(frozen=True)
class Other:
    """A market that is the same up to `row` of the times, and no further: `how` says what happened to the rest."""

    how: str
    row: int
    market: AlignedBars


def panels_look_back(
    audit: Audit, matrix: FeatureMatrix, sets: Mapping[str, FeatureSet], known: Iterable[str] = ()
) -> Iterator[Finding | int]:
    """Row t of every column is the same where all symbols are cut off after t, and where all have another future; the
    `known` ones were told already."""
    panels = {name: one for name, one in sets.items() if sees_all(one)}
    if not panels:
        return
    random = np.random.default_rng(audit.seed)
    bars = stretch(audit, matrix, random)
    market = align(bars, matrix.universe)
    whole = _columns(panels, market)
    scales = {name: scale_of(values) for name, values in whole.items()}
    guilty = set(known)
    moved: set[str] = set()
    for other in others(audit, bars, market, matrix, random):
        after = when(market.time[other.row])
        try:
            found = _columns(panels, other.market)
        except Exception as error:  # a set of the user's; on bars that differ it may raise what it likes
            notes = " ".join(getattr(error, "__notes__", ()))
            reason = " ".join(f"{type(error).__name__}: {error} {notes}".split())[:160]
            text = f"features cannot be computed on all symbols {other.how} after {after} ({reason}): not compared."
            yield Finding("features", "not_audited", text)
            return
        kept = [market.symbols.index(symbol) for symbol in other.market.symbols]
        yield len(whole) * len(kept)
        for name, values in whole.items():
            scale = scales[name]
            place = differs(values[: other.row + 1, kept], found.get(name), scale[:, kept])
            if place is not None and name not in guilty:
                guilty.add(name)
                row, symbol = divmod(place, len(kept))
                where = f"{other.market.symbols[symbol]} at {when(market.time[row])}"
                text = (
                    f"feature {name} of {where} changes when the bars of all symbols after {after} are {other.how}:"
                    " it uses bars that were not known yet."
                )
                yield Finding("features", "leak", text)
            if other.how == "altered" and differs(values, found.get(name), scale) is not None:
                moved.add(name)
    for name in sorted(whole.keys() - moved):
        text = f"feature {name} is the same on other bars: made of the time, or of what the audit cannot alter."
        yield Finding("features", "note", text)


def _columns(panels: Mapping[str, FeatureSet], market: AlignedBars) -> dict[str, np.ndarray]:
    return {column: values for name, one in panels.items() for column, values in evaluated(name, one, market).items()}


def stretch(audit: Audit, matrix: FeatureMatrix, random: np.random.Generator) -> list[Bars]:
    """All symbols and bars; for a quick audit some of the symbols, in a stretch of the times."""
    bars, length = list(matrix.bars), audit.look.stretch
    if length is None:
        return bars
    few = np.unique(np.linspace(0, len(bars) - 1, min(_SYMBOLS, len(bars))).astype(int))
    bars = [bars[i] for i in few]
    time = times_of(bars)
    length = max(length, 4 * int(matrix.warmup.max()))
    first = int(random.integers(max(1, len(time) - length + 1)))
    parts = [between(b, time[first], time[min(len(time), first + length) - 1]) for b in bars]
    return [b for b in parts if len(b)]


def others(
    audit: Audit, bars: Sequence[Bars], market: AlignedBars, matrix: FeatureMatrix, random: np.random.Generator
) -> Iterator[Other]:
    """As for a single symbol: altered after the first bar; cut and altered at random rows, in pairs, where a symbol
    misses a bar, and before one joins or leaves the universe."""
    n = len(market.time)
    if n < 3:
        return

    def cut(row: int) -> Other:
        parts = [between(b, market.time[0], market.time[row]) for b in bars]
        return Other("cut off", row, align([b for b in parts if len(b)], matrix.universe))

    def alter(row: int) -> Other:
        firsts = [int(np.searchsorted(b.time, market.time[row], side="right")) for b in bars]
        parts = [
            altered(b, first, down_first=i % 2 == 1) if first < len(b) else b
            for i, (b, first) in enumerate(zip(bars, firsts, strict=True))
        ]
        return Other("altered", row, align(parts, matrix.universe))

    yield alter(0)
    rows = random.integers(n // 2, n - 1, audit.look.pairs)
    later = np.logical_or.accumulate(market.has[::-1], axis=0)[::-1]
    gaps = (~market.has & later)[:-1].any(axis=1)
    joins = ((market.inside[1:] != market.inside[:-1]) & market.has[1:] & market.has[:-1]).any(axis=1)
    holes = [np.flatnonzero(found) for found in (gaps, joins)]
    some = [random.choice(found, min(audit.look.holes, len(found)), replace=False) for found in holes]
    for row in np.concatenate([rows, *some]).astype(int):
        yield cut(int(row))
        yield alter(int(row))
    for row in np.minimum(rows + 1, n - 2):
        yield cut(int(row))
