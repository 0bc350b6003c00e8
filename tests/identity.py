"""Two checkouts give the same numbers: `python -m tests.identity BEFORE AFTER FOLDER [CASE …]`, by hand after a move.

Each of the configurations (strategy kinds, modes of nets, validations, launchers) runs as a trial of a sweep in both,
and metrics.json, predictions.parquet and ledger.parquet are compared: bytes of what both have, and what one alone has.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

NET = ("strategy=lstm", "strategy.epochs=1", "strategy.hidden_size=8", "strategy.lookback=5", "device=cpu")
CASES: dict[str, tuple[str, ...]] = {
    "xgboost": ("strategy=xgboost",),
    "lightgbm": ("strategy=lightgbm",),
    "forest": ("strategy=random_forest", "strategy.estimator.n_estimators=20"),
    "boosting": ("strategy=hist_gradient_boosting", "strategy.estimator.max_iter=20"),
    "ridge": ("strategy=ridge", "validation=rolling", "validation.splitter.window=150"),
    "window": NET,
    "stream": (*NET, "strategy.sequence=stream", "strategy.chunk=16"),
    "nets": (*NET, "strategy/net=gru", "strategy.n_seeds=2"),
    "purged": ("strategy=ridge", "validation=purged_kfold"),
    "paths": ("strategy=ridge", "validation=combinatorial"),
    "barriers": ("strategy=xgboost", "labels=triple_barrier", "portfolio=volatility"),
    "basic": ("strategy=ridge", "hydra/launcher=basic", "validation=holdout"),
}
FILES = ("metrics.json", "predictions.parquet", "ledger.parquet")


def made(root: Path, home: Path, case: str) -> Path:
    """The directory of the trial that the checkout at `root` files for the case."""
    words = [
        "-m",
        "experiment=smoke",
        *CASES[case],
        f"output_dir={home}",
        f"sweep.name={case}",
        "sweep.pages=0",
        "seed=3",
    ]
    environment = {**os.environ, "PYTHONPATH": f"{root / 'src'}", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(root / "train.py"), *words, "quiet=true", "cache.gb=0"]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{root}: {case}: {done.stderr.strip().splitlines()[-1:]}")
    return home / "sweeps" / case / "0"


def content(path: Path) -> dict[str, Any]:
    """What a file holds, by name."""
    if path.suffix == ".json":
        return dict(json.loads(path.read_text()))
    return {name: column.to_numpy() for name, column in zip(*_columns(path), strict=True)}


def _columns(path: Path) -> tuple[list[str], list[Any]]:
    table = pq.read_table(path)
    return table.column_names, table.columns


def same(one: Any, other: Any) -> bool:
    """Bit for bit, NaN like NaN; of mappings, what both have."""
    if isinstance(one, np.ndarray):
        kind = one.dtype.kind == "f"
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=kind)
    if isinstance(one, dict) and isinstance(other, dict):
        return all(same(one[key], other[key]) for key in one.keys() & other.keys())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def compared(before: Path, after: Path) -> list[str]:
    """Lines on what differs between two runs."""
    lines = []
    for name in FILES:
        old, new = content(before / name), content(after / name)
        lines += [f"{name}: {key} differs" for key in sorted(old.keys() & new.keys()) if not same(old[key], new[key])]
        lines += [f"{name}: {key} is gone" for key in sorted(old.keys() - new.keys())]
        lines += [f"{name}: {key} is new" for key in sorted(new.keys() - old.keys())]
    return lines


def main() -> None:
    """Print a line a case; exit code 1 where something differs or is gone."""
    before, after, home = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), Path(sys.argv[3]).resolve()
    bad = 0
    for case in sys.argv[4:] or CASES:
        found = compared(made(before, home / "before", case), made(after, home / "after", case))
        bad += any(not line.endswith("is new") for line in found)
        print(f"{case}: {'; '.join(found) or 'identical'}", flush=True)
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
