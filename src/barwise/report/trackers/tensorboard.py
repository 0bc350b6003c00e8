"""TensorBoard, the default: event files in each run's directory."""

from __future__ import annotations

from pathlib import Path

from barwise.listener import Listener
from barwise.report.dashboard import FIGURES, GLANCE, Dashboard
from barwise.runs.directory import RunDirectory


class TensorBoard:
    """Writes `tensorboard/` in the run's directory; `tensorboard --logdir outputs` shows all of them."""

    def listener(self, out: RunDirectory, home: Path, single: bool) -> Listener:
        """A trial of a sweep draws one figure."""
        return Dashboard(out, FIGURES if single else GLANCE)
