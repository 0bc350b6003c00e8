"""The one way to fit a strategy on a fold, for the run and for whoever looks at it."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path

from barwise.as_of import known_to_fit
from barwise.audit.fit import Learner
from barwise.experiment.parts import Parts
from barwise.experiment.session import FitSession
from barwise.samples import Panel, Samples, Scaler
from barwise.strategies.base import FitContext, Strategy
from barwise.strategies.hooks import Prepared
from barwise.strategies.rows import scores_of, usable
from barwise.validation.folds import Fold


def fit_fold(panel: Panel, fold: Fold, model: Strategy, context: FitContext) -> tuple[Strategy, Scaler | None]:
    """Fit `model` on the fold's usable training rows; the scaler sees no other row."""
    train, valid = (rows[usable(model, panel, rows)] for rows in (fold.train, fold.valid))
    scaler = Scaler.fit(panel.X, train) if model.scale else None
    model.fit(Samples(panel, train, scaler), Samples(panel, valid, scaler), context)
    return model, scaler


def prepare_fit(panel: Panel, fold: Fold, model: Strategy) -> None:
    """Keep what fits on the fold begin with, whatever their settings, for the processes that are forked from this.

    Only where OpenMP has been told to take one thread: a process that has used more of them must not be forked, as its
    children wait for ever for threads that they do not have.
    """
    if os.environ.get("OMP_NUM_THREADS") == "1" and isinstance(model, Prepared) and not model.scale:
        known = known_to_fit(panel, fold.train, fold.valid, model.lookback)
        train, valid = (rows[usable(model, panel, rows)] for rows in (fold.train, fold.valid))
        model.prepare(Samples(known, train), Samples(known, valid))


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
