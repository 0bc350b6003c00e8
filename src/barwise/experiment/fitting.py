"""The one way to fit a strategy on a fold, for the run and for whoever looks at it."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from barwise.audit.fit import Learner
from barwise.experiment.parts import Parts
from barwise.experiment.session import FitSession
from barwise.samples import Panel, Samples, Scaler
from barwise.strategies.base import FitContext, Strategy
from barwise.strategies.rows import scores_of, usable
from barwise.validation.folds import Fold


def fit_fold(panel: Panel, fold: Fold, model: Strategy, context: FitContext) -> tuple[Strategy, Scaler | None]:
    """Fit `model` on the fold's usable training rows; the scaler sees no other row."""
    train, valid = (rows[usable(model, panel, rows)] for rows in (fold.train, fold.valid))
    scaler = Scaler.fit(panel.X, train) if model.scale else None
    model.fit(Samples(panel, train, scaler), Samples(panel, valid, scaler), context)
    return model, scaler


def learner_of(parts: Parts, session: FitSession) -> Learner:
    """The run's own way to fit and to score; each fit has a folder of its own, as a fold has."""

    def fit(part: Panel, fold: Fold, model: Strategy) -> tuple[Strategy, Scaler | None]:
        own = Path(tempfile.mkdtemp(dir=session.folder)) if session.folder else None
        return fit_fold(part, fold, model, replace(session, folder=own).context(fold))

    return Learner(
        parts.strategy,
        fit,
        lambda fitted, part, rows: scores_of(fitted[0], part, rows, fitted[1]),
        lambda fitted, folder: fitted[0].save(folder),
    )
