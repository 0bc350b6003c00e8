"""No false alarm: every shipped set, labeler, splitter, signal rule, backtest and strategy passes the thorough audit.

The quick audit of each is part of its run in tests/test_conf.py.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from barwise.commands.audit import _examine
from barwise.console.arguments import compose
from barwise.console.progress import Progress
from barwise.experiment.recipe import parts_of
from barwise.experiment.run import run
from barwise.runs.directory import RunDirectory
from tests.conftest import ROOT
from tests.test_conf import FROM_A_FILE, SMALL, bars_file

__all__ = ["bars_file"]  # a fixture

GROUPS = ("features", "labels", "validation", "signals", "backtest", "strategy", "strategy/net")
OPTIONS = [f"{group}/{path.stem}" for group in GROUPS for path in sorted((ROOT / "conf" / group).glob("*.yaml"))]
FAST = "strategy=ridge"  # for what is no strategy


@pytest.mark.slow
@pytest.mark.parametrize("option", OPTIONS)
def test_what_ships_passes_the_thorough_audit(option: str, bars_file: Path):
    group, _, name = option.rpartition("/")
    own = [*SMALL.get(option, SMALL.get(group, [])), *([f"data.path={bars_file}"] if option in FROM_A_FILE else [])]
    strategy = [] if group.startswith("strategy") else [FAST]
    words = ["experiment=smoke", "data.n_bars=900", "threads=1", "audit=thorough", *strategy, *own, f"{group}={name}"]
    audit, _ = _examine(compose(words))
    assert not audit.leaks and audit.report()["passed"] is True
    assert not [f for f in audit.findings if f.level == "suspicion"]
    assert all(audit.checks[check] > 0 for check in ("features", "labels", "folds", "execution", "learning"))


@pytest.mark.slow
@pytest.mark.parametrize("features", ["normalized", "all"])
def test_the_audit_of_every_run_takes_less_than_a_tenth(features: str, tmp_path: Path):
    """CPU seconds of the stages of an XGBoost run on the sample, in a process that has imported it; least of three."""
    parts = parts_of(compose([f"features={features}", "threads=1"]))
    shares = []
    for k in range(3):
        out = Clocked(tmp_path / str(k))
        out.start()
        run(parts, out, Progress(quiet=True))
        shares.append(out.cpu["audit"] / sum(out.cpu.values()))
    print(f"audit of features={features}: {min(shares):.1%} of the run")
    assert min(shares) < 0.10, shares


@dataclass
class Clocked(RunDirectory):
    """Keeps the CPU seconds of each stage: what others do on the machine does not count."""

    cpu: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        begin = time.process_time()
        with super().stage(name):
            yield
        self.cpu[name] = time.process_time() - begin
