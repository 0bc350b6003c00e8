"""Which rows a strategy can read, and its scores of the others: NaN."""

from __future__ import annotations

import numpy as np

from barwise.samples import Panel, Samples, Scaler
from barwise.strategies.base import Strategy


def usable(model: Strategy, panel: Panel, rows: np.ndarray) -> np.ndarray:
    """Which of `rows` the strategy can read: warm ones if it takes NaN, else those whose whole window is finite."""
    if model.takes_nan and model.lookback == 1:
        found: np.ndarray = panel.warm[rows]
        return found
    found = panel.finite[rows] & (rows - panel.start[rows] >= model.lookback - 1)
    return found


def scores_of(model: Strategy, panel: Panel, rows: np.ndarray, scaler: Scaler | None) -> np.ndarray:
    """Scores of `rows`; NaN where the features that the strategy needs are not defined."""
    score = np.full(len(rows), np.nan)
    known = usable(model, panel, rows)
    if known.any():
        score[known] = model.predict(Samples(panel, rows[known], scaler))
    return score


def neutralized(panel: Panel, rows: np.ndarray, score: np.ndarray) -> np.ndarray:
    """What is left of the scores of whole bars, where they are to be neutral."""
    if panel.neutral is None:
        return score
    return panel.neutral(panel.symbols, panel.symbol[rows], panel.time[rows], score)
