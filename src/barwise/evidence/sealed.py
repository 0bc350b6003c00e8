"""The sealed stretch: the last bars of time, which no run sees until somebody opens them, and a record of who did."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from barwise.console.settings import Number, check_value
from barwise.data.bars import Market
from barwise.data.times import times_of
from barwise.errors import DataError
from barwise.runs import jsonlines

_NAME = "sealed.jsonl"


@dataclass(frozen=True)
class Sealed:
    """A source of bars without the last `fraction` of its times; they are cut before anything else sees them."""

    load: Callable[[], Market]
    fraction: float

    def __call__(self) -> Market:
        market = self.load()
        time = times_of(market.bars)
        first = min(len(time) - 1, round(len(time) * (1 - self.fraction)))
        found = before(market, time[first])
        behind = sorted(set(market.symbols) - set(found.symbols))
        span = {"from": str(time[first]), "to": str(time[-1]), "bars": len(time) - first}
        note = {"fraction": self.fraction, **span, "behind": behind}
        return replace(found, facts={**found.facts, "sealed": note})


def sealed(load: Callable[[], Market], fraction: Any) -> Callable[[], Market]:
    """`load` without the last `fraction` of its times; as it is for 0. ConfigError outside [0, 0.9]."""
    check_value("sealed.fraction", fraction, Number(0, 0.9), 0)
    return Sealed(load, float(fraction)) if fraction else load


def before(market: Market, time: np.datetime64) -> Market:
    """The bars before `time`; a symbol that has none is left out, with a warning."""
    kept = tuple(b.take(slice(0, int(np.searchsorted(b.time, time)))) for b in market.bars)
    left = [b.symbol for b in kept if not len(b)]
    if len(left) == len(kept):
        raise DataError(f"sealed.fraction: no symbol has a bar before {time}; seal less")
    gone = f"{', '.join(left)}: all bars lie in the sealed stretch"
    warnings = [*market.facts.get("warnings", ()), *([gone] if left else [])]
    return replace(market, bars=tuple(b for b in kept if len(b)), facts={**market.facts, "warnings": warnings})


@dataclass(frozen=True)
class Since:
    """One split: test from the time `first` on, train on all before; scikit-learn's split over sorted times."""

    first: np.datetime64

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        return 1

    def split(self, X: np.ndarray, y: Any = None, groups: Any = None) -> Any:
        cut = int(np.searchsorted(X, self.first))
        yield np.arange(cut), np.arange(cut, len(X))


def record(folder: Path, entry: dict[str, Any]) -> None:
    """Append an opening {run, symbols, periods_per_year, from, to} with its date; safe when several write."""
    jsonlines.append(folder / _NAME, {"when": datetime.now(UTC).isoformat(timespec="seconds"), **entry})


def _openings(folder: Path, symbols: Sequence[str], first: str, last: str) -> list[dict[str, Any]]:
    """The openings so far, oldest first, of any stretch of any of `symbols` that meets [`first`, `last`].

    A stretch is spent whatever the label, the bar size or the run was: its prices have been looked at.
    """
    begin, end = np.datetime64(first), np.datetime64(last)
    return [
        entry
        for entry in jsonlines.read(folder / _NAME, _valid)
        if set(entry["symbols"]) & set(symbols)
        and np.datetime64(entry["from"]) <= end
        and np.datetime64(entry["to"]) >= begin
    ]


def _valid(entry: Mapping[str, Any]) -> bool:
    """Whether an entry says what was opened: symbols, and from when to when."""
    symbols, stretch = entry["symbols"], (entry["from"], entry["to"])
    texts = isinstance(symbols, list) and all(isinstance(x, str) for x in (*symbols, *stretch, entry.get("when", "")))
    return texts and not any(np.isnat(np.datetime64(x)) for x in stretch)


def all_symbols(data: Mapping[str, Any]) -> list[str]:
    """The symbols of a run whose run.json has `data`, those that lie wholly in the sealed stretch included."""
    return sorted([*data["symbols"], *(data.get("sealed") or {}).get("behind", ())])


def spent(folder: Path, data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The openings that meet the bars, sealed ones included, of a run whose run.json has `data`."""
    last = (data.get("sealed") or {}).get("to") or data["last"]
    return _openings(folder, all_symbols(data), data["first"], last)
