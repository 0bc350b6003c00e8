"""Why a row of the matrix is not what its own past gives: another name, other dates, bars that were not known yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from barwise.audit.features import when
from barwise.audit.findings import Finding
from barwise.audit.process import CleanProcess, Failed
from barwise.audit.recompute import ALTERED, CUT, DATED, OTHER, TURNED, WHOLE
from barwise.features.matrix import FeatureMatrix

_EARLIER = (0, 7, 40)  # bars before a row at which a feature that counts time is as far from the disguised one


class Compared(Protocol):
    """What compares rows of a matrix with what a clean process makes of them."""

    matrix: FeatureMatrix
    clean: CleanProcess
    column: dict[str, int]

    def rows_of(self, kind: str, item: np.ndarray, found: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """(row of the matrix, values) of each row that an item stands for."""


def cause(proof: Compared, kind: str, item: np.ndarray, name: str, row: int) -> Finding:
    """Why a row of all its past differs from the matrix."""

    def value(how: int, hidden: int = 0, earlier: int = 0) -> float:
        moved = item - np.array([0, earlier, earlier])
        answer = proof.clean.ask(kind, request(moved[None], 0, how, hidden))[0]
        if isinstance(answer, Failed) or answer["failed"][0] or name not in answer["names"]:
            return np.inf
        column = int(np.flatnonzero(answer["names"] == name)[0])
        rows = proof.rows_of(kind, moved, answer["values"][0])
        return next((float(v[column]) for r, v in rows if r == row - earlier), np.nan)

    def like(one: float, other: float) -> bool:
        return bool(np.isclose(one, other, rtol=1e-6, atol=0, equal_nan=True))

    symbol = int(np.searchsorted(proof.matrix.offsets, row, side="right")) - 1
    b = proof.matrix.bars[symbol]
    time = when(b.time[row - int(proof.matrix.offsets[symbol])])
    have = float(proof.matrix.X[row, proof.column[name]])
    text, cut = f"feature {name} of {b.symbol} at {time}", value(CUT)
    if not like(cut, value(CUT)):
        return Finding("features", "not_audited", f"{text} is irreproducible: the same bars give another value")
    if like(have, cut):
        return _by_name(text, value, like)
    if not like(have, value(WHOLE)):
        why = "is another where nothing was computed before it: it keeps what it saw in earlier calls."
        return Finding("features", "leak", f"{text} {why}")
    others = [value(how) for how in (ALTERED, TURNED)] if kind == "rows" else []
    if others and all(like(have, other) for other in others) and like(have, value(OTHER)):
        why = "depends on how many bars there are, not on what they hold: it is irreproducible bar by bar"
        return Finding("features", "not_audited", f"{text} {why}")
    whose = "the bars" if kind == "rows" else "the bars of all symbols"
    why = f"changes when {whose} after {time} are cut off: it uses bars that were not known yet."
    return Finding("features", "leak", f"{text} {why}")


def _by_name(text: str, value: Callable[..., float], like: Callable[..., bool]) -> Finding:
    """A value that is another under other names or dates: told, unless it is made of no bar."""
    true = value(CUT)
    if like(value(CUT, DATED), true):
        if like(value(OTHER), value(WHOLE)):
            return Finding("features", "note", f"{text} is made of the symbol's name, and of no bar.")
        return Finding("features", "not_audited", f"{text} is another under another name: it may look it up")
    moved = [value(CUT, DATED, k) - value(CUT, 0, k) for k in _EARLIER]
    if np.isfinite(moved).all() and np.ptp(moved) <= 1e-6 * abs(moved[0]) and like(value(OTHER), value(WHOLE)):
        return Finding("features", "note", f"{text} counts the years.")
    return Finding("features", "not_audited", f"{text} is another 28 years later: it may look up dates")


def request(items: np.ndarray, window: int, how: int, hidden: int) -> dict[str, np.ndarray]:
    """What the clean process is asked for: `items` as `how` makes them, with `window` bars before each (0: all)."""
    first = np.maximum(0, items[:, 1] - window + 1) if window else np.zeros(len(items), int)
    how_, hidden_ = np.full(len(items), how), np.full(len(items), hidden)
    return {"items": np.column_stack([items[:, :2], first, how_, hidden_]).astype(np.int64)}
