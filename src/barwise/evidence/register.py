"""A run in the ledger of trials, and what the evidence supports after all of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from barwise.console.config import conf_dir
from barwise.evidence import trials
from barwise.evidence.deflated import Moments
from barwise.evidence.identity import identity, seen, shipped_defaults
from barwise.evidence.returns import excess_returns
from barwise.evidence.sketch import sketch
from barwise.evidence.verdict import gates_of, judged
from barwise.listener import Listener
from barwise.runs.directory import RunDirectory, write_json


@dataclass(frozen=True)
class Register(Listener):
    """Enters a run in the ledger of trials from its start on, however it ends.

    `config`: the composed configuration as plain data, without Hydra's own.
    """

    config: Mapping[str, Any]
    out: RunDirectory

    def started(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        count(self.config, self.out, "started", {})

    def ended(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        """One that is done was counted as it was judged."""
        if manifest.get("status") != "done":
            count(self.config, self.out, str(manifest.get("status")), {})


def judge(config: Mapping[str, Any], out: RunDirectory, metrics: dict[str, Any]) -> dict[str, Any]:
    """Count this trial, and say what the evidence supports after all trials on the same market."""
    time, excess = excess_returns(out.path)
    moments = Moments.of(excess)
    gates = gates_of(out.manifest, metrics)
    facts = {"sharpe": moments.sharpe, "z": moments.z, "bars": len(excess), "net": sketch(time, excess), **gates}
    count(config, out, "done", facts)
    found = judged(out.path, out.manifest, metrics)
    write_json(out.path / "verdict.json", found)
    return found


def count(config: Mapping[str, Any], out: RunDirectory, status: str, facts: Mapping[str, Any]) -> None:
    """Enter a run in the ledger of trials; one that never saw its bars, or learned shuffled labels, is no trial.

    `config`: the composed configuration as plain data, without Hydra's own.
    """
    if "data" not in out.manifest:
        return
    folder, data = Path(config["output_dir"]), out.manifest["data"]
    found = identity(data, dict(config), shipped_defaults(Path(conf_dir()), dict(config)))
    if not config.get("shuffle_labels"):
        trials.enter(folder, {**found, **seen(data), "run": str(out.path), "status": status, **facts})
    out.update(**found, trials_folder=os.path.relpath(folder, out.path))
