"""The ledger of trials: every configuration tried on a market is counted from its start, however it ended."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from barwise.errors import DataError
from barwise.evidence import sketch
from barwise.evidence.identity import completed
from barwise.evidence.keys import market_of
from barwise.evidence.sealed import all_symbols
from barwise.runs import jsonlines

_NAME = "trials.jsonl"
Trials = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Scope:
    """What a trial saw: symbols, first and last bar. `market`: the hash that older entries know instead."""

    symbols: frozenset[str]
    first: np.datetime64
    last: np.datetime64
    market: str

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Scope:
        """From run.json's `data`; symbols that lie behind a seal included. DataError where it does not say so much."""
        try:
            symbols = all_symbols(data)
            first, last = np.datetime64(data["first"]), np.datetime64(data["last"])
            return cls(frozenset(symbols), first, last, market_of(symbols, str(data.get("bar_size"))))
        except (KeyError, ValueError, TypeError, AttributeError):
            raise DataError("run.json: does not say which symbols and times the run saw; train it again") from None

    def meets(self, entry: Mapping[str, Any]) -> bool:
        """Whether the trial of `entry` saw a bar of the same time and symbol, whatever else it varied."""
        if not isinstance(entry.get("symbols"), list):
            return entry.get("market") == self.market
        if not self.symbols & set(entry["symbols"]):
            return False
        try:
            first, last = np.datetime64(entry["first"]), np.datetime64(entry["last"])
        except (KeyError, ValueError, TypeError):
            return True  # of unknown times: counting one too many is the safe side
        return bool(first <= self.last and last >= self.first)


def enter(folder: Path, entry: Mapping[str, Any]) -> None:
    """Append one line: what `identity` says, run, symbols, first, last, status and, once done, sharpe, z, bars, net,
    t_alpha and delayed; safe with many processes."""
    jsonlines.append(folder / _NAME, {"when": datetime.now(UTC).isoformat(timespec="seconds"), **entry})


def lines(folder: Path) -> list[dict[str, Any]]:
    """All entries, oldest first; a line that a dying process left unfinished is left out, and told."""
    return jsonlines.read(folder / _NAME, _valid)


def _valid(entry: Mapping[str, Any]) -> bool:
    """Whether an entry names its trial and holds numbers where there should be some."""
    names = ("trial", "problem", "market", "run", "first", "last", "status", "when")
    texts = isinstance(entry.get("trial"), str) and all(isinstance(entry.get(k, ""), str) for k in names)
    symbols = entry.get("symbols", [])
    texts = texts and isinstance(symbols, list) and all(isinstance(name, str) for name in symbols)
    sharpe = entry.get("sharpe")
    figure = sharpe is None or (isinstance(sharpe, int | float) and abs(float(sharpe)) < math.inf)
    return texts and figure


def read(folder: Path, scope: Scope) -> Trials:
    """One entry of each trial in `folder` that meets `scope`, by trial; those of older versions by their run.json."""
    return _latest([entry for entry in completed(folder, lines(folder)) if scope.meets(entry)])


def _latest(entries: Sequence[dict[str, Any]]) -> Trials:
    """One entry a trial: the last, but none without a Sharpe over one that has it."""
    found: Trials = {}
    for entry in entries:
        known = found.get(entry["trial"], {})
        if entry.get("sharpe") is not None or known.get("sharpe") is None:
            found[entry["trial"]] = entry
    return found


def beyond(trials: Mapping[str, Mapping[str, Any]], time: str) -> int:
    """How many of `trials` saw bars at `time` or later; times as run.json has them."""
    return sum(str(entry.get("last", "")) >= time for entry in trials.values())


def of_family(trials: Mapping[str, Mapping[str, Any]], family: str | None) -> list[Mapping[str, Any]]:
    """The finished trials that differ in nothing but the seed, the least Sharpe ratio first."""
    found = [t for t in trials.values() if family and t.get("family") == family and number(t.get("z")) is not None]
    return sorted(found, key=lambda t: float(t["z"]))


def number(value: Any) -> float | None:
    """`value` as a float; None where it is no finite number."""
    ok = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if ok else None


def sharpes(trials: Mapping[str, Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Per-bar net Sharpe ratios of the trials that have one, and their bars (1 where unknown)."""
    known = [(number(t.get("sharpe")), number(t.get("bars")) or 1.0) for t in trials.values()]
    pairs = [(s, n) for s, n in known if s is not None]
    return np.array([s for s, _ in pairs]), np.array([n for _, n in pairs])


def statuses(trials: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """How many trials ended how: done, failed, refused, pruned; started, if they were never heard of again."""
    return dict(sorted(Counter(str(t.get("status")) for t in trials.values()).items()))


def independent(trials: Mapping[str, Mapping[str, Any]]) -> tuple[float, float | None]:
    """How many independent trials they are worth, and the average correlation ρ of their net returns: ρ + (1 - ρ) M.

    Trials without returns (failed, refused, pruned) count like the others. ρ below zero counts as zero.
    Source: Bailey and López de Prado, The Deflated Sharpe Ratio (2014), appendix 3.
    """
    rho = sketch.mean_correlation([t["net"] for t in trials.values() if sketch.valid(t.get("net"))])
    m = max(1, len(trials))
    if rho is None:
        return float(m), None
    held = min(max(rho, 0.0), 1.0)
    return held + (1.0 - held) * m, rho
