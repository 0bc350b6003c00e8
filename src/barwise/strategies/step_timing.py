"""Lightning callbacks that tell a run how long its training steps take, and record some of them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch.profiler import ProfilerActivity, profile

from barwise.devices.backend import backend
from barwise.runs.directory import write_json, write_text
from barwise.strategies.base import FitContext

_WARM = 3  # steps before the profiler starts
_TOP = 10


class StepTimer(pl.Callback):
    """Seconds of each training step and of waiting for its data; memory at the end of each epoch.

    On an accelerator a step's seconds are those until it is queued; over many steps the two agree.
    """

    def __init__(self, context: FitContext) -> None:
        self.context = context
        self.began = self.ended = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.ended = time.perf_counter()

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.began = time.perf_counter()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        now = time.perf_counter()
        self.context.step(now - self.began, self.began - self.ended)
        self.ended = now

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.context.sample(trainer.current_epoch)


class Profile(pl.Callback):
    """Records `steps` training steps with PyTorch's profiler into `folder`: a trace, and the costliest operators."""

    def __init__(self, folder: Path, context: FitContext) -> None:
        self.folder, self.steps, self.device, self.alert = folder, context.profile, context.device, context.alert
        self.seen = 0
        self.recorder: Any = None

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.seen += 1
        if self.seen == _WARM + 1:
            activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if self.device == "cuda" else [])
            self.recorder = profile(activities=activities)
            self.recorder.__enter__()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.recorder is not None and self.seen == _WARM + self.steps:
            self._finish()

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self._finish()
        if self.seen <= _WARM:
            self.alert("profiler", f"nothing recorded: the first fold has {self.seen} training steps, {_WARM} warm up")

    def _finish(self) -> None:
        if self.recorder is None:
            return
        backend(self.device).synchronize()
        recorder, self.recorder = self.recorder, None
        recorder.__exit__(None, None, None)
        self.folder.mkdir(parents=True, exist_ok=True)
        recorder.export_chrome_trace(str(self.folder / "trace.json"))
        facts = _costliest(recorder.key_averages(), self.seen - _WARM)
        write_json(self.folder / "operators.json", facts)
        write_text(self.folder / "operators.txt", _as_table(facts))


def _costliest(averages: Any, steps: int) -> dict[str, Any]:
    """The ten operators with the most time of their own on CPU and device together, and the share on the CPU."""
    rows = [
        {
            "operator": str(one.key),
            "calls": int(one.count),
            "cpu_ms": one.self_cpu_time_total / 1e3,
            "device_ms": getattr(one, "self_device_time_total", 0.0) / 1e3,
        }
        for one in averages
    ]
    on_cpu, on_device = (sum(row[name] for row in rows) for name in ("cpu_ms", "device_ms"))
    rows.sort(key=lambda row: -(row["cpu_ms"] + row["device_ms"]))
    whole = on_cpu + on_device
    return {
        "steps": steps,
        "cpu_share": on_cpu / whole if whole else None,
        "operators": rows[:_TOP],
        "threads": torch.get_num_threads(),
    }


def _as_table(facts: dict[str, Any]) -> str:
    """The same as text."""
    lines = [f"{'operator':<44}{'calls':>8}{'CPU ms':>12}{'device ms':>12}"]
    lines += [
        f"{r['operator'][:43]:<44}{r['calls']:>8}{r['cpu_ms']:>12.2f}{r['device_ms']:>12.2f}"
        for r in facts["operators"]
    ]
    share = facts["cpu_share"]
    said = "" if share is None else f", {share:.0%} of the time on the CPU"
    return "\n".join([*lines, f"{facts['steps']} training steps{said}", ""])
