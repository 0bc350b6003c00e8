"""A recorded run, run again: the same configuration on the same bars, and its metrics compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from barwise.data.bars import Market
from barwise.data.checks import check_market
from barwise.data.hash import data_hash, is_hash_of
from barwise.errors import DataError
from barwise.experiment.compute import with_recorded_engine
from barwise.experiment.recipe import parts_of
from barwise.experiment.run import run as run_experiment
from barwise.report.run import Run
from barwise.runs.directory import RunDirectory, git_revision, plain, versions
from barwise.runs.tensorboard import Board
from barwise.safety.files import YAML_LIMIT, inside, read_bytes
from barwise.serving.model import recorded

_MOST_THREADS = 1024


@dataclass(frozen=True)
class Rerun:
    """`differences`: metric: (recorded, now). `changes`: versions, revision and device that are not as recorded."""

    folder: Path
    metrics: int
    differences: dict[str, tuple[Any, Any]]
    changes: tuple[str, ...]


def rerun(folder: str | Path, out: Path, data: Callable[[], Market] | None = None, allow: Iterable[str] = ()) -> Rerun:
    """Run the recorded configuration again into `out`, with the recorded seed, threads and device.

    `data`: bars in place of the recorded ones, where those have moved. DataError where the bars are not the recorded
    ones. Nothing that the configuration says of outputs is followed.
    """
    run, config, targets = recorded(folder, allow)
    if not run.metrics:
        raise DataError(f"{run.folder}: {run.why('metrics.json')}")
    parts = parts_of(config, targets, data)
    threads, device = run.manifest.get("threads"), (run.manifest.get("device") or {}).get("used")
    if isinstance(threads, int) and 1 <= threads <= _MOST_THREADS:
        parts = replace(parts, threads=threads)
    if isinstance(device, str):
        parts = replace(parts, device={**parts.device, "name": device})
    with_recorded_engine(parts.strategy, run.manifest)
    market = parts.data()
    _same_bars(run, market)
    directory = RunDirectory(out)
    directory.start(overrides=run.overrides, seed=parts.seed, rerun_of=str(run.folder))
    board = Board(out / "tensorboard")
    with directory.ending(), closing(board):
        found = run_experiment(replace(parts, data=lambda: market), directory, board)
    _write_configuration(run, out)
    recorded_metrics = _flat(run.metrics)
    now = _flat(plain(found))
    names = sorted(recorded_metrics.keys() | now.keys())
    pairs = {name: (recorded_metrics.get(name), now.get(name)) for name in names}
    return Rerun(out, len(names), {k: v for k, v in pairs.items() if v[0] != v[1]}, tuple(_changes(run, directory)))


def _same_bars(run: Run, market: Market) -> None:
    wanted = run.manifest.get("data_hash")
    if not is_hash_of(check_market(market), wanted):
        raise DataError(
            f"{run.folder}: the bars are not those of the run (hash {data_hash(market)[:12]}, recorded"
            f" {str(wanted)[:12]}); "
            "name the recorded ones: data=files data.path=…"
        )


def _changes(run: Run, directory: RunDirectory) -> list[str]:
    """What is not as it was and may explain a difference."""
    was, now = run.manifest.get("versions") or {}, versions()
    changes = [f"{name} {was[name]} → {now.get(name)}" for name in sorted(was) if was[name] != now.get(name)]
    before, here = run.manifest.get("git") or {}, git_revision() or {}
    if before.get("revision") != here.get("revision"):
        changes.append(f"revision {str(before.get('revision'))[:9]} → {str(here.get('revision'))[:9]}")
    if before.get("dirty") or here.get("dirty"):
        changes.append("uncommitted changes in barwise's checkout, then or now")
    devices = [(m.get("device") or {}).get("used") for m in (run.manifest, directory.manifest)]
    return changes + ([f"device {devices[0]} → {devices[1]}"] if devices[0] != devices[1] else [])


def _write_configuration(run: Run, out: Path) -> None:
    """The configuration goes with the new run, so that it too can be served."""
    (out / ".hydra").mkdir(exist_ok=True)
    for name in ("config.yaml", "overrides.yaml"):
        path = inside(run.folder, ".hydra", name)
        if path.is_file():
            (out / ".hydra" / name).write_bytes(read_bytes(path, YAML_LIMIT))


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Nested values by dotted name."""
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        return {name: value}
    return {k: v for key, inner in items for k, v in _flat(inner, f"{name}.{key}" if name else str(key)).items()}
