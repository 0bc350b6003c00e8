"""Which rows of the matrix the audit looks at: all warm ones where it is thorough, some of each symbol where quick."""

from __future__ import annotations

from collections.abc import Iterator
from zlib import crc32

import numpy as np

from barwise.audit.bars import holes
from barwise.audit.findings import Audit, Finding
from barwise.audit.process import Failed
from barwise.audit.rows import SIZE, RowProof, default_workers
from barwise.features.matrix import FeatureMatrix
from barwise.samples import Panel

_ROWS = 96  # that a quick look takes of all symbols together, and one of each symbol at least
_DATES = 8  # of which a quick look computes sets across symbols again


def rows_look_back(audit: Audit, proof: RowProof, panel: Panel) -> Iterator[Finding | int]:
    """Some rows of all symbols, or all warm ones for a thorough audit, are what their own past gives; and no set keeps
    a table that no bar gave."""
    tables = proof.clean.ask("tables", {})[0]
    if not isinstance(tables, Failed):
        for text in tables["found"]:
            yield Finding("features", "not_audited", str(text))
    seed = seed_of(proof.matrix)
    if audit.thorough:
        yield from proof.compare(np.flatnonzero(panel.warm), default_workers(), SIZE)
        return
    rows = _chosen(proof.matrix, panel.warm, _ROWS, seed)
    if proof.kinds["rows"]:
        yield from proof.compare(rows, kinds=("rows",))
    if proof.kinds["dates"]:
        yield from proof.compare(np.random.default_rng(seed).choice(rows, min(_DATES, len(rows))), kinds=("dates",))


def seed_of(matrix: FeatureMatrix) -> int:
    """A number that the bars alone decide."""
    digest = 0
    for b in matrix.bars:
        digest = crc32(np.ascontiguousarray(b.close).data, digest)
    return digest


def _chosen(matrix: FeatureMatrix, usable: np.ndarray, count: int, seed: int) -> np.ndarray:
    """`count` of the `usable` rows (a mask) or one of each symbol: the first of some, beside holes, where prices move
    most, and any; `seed` comes from the data."""
    random = np.random.default_rng(seed)
    symbols = len(matrix.bars)
    each = max(1, -(-count // symbols))
    found: list[int] = []
    for s in random.permutation(symbols)[: max(count, symbols)]:
        low, high = int(matrix.offsets[s]), int(matrix.offsets[s + 1])
        own = np.flatnonzero(usable[low:high])
        if not len(own):
            continue
        b = matrix.bars[s]
        move = np.abs(np.diff(b.close, prepend=b.close[0]) / b.close)[own]
        wild = own[np.argsort(move)[-max(1, len(own) // 20) :]]
        missing = np.intersect1d(own, holes(b))
        pools = [own[:1], wild, missing if len(missing) else own, own]
        picks = [int(random.choice(pools[k % 4] if each > 1 else pools[int(random.integers(4))])) for k in range(each)]
        found += [low + p for p in picks]
    return np.unique(np.array(found, dtype=np.int64))
