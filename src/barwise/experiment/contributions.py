"""Why a trade: what each feature adds to the margin of a score, for models that know it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from barwise.experiment.results import Result
from barwise.factor.scores import frame
from barwise.runs.directory import write_parquet
from barwise.safety.tables import read_table
from barwise.samples import Samples
from barwise.strategies.base import Strategy
from barwise.strategies.hooks import Contributing

if TYPE_CHECKING:
    import pandas as pd

_NAME = "contributions.parquet"
_KINDS = {
    "symbol": object, "time": "datetime64[ns]", "weight": float, "score": float, "margin": float, "base": float,
    "feature": object, "contribution": float,
}  # fmt: skip
_POSITIONS = 10  # the largest of the last bar, that the page explains


def explain_last(model: Strategy, samples: Samples, folder: Path) -> None:
    """Write `folder`/contributions.parquet of the last bar among the samples, where the model knows."""
    if not isinstance(model, Contributing) or not len(samples):
        return
    last = samples.select(samples.time == samples.time.max())
    names = np.asarray(last.panel.symbols, dtype=object)[last.panel.symbol[last.rows]]
    write_parquet(folder / _NAME, {"time": last.time, "symbol": names, **table(model, last)})


def table(model: Contributing, samples: Samples) -> dict[str, np.ndarray]:
    """`margin`, `base` and one column a feature, prefixed by `by_`; base and features sum to the margin."""
    found = model.contributions(samples)
    features = {f"by_{name}": found[:, k] for k, name in enumerate(samples.features)}
    return {"margin": model.margin(samples), "base": found[:, -1], **features}


def largest(result: Result, models: Path) -> dict[str, np.ndarray] | None:
    """The largest positions decided at the last bar with a signal, one row a position and feature: symbol, time,
    weight, score, margin, base, feature, contribution. None where the model has no contributions, or nothing was held.

    Among equal weights those of the larger scores.
    """
    main, table = result.main, result.table
    if main is None or result.weight is None or not len(main.time):
        return None
    fold = int(main.fold[main.time.argmax()])
    path = models / f"fold-{fold}" / _NAME
    if not path.is_file():
        return None
    found = read_table(path)
    weight = np.nan_to_num(result.weight)
    at = np.flatnonzero((table.time == found["time"].to_numpy()[0]) & (table.fold == fold) & (weight != 0))
    at = at[np.lexsort((-np.abs(np.nan_to_num(table.score[at])), -np.abs(weight[at])))][:_POSITIONS]
    return _rows(result, at, weight, found)


def _rows(result: Result, at: np.ndarray, weight: np.ndarray, found: pd.DataFrame) -> dict[str, np.ndarray] | None:
    known = found.set_index("symbol")
    names = [name for name in known.columns if name.startswith("by_")]
    rows = []
    for i in at:
        symbol = result.table.symbols[result.table.symbol[i]]
        if symbol in known.index:
            one = known.loc[symbol]
            rows += [(symbol, result.table.time[i], weight[i], result.table.score[i], one["margin"], one["base"],
                      name[3:], one[name]) for name in names]  # fmt: skip
    if not rows:
        return None
    return frame(_KINDS, rows)
