"""Watches a run: memory, seconds a step, and what is worth an alert. Imports no torch unless a net is trained."""

from __future__ import annotations

import hashlib
import statistics
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from barwise.console.settings import Number, Whole, check_fields
from barwise.errors import ConfigError
from barwise.listener import Listener
from barwise.runs import jsonlines
from barwise.runs.directory import RunDirectory

_BASE, _RECENT = 20, 20  # steps that say what is normal, after the first few, and steps compared with them
_SKIPPED = 5  # the first steps compile kernels and fill caches
_EARLIER = 3  # runs of the same configuration before a run can be called slow

Callback = Callable[[dict[str, Any]], None]


@dataclass
class Monitor:
    """What `conf/monitor/*.yaml` says: thresholds of alerts, and a function of the user's that hears each one.

    `memory_share` of the device's or the machine's memory, `slow_step` times the fold's own normal step, `slow_run`
    times the median seconds of earlier runs of the same configuration on this machine. `profile`: the number of
    training steps that PyTorch's profiler records, 0 for none.
    """

    memory_share: Annotated[float, Number(0, 1, above=True)] = 0.9
    slow_step: Annotated[float, Number(1, 1000, above=True)] = 3.0
    slow_run: Annotated[float, Number(1, 1000, above=True)] = 1.5
    profile: Annotated[int, Whole(0, 10_000)] = 0
    callback: Callback | None = None

    def __post_init__(self) -> None:
        check_fields(self, "monitor")
        if self.callback is not None and not callable(self.callback):
            raise ConfigError(f"monitor.callback={self.callback}: must be a function of one alert")


@dataclass
class RunMonitor(Listener):
    """One run being watched: hears steps and memory, keeps medians and peaks, and files alerts.

    `others` hear the memory in use, and the monitor's own alerts.
    """

    monitor: Monitor | None
    out: RunDirectory
    device: str = "cpu"
    others: Listener = field(default_factory=Listener)
    seconds: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    peaks: dict[str, float] = field(default_factory=dict)
    fold: int | None = None
    _recent: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))
    _in_fold: list[float] = field(default_factory=list)
    _given: set[tuple[str, int | None]] = field(default_factory=set)

    def fold_started(self, fold: int) -> None:
        """A fold begins: what is a normal step is learned anew."""
        self.fold = fold
        self._in_fold.clear()
        self._recent.clear()

    def step(self, seconds: float, waited: float) -> None:
        """One training step took `seconds`, after `waited` seconds for its data."""
        self.seconds.append(seconds)
        self.waits.append(waited)
        self._in_fold.append(seconds)
        if self.monitor is None or len(self._in_fold) <= _SKIPPED + _BASE:
            return
        self._recent.append(seconds)
        if len(self._recent) < _RECENT:
            return
        normal = statistics.median(self._in_fold[_SKIPPED : _SKIPPED + _BASE])
        now = statistics.median(self._recent)
        if now > self.monitor.slow_step * normal:
            self._raise(
                "slow step",
                f"a step takes {now * 1e3:.1f} ms, {now / normal:.1f} times the {normal * 1e3:.1f} at first",
            )

    def memory(self, used: Mapping[str, float], epoch: int) -> None:
        """Log it, keep its peaks, and alert where memory runs out."""
        share = used["process_mb"] / used["machine_mb"]
        if "driver_mb" in used and used.get("total_mb"):
            share = max(share, used["driver_mb"] / used["total_mb"])
        for name, value in used.items():
            self.peaks[name] = max(self.peaks.get(name, 0.0), value)
            if name not in ("machine_mb", "total_mb"):
                self.others.scalar(f"device/{name}", value, epoch)
        if self.monitor is not None and share > self.monitor.memory_share:
            self._raise("memory", f"{share:.0%} of the memory of {self.device} or of this machine is in use")

    def alert(self, kind: str, message: str) -> None:
        """Tell the terminal, run.json, alerts.jsonl and the user's function; one alert of a kind a fold, fallbacks
        and NaN each time."""
        repeated = (kind, self.fold) in self._given
        self._given.add((kind, self.fold))
        if repeated and kind not in ("fallback", "nan"):
            return
        at = datetime.now(UTC).isoformat(timespec="seconds")
        given = {"kind": kind, "fold": self.fold, "message": message, "at": at}
        where = "" if self.fold is None else f"fold {self.fold}: "
        self.out.alert(f"{kind}: {where}{message}")
        jsonlines.append(self.out.path / "alerts.jsonl", given)
        if self.monitor is not None and self.monitor.callback is not None:
            try:
                self.monitor.callback(given)
            except Exception as error:  # the user's function must not end a run that goes well
                self.out.warn(f"monitor.callback raised {type(error).__name__}: {error}")

    def _raise(self, kind: str, message: str) -> None:
        self.alert(kind, message)
        self.others.alert(kind, message)

    def facts(self) -> dict[str, Any]:
        """For run.json: steps, their median seconds, the share of time spent waiting for data, peaks of memory."""
        found: dict[str, Any] = {"peaks": {k: round(v, 3) for k, v in self.peaks.items()}}
        if self.seconds:
            total = sum(self.seconds) + sum(self.waits)
            found.update(
                steps=len(self.seconds),
                step_seconds=statistics.median(self.seconds),
                data_wait_share=round(sum(self.waits) / total, 4) if total else 0.0,
            )
        return found

    def compare_with_earlier(self, history: Path, key: str, seconds: float) -> None:
        """Add this run's `seconds` to `history`, and alert where they are far above the median of earlier ones."""
        earlier = [e["seconds"] for e in _read_history(history) if e.get("key") == key]
        jsonlines.append(history, {"key": key, "seconds": round(seconds, 4), "at": time.time()})
        if self.monitor is None or len(earlier) < _EARLIER:
            return
        usual = statistics.median(earlier)
        if seconds > self.monitor.slow_run * usual:
            self._raise(
                "slow run",
                f"training took {seconds:.1f} s, {seconds / usual:.1f} times the median of {len(earlier)} earlier runs "
                "of this configuration on this machine",
            )


def beside_earlier_runs(monitor: Monitor | None, out: RunDirectory, outputs: Path) -> None:
    """Compare the training seconds of a finished run with those of earlier runs of the same configuration here."""
    manifest = out.manifest
    facts = (manifest["trial"], manifest["market"], manifest["device"]["used"], manifest["threads"])
    machine = (manifest["machine"]["platform"], manifest["machine"]["cores"], manifest["data"]["bars"])
    key = hashlib.sha256(repr((*facts, *machine)).encode()).hexdigest()[:16]
    RunMonitor(monitor, out).compare_with_earlier(outputs / "seconds.jsonl", key, manifest["seconds"]["fit"])


def memory_in_use(device: str) -> dict[str, float]:
    """Memory of this process, of the machine and of an accelerator in MB, and the accelerator's utilisation."""
    from barwise.devices.backend import backend

    if device == "cpu":
        return _process_memory()
    one = backend(device)
    if one.missing() is not None:  # an engine that is not torch trains there
        return _process_memory()
    found, used = {**_process_memory(), **one.memory()}, one.utilisation()
    return found if used is None else {**found, "utilisation": used}


def _process_memory() -> dict[str, float]:
    """Resident memory of this process and memory of the machine, in MB."""
    import psutil

    return {
        "process_mb": psutil.Process().memory_info().rss / 2**20,
        "machine_mb": psutil.virtual_memory().total / 2**20,
    }


def _read_history(path: Path) -> list[dict[str, Any]]:
    """Entries of a file of earlier runs' seconds; none where there is no such file."""
    return jsonlines.read(path, lambda entry: isinstance(entry["seconds"], int | float))
