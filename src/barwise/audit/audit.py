"""All checks of the audit, on the parts of one experiment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from barwise.audit.again import labels_are_over
from barwise.audit.cross_labels import compared_labels_can_be_earned, compared_labels_wait
from barwise.audit.features import features_are_no_label, features_look_back
from barwise.audit.findings import Audit, Finding
from barwise.audit.fit import Learner, learning_ignores_later_rows
from barwise.audit.folds import folds_are_purged, nothing_is_left_out, splitter_divides
from barwise.audit.labels import labels_can_be_earned, labels_wait
from barwise.audit.neutral import neutral_waits
from barwise.audit.own import is_users
from barwise.audit.panels import panels_look_back
from barwise.audit.portfolio import weights_wait
from barwise.audit.row_sample import rows_look_back
from barwise.audit.rows import RowProof
from barwise.audit.trades import trades_wait
from barwise.backtest.grid import Grid, Signals
from barwise.backtest.hooks import execution_of, portfolio_of
from barwise.features.aligned import sees_all
from barwise.features.matrix import FeatureMatrix
from barwise.samples import Panel
from barwise.validation.folds import Fold


def _nothing_can_be_kept(parts: Any, proof: RowProof) -> Iterator[Finding]:
    """Whether parts of the user's could be asked where nothing was kept; threads keep a process from being forked."""
    named = (parts.features, parts.strategy, parts.labels, parts.signals, parts.backtest, parts.neutral)
    own = any(is_users(one) for one in named)
    if proof.clean.threads and own:
        yield Finding(
            "parts", "not_audited", "threads run beside parts of your own, so what those keep was not looked at"
        )


def parts_audited(parts: Any, matrix: FeatureMatrix, panel: Panel, folds: list[Fold], proof: RowProof | None) -> Audit:
    """What the audit of `parts.audit` finds before anything is learned."""
    audit = Audit(parts.audit, parts.seed)
    if audit.mode == "none" or proof is None:
        return audit
    execution = execution_of(parts.backtest)
    audit.hear("parts", _nothing_can_be_kept(parts, proof))
    hear_features(audit, parts, matrix, panel, proof)
    across = sees_all(parts.labels)
    wait, earned = (
        (compared_labels_wait, compared_labels_can_be_earned) if across else (labels_wait, labels_can_be_earned)
    )
    audit.hear("labels", wait(audit, matrix, parts.labels))
    audit.hear("labels", earned(audit, matrix, parts.labels, execution))
    audit.hear("labels", labels_are_over(audit, proof, panel, folds, parts.labels))
    audit.hear("folds", splitter_divides(panel, parts.validation))
    audit.hear("folds", nothing_is_left_out(panel, parts.validation))
    audit.hear("folds", folds_are_purged(panel, folds, parts.validation.embargo))
    audit.hear("execution", trades_wait(parts.backtest, Grid.build, Signals))
    audit.hear("neutral", neutral_waits(parts.neutral, matrix.bars, matrix.universe, parts.seed))
    audit.hear("portfolio", weights_wait(portfolio_of(parts.backtest), parts.seed, matrix.bars))
    return audit


def hear_learning(audit: Audit, parts: Any, panel: Panel, folds: list[Fold], learner: Learner) -> None:
    """The check of what is learned; the strategy is fitted on a few rows."""
    if audit.mode != "none":
        audit.hear("learning", learning_ignores_later_rows(audit, panel, folds, learner, parts.signals))


def hear_features(audit: Audit, parts: Any, matrix: FeatureMatrix, panel: Panel, proof: RowProof) -> None:
    """All checks of features alone."""
    audit.hear("features", rows_look_back(audit, proof, panel))
    audit.hear("features", features_look_back(audit, matrix, parts.features, proof.guilty))
    audit.hear("features", panels_look_back(audit, matrix, parts.features, proof.guilty))
    audit.hear("features", features_are_no_label(audit, panel, parts.plausibility))
