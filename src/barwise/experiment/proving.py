"""When a run is proven, and what run.json keeps of its audit."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

from barwise.audit.findings import Audit
from barwise.audit.in_run import FoldAudit
from barwise.audit.ledger import is_ours, ledger_adds_up, ledger_looks_back
from barwise.audit.proof import WORTH, fit_again, kept_in, prove
from barwise.audit.rows import RowProof, seed_of
from barwise.backtest.grid import Grid
from barwise.evidence.deflated import Moments, probability
from barwise.features.fingerprint import fingerprint
from barwise.listener import Listener
from barwise.runs.directory import RunDirectory
from barwise.samples import Panel
from barwise.validation.folds import Fold

if TYPE_CHECKING:
    from barwise.data.bars import Universe
    from barwise.experiment.parts import Parts
    from barwise.experiment.results import Result
    from barwise.features.matrix import FeatureMatrix


def file_audit(audit: Audit, out: RunDirectory) -> None:
    """Put what the audit found so far into run.json, and warn of what was not said yet."""
    for warning in audit.warnings:
        if warning not in out.manifest.get("warnings", []):
            out.warn(warning)
    out.update(audit=audit.report())


def may_be_evidence(excess: np.ndarray) -> bool:
    """Whether a sentence may come to speak of evidence: the run's own PSR is large enough, were it the only trial."""
    moments = Moments.of(excess)
    if len(excess) < 3 or not np.isfinite(moments.sharpe) or not np.isfinite(moments.spread):
        return False
    return probability(moments) >= WORTH


def prove_run(
    parts: Parts, audit: Audit, checks: FoldAudit, proof: RowProof, panel: Panel, folds: list[Fold], out: RunDirectory,
    tell: Listener,
) -> None:  # fmt: skip
    """Prove each test row, and that the last fold's scores come from that fold alone."""
    store = parts.cache
    key = fingerprint(out.manifest["data_hash"], parts.features, proof.bars).key if store and store.gb else None

    def over(n: int, name: str) -> Callable[[int], None]:
        done = count(1)
        return lambda _: tell.progress(name, next(done), n)

    prove(audit, checks, proof, panel, folds, kept_in(store.home.parent if store else None, key, panel.X), over)
    if not audit.leaks:
        audit.hear("proof", fit_again(checks, proof, panel, folds[-1], str(out.manifest["device"]["used"])))


def audit_ledger(
    parts: Parts, audit: Audit, result: Result, matrix: FeatureMatrix, universe: Universe | None, per_year: float
) -> None:
    """Look for what could not be earned in the ledger, and for a result that is too good to be true."""
    if audit.mode == "none":
        return
    table, seed = result.table, seed_of(matrix)
    grid = Grid.build(matrix.bars, universe)
    audit.hear("execution", ledger_adds_up(parts.backtest, result.ledger, grid, matrix.bars))
    if len(np.unique(grid.row_of(table.time) * len(grid.symbols) + table.symbol)) == len(table.time):
        audit.hear("execution", ledger_looks_back(parts.backtest, table.signals(), matrix.bars,
                                                  lambda bars: Grid.build(bars, universe), per_year, seed))  # fmt: skip
    cause = likely_cause(audit, parts)
    audit.implausible = parts.plausibility.implausible(result.metrics, len(result.ledger.net), per_year, cause)


def likely_cause(audit: Audit, parts: Parts) -> str | None:
    """What the audit has against a result that is too good to be true."""
    if audit.suspicions:
        return "this: " + audit.suspicions[0].removesuffix(".")
    return None if is_ours(parts.backtest) else f"the fills of {type(parts.backtest).__name__}"
