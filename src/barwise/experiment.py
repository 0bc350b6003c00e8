"""One experiment, from bars to a filed result: `run()` is the program in one page."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from barwise.backtest.grid import Grid
from barwise.backtest.ledger import Backtest
from barwise.data.bars import Market
from barwise.data.calendar import periods_per_year
from barwise.data.checks import check_market
from barwise.data.hash import data_hash
from barwise.data.universe import told
from barwise.devices.choose import DeviceChoice, DeviceSettings, resolve
from barwise.devices.monitor import Monitor, Watcher
from barwise.ensemble import agreement, spread
from barwise.features.matrix import FeatureMatrix, FeatureSet
from barwise.features.store import Store
from barwise.importance import Score, explain
from barwise.panel import Labeler, build_panel, members
from barwise.prepared import prepared
from barwise.ranges import Ranges, learned
from barwise.report.progress import Progress
from barwise.report.record import record
from barwise.report.tensorboard import Board
from barwise.results import Table, evaluate
from barwise.resuming import Finished, begin_again, same_data, store, stored
from barwise.runs import RunDirectory, write_json
from barwise.samples import Panel, Samples, Scaler
from barwise.signals import SignalRule
from barwise.strategies.base import FitContext, Strategy, log_nowhere
from barwise.validation.audit import Audit
from barwise.validation.audit_fit import Learner
from barwise.validation.auditing import audited
from barwise.validation.drift import StartUp
from barwise.validation.folds import Fold, Validation
from barwise.validation.shuffled import shuffled

if TYPE_CHECKING:
    from barwise.sweeps.pruning import Pruning


MEASURED = 0  # what threads=auto means for Parts


@dataclass(frozen=True)
class Parts:
    """What an experiment is made of, one field per config group."""

    data: Callable[[], Market]
    features: Mapping[str, FeatureSet]
    labels: Labeler
    validation: Validation
    strategy: Strategy
    signals: SignalRule
    backtest: Backtest
    baseline: Strategy | None = None
    device: Mapping[str, Any] = field(default_factory=lambda: {"name": "cpu"})
    seed: int = 0
    threads: int | None = None  # MEASURED: those that train the net fastest
    audit: str = "quick"
    shuffle_labels: bool = False
    monitor: Monitor | None = None
    cache: Store | None = None
    importance: str = "auto"


def run(parts: Parts, out: RunDirectory, progress: Progress, pruning: Pruning | None = None) -> dict[str, Any]:
    """Train on past bars, score later ones, trade the scores and file the result in `out`; returns the metrics."""
    with out.stage("data"):
        market = check_market(parts.data())
        per_year = market.periods_per_year or periods_per_year(np.unique(np.concatenate([b.time for b in market.bars])))
        note_data(out, market, per_year)
    threads = out.manifest.get("threads") or parts.threads or default_threads(parts.strategy)
    out.update(seed=parts.seed, shuffle_labels=parts.shuffle_labels)
    with out.stage("features"):
        matrix, start_up = prepared(market, out.manifest["data_hash"], parts.features, threads, parts.cache)
        note_start_up(out, start_up)
    with out.stage("labels"):
        panel = build_panel(matrix, parts.labels, market.universe)
        note_features(out, panel, matrix.left_out, members(matrix.bars, market.universe))
        folds = parts.validation.folds(panel)
    with out.stage("audit"):
        audit_run(parts, matrix, panel, folds, out)
    with out.stage("device"):
        device = choose_device(parts, len(panel.features), out)
        threads = settle_threads(parts, len(panel.features), threads, out)
    board = Board(out.path / "tensorboard")
    watcher = Watcher(parts.monitor, out, device.used, board.scalar)
    lend = Lend(out.path / "model", device.used, threads, parts.seed, board, progress, watcher, parts.shuffle_labels,
                resumed="resumed" in out.manifest, importance=parts.importance)  # fmt: skip
    lend.pruning = pruning and pruning.on(Grid.build(matrix.bars, market.universe), parts.backtest, per_year)
    with out.stage("fit"):
        table = walk(panel, folds, parts.strategy, parts.signals, lend)
    out.update(folds=lend.facts, monitor=watcher.facts())
    with out.stage("baselines"):
        linear = walk(panel, folds, parts.baseline, parts.signals, lend.silent()) if parts.baseline else None
    with out.stage("backtest"):
        grid = Grid.build(matrix.bars, market.universe)
        result = evaluate(table, linear, grid, parts.backtest, per_year, parts.seed)
        result.metrics.update(spread(lend.facts))
    with out.stage("report"):
        record(out, result, board)
    return result.metrics


def walk(panel: Panel, folds: list[Fold], strategy: Strategy, rule: SignalRule, lend: Lend) -> Table:
    """The one loop over folds: fit on the past, learn thresholds from validation scores, score the test rows."""
    parts = []
    for fold in lend.progress.over(folds, "folds"):
        score, signal = lend.finished(fold) or walk_fold(panel, fold, strategy, rule, lend)
        parts.append(Table.of(panel, fold, score, signal))
        if lend.pruning:
            lend.pruning.fold(parts)
    return Table.join(parts)


def walk_fold(
    panel: Panel, fold: Fold, strategy: Strategy, rule: SignalRule, lend: Lend
) -> tuple[np.ndarray, np.ndarray]:
    """Score and signal of each test row of one fold."""
    learned_from = shuffled(panel, fold, lend.seed) if lend.shuffle_labels else panel
    model, scaler = fit_fold(learned_from, fold, copy.deepcopy(strategy), lend)
    fitted = copy.deepcopy(rule).fit(scores_of(model, panel, fold.valid, scaler))
    score = scores_of(model, panel, fold.test, scaler)
    signal = fitted(score, panel.time[fold.test])
    lend.keep(panel, fold, model, scaler, fitted)
    lend.explain(panel, fold, model, lambda other, rows: scores_of(model, other, rows, scaler))
    lend.finish(fold, score, signal, agreement(model, Samples(panel, fold.test, scaler)))
    return score, signal


def fit_fold(panel: Panel, fold: Fold, model: Strategy, lend: Lend) -> tuple[Strategy, Scaler | None]:
    """Fit `model` on the fold's usable training rows; the scaler sees no other row."""
    train, valid = (rows[usable(model, panel, rows)] for rows in (fold.train, fold.valid))
    scaler = Scaler.fit(panel.X, train) if model.scale else None
    model.fit(Samples(panel, train, scaler), Samples(panel, valid, scaler), lend.context(fold))
    return model, scaler


def scores_of(model: Strategy, panel: Panel, rows: np.ndarray, scaler: Scaler | None) -> np.ndarray:
    """Scores of `rows`; NaN where the features that the strategy needs are not defined."""
    score = np.full(len(rows), np.nan)
    known = usable(model, panel, rows)
    if known.any():
        score[known] = model.predict(Samples(panel, rows[known], scaler))
    return score


def usable(model: Strategy, panel: Panel, rows: np.ndarray) -> np.ndarray:
    """Which of `rows` the strategy can read: warm ones if it takes NaN, else those whose whole window is finite."""
    if model.takes_nan and model.lookback == 1:
        return panel.warm[rows]
    return panel.finite[rows] & (rows - panel.start[rows] >= model.lookback - 1)


@dataclass
class Lend:
    """What the run lends to each fit, and what it hears back."""

    folder: Path | None
    device: str
    threads: int
    seed: int
    board: Board | None
    progress: Progress
    watcher: Watcher | None = None
    shuffle_labels: bool = False
    facts: list[dict[str, Any]] = field(default_factory=list)
    resumed: bool = False
    pruning: Pruning | None = None
    importance: str = "none"

    def silent(self) -> Lend:
        """The same for a baseline: nothing is saved or logged; linear models need no device."""
        return Lend(None, "cpu", self.threads, self.seed, None, Progress(quiet=True))

    def finished(self, fold: Fold) -> tuple[np.ndarray, np.ndarray] | None:
        """Score and signal of a fold that was finished before the run was cut off."""
        if self.folder is None:
            return None
        folder = self.folder / f"fold-{fold.number}"
        if not self.resumed:
            begin_again(folder)
        found = stored(folder, len(fold.test))
        if found is None:
            return None
        self.facts.append(found.facts)
        if self.board:
            self.board.curves[f"fold-{fold.number}"] = found.curves
        return found.score, found.signal

    def finish(self, fold: Fold, score: np.ndarray, signal: np.ndarray, facts: Mapping[str, Any]) -> None:
        """Keep what was found for a run that is cut off later."""
        if self.folder is None:
            return
        self.facts[-1].update(facts)
        curves = self.board.curves.get(f"fold-{fold.number}", {}) if self.board else {}
        store(self.folder / f"fold-{fold.number}", Finished(score, signal, self.facts[-1], curves))

    def context(self, fold: Fold) -> FitContext:
        self.facts.append({"fold": fold.number})
        folder = self.folder / f"fold-{fold.number}" if self.folder else None
        log = self.board.fold_logger(fold.number) if self.board else log_nowhere
        hears = self.watcher.begin_fold(fold.number) if self.watcher else {}
        return FitContext(
            device=self.device,
            seed=self.seed * 1000 + fold.number,
            threads=self.threads,
            folder=folder,
            progress=self.progress.note,
            facts=self.facts[-1],
            log=log,
            report=self.pruning.epoch(fold.number) if self.pruning else None,
            **hears,
        )

    def keep(self, panel: Panel, fold: Fold, model: Strategy, scaler: Scaler | None, rule: SignalRule) -> None:
        """Save the model of one fold."""
        if self.folder is None:
            return
        keep_model(self.folder / f"fold-{fold.number}", panel, fold, model, scaler, rule)
        self.facts[-1].update(
            signals=rule.facts(), train_rows=len(fold.train), valid_rows=len(fold.valid), test_rows=len(fold.test)
        )

    def explain(self, panel: Panel, fold: Fold, model: Strategy, score: Score) -> None:
        """Keep which features the model of one fold leans on."""
        if self.folder is not None and self.importance != "none":
            explain(self.importance, model, panel, fold, score, self.folder / f"fold-{fold.number}")


def keep_model(
    folder: Path, panel: Panel, fold: Fold, model: Strategy, scaler: Scaler | None, rule: SignalRule
) -> None:
    """Save what predicting again needs: weights, scaler, thresholds, and what the training rows looked like."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder)
    if scaler is not None:
        scaler.save(folder / "scaler.safetensors")
    write_json(folder / "signals.json", learned(rule))
    Ranges.of(panel, fold.train, fold.valid).save(folder / "ranges.json")


def audit_run(parts: Parts, matrix: FeatureMatrix, panel: Panel, folds: list[Fold], out: RunDirectory) -> None:
    """Look for the future in the past before anything is trained; LeakError if it is there."""
    audit = audit_of(parts, matrix, panel, folds)
    for warning in audit.warnings:
        out.warn(warning)
    out.update(audit=audit.report())
    audit.refuse()


def audit_of(parts: Parts, matrix: FeatureMatrix, panel: Panel, folds: list[Fold]) -> Audit:
    """What the audit finds in an experiment that is about to run, fitting and scoring as `walk` does."""
    lend = Lend(None, "cpu", 1, parts.seed, None, Progress(quiet=True))
    learner = Learner(
        parts.strategy,
        lambda part, fold, model: fit_fold(part, fold, model, lend),
        lambda fitted, part, rows: scores_of(fitted[0], part, rows, fitted[1]),
        lambda fitted, folder: fitted[0].save(folder),
    )
    return audited(parts, matrix, panel, folds, learner)


def default_threads(strategy: Strategy) -> int:
    """One for nets (two on busy cores were seen ten times slower for small batches), all cores for trees.

    OMP_NUM_THREADS, which a sweep sets to a trial's share of the cores, is heeded.
    """
    if getattr(strategy, "needs_torch", False):
        return 1
    share = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, int(share)) if share.isdigit() else os.cpu_count() or 1


def settle_threads(parts: Parts, n_features: int, threads: int, out: RunDirectory) -> int:
    """`threads`, or with threads=auto those that train the net fastest here; recorded, and kept when a run goes on."""
    probe = getattr(parts.strategy, "probe", None)
    if parts.threads == MEASURED and "threads" not in out.manifest and probe is not None:
        from barwise.devices.threads import fastest

        threads, facts = fastest(lambda: probe(n_features))
        out.update(threads_measured=facts)
    out.update(threads=threads)
    return threads


def choose_device(parts: Parts, n_features: int, out: RunDirectory) -> DeviceChoice:
    """Resolve the device once, with one batch of the net that is to run on it; a fallback warns."""
    strategy = parts.strategy
    probe = (lambda: strategy.probe(n_features)) if hasattr(strategy, "probe") else None
    choice = resolve(DeviceSettings(**parts.device), probe, getattr(strategy, "needs_torch", False))
    out.update(device={"requested": choice.requested, "used": choice.used, "reason": choice.reason, **choice.facts})
    if choice.warning:
        out.warn(choice.warning)
    return choice


def note_data(out: RunDirectory, market: Market, per_year: float) -> None:
    """What run.json says of the bars."""
    for warning in market.facts.get("warnings", ()):
        out.warn(warning)
    facts = {k: v for k, v in told(market.facts).items() if k != "warnings"}
    same_data(out.manifest, data_hash(market))
    out.update(
        data={
            **facts,
            "symbols": list(market.symbols),
            "bars": sum(map(len, market.bars)),
            "first": str(min(b.time[0] for b in market.bars)),
            "last": str(max(b.time[-1] for b in market.bars)),
            "periods_per_year": per_year,
        },
        data_hash=data_hash(market),
    )


def note_start_up(out: RunDirectory, found: StartUp) -> None:
    """What run.json says of the warm-up, and of features that no warm-up settles."""
    for warning in found.warnings:
        out.warn(warning)
    out.update(start_up=found.report())


def note_features(out: RunDirectory, panel: Panel, left_out: tuple[tuple[str, str], ...], inside: np.ndarray) -> None:
    """What run.json says of the features, warm-up and labels."""
    for symbol, reason in left_out:
        out.warn(f"{symbol} is left out: {reason}")
    out.update(
        rows={
            "all": len(panel),
            "warm_up": int((~panel.warm & inside).sum()),
            "outside_universe": int((~inside).sum()),
            "undefined_after_warm_up": int((panel.warm & ~panel.finite).sum()),
            "labelled": int(np.isfinite(panel.ret).sum()),
        },
        features=list(panel.features),
    )
