"""Which features a model leans on: gain where it knows it, permutation for any model, per fold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from barwise.backtest.metrics import ranks
from barwise.data.memmap import gather
from barwise.runs.directory import write_json, write_parquet
from barwise.safety.files import read_json
from barwise.samples import Panel
from barwise.strategies.base import Strategy
from barwise.strategies.hooks import Explained
from barwise.validation.folds import Fold

_NAME = "importance.json"
_ROWS = 1_000  # validation rows that are scored once for each feature
_MOST_BYTES = 2**28  # of a matrix that is copied for a model that reads windows

Score = Callable[[Panel, np.ndarray], np.ndarray]


def explain(kind: str, model: Strategy, panel: Panel, fold: Fold, score: Score, folder: Path) -> None:
    """Write `folder`/importance.json: {"gain": {feature: share}} or {"permutation": {feature: loss}}, or nothing.

    auto is gain where the model knows it. `score(panel, rows)` gives the model's scores.
    """
    found: dict[str, Any] = {}
    gain = _gains(model, panel.features) if kind in ("auto", "gain") else None
    if gain:
        found["gain"] = gain
    elif kind in ("auto", "permutation"):
        lost = _permuted(model, panel, fold, score)
        if lost:
            found["permutation"] = lost
    if found:
        write_json(folder / _NAME, found)


def _gains(model: Strategy, features: tuple[str, ...]) -> dict[str, float] | None:
    """The model's own importances as shares of one, by feature; None where it has none."""
    if not isinstance(model, Explained):
        return None
    known = model.importance()
    if not known:
        return None
    named = {features[int(k)] if k.isdigit() and k not in features else k: float(v) for k, v in known.items()}
    total = sum(named.values())
    return {name: named.get(name, 0.0) / total for name in features} if total > 0 else None


def _permuted(model: Strategy, panel: Panel, fold: Fold, score: Score) -> dict[str, float] | None:
    """How much rank correlation of score and return is lost when a feature's values change places among the rows.

    On at most 1,000 validation rows, which the model has not learned from; the random numbers depend on the fold alone.
    None with fewer than 30 rows, without variance, or where the matrix is too large to copy for a model of windows.
    """
    random = np.random.default_rng(fold.number)
    rows = fold.valid[np.isfinite(panel.ret[fold.valid])]
    if len(rows) > _ROWS:
        rows = np.sort(random.choice(rows, _ROWS, replace=False))
    if model.lookback == 1:
        panel, rows = _part(panel, rows), np.arange(len(rows))
    elif panel.X.nbytes > _MOST_BYTES:
        return None
    else:
        panel = replace(panel, X=np.array(panel.X))
    before = _rank_ic(score(panel, rows), panel.ret[rows])
    if before is None:
        return None
    lost = {}
    for place, name in enumerate(panel.features):
        kept = panel.X[rows, place]
        panel.X[rows, place] = random.permutation(kept)
        lost[name] = before - (_rank_ic(score(panel, rows), panel.ret[rows]) or 0.0)
        panel.X[rows, place] = kept
    return lost


def _part(panel: Panel, rows: np.ndarray) -> Panel:
    """A panel of `rows` alone, copied, for models that read one row at a time."""
    taken = {
        f.name: getattr(panel, f.name)[rows]
        for f in fields(panel)
        if f.name not in ("X", "features", "symbols", "start", "neutral")
    }
    return replace(panel, **taken, X=gather(panel.X, rows), start=np.arange(len(rows)), neutral=None)


def _rank_ic(score: np.ndarray, ret: np.ndarray) -> float | None:
    """Rank correlation over rows with a score; None where nothing varies or there are fewer than 30."""
    known = np.isfinite(score)
    if known.sum() < 30 or np.ptp(score[known]) == 0 or np.ptp(ret[known]) == 0:
        return None
    return float(np.corrcoef(ranks(score[known]), ranks(ret[known]))[0, 1])


def collect(models: Path, target: Path) -> None:
    """One importance.parquet (fold, feature, gain, permutation; NaN where not measured) from those of the folds."""
    rows: list[tuple[int, str, float, float]] = []
    for file in sorted(models.glob(f"fold-*/{_NAME}"), key=lambda f: int(f.parent.name.split("-")[1])):
        found = read_json(file)
        gain, lost = found.get("gain", {}), found.get("permutation", {})
        number = int(file.parent.name.split("-")[1])
        rows += [
            (number, name, gain.get(name, np.nan), lost.get(name, np.nan)) for name in dict.fromkeys((*gain, *lost))
        ]
    if rows:
        fold, feature, gains_, losses = zip(*rows, strict=True)
        columns = {"gain": np.array(gains_, float), "permutation": np.array(losses, float)}
        write_parquet(target, {"fold": np.array(fold), "feature": np.array(feature, object), **columns})
