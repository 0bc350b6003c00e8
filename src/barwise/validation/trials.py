"""The ledger of trials: every configuration tried on a problem is counted, whether or not it ended well."""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from barwise.runs import plain

NAME = "trials.jsonl"
NOT_A_TRIAL = ("sweep", "quiet", "output_dir", "threads", "device", "objective", "hydra", "monitor")


def digest(value: Any) -> str:
    """A short hash of `value` as canonical JSON."""
    return hashlib.sha256(json.dumps(plain(value), sort_keys=True).encode()).hexdigest()[:16]


def problem_of(symbols: list[str], periods_per_year: float, labels: Mapping[str, Any]) -> str:
    """The problem a trial works on: symbols, bar size and label; a new bar does not make a new problem."""
    return digest([sorted(symbols), round(periods_per_year, 0), labels])


def trial_of(config: Mapping[str, Any]) -> str:
    """The configuration that makes a trial: all but where it runs and what it prints."""
    return digest({k: v for k, v in config.items() if k not in NOT_A_TRIAL})


def enter(folder: Path, entry: Mapping[str, Any]) -> None:
    """Append one line {problem, trial, run, status, sharpe, bars}; safe when many processes write."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / NAME).open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(json.dumps(plain(entry), sort_keys=True) + "\n")


def read(folder: Path, problem: str) -> dict[str, dict[str, Any]]:
    """The latest entry of each trial on `problem`, by trial; an entry with a Sharpe is kept over one without."""
    path = folder / NAME
    found: dict[str, dict[str, Any]] = {}
    if not path.exists():
        return {}
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry.get("problem") != problem:
            continue
        before = found.get(entry["trial"])
        if before is None or entry.get("sharpe") is not None:
            found[entry["trial"]] = entry
    return found


def sharpes(trials: Mapping[str, Mapping[str, Any]]) -> list[float]:
    """Per-bar net Sharpe of the trials that have one."""
    values = (t.get("sharpe") for t in trials.values())
    return [float(v) for v in values if v is not None and math.isfinite(v)]
