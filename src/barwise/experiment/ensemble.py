"""How far the models of an ensemble agree, and what each would have earned alone, for metrics.json."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from barwise.backtest.grid import Grid
from barwise.backtest.metrics import correlations, net_sharpe
from barwise.experiment.checkpoint import Finished
from barwise.experiment.results import OutOfSample, middle_path
from barwise.samples import Panel, Samples, Scaler
from barwise.signals import SignalRule, Unchanged
from barwise.strategies.hooks import Ensemble
from barwise.strategies.rows import neutralized
from barwise.validation.folds import Fold


def agreement(
    model: object, panel: Panel, fold: Fold, scaler: Scaler | None, ret: np.ndarray, rule: SignalRule
) -> tuple[dict[str, Any], np.ndarray | None]:
    """Of one fold: the rank correlation of each model's scores with `ret`, which no model is shown, how far the scores
    lie apart, and the signals (model, row) that each would give alone, by thresholds of its own; where scores are
    traded as they are, these.

    `score_std`: the standard deviation between models (ddof 1), averaged over rows. Empty without several models.
    """
    if not isinstance(model, Ensemble) or model.n_seeds < 2:
        return {}, None
    tested, watched = Samples(panel, fold.test, scaler), Samples(panel, fold.valid, scaler)
    members = _neutral(panel, fold.test, model.members(tested))
    if len(members) < 2:
        return {}, None
    each = [correlations(score, ret, tested.time)["rank_ic"] for score in members]
    known = np.isfinite(members).all(axis=0)
    apart = float(members[:, known].std(axis=0, ddof=1).mean()) if known.any() else None
    if isinstance(rule, Unchanged):
        return {"seeds": {"rank_ic": each, "score_std": apart}}, members
    before = _neutral(panel, fold.valid, model.members(watched)) if len(fold.valid) else np.zeros((len(members), 0))
    signals = [copy.deepcopy(rule).fit(v)(s, tested.time) for v, s in zip(before, members, strict=True)]
    return {"seeds": {"rank_ic": each, "score_std": apart}}, np.stack(signals)


def _neutral(panel: Panel, rows: np.ndarray, scores: np.ndarray) -> np.ndarray:
    return np.stack([neutralized(panel, rows, one) for one in scores])


def spread(folds: Sequence[Mapping[str, Any]], sharpes: Sequence[float | None] = ()) -> dict[str, Any]:
    """Over all folds: each model's rank correlation and net Sharpe ratio alone, their mean and deviation (ddof 1)."""
    found = [fold["seeds"] for fold in folds if "seeds" in fold]
    if not found or len({len(one["rank_ic"]) for one in found}) > 1:
        return {}
    table = np.array([[np.nan if x is None else x for x in one["rank_ic"]] for one in found])  # (fold, model)
    each = np.nanmean(table, axis=0)
    apart = [one["score_std"] for one in found if one["score_std"] is not None]
    earned = {}
    known = [s for s in sharpes if s is not None]
    if known:
        deviation = float(np.std(known, ddof=1)) if len(known) > 1 else None
        earned = {"sharpe": list(sharpes), "sharpe_mean": float(np.mean(known)), "sharpe_std": deviation}
    return {
        "seeds": {
            "n": table.shape[1],
            "rank_ic": each.tolist(),
            "rank_ic_mean": float(each.mean()),
            "rank_ic_std": float(each.std(ddof=1)),
            "score_std": float(np.mean(apart)) if apart else None,
            **earned,
        }
    }


def sharpe_alone(
    table: OutOfSample, rule: SignalRule, folds: Sequence[Finished], grid: Grid, backtest: Any, per_year: float
) -> list[float | None]:
    """The net Sharpe ratio of each model traded alone, from the finished folds in the order of the table's rows; empty
    unless every fold has as many models."""
    signals = [fold.alone for fold in folds if fold.alone is not None]
    if not signals or len(signals) < len(folds) or len({len(one) for one in signals}) > 1:
        return []
    every = np.concatenate(signals, axis=1)
    tables = (_traded_alone(table, rule, one) for one in every)
    return [net_sharpe(middle_path(own, grid, backtest, per_year)[1], per_year) for own in tables]


def _traded_alone(table: OutOfSample, rule: SignalRule, one: np.ndarray) -> OutOfSample:
    """The table with one model's signals; with its scores too where these are what is traded."""
    if isinstance(rule, Unchanged):
        return replace(table, score=one, signal=rule(one, table.time))
    return replace(table, signal=one)
