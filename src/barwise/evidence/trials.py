"""The ledger of trials: every configuration tried on a problem is counted, whether or not it ended well."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from barwise.evidence import sketch
from barwise.evidence.sealed import all_symbols
from barwise.runs import jsonlines
from barwise.runs.directory import plain

NAME = "trials.jsonl"
NOT_A_TRIAL = (
    "audit", "cache", "device", "hydra", "importance", "monitor", "objective", "output_dir", "quiet", "resume", "sweep",
    "threads",
)  # fmt: skip
NOT_THE_LABEL = ("weighting",)  # how rows count in training changes the trial, not what is predicted
Trials = dict[str, dict[str, Any]]


def digest(value: Any) -> str:
    """A short hash of `value` as canonical JSON."""
    return hashlib.sha256(json.dumps(plain(value), sort_keys=True).encode()).hexdigest()[:16]


def market_of(symbols: list[str], bar_size: str) -> str:
    """The market a trial works on: symbols and bar size; a new bar does not make a new market."""
    return digest([sorted(symbols), bar_size])


def problem_of(symbols: list[str], bar_size: str, labels: Mapping[str, Any]) -> str:
    """The problem a trial works on: symbols, bar size and label; a new bar does not make a new problem."""
    label = {k: v for k, v in labels.items() if k not in NOT_THE_LABEL}
    return digest([sorted(symbols), bar_size, label])


def trial_of(config: Mapping[str, Any]) -> str:
    """The configuration that makes a trial: all but where it runs and what it prints."""
    return digest({k: v for k, v in config.items() if k not in NOT_A_TRIAL})


def identity(data: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, str]:
    """Which market, problem and trial a run is, from run.json's `data` and the composed configuration."""
    symbols, size = all_symbols(data), str(data["bar_size"])
    return {
        "market": market_of(symbols, size),
        "problem": problem_of(symbols, size, config["labels"]),
        "trial": trial_of(config),
    }


def enter(folder: Path, entry: Mapping[str, Any]) -> None:
    """Append one line {market, problem, trial, run, last, status, sharpe, bars, net}; safe with many processes."""
    jsonlines.append(folder / NAME, {"when": datetime.now(UTC).isoformat(timespec="seconds"), **entry})


def lines(folder: Path) -> list[dict[str, Any]]:
    """All entries, oldest first; a line that a dying process left unfinished is left out, and told."""
    return jsonlines.read(folder / NAME, valid)


def valid(entry: Mapping[str, Any]) -> bool:
    """Whether an entry names its trial and holds numbers where there should be some."""
    names = ("trial", "problem", "market", "last", "status", "when")
    texts = isinstance(entry.get("trial"), str) and all(isinstance(entry.get(k, ""), str) for k in names)
    sharpe = entry.get("sharpe")
    figure = sharpe is None or (isinstance(sharpe, int | float) and abs(float(sharpe)) < math.inf)
    return texts and figure


def read(folder: Path, problem: str) -> Trials:
    """The latest entry of each trial on `problem`, by trial; an entry with a Sharpe is kept over one without."""
    return latest([entry for entry in lines(folder) if entry.get("problem") == problem])


def latest(entries: list[dict[str, Any]]) -> Trials:
    """One entry a trial: the last, but none without a Sharpe over one that has it."""
    found: Trials = {}
    for entry in entries:
        if entry["trial"] not in found or entry.get("sharpe") is not None:
            found[entry["trial"]] = entry
    return found


def with_other_labels(folder: Path, market: str, problem: str) -> int:
    """How many trials there were on the same symbols and bar size with another label."""
    here = [entry for entry in lines(folder) if entry.get("market") == market]
    return len({(e["problem"], e["trial"]) for e in here if e.get("problem") != problem})


def beyond(folder: Path, market: str, time: str) -> int:
    """How many trials on the same symbols and bar size saw bars at `time` or later; times as run.json has them."""
    here = [entry for entry in lines(folder) if entry.get("market") == market]
    return len({(e["problem"], e["trial"]) for e in here if str(e.get("last", "")) >= time})


def sharpes(trials: Mapping[str, Mapping[str, Any]]) -> list[float]:
    """Per-bar net Sharpe of the trials that have one."""
    values = (t.get("sharpe") for t in trials.values())
    return [float(v) for v in values if v is not None and math.isfinite(v)]


def statuses(trials: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """How many trials ended how: done, failed, refused, pruned."""
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
