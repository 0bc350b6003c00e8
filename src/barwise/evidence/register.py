"""A run in the ledger of trials, and what the evidence supports after all of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from barwise.evidence import trials
from barwise.evidence.deflated import sharpe
from barwise.evidence.returns import excess_returns
from barwise.evidence.sketch import sketch
from barwise.evidence.stamp import stamped
from barwise.evidence.verdict import judged
from barwise.runs.directory import RunDirectory, write_json


def judge(config: Mapping[str, Any], out: RunDirectory, metrics: dict[str, Any]) -> dict[str, Any]:
    """Count this trial, and say what the evidence supports after all trials on the same problem."""
    time, excess = excess_returns(out.path)
    count(config, out, "done", {"sharpe": sharpe(excess), "bars": len(excess), "net": sketch(time, excess)})
    found = stamped(judged(out.path, out.manifest, metrics), out.manifest)
    write_json(out.path / "verdict.json", found)
    return found


def count(config: Mapping[str, Any], out: RunDirectory, status: str, facts: Mapping[str, Any]) -> None:
    """Enter a run in the ledger of trials; one that never saw its bars, or learned shuffled labels, is no trial.

    `config`: the composed configuration as plain data, without Hydra's own.
    """
    if "data" not in out.manifest:
        return
    folder = Path(config["output_dir"])
    identity = trials.identity(out.manifest["data"], dict(config))
    if not config.get("shuffle_labels"):
        seen = {"run": str(out.path), "last": out.manifest["data"]["last"]}
        trials.enter(folder, {**identity, **seen, "status": status, **facts})
    out.update(**identity, trials_folder=os.path.relpath(folder, out.path))
