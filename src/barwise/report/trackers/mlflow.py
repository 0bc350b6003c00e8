"""MLflow: parameters, scalars, figures, files and the verdict of each run, trials nested in their sweep's run."""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from barwise.console.settings import checked
from barwise.listener import Listener
from barwise.report.run import Run
from barwise.report.trackers.base import Tracker, drawn, files, needed, parameters, verdict
from barwise.runs.directory import RunDirectory

_LONGEST = 500  # characters of a parameter that MLflow takes
_BATCH = 100  # parameters a call; of metrics it takes 1,000
_PARENT = "mlflow-run"  # in a sweep's directory: the id of its run
_PATIENCE = 30.0  # seconds that a trial waits for another one to open the sweep's run
_ENDINGS = {"done": "FINISHED", "failed": "FAILED", "refused": "FAILED", "pruned": "KILLED"}


class MLflow:
    """Sends runs to MLflow. `uri`: a server or a database; null is a SQLite file, `mlflow.db` in output_dir, with files
    beside it: `mlflow ui --backend-store-uri sqlite:///outputs/mlflow.db`. `experiment`: which they are filed under."""

    @checked("tracking.mlflow")
    def __init__(self, uri: str | None = None, experiment: str = "barwise") -> None:
        needed("mlflow", "tracking=mlflow", "mlflow")
        self.uri, self.experiment = uri, experiment

    def listener(self, out: RunDirectory, home: Path, single: bool) -> Listener:
        """Hears one run."""
        home = Path(os.path.abspath(home))
        uri = self.uri or f"sqlite:///{home / 'mlflow.db'}"
        return _MLflowTracker(out, single, uri, self.experiment, home)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """While no other process of this machine holds the lock in `path`."""
    import fcntl

    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class _MLflowTracker(Tracker):
    """One run of MLflow's."""

    name = "mlflow"

    def __init__(self, out: RunDirectory, single: bool, uri: str, experiment: str, home: Path) -> None:
        super().__init__(out, single)
        self.uri, self.experiment, self.home = uri, experiment, home
        self.client: Any = None
        self.run = ""

    def begin(self, run: Run, name: str, sweep: str | None) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing is sent but to `uri`
        from mlflow import MlflowClient

        self.home.mkdir(parents=True, exist_ok=True)
        with _alone(self.home / "mlflow.lock"):  # two trials that make the tables of one database both fail
            self.client = MlflowClient(tracking_uri=self.uri)
            experiment = self._experiment()
        tags = {"mlflow.runName": f"{run.title} {name}", "barwise.folder": str(run.folder)}
        if sweep is not None:
            tags["mlflow.parentRunId"] = self._parent(experiment, run.folder.parent, sweep)
        self.run = self.client.create_run(experiment, tags=tags).info.run_id
        given = [(key, str(value)[:_LONGEST]) for key, value in parameters(run).items()]
        from mlflow.entities import Param

        for i in range(0, len(given), _BATCH):
            self.client.log_batch(self.run, params=[Param(*one) for one in given[i : i + _BATCH]])

    def _experiment(self) -> str:
        """The id of the experiment; its files lie in output_dir where the store is a file there."""
        found = self.client.get_experiment_by_name(self.experiment)
        if found is not None:
            return str(found.experiment_id)
        place = (self.home / "mlartifacts").as_uri() if self.uri.startswith("sqlite:") else None
        try:
            return str(self.client.create_experiment(self.experiment, artifact_location=place))
        except Exception:  # another trial was first
            found = self.client.get_experiment_by_name(self.experiment)
            if found is None:
                raise
            return str(found.experiment_id)

    def _parent(self, experiment: str, folder: Path, sweep: str) -> str:
        """The id of the sweep's own run, opened by whichever trial is first."""
        path = folder / _PARENT
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            end = time.monotonic() + _PATIENCE
            while not (known := path.read_text(encoding="ascii").strip()) and time.monotonic() < end:
                time.sleep(0.1)
            return known
        made = str(self.client.create_run(experiment, tags={"mlflow.runName": sweep}).info.run_id)
        with os.fdopen(file, "w", encoding="ascii") as opened:
            opened.write(made)
        self.client.set_terminated(made)  # a trial cannot know whether it is the last
        return made

    def scalars(self, held: Sequence[tuple[str, float, int]]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        known = [Metric(name, value, now, step) for name, value, step in held if math.isfinite(value)]
        for i in range(0, len(known), 1000):
            self.client.log_batch(self.run, metrics=known[i : i + 1000])

    def end(self, run: Run, status: str) -> None:
        if not self.run:
            return
        if status == "done":
            said = verdict(run)
            self.scalars([(name, value, 0) for name, value in said["numbers"].items()])
            self.client.set_tag(self.run, "verdict", said["sentence"])
            self.client.set_tag(self.run, "mlflow.note.content", said["sentence"])
            self._draw(run)
        else:
            self.client.set_tag(self.run, "reason", str(run.manifest.get("reason") or status)[:_LONGEST])
        for path in files(run):
            self.client.log_artifact(self.run, str(path))
        self.client.set_terminated(self.run, _ENDINGS.get(status, "FAILED"))

    def _draw(self, run: Run) -> None:
        from PIL import Image

        with tempfile.TemporaryDirectory() as folder:
            for name, image in drawn(run, self.single).items():
                path = Path(folder) / f"{name}.png"
                Image.fromarray(image).save(path)
                self.client.log_artifact(self.run, str(path), "figures")
