"""Learning to rank the symbols of a bar: rows by bar, grades of their labels, and what tells when to stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from barwise.errors import require
from barwise.samples import Samples

_GRADES = 30  # steps from the worst of a bar to its best; LightGBM takes 31 grades unless told otherwise
_WIDTH = 3.0  # deviations of the training predictions that a score of 1 lies above their mean
LONGEST = 500  # of LightGBM's truncation: pairs grow with its product with the symbols of a bar
LIGHTGBM: dict[str, dict[str, Any]] = {
    "lambdarank": {"objective": "lambdarank", "label_gain": list(range(_GRADES + 1)), "metric": "None"},
}
XGBOOST: dict[str, dict[str, Any]] = {
    name: {
        "objective": name, "disable_default_eval_metric": 1, "ndcg_exp_gain": False,
        "lambdarank_pair_method": "mean", "lambdarank_num_pair_per_sample": 8,
    }
    for name in ("rank:ndcg", "rank:pairwise")
}  # fmt: skip


@dataclass(frozen=True)
class Queries:
    """Samples by bar: `samples` in the order of time, `sizes` of the bars, `grades` from 0 (worst of its bar) on."""

    samples: Samples
    sizes: np.ndarray
    grades: np.ndarray

    @classmethod
    def of(cls, samples: Samples) -> Queries:
        """The samples as queries, one a bar."""
        time = samples.time
        by_bar = samples.select(np.argsort(time, kind="stable"))
        _, bar, sizes = np.unique(by_bar.time, return_inverse=True, return_counts=True)
        return cls(by_bar, sizes, np.rint(_GRADES * _shares(by_bar.y, bar)))

    @property
    def bar_weight(self) -> np.ndarray:
        """The mean weight of each bar."""
        bar = np.repeat(np.arange(len(self.sizes)), self.sizes)
        return np.asarray(np.bincount(bar, self.samples.weight) / self.sizes)

    @property
    def compare(self) -> bool:
        """Whether any bar has symbols to compare."""
        return bool((self.sizes > 1).any())


def _shares(values: np.ndarray, bar: np.ndarray) -> np.ndarray:
    """The rank of each value among its bar's, from 0 to 1, ties at their mean; one half where it is alone."""
    order = np.lexsort((values, bar))
    ordered, bars = values[order], bar[order]
    first = np.searchsorted(bars, bars)
    edge = np.append(True, (bars[1:] != bars[:-1]) | (ordered[1:] != ordered[:-1]))
    begins = np.flatnonzero(edge)
    ends = np.append(begins[1:], len(bars)) - 1
    tied = np.cumsum(edge) - 1
    place = (begins[tied] + ends[tied]) / 2 - first
    size = np.bincount(bar)[bars]
    out = np.empty(len(values))
    out[order] = np.where(size > 1, place / np.maximum(size - 1, 1), 0.5)
    return out


def _loss(predicted: np.ndarray, grades: np.ndarray, sizes: np.ndarray) -> float:
    """One less the mean over the bars of the correlation of prediction and grade; a bar without spread counts as 0."""
    bar = np.repeat(np.arange(len(sizes)), sizes)

    def centred(values: np.ndarray) -> np.ndarray:
        return np.asarray(values - (np.bincount(bar, values) / sizes)[bar])

    x, y = centred(np.asarray(predicted, np.float64)), centred(np.asarray(grades, np.float64))
    scale = np.sqrt(np.bincount(bar, x * x) * np.bincount(bar, y * y))
    known = sizes > 1
    found = np.divide(np.bincount(bar, x * y), scale, out=np.zeros(len(sizes)), where=scale > 0)[known]
    return 1.0 - float(found.mean()) if len(found) else 1.0


def lightgbm_loss(predicted: np.ndarray, data: Any) -> tuple[str, float, bool]:
    """`loss` as LightGBM asks for it."""
    return "ranking", _loss(predicted, data.get_label(), np.asarray(data.get_group())), False


def xgboost_loss(predicted: np.ndarray, data: Any) -> tuple[str, float]:
    """`loss` as XGBoost asks for it."""
    return "ranking", _loss(predicted, data.get_label(), np.diff(data.get_uint_info("group_ptr")))


def check_objective(objective: str | None, task: str) -> None:
    """ConfigError where a task is set that an objective of ranks would leave without effect."""
    require(
        objective is None or task == "auto",
        f"strategy.task={task}: strategy.objective={objective} ranks, and it would have no effect; leave it at auto",
    )


def scale_of(predict: Callable[[Samples], np.ndarray], train: Samples) -> tuple[float, float]:
    """(mean, WIDTH deviations) of the predictions of training rows: what is 0 in a score, and what is 1."""
    predicted = predict(train)
    return float(predicted.mean()), _WIDTH * float(predicted.std())
