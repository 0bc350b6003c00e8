"""Features with their warm-up, from the store where it has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from barwise.data.bars import Market
from barwise.features import FeatureSet
from barwise.features.drift import Drift, StartUp, warmed
from barwise.features.extend import extended
from barwise.features.matrix import FeatureMatrix, Room, build, finite_rows
from barwise.features.store import Report, Store
from barwise.features.store_writer import Kept, Made
from barwise.runs.blocks import bits_of, text_of


def prepared(
    market: Market,
    data: str,
    sets: Mapping[str, FeatureSet],
    threads: int,
    store: Store | None,
    note: Callable[[Report], None] | None = None,
) -> tuple[FeatureMatrix, StartUp]:
    """The matrix of `sets` with a warm-up long enough, and the start-up drift; `data` is the hash of the market, and
    `note` hears how the matrix was come by."""

    def make(room: Room, base: Kept | None = None) -> Made:
        longer = None if base is None else extended(base, market, sets, threads, room)
        matrix, found = warmed(longer or build(market.bars, sets, threads, room, market.universe), sets)
        drift = [[name, d.defined, d.settled, d.at_first] for name, d in found.drift.items()]
        finite = np.packbits(finite_rows(matrix.X))  # kept, so that whoever opens the matrix need not read all of it
        facts = {"bars": found.bars, "looked": found.looked, "drift": drift, "finite": text_of(finite)}
        return Made(matrix, facts, carried_on=longer is not None)

    stored = (store or Store(gb=0)).matrix(data, market, sets, make)
    if note is not None:
        note(stored.report)
    kept = stored.facts
    drift = {str(name): Drift(int(d), None if s is None else int(s), float(a)) for name, d, s, a in kept["drift"]}
    matrix = replace(stored.matrix, universe=market.universe)
    finite = np.unpackbits(bits_of(kept["finite"]), count=len(matrix.X)).astype(bool)
    return matrix.known_finite(finite), StartUp(int(kept["bars"]), drift, int(kept["looked"]))
