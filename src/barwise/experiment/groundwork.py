"""What a run knows before anything is learned: features, labels, folds, and what the audit says of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

from barwise.audit.audit import parts_audited
from barwise.audit.findings import Audit
from barwise.audit.process import CleanProcess
from barwise.audit.rows import RowProof
from barwise.backtest.grid import Grid
from barwise.backtest.hooks import portfolio_of
from barwise.cross_labels import horizon_of
from barwise.data.bars import Market
from barwise.experiment.facts import note_features, note_start_up, note_store
from barwise.experiment.history import folds_of
from barwise.experiment.parts import Parts
from barwise.experiment.shared import Shared
from barwise.features.drift import StartUp
from barwise.features.matrix import FeatureMatrix
from barwise.features.parallel import is_shared
from barwise.features.prepare import prepared
from barwise.features.store import Report
from barwise.panel import build_panel, members
from barwise.portfolio.holding import holding_bars
from barwise.runs.directory import RunDirectory
from barwise.samples import Panel
from barwise.validation.folds import Fold


@dataclass(frozen=True)
class Ground:
    """`parts` with their holding settled; `grid` gives what is traded on; `proof` is None where nothing is audited;
    `common`: what trials of these parts share on these bars."""

    parts: Parts
    matrix: FeatureMatrix
    panel: Panel
    folds: list[Fold]
    audit: Audit
    proof: RowProof | None
    grid: Callable[[], Grid]
    common: Shared


def groundwork(
    parts: Parts, market: Market, threads: int, clean: CleanProcess | None, out: RunDirectory, shared: Shared
) -> Ground:
    """Bars as features, labels and folds, audited; what trials share is taken from where it was made before."""
    common = shared.on(out.manifest["data_hash"])
    inherited = common.has("features")
    with out.stage("features"):
        matrix, start_up, report = common.once("features", lambda: _features(parts, market, threads, out, common.keeps))
        note_store(out, replace(report, status="shared") if inherited else report)
        note_start_up(out, start_up)
    with out.stage("labels"):
        panel = common.once("panel", lambda: _panel(parts, market, matrix))
        note_features(out, panel, matrix.left_out, members(matrix.bars, market.universe))
        folds = common.once("folds", lambda: folds_of(parts.validation, panel, matrix.bars, parts.shipped))
        parts = held_as_labelled(parts, panel, folds)
        if (portfolio := portfolio_of(parts.backtest)) is not None:
            out.update(hold=portfolio.tranches)
    with out.stage("audit"):
        audit, proof = common.once("audit", lambda: _audited(parts, market, matrix, panel, folds, clean))
        if proof is not None and clean is not None:
            proof.clean = clean
    grid = common.once("grid", lambda: cache(lambda: Grid.build(matrix.bars, market.universe)))
    return Ground(parts, matrix, panel, folds, audit, proof, grid, common)


def held_as_labelled(parts: Parts, panel: Panel, folds: list[Fold]) -> Parts:
    """The parts with `portfolio.hold=auto` meaning the bars that the labels before the first test row are held for."""
    portfolio = portfolio_of(parts.backtest)
    if portfolio is None:
        return parts
    known = panel.time < min(panel.time[fold.test].min() for fold in folds if len(fold.test))
    bars = horizon_of(parts.labels) or holding_bars(panel.time[known], panel.end[known], panel.symbol[known])
    return replace(parts, backtest=replace(parts.backtest, portfolio=portfolio.holding(bars)))


def _features(
    parts: Parts, market: Market, threads: int, out: RunDirectory, keeps: bool
) -> tuple[FeatureMatrix, StartUp, Report]:
    reports: list[Report] = []
    matrix, start_up = prepared(market, out.manifest["data_hash"], parts.features, threads, parts.cache, reports.append)
    if keeps and is_shared(matrix.X):
        matrix = replace(matrix, X=matrix.X.copy())  # what one process wrote there all would read
    return matrix, start_up, reports[0]


def _panel(parts: Parts, market: Market, matrix: FeatureMatrix) -> Panel:
    panel = build_panel(matrix, parts.labels, market.universe)
    return replace(panel, neutral=parts.neutral.on(matrix.bars, market.universe) if parts.neutral else None)


def _audited(
    parts: Parts, market: Market, matrix: FeatureMatrix, panel: Panel, folds: list[Fold], clean: CleanProcess | None
) -> tuple[Audit, RowProof | None]:
    proof = RowProof(matrix, parts.features, clean, market.bars) if clean else None
    return parts_audited(parts, matrix, panel, folds, proof), proof
