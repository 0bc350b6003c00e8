"""How far the nets of an ensemble agree, for metrics.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from barwise.backtest.metrics import correlations
from barwise.samples import Samples
from barwise.strategies.hooks import Ensemble


def agreement(model: object, samples: Samples, ret: np.ndarray) -> dict[str, Any]:
    """Of one fold: the rank correlation of each net's scores with `ret`, which no model is shown, and how far the
    scores lie apart.

    `score_std`: the standard deviation between nets (ddof 1), averaged over rows. Empty without several nets.
    """
    if not isinstance(model, Ensemble) or model.n_seeds < 2:
        return {}
    members = model.members(samples)
    each = [correlations(score, ret, samples.time)["rank_ic"] for score in members]
    known = np.isfinite(members).all(axis=0)
    apart = float(members[:, known].std(axis=0, ddof=1).mean()) if known.any() else None
    return {"seeds": {"rank_ic": each, "score_std": apart}}


def spread(folds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Over all folds: each net's mean rank correlation, their mean and standard deviation (ddof 1)."""
    found = [fold["seeds"] for fold in folds if "seeds" in fold]
    if not found:
        return {}
    table = np.array([[np.nan if x is None else x for x in one["rank_ic"]] for one in found])  # (fold, net)
    each = np.nanmean(table, axis=0)
    apart = [one["score_std"] for one in found if one["score_std"] is not None]
    return {
        "seeds": {
            "n": table.shape[1],
            "rank_ic": each.tolist(),
            "rank_ic_mean": float(each.mean()),
            "rank_ic_std": float(each.std(ddof=1)),
            "score_std": float(np.mean(apart)) if apart else None,
        }
    }
