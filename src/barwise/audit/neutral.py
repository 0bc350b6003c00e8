"""The audit of neutral scores: what is left of a bar's scores does not change with what comes later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from barwise.audit.features import when
from barwise.audit.findings import Finding
from barwise.audit.scores import differing
from barwise.data.bars import Bars, Universe
from barwise.data.times import times_of
from barwise.neutral import NEEDED, Exposures

_LOOKS = 4  # bars after which the market is cut off
_SYMBOLS = 64  # that are compared, at most


class Neutralizes(Protocol):
    """What gives the exposures of bars, as `Neutral` does."""

    def on(self, bars: Sequence[Bars], universe: Universe | None = None) -> Exposures: ...


def neutral_waits(
    neutral: Neutralizes | None, bars: Sequence[Bars], universe: Universe | None, seed: int
) -> Iterator[Finding | int]:
    """Made scores are made neutral on some symbols' bars up to a row, and on all that come later too: the same is left.

    Cut ones come first: nothing can be remembered from the whole.
    """
    if neutral is None:
        return
    random = np.random.default_rng(seed)
    bars = [bars[i] for i in np.sort(random.permutation(len(bars))[:_SYMBOLS])]
    times = times_of(bars)
    if len(times) < 4:
        return
    symbols = tuple(b.symbol for b in bars)
    symbol = np.repeat(np.arange(len(bars)), [len(b) for b in bars])
    time = np.concatenate([b.time for b in bars])
    score = random.uniform(-1, 1, len(time))
    first = min(NEEDED, len(times) // 2)
    looks = times[np.linspace(first, len(times) - 2, _LOOKS).astype(int)]
    alone = []
    for last in looks:
        kept = [b.take(b.time <= last) for b in bars]
        own = (time == last) & np.array([len(b) > 0 for b in kept])[symbol]
        cut = neutral.on([b for b in kept if len(b)], universe)
        alone.append((own, cut(symbols, symbol[own], time[own], score[own])))
    whole = neutral.on(bars, universe)(symbols, symbol, time, score)
    for last, (own, left) in zip(looks, alone, strict=True):
        yield int(own.sum())
        if len(differing(left, whole[own])):
            text = f"signals.neutral: what is left of the scores of {when(last)} changes with bars that come later."
            yield Finding("neutral", "leak", text)
            return
