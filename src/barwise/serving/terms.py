"""The terms of a live session's prices: those of the exchange, or by data.contracts those of the account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from barwise.data.bars import Bars, Market
from barwise.data.contracts import (
    COLUMNS,
    CONTRACT,
    Contract,
    check_known,
    contracts,
    following,
    names_in,
    priced,
    without_columns,
)
from barwise.errors import ConfigError
from barwise.serving.model import Served


@dataclass(frozen=True)
class Terms:
    """`path`: the file of contracts; None where bars are scored as the exchange has them. `kept`: the columns of rates
    that the run's bars have too."""

    path: str | None = None
    known: Mapping[str, Contract] = field(default_factory=dict)
    kept: frozenset[str] = frozenset()

    @classmethod
    def of(cls, served: Served, path: str | Path | None = None) -> Terms:
        """Those of a run, by the file that it was trained with unless `path` names another; ConfigError for one that
        has no effect, and for larger bars, which are made of bars in the account's terms."""
        asked = served.shape.contracts
        if asked is None:
            if path is not None:
                raise ConfigError(f"--contracts {path}: this run was trained without data.contracts; leave it out")
            return cls()
        if served.shape.resample is not None:
            raise ConfigError(
                f"this run made bars of {served.shape.resample} of smaller ones in the account's terms, which live does"
                " not: score them with `python -m barwise predict`, or train on a file of the larger bars"
            )
        there = str(path or asked)
        if not Path(there).expanduser().is_file():
            raise ConfigError(f"data.contracts={there}: is not there; --contracts FILE names the file of contracts")
        return cls(there, contracts(there, "--contracts" if path else "data.contracts"), frozenset(served.extra))

    @property
    def groups(self) -> tuple[str, ...]:
        """The columns of words that it reads of a bar."""
        return (CONTRACT,) if self.path else ()

    def market(self, market: Market) -> Market:
        """Past bars in these terms, if they are not yet."""
        return market if self.path is None or "contracts" in market.facts else priced(market, self.path)

    def check(self, symbol: str) -> None:
        """DataError for a symbol that the file lacks."""
        if self.path is not None:
            check_known([symbol], self.known, self.path)

    def bar(self, before: Bars, new: Bars) -> Bars:
        """One bar in these terms, after those that are."""
        if self.path is None:
            return new
        found = following(before, new, self.known[new.symbol], self.path)
        kept = {*self.kept, *before.extra, *COLUMNS}
        return without_columns(found, [name for name in names_in(self.known) if name not in kept])
