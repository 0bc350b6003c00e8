"""What a portfolio rule may know: everything of all symbols on one grid of times, up to each row's close."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from barwise.errors import ConfigError
from barwise.portfolio.limits import Limits


@dataclass(frozen=True)
class Context:
    """Arrays (time, symbol); the weights of row t may use rows up to t alone.

    `score`: NaN where there is none. `signal`: in [-1, 1], 0 where there is none. `has`: there is a bar. `inside`: the
    symbol is in the universe. `returns`: close over the symbol's own close before, NaN without. `groups`:
    codes by name, -1 where there is none. `held`: (symbol,) the weights held before the first row; before the last one
    for a rule that says `reads_held`, which is asked bar by bar. `gross`: the gross exposure asked for. `limits`,
    `limited` (codes of the group that is limited), `max_turnover`, `volatility` (of a bar): what the portfolio keeps
    the weights to; None where it does not.
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
    extra_names: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    limited: np.ndarray | None = None
    max_turnover: float | None = None
    volatility: float | None = None

    @property
    def member(self) -> np.ndarray:
        """(time, symbol): there is a bar of a symbol that is in the universe."""
        found: np.ndarray = self.has & self.inside
        return found

    def column(self, name: str) -> np.ndarray:
        """(time, symbol): volume or another column of the source, NaN where it has none."""
        return np.full(self.has.shape, np.nan) if self.columns is None else self.columns(name)

    @property
    def volume(self) -> np.ndarray:
        """(time, symbol): what was traded, NaN where there is none."""
        return self.column("volume")

    @property
    def extra(self) -> Mapping[str, np.ndarray]:
        """Further columns of the source by name, each (time, symbol), NaN where there is none; made when asked for."""
        return Extra(self)

    def group(self, name: str, setting: str) -> np.ndarray:
        """(time, symbol) codes of a group; ConfigError, by the name of the setting, where the source has none such."""
        if name not in self.groups:
            there = ", ".join(self.groups) or "no groups"
            raise ConfigError(f"{setting}={name}: the bars have {there}; name one of the source's groups")
        return self.groups[name]

    def until(self, row: int) -> Context:
        """The same, cut after `row`: what was known at its close."""
        cut, columns = slice(0, row + 1), self.columns
        arrays = {name: getattr(self, name)[cut] for name in ("time", "score", "signal", "has", "inside", "returns")}
        return replace(
            self,
            **arrays,
            groups={name: codes[cut] for name, codes in self.groups.items()},
            limited=None if self.limited is None else self.limited[cut],
            columns=None if columns is None else lambda name: columns(name)[cut],
        )


class Extra(Mapping[str, np.ndarray]):
    """The further columns of a context by name."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.context.extra_names:
            raise KeyError(name)
        return self.context.column(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.context.extra_names)

    def __len__(self) -> int:
        return len(self.context.extra_names)
