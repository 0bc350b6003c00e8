"""Open the sealed stretch of a run: train on every open bar, trade the sealed ones, and put the opening on record."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from barwise.errors import ConfigError, DataError
from barwise.report.run import Run

_FOLDER = "sealed"  # in the run's directory: a run's directory of its own


@dataclass(frozen=True)
class Opened:
    """What the sealed stretch showed; annual Sharpe ratios, None where undefined."""

    first: str
    last: str
    bars: int
    sharpe: float | None
    low: float | None
    high: float | None
    sharpe_before: float | None
    openings: int


def unseal(folder: Path, allow: Iterable[str] = ()) -> Opened:
    """Score the sealed stretch of the run in `folder` and file it in `folder`/sealed.

    The opening is recorded before anything is scored: a look that ended in an error was a look. ConfigError where the
    run sealed nothing, or was unsealed before.
    """
    from barwise.data.checks import check_market
    from barwise.data.hash import is_hash_of
    from barwise.evidence.sealed import Sealed, Since, before, record
    from barwise.experiment.recipe import parts_of
    from barwise.runs.directory import RunDirectory
    from barwise.safety.files import ledger_folder
    from barwise.serving.model import recorded

    run, config, targets = recorded(folder, allow)
    seal = _sealing(run)
    parts = parts_of(config, targets)
    if not isinstance(parts.data, Sealed):
        raise DataError(f"{folder}: run.json speaks of a seal and its configuration of none; train the run again")
    market, first = parts.data.load(), np.datetime64(seal["from"])
    home = ledger_folder(folder, run.manifest.get("trials_folder", "."))
    if home is None:
        raise DataError(f"{folder}/run.json: trials_folder names no folder; give one relative to the run")
    symbols = [b.symbol for b in market.bars if b.time[-1] >= first]
    last = str(max(b.time[-1] for b in market.bars))
    record(home, {"run": str(folder), "symbols": symbols, "from": seal["from"], "to": last})
    out = RunDirectory(folder / _FOLDER)
    out.start(unsealed=str(folder), seed=parts.seed)
    if not is_hash_of(check_market(before(market, first)), run.manifest.get("data_hash")):
        out.warn("the bars before the sealed stretch are not the ones that the run was made from")
    validation = replace(parts.validation, splitter=Since(first))
    metrics = _finished(replace(parts, data=lambda: market, validation=validation), out)
    return _told(run, metrics, out, home)


def _sealing(run: Run) -> dict[str, Any]:
    """What run.json says of the seal; ConfigError where there is none, or it was broken."""
    if run.manifest.get("status") != "done":
        raise ConfigError(f"{run.folder}: the run is not done; only a finished run is worth an opening")
    seal = (run.manifest.get("data") or {}).get("sealed")
    if not seal:
        raise ConfigError(f"{run.folder}: sealed nothing; make a run with sealed.fraction=0.2 and unseal that")
    before = run.folder / _FOLDER
    if (before / "metrics.json").exists():
        raise ConfigError(f"{run.folder}: was unsealed before, a stretch is scored once; the result is in {before}")
    return dict(seal)


def _finished(parts: Any, out: Any) -> dict[str, Any]:
    """Run to the end, and say in run.json how it ended."""
    from barwise.experiment.run import run
    from barwise.runs.tensorboard import Board

    board = Board(out.path / "tensorboard")
    with out.ending(), closing(board):
        return run(parts, out, board)


def _told(run: Run, metrics: dict[str, Any], out: Any, home: Path) -> Opened:
    """What the sealed stretch showed, beside what the run had shown before."""
    from barwise.evidence.bootstrap import sharpe_interval
    from barwise.evidence.returns import excess_returns
    from barwise.evidence.sealed import spent

    time, excess = excess_returns(out.path)
    scale = math.sqrt(out.manifest["data"]["periods_per_year"])
    low, high = (x * scale if math.isfinite(x) else None for x in sharpe_interval(excess))
    count = len(spent(home, run.manifest["data"]))
    return Opened(
        str(time[0]), str(time[-1]), len(time), metrics["sharpe"], low, high, run.metrics.get("sharpe"), count
    )
