"""Whatever a scikit-learn estimator splits its training rows for (`cv`) gets purged folds by time and label end."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any

from barwise.errors import ConfigError
from barwise.samples import Samples
from barwise.strategies.base import FitContext
from barwise.validation.inner import FOLDS, InnerFolds, inner

_WHERE = "strategy.estimator"
_SAME_ROWS = {  # what hands its own rows on as they are, all of them; others draw, weigh or split them
    *("Pipeline", "FeatureUnion", "ColumnTransformer", "VotingClassifier", "VotingRegressor"),
    *("TransformedTargetRegressor", "FixedThresholdClassifier"),
}
_AUTO_STOP = 10_000  # rows, from which on scikit-learn's `auto` stops early


def splitting(model: Any) -> dict[str, Any]:
    """Place and value of each `cv` that splits rows by more than its estimator's own way; ConfigError for one whose
    rows are not the training rows."""
    found = {}
    for name, value in model.get_params().items():
        if name.rpartition("__")[2] != "cv" or isinstance(value, str | float):
            continue
        for above in _above(model, name):
            if type(above).__name__ not in _SAME_ROWS:
                raise ConfigError(
                    f"{_WHERE}.{name.replace('__', '.')}: {type(above).__name__} hands it other rows than the training"
                    " rows, whose times it cannot know; put the search outermost"
                )
        found[name] = value
    return found


def is_search(model: Any) -> bool:
    """Whether it is one of scikit-learn's searches."""
    return hasattr(model, "_run_search")


def check_cv(model: Any) -> None:
    """ConfigError for a `cv` that no purged folds can take the place of."""
    for name, value in model.get_params().items():
        where = f"{_WHERE}.{name.replace('__', '.')}"
        if name.rpartition("__")[2] != "cv" or value is None:
            continue
        number = isinstance(value, Integral) and not isinstance(value, bool)
        if (number and value < 2) or not (number or hasattr(value, "split")) or isinstance(value, str):
            raise ConfigError(
                f"{where}={value!s:.60}: must be a number of folds from 2 on, or a splitter of times such as"
                " sklearn.model_selection.TimeSeriesSplit; the folds are purged by label end"
            )
    splitting(model)


def purge(model: Any, train: Samples) -> bool:
    """Give each `cv` of an unfitted `model` purged folds of the rows of `train`: as many blocks of time as its number
    says, or its splitter's over unique times. Whether there is any."""
    found = splitting(model)
    for name, value in found.items():
        wanted = FOLDS if value is None else int(value) if isinstance(value, Integral) else value
        where = f"{_WHERE}.{name.replace('__', '.')}"
        pairs = inner(train.time, train.panel.end[train.rows], wanted, setting=where)
        model.set_params(**{name: InnerFolds(pairs, len(train))})
    return bool(found)


def settled(value: Any) -> Any:
    """A fitted model without what it was tuned by: a search becomes its best estimator, folds their number."""
    if isinstance(value, InnerFolds):
        return len(value.pairs)
    if is_search(value):
        return settled(getattr(value, "best_estimator_", value.estimator))  # unfitted: the pattern of a fitted one
    if isinstance(value, list):
        return [settled(one) for one in value]
    if isinstance(value, tuple) and type(value) is tuple:
        return tuple(settled(one) for one in value)
    if isinstance(value, dict):
        value.update({key: settled(one) for key, one in value.items()})
    elif type(value).__module__.startswith("sklearn.") and hasattr(value, "__dict__"):
        for key, one in vars(value).items():
            setattr(value, key, settled(one))
    return value


def note(model: Any, train: Samples, context: FitContext) -> None:
    """Tell what a search chose, and what stops by rows drawn at random in time."""
    if hasattr(model, "best_params_"):
        plain = {k: v if isinstance(v, int | float | str) else str(v) for k, v in model.best_params_.items()}
        context.facts["best_params"] = plain
    known = model.get_params()
    for name, value in known.items():
        stops = value is True or (value == "auto" and len(train) > _AUTO_STOP)
        if name.rpartition("__")[2] == "early_stopping" and stops:
            told = f"{_WHERE}.{name.replace('__', '.')}"
            text = f"{told}={str(value).lower()}: scikit-learn stops by rows drawn at random in time; set {told}=false"
            context.alert("random_rows", text)


def _above(model: Any, name: str) -> Iterator[Any]:
    """The estimators around the one that the parameter `name` belongs to, outermost first."""
    parts = name.split("__")[:-1]
    for i in range(len(parts)):
        yield model if i == 0 else model.get_params()["__".join(parts[:i])]
