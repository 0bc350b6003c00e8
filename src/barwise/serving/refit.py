"""A model to serve, trained on all data of a run; its tests are the run's folds, it has none of its own."""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from barwise.data.bars import Market
from barwise.data.checks import check_market
from barwise.data.hash import data_hash
from barwise.devices.choice import DeviceSettings
from barwise.devices.choose import resolve
from barwise.errors import ConfigError, DataError
from barwise.experiment.compute import threads_of, with_recorded_engine
from barwise.experiment.fitting import fit_fold
from barwise.experiment.recipe import parts_of
from barwise.experiment.session import FitSession, keep_model
from barwise.features.prepare import prepared
from barwise.panel import build_panel
from barwise.report.run import Run
from barwise.runs.directory import write_json
from barwise.safety.files import folder_inside, name_beside
from barwise.samples import Panel
from barwise.serving.model import REFIT, recorded
from barwise.strategies.base import Strategy
from barwise.strategies.hooks import needs_torch
from barwise.strategies.parts import budgeted
from barwise.strategies.rows import neutralized, scores_of
from barwise.validation.folds import Fold, Validation, touches

NONE = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Refit:
    """Where the model lies, and what it was trained on."""

    folder: Path
    facts: dict[str, Any]


def refit(folder: str | Path, data: Callable[[], Market] | None = None, allow: Iterable[str] = ()) -> Refit:
    """Train the run's strategy on all labelled bars, into the run's `model/refit`.

    First on all but the last stretch (`validation.valid_fraction`), which tells when to stop and, with scores that
    the model has not learned from, where thresholds lie; then on every row for as many rounds or epochs. `data`: bars
    in place of the recorded ones, such as newer ones. Repeated, it replaces the model.
    """
    run, config, targets = recorded(folder, allow)
    parts = parts_of(config, targets, data)
    market = check_market(parts.data())
    threads = threads_of(parts)
    panel = build_panel(prepared(market, "", parts.features, threads, None)[0], parts.labels, market.universe)
    panel = replace(panel, neutral=parts.neutral.on(market.bars, market.universe) if parts.neutral else None)
    half, every = stretches(panel, parts.validation)
    with_recorded_engine(parts.strategy, run.manifest)
    session = FitSession(None, device_of(run, parts.strategy), threads, parts.seed)
    context = session.context(half)
    model, scaler = fit_fold(panel, half, copy.deepcopy(parts.strategy), context)
    rule = copy.deepcopy(parts.signals).fit(neutralized(panel, half.valid, scores_of(model, panel, half.valid, scaler)))
    budget = context.facts
    whole, scaler = fit_fold(panel, every, budgeted(copy.deepcopy(parts.strategy), budget), session.context(every))
    facts = {
        "made": datetime.now(UTC).isoformat(timespec="seconds"), "data_hash": data_hash(market),
        "rows": len(every.train), "first": panel.time[every.train].min(), "last": panel.time[every.train].max(),
        "budget": {k: v for k, v in budget.items() if k in ("rounds", "best_epoch")}, "signals": rule.facts(),
        "seed": parts.seed, "threads": threads, "data": dict(market.facts),
    }  # fmt: skip
    place = folder_inside(run.folder, "model") / REFIT
    if place.is_symlink():
        raise DataError(f"{place}: is a link; remove it, a model is not written through it")
    beside = name_beside(place)
    beside.mkdir()
    try:
        keep_model(beside, panel, every, whole, scaler, rule)
        write_json(beside / "refit.json", facts)
        if place.exists():
            shutil.rmtree(place)
        os.replace(beside, place)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return Refit(place, facts)


def stretches(panel: Panel, validation: Validation) -> tuple[Fold, Fold]:
    """All labelled rows twice: split into training and a later, purged validation stretch; and undivided."""
    rows = np.flatnonzero(panel.warm & np.isfinite(panel.ret))
    times = np.unique(panel.time[rows])
    if len(times) < 20:
        raise ConfigError(f"data: {len(times)} labelled bars are too few to train on; use more bars")
    cut = times[validation.valid_begins(times)]
    valid = rows[panel.time[rows] >= cut]
    learn = rows[panel.time[rows] < cut]
    learn = learn[~touches(panel, learn, valid)]
    return Fold(0, learn, valid, NONE), Fold(0, rows, NONE, NONE)


def device_of(run: Run, strategy: Strategy) -> str:
    """The device that the run used, if it is here too, else the CPU."""
    used = (run.manifest.get("device") or {}).get("used", "cpu")
    return resolve(DeviceSettings(name=str(used), parity=False), None, needs_torch(strategy)).used
