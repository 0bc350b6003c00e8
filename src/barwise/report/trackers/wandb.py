"""Weights & Biases: parameters, scalars, figures, files and the verdict of each run, trials grouped by their sweep."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from barwise.console.settings import OneOf, checked
from barwise.listener import Listener
from barwise.report.run import Run
from barwise.report.trackers.base import Tracker, drawn, files, needed, parameters, verdict
from barwise.runs.directory import RunDirectory

MODES = ("offline", "online")


class WandB:
    """Sends runs to W&B. `mode`: offline writes below `wandb/` in output_dir, which `wandb sync` sends later; online
    sends at once, with the account that `wandb login` knows."""

    @checked("tracking.wandb")
    def __init__(self, project: str = "barwise", mode: Annotated[str, OneOf(MODES)] = "offline") -> None:
        needed("wandb", "tracking=wandb", "wandb")
        self.project, self.mode = project, mode

    def listener(self, out: RunDirectory, home: Path, single: bool) -> Listener:
        """Hears one run."""
        return _WandBTracker(out, single, self.project, self.mode, Path(os.path.abspath(home)))


class _WandBTracker(Tracker):
    """One run of W&B's."""

    name = "wandb"

    def __init__(self, out: RunDirectory, single: bool, project: str, mode: str, home: Path) -> None:
        super().__init__(out, single)
        self.project, self.mode, self.home = project, mode, home
        self.run: Any = None

    def begin(self, run: Run, name: str, sweep: str | None) -> None:
        import wandb

        self.home.mkdir(parents=True, exist_ok=True)
        self.run = wandb.init(
            project=self.project, name=f"{run.title} {name}", group=sweep, job_type="trial" if sweep else "run",
            dir=str(self.home), mode=self.mode, config=parameters(run),
            settings=wandb.Settings(silent=True, console="off", disable_git=True),
        )  # fmt: skip

    def scalars(self, held: Sequence[tuple[str, float, int]]) -> None:
        steps: dict[str, str] = {}
        for name, value, step in held:
            axis = f"{name.partition('/')[0]}/step"
            if name not in steps:
                steps[name] = axis
                self.run.define_metric(name, step_metric=axis)
            self.run.log({name: value, axis: step})

    def end(self, run: Run, status: str) -> None:
        if self.run is None:
            return
        import wandb

        self.run.summary["status"] = status
        if status == "done":
            said = verdict(run)
            self.run.summary.update({"verdict": said["sentence"], **said["numbers"]})
            self.run.log({f"figures/{name}": wandb.Image(image) for name, image in drawn(run, self.single).items()})
        else:
            self.run.summary["reason"] = str(run.manifest.get("reason") or status)
        artifact = wandb.Artifact(f"run-{self.run.id}", type="run")
        for path in files(run):
            artifact.add_file(str(path), name=path.name)
        self.run.log_artifact(artifact)
        self.run.finish(exit_code=0 if status == "done" else 1)
