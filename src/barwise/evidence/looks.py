"""Looks at sealed bars by other ways than unsealing: scores of them are put on record too."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from barwise.evidence.sealed import record
from barwise.evidence.trials import lines

UNRECORDED = "sealed bars were looked at, and the record of that could not be written"


@dataclass
class SealWatch:
    """The seals of the trials on record in `home` (None: nothing is watched). `by`: the verb or place that looks."""

    home: Path | None
    by: str
    run: str = ""
    seals: list[tuple[frozenset[str], np.datetime64, np.datetime64]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for entry in lines(self.home) if self.home is not None else ():
            seal, symbols = entry.get("sealed"), entry.get("symbols")
            if not isinstance(seal, list) or len(seal) != 2 or not isinstance(symbols, list):
                continue
            try:
                found = frozenset(map(str, symbols)), np.datetime64(seal[0]), np.datetime64(seal[1])
            except ValueError:
                continue
            if found not in self.seals:
                self.seals.append(found)

    def look(self, symbols: Iterable[str] | None, first: np.datetime64, last: np.datetime64) -> bool:
        """Put on record that bars of `symbols` (None: unknown, any) from `first` to `last` were seen, once a seal that
        they meet; False where that could not be written."""
        known, written = None if symbols is None else set(symbols), True
        for seal in list(self.seals):
            names, begin, end = seal
            met = sorted(names if known is None else names & known)
            if not met or first > end or last < begin:
                continue
            entry: dict[str, Any] = {"by": self.by, "run": self.run, "symbols": met}
            try:
                record(self.home or Path(), {**entry, "from": str(max(begin, first)), "to": str(min(end, last))})
            except OSError:
                written = False
            self.seals.remove(seal)
        return written
