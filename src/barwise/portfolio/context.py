"""What a portfolio rule may know: everything of all symbols on one grid of times, up to each row's close."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np


@dataclass(frozen=True)
class Context:
    """Arrays (time, symbol); the weights of row t may use rows up to t alone.

    `score`: NaN where there is none. `signal`: in [-1, 1], 0 where there is none. `has`: there is a bar. `inside`: the
    symbol is in the universe. `returns`: close over the symbol's own close before, NaN without. `groups`:
    codes by name, -1 where there is none. `held`: (symbol,) the weights held before the first row. `gross`: the gross
    exposure asked for.
    """

    time: np.ndarray
    symbols: tuple[str, ...]
    score: np.ndarray
    signal: np.ndarray
    has: np.ndarray
    inside: np.ndarray
    returns: np.ndarray
    held: np.ndarray
    periods_per_year: float = 252.0
    gross: float = 1.0
    groups: Mapping[str, np.ndarray] = field(default_factory=dict)
    columns: Callable[[str], np.ndarray] | None = None

    @property
    def member(self) -> np.ndarray:
        """(time, symbol): there is a bar of a symbol that is in the universe."""
        found: np.ndarray = self.has & self.inside
        return found

    def column(self, name: str) -> np.ndarray:
        """(time, symbol): volume or another column of the source, NaN where it has none."""
        return np.full(self.has.shape, np.nan) if self.columns is None else self.columns(name)

    def until(self, row: int) -> Context:
        """The same, cut after `row`: what was known at its close."""
        cut, columns = slice(0, row + 1), self.columns
        arrays = {name: getattr(self, name)[cut] for name in ("time", "score", "signal", "has", "inside", "returns")}
        return replace(
            self,
            **arrays,
            groups={name: codes[cut] for name, codes in self.groups.items()},
            columns=None if columns is None else lambda name: columns(name)[cut],
        )
