"""The last rows of many symbols computed at once: their windows put one behind the other.

A set on some hundred bars spends most of its time outside of numpy. What it gives at a window's end depends on the
window alone, so that whatever stands before it does not matter; whoever takes these rows compares some of them with
what is known. Sets that ask for a time or a symbol's name are not given either, and raise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from barwise.data.bars import COLUMNS, Bars
from barwise.features import FeatureSet
from barwise.features.matrix import compute
from barwise.features.volumeless import without_volume

_ROWS = 2**15  # that are computed at once: their columns fit the processor's cache


class _Untold:
    """Something as long as the bars that nobody can read."""

    __hash__ = None  # type: ignore[assignment]
    __slots__ = ("_n",)

    def __init__(self, n: int) -> None:
        self._n = n

    def __len__(self) -> int:
        return self._n

    def _refused(self, *_: object) -> Any:
        raise TypeError("windows of several symbols have no times and no name")

    __array__ = __getitem__ = __iter__ = __eq__ = __ne__ = __str__ = __repr__ = __format__ = _refused

    def __getattr__(self, name: str) -> Any:
        return self._refused(name)


def side_by_side(
    parts: Mapping[int, Bars], last: Mapping[int, int], sets: Mapping[str, FeatureSet], names: Sequence[str]
) -> dict[int, np.ndarray]:
    """The `last` rows (bar, column) of each part, float32; without those that cannot be joined."""
    found: dict[int, np.ndarray] = {}
    group: list[int] = []
    rows = 0
    for i, part in parts.items():
        if part.groups or without_volume(part) or (group and part.extra.keys() != parts[group[0]].extra.keys()):
            continue  # by itself
        group.append(i)
        rows += len(part)
        if rows >= _ROWS:
            found |= _computed(group, parts, last, sets, names)
            group, rows = [], 0
    return found | _computed(group, parts, last, sets, names) if group else found


def _computed(
    group: Sequence[int],
    parts: Mapping[int, Bars],
    last: Mapping[int, int],
    sets: Mapping[str, FeatureSet],
    names: Sequence[str],
) -> dict[int, np.ndarray]:
    own = [parts[i] for i in group]
    n = sum(map(len, own))
    columns: dict[str, Any] = {name: np.concatenate([getattr(b, name) for b in own]) for name in COLUMNS}
    extra = {name: np.concatenate([b.extra[name] for b in own]) for name in own[0].extra}
    untold = cast(Any, _Untold(n))
    try:
        made = compute(Bars(untold, untold, **columns, extra=extra), sets)
    except Exception:  # a set that wants times or a name, or the user's: each symbol by itself
        return {}
    if made.keys() - set(names):
        return {}
    ends = np.cumsum([len(b) for b in own])
    rows = np.concatenate([np.arange(end - last[i], end) for i, end in zip(group, ends, strict=True)])
    table = np.full((len(rows), len(names)), np.nan, np.float32)
    with np.errstate(over="ignore"):
        for place, name in enumerate(names):
            if name in made:
                table[:, place] = np.asarray(made[name])[rows]
    table[~np.isfinite(table)] = np.nan
    return dict(zip(group, np.split(table, np.cumsum([last[i] for i in group])[:-1]), strict=True))
