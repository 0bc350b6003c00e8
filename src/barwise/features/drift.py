"""Start-up drift: how far a feature depends on where its history starts, and the warm-up that is chosen from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from barwise.data.bars import Bars, Universe
from barwise.features import FeatureSet
from barwise.features.aligned import among
from barwise.features.every import Every
from barwise.features.matrix import FeatureMatrix, compute

_TOLERANCE = 0.01  # of the feature's standard deviation: less than a model or a threshold can tell
_LONGEST, _ENOUGH = 1_000, 500  # bars after a start that are looked at; with fewer than ENOUGH nothing is said of none
_STARTS, _SYMBOLS = 4, 2
_MOST_LARGER = 12  # times as many bars are looked at where sets are on larger bars
_BESIDE = 20  # other symbols that make up the cross-section; how long a window is does not hang on their number


@dataclass(frozen=True)
class Drift:
    """One feature. `defined`: bars before its first value. `settled`: bars before it stays within TOLERANCE of what a
    longer history gives; None if it does not within the bars looked at. `at_first`: its largest distance from that on
    the first bar that every start defines, in standard deviations.
    """

    defined: int
    settled: int | None
    at_first: float


@dataclass(frozen=True)
class StartUp:
    """The drift of each feature, and `bars`: the rows of each symbol that are warm-up at least."""

    bars: int
    drift: Mapping[str, Drift]
    looked: int  # bars after each start that were looked at
    larger: Mapping[str, int] = field(
        default_factory=dict
    )  # by ending of the names of sets on larger bars: of how many

    @property
    def slowest(self) -> str | None:
        """The feature that takes longest to settle."""
        known = {name: d.settled for name, d in self.drift.items() if d.settled is not None}
        return max(known, key=lambda name: known[name]) if known else None

    @property
    def never(self) -> list[str]:
        """Features that go on depending on the first bar, such as running totals."""
        return [
            name for name, d in self.drift.items() if d.settled is None and self.looked >= _ENOUGH * self._factor(name)
        ]

    def _factor(self, name: str) -> int:
        """Of how many bars one is that the feature is made of."""
        return max((count for ending, count in self.larger.items() if name.endswith(ending)), default=1)

    @property
    def warnings(self) -> list[str]:
        """What the user must know of features that never settle."""
        if not self.never:
            return []
        names = ", ".join(self.never[:5]) + (f" and {len(self.never) - 5} more" if len(self.never) > 5 else "")
        return [f"{names}: depends on where history starts even {self.looked} bars later; live it will be another"]

    def report(self) -> dict[str, Any]:
        """What run.json says: only what drifts at all has a line of its own."""
        lines = {
            name: {"defined": d.defined, "settled": d.settled, "at_first": d.at_first}
            for name, d in self.drift.items()
            if d.settled != d.defined
        }
        return {"bars": self.bars, "slowest": self.slowest, "tolerance": _TOLERANCE, "looked": self.looked,
                "features": lines}  # fmt: skip


def warmed(matrix: FeatureMatrix, sets: Mapping[str, FeatureSet]) -> tuple[FeatureMatrix, StartUp]:
    """The matrix with a warm-up that is long enough for its features to forget where their history starts.

    A symbol that has no more bars than that keeps its rows, none of them warm, and is told as left out.
    """
    found = start_up(matrix.bars, sets, matrix.universe)
    why = f"bars, all of them warm-up: {found.slowest} depends on where history starts for {found.bars}"
    short = tuple((b.symbol, f"{len(b)} {why}") for b in matrix.bars if len(b) <= found.bars)
    wide = replace(matrix, warmup=np.maximum(matrix.warmup, found.bars), left_out=matrix.left_out + short)
    return wide, found


def start_up(bars: Sequence[Bars], sets: Mapping[str, FeatureSet], universe: Universe | None = None) -> StartUp:
    """Measured on the longest symbols: the features again, from later starts, beside those of the longer history."""
    chosen = sorted(bars, key=len, reverse=True)[:_SYMBOLS]
    market = sorted(bars, key=len, reverse=True)[: _SYMBOLS + _BESIDE]
    larger = _larger(chosen[0], sets)
    longest = _LONGEST * min(_MOST_LARGER, max(larger.values(), default=1))
    seen: dict[str, list[Drift]] = {}
    for b in chosen:
        stretch = b.take(slice(max(0, len(b) - 3 * longest), None))

        def columns(part: Bars) -> dict[str, np.ndarray]:
            return compute(part, among(part, sets, market, universe))

        for name, found in _of_symbol(stretch, columns, longest).items():
            seen.setdefault(name, []).append(found)
    drift = {name: _worst(each) for name, each in seen.items()}
    bars_needed = max((d.settled for d in drift.values() if d.settled is not None), default=0)
    return StartUp(bars_needed, drift, min(longest, len(chosen[0]) // 2), larger)


def _larger(bars: Bars, sets: Mapping[str, FeatureSet]) -> dict[str, int]:
    """By the ending of their columns, of how many bars those are that sets on larger bars are made of."""
    seconds = max(1, int(np.median(np.diff(bars.time)).astype("timedelta64[s]").astype(int))) if len(bars) > 1 else 1
    return {one.suffix: max(1, -(-one.size.seconds // seconds)) for one in sets.values() if isinstance(one, Every)}


def _of_symbol(bars: Bars, columns: Callable[[Bars], dict[str, np.ndarray]], longest: int) -> dict[str, Drift]:
    n = len(bars)
    length = min(longest, n // 2)
    if length < 2:
        return {}
    whole = columns(bars)
    starts = np.unique(np.linspace(max(1, (n - length) // 2), n - length, _STARTS).astype(int))
    later = []
    for s in starts:
        try:
            later.append((s, columns(bars.take(slice(s, s + length)))))
        except Exception:  # a set of the user's that wants more bars; the audit says so
            continue
    if not later:
        return {}
    found = {}
    for name, values in whole.items():
        pairs = [(values[s : s + length], again[name]) for s, again in later if name in again]
        found[name] = _drift(np.array([v for v, _ in pairs], float), np.array([w for _, w in pairs], float))
    return found


def _drift(longer: np.ndarray, shorter: np.ndarray) -> Drift:
    """Both (start, bar): values of a longer history, and of one that starts at bar 0."""
    length = shorter.shape[1]
    known = np.isfinite(shorter)
    missing = np.isfinite(longer) & ~known
    with np.errstate(invalid="ignore"):
        scale = np.nanstd(np.where(np.isfinite(longer), longer, np.nan)) if np.isfinite(longer).any() else 0.0
        scale = scale if scale > 0 else max(1e-300, float(np.abs(longer[np.isfinite(longer)]).max(initial=0.0)))
        distance = np.where(np.isfinite(longer) & known, np.abs(shorter - longer) / scale, 0.0)
    everywhere = known.all(axis=0)
    defined = int(everywhere.argmax()) if everywhere.any() else length
    wrong = np.flatnonzero((distance > _TOLERANCE).any(axis=0) | missing.any(axis=0))
    settled = int(wrong[-1]) + 1 if len(wrong) else 0
    at_first = float(distance[:, defined].max()) if defined < length else 0.0
    return Drift(defined, None if settled >= length else settled, at_first)


def _worst(found: Sequence[Drift]) -> Drift:
    settled = [d.settled for d in found]
    worst = None if None in settled else max(s for s in settled if s is not None)
    return Drift(max(d.defined for d in found), worst, max(d.at_first for d in found))
