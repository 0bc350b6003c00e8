"""What the audit asks of an experiment: fits as the run has them, and work of a process that knows nothing yet."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from pathlib import Path

from barwise.as_of import to_fit_alone
from barwise.audit.again import work_again
from barwise.audit.audit import hear_learning, parts_audited
from barwise.audit.disguise import disguised_panel
from barwise.audit.findings import Audit
from barwise.audit.own import is_users
from barwise.audit.process import Arrays, CleanProcess, Work
from barwise.audit.recompute import work_on
from barwise.audit.rows import RowProof
from barwise.audit.scores import bar_by_bar
from barwise.data.bars import Bars, Market, Universe
from barwise.experiment.fitting import fit_fold, learner_of
from barwise.experiment.history import folds_of
from barwise.experiment.parts import Parts
from barwise.experiment.session import FitSession
from barwise.features.matrix import FeatureMatrix
from barwise.features.prepare import prepared
from barwise.panel import build_panel
from barwise.samples import Panel
from barwise.strategies.rows import scores_of
from barwise.validation.folds import Fold
from barwise.validation.shuffled import shuffled


def hear_fits(audit: Audit, parts: Parts, panel: Panel, folds: list[Fold]) -> None:
    """The audit of what is learned, fitting and scoring as `walk` does."""
    with tempfile.TemporaryDirectory(prefix="barwise-audit-") as folder:
        session = FitSession(Path(folder), seed=parts.seed)
        hear_learning(audit, parts, panel, folds, learner_of(parts, session))


def audit_of(
    parts: Parts, matrix: FeatureMatrix, panel: Panel, folds: list[Fold], proof: RowProof | None = None
) -> Audit:
    """What the audit finds in an experiment that is about to run, fitting and scoring as `walk` does."""
    own = proof is None and parts.audit != "none"
    proof = proof or RowProof(matrix, parts.features, CleanProcess(past_work(parts, matrix.bars, matrix.universe)))
    try:
        audit = parts_audited(parts, matrix, panel, folds, proof)
        hear_fits(audit, parts, panel, folds)
        return audit
    finally:
        if own:
            proof.clean.close()


def past_work(parts: Parts, bars: Sequence[Bars], universe: Universe | None) -> dict[str, Work]:
    """What the audit asks of a process that has computed nothing yet: rows, labels, rules and books of the past."""
    named = {
        "strategy": parts.strategy, "labels": parts.labels, "signals": parts.signals, "backtest": parts.backtest,
        "validation": parts.validation, "neutral": parts.neutral,
    }  # fmt: skip
    own = {name: one for name, one in named.items() if is_users(one)}
    again = work_again(bars, universe, parts.labels, parts.signals, parts.backtest)
    return {**work_on(bars, parts.features, universe, own), **again}


def clean_work(parts: Parts, market: Market, data: str, threads: int) -> dict[str, Work]:
    """What the process of a run can be asked for: `past_work`, and the fit of a fold."""

    def refit(given: Arrays) -> Arrays:
        matrix, _ = prepared(market, data, parts.features, threads, parts.cache)
        panel = build_panel(matrix, parts.labels, market.universe)
        fold = next(f for f in folds_of(parts.validation, panel, matrix.bars, None) if f.number == int(given["fold"]))
        if given["hide"]:
            panel = disguised_panel(panel)
        with tempfile.TemporaryDirectory(prefix="barwise-audit-") as folder:
            session = FitSession(Path(folder), str(given["device"]), threads, parts.seed)
            learned = shuffled(panel, fold, parts.seed) if parts.shuffle_labels else panel
            known = to_fit_alone(learned, fold.train, fold.valid, parts.strategy.lookback)
            model, scaler = fit_fold(known, fold, copy.deepcopy(parts.strategy), session.context(fold))
            score = bar_by_bar(lambda part, rows: scores_of(model, part, rows, scaler), panel, fold.test)
        return {"score": score}

    return {**past_work(parts, market.bars, market.universe), "refit": refit}
