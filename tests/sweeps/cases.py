"""What the tests of sweeps share: small sweeps through the real command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

SMALL = (
    "--config-dir=tests/sweeps/conf", "experiment=smoke", "strategy=misbehave", "audit=none", "baseline=null",
    "threads=1", "data.n_symbols=1", "data.n_bars=700", "validation.splitter.n_splits=2",
)  # fmt: skip


def states(sweep: Path) -> dict[int, dict[str, Any]]:
    """run.json of each trial, by number."""
    return {int(p.parent.name): json.loads(p.read_text()) for p in sorted(sweep.glob("*/run.json"))}


def leaderboard(sweep: Path) -> list[dict[str, str]]:
    with (sweep / "leaderboard.csv").open() as file:
        return list(csv.DictReader(file))
