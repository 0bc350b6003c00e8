"""What the files of one run say of it: a row of the leaderboard."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from barwise.console.printing import printable
from barwise.errors import DataError
from barwise.evidence.deflated import Moments
from barwise.evidence.returns import excess_returns
from barwise.evidence.trials import Scope
from barwise.runs.measures import RESERVED
from barwise.safety.files import inside, ledger_folder
from barwise.sweeps.claims import state_of
from barwise.sweeps.outcome import metrics_of

if TYPE_CHECKING:
    pass

_NOT_SHOWN = ("sweep.", "quiet=", "output_dir=", "hydra.", "hydra/", "+hydra.")
_NOT_READ = "not shown"  # the status of a run whose run.json says nothing
_MOST_FIGURE = 1e300  # what larger numbers stand for cannot be averaged or drawn
_DEPTH = 4  # folders below the given one that are looked into


@dataclass
class Row:
    """One trial; `values` in the order of the objectives, `overrides` with what all trials share left out; `skilled`:
    whether StepM finds it among the trials of its sweep."""

    name: str
    status: str
    reason: str | None
    overrides: tuple[str, ...]
    values: tuple[float | None, ...] = ()
    sharpe: float | None = None
    moments: Moments | None = None
    seed: int | None = None
    device: str | None = None
    seconds: float | None = None
    home: Path | None = None
    scope: Scope | None = None
    family: str | None = None
    trial: str | None = None
    p_value: float | None = None
    dsr: float | None = None
    skilled: bool | None = None
    seeds: int = 1
    mean: float | None = None
    spread: float | None = None


def manifests(folder: Path, depth: int = _DEPTH) -> Iterator[Path]:
    """run.json of each run at or below `folder`, which may be no file; nothing inside a run is looked at."""
    if os.path.lexists(folder / "run.json"):
        yield folder / "run.json"
        return
    if depth:
        for below in sorted(x for x in folder.iterdir() if x.is_dir() and not x.name.startswith(".")):
            yield from manifests(below, 0 if below.is_symlink() else depth - 1)


def own_measures(folder: Path) -> list[str]:
    """Metrics of the users' own that the runs below `folder` have, by name."""
    found = (name for path in manifests(folder) for name in metrics_of(path.parent))
    return sorted({name for name in found if name not in RESERVED and name.isidentifier()})


def row_of(run: Path, folder: Path, objectives: Sequence[str]) -> Row:
    """What a run's directory says of itself."""
    try:
        inside(folder, *run.relative_to(folder).parts, "run.json")
    except DataError as error:
        return Row(name=str(run.relative_to(folder)), status=_NOT_READ, reason=printable(str(error)), overrides=())
    state, metrics = state_of(run), metrics_of(run)
    name = printable(str(run.relative_to(folder)) if run != folder else run.name)
    if not state:
        return Row(
            name=name, status=_NOT_READ, reason=f"{run.name}/run.json is not JSON that can be read", overrides=()
        )
    done = state.get("status") == "done"
    device, words = state.get("device"), state.get("overrides")
    given = [printable(w) for w in words if isinstance(w, str)] if isinstance(words, list) else []
    return Row(
        name=name,
        status="interrupted" if state.get("interrupted") else _text_of(state.get("status")) or "missing",
        reason=_text_of(state.get("reason")),
        overrides=tuple(w for w in given if not w.startswith(_NOT_SHOWN)),
        values=tuple(_figure_of(metrics.get(name)) for name in objectives) if done else (),
        sharpe=_figure_of(metrics.get("sharpe")) if done else None,
        moments=_moments_of(run) if done else None,
        seed=state["seed"] if isinstance(state.get("seed"), int) else None,
        device=_text_of(device.get("used")) if isinstance(device, dict) else None,
        seconds=_seconds_of(state),
        home=ledger_folder(run, state.get("trials_folder")),
        scope=_scope_of(state),
        family=None if state.get("shuffle_labels") else _text_of(state.get("family")),
        trial=_text_of(state.get("trial")),
    )


def _scope_of(state: Mapping[str, Any]) -> Scope | None:
    """Which bars the run saw; None where run.json does not say so."""
    try:
        return Scope.of(state.get("data") or {})
    except DataError:
        return None


def _text_of(value: Any) -> str | None:
    """A word or sentence of a run.json, as one line; None for what is none."""
    return printable(value) if isinstance(value, str) else None


def _figure_of(value: Any) -> float | None:
    """A number of a run's JSON; None for what is none, or has no end."""
    ok = isinstance(value, int | float) and not isinstance(value, bool)
    return value if ok and abs(value) < _MOST_FIGURE else None


def _moments_of(run: Path) -> Moments | None:
    """What the deflated Sharpe needs of the run's returns; None where there are none."""
    try:
        moments = Moments.of(excess_returns(run)[1])
    except (OSError, ValueError, DataError):
        return None
    return moments if math.isfinite(moments.sharpe) and math.isfinite(moments.spread) else None


def _seconds_of(state: Mapping[str, Any]) -> float | None:
    """The stages' seconds; for a run that did not finish its stages, to the end it was given."""
    stages = state.get("seconds") or {}
    if state.get("status") == "done" and isinstance(stages, dict) and stages:
        return round(sum(_figure_of(value) or 0.0 for value in stages.values()), 3)
    try:
        begin, end = (datetime.fromisoformat(str(state.get(name))) for name in ("started", "finished"))
        return (end - begin).total_seconds()
    except (ValueError, TypeError):  # no time, or one with a zone and one without
        return None
