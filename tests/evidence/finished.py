"""Small finished runs for tests of verdicts and seals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.conftest import train


def train_all(home: Path, cases: Mapping[str, Sequence[str]]) -> None:
    """`python train.py` on a small market with each case's overrides, into `home`/<name of the case>."""
    common = ("experiment=smoke", "strategy=ridge", f"output_dir={home}", "quiet=true", "audit=none", "threads=1")
    for name, more in cases.items():
        done = train(*common, f"hydra.run.dir={home / name}", *more)
        assert (home / name / "run.json").is_file(), done.stdout + done.stderr
