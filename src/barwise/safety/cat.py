"""CatBoost's model files, as barwise keeps them: borders, oblivious trees of plain numbers, and a start value."""

from __future__ import annotations

import json
import math
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from barwise.errors import DataError
from barwise.safety.files import MB, read_bytes
from barwise.safety.guards import agree, keys, once

_MODEL_LIMIT = 512 * MB
_DEEPEST = 16  # questions of a tree
_TREATMENTS = ("AsIs", "AsFalse", "AsTrue")
_LOSSES = ("MultiClass", "RMSE")
_FEATURE = ("borders", "feature_id", "feature_index", "flat_feature_index", "has_nans", "nan_value_treatment")
_SPLIT = ("border", "float_feature_index", "split_index", "split_type")
_keys = partial(keys, writer="barwise keeps")


def check_catboost(path: Path, n_features: int) -> None:
    """DataError unless `path` is a CatBoost model of oblivious trees on `n_features` plain columns."""
    data = read_bytes(path, _MODEL_LIMIT)
    try:
        model = json.loads(data, object_pairs_hook=once)
        _keys(path, model, ("features_info", "oblivious_trees", "scale_and_bias", "model_info"))
        params = model["model_info"]["params"]
        loss = params["loss_function"]["type"]
        known = {"params": {"flat_params": {}, "loss_function": {"params": {}, "type": loss}}}
        agree(path, loss in _LOSSES and model["model_info"] == known, "its loss is none that barwise trains by")
        scale, start = model["scale_and_bias"]
        agree(path, isinstance(start, list) and 1 <= len(start) <= 3, "it has start values of other classes")
        agree(path, all(map(_number, (scale, *start))), "it has a start value that is no number")
        agree(path, (loss == "RMSE") == (len(start) == 1), "its loss and its trees differ in classes")
        borders = _check_features(path, model["features_info"], n_features)
        agree(path, isinstance(model["oblivious_trees"], list), "it has no trees")
        for tree in model["oblivious_trees"]:
            _check_tree(path, tree, borders, len(start))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: is no CatBoost model that can be read ({error!s:.80}); it is not loaded") from None


def _check_features(path: Path, given: Any, n_features: int) -> list[list[float]]:
    """The borders of each column."""
    _keys(path, given, ("float_features",))
    features = given["float_features"]
    agree(path, len(features) == n_features, f"it is not a model of {n_features} features")
    for i, one in enumerate(features):
        _keys(path, one, _FEATURE[:1] + _FEATURE[2:], ("feature_id",))
        agree(path, _whole(one["feature_index"]) == _whole(one["flat_feature_index"]) == i, "its columns lack order")
        name, treatment = one.get("feature_id", ""), one["nan_value_treatment"]
        plain = isinstance(name, str) and len(name) <= 10_000 and isinstance(one["has_nans"], bool)
        agree(path, plain and treatment in _TREATMENTS, "a column is none of CatBoost's")
        borders = one["borders"]
        rising = all(map(_number, borders)) and all(a < b for a, b in pairwise(borders))
        agree(path, isinstance(borders, list) and rising, "the borders of a column do not rise")
    return [one["borders"] for one in features]


def _check_tree(path: Path, tree: Any, borders: list[list[float]], outputs: int) -> None:
    """One tree: as many leaves as its questions have answers, and each question a border of a column."""
    _keys(path, tree, ("leaf_values", "leaf_weights", "splits"))
    splits, leaves, weights = tree["splits"] or [], tree["leaf_values"], tree["leaf_weights"]
    agree(path, len(splits) <= _DEEPEST and len(weights) == 2 ** len(splits), "a tree has leaves of another depth")
    agree(path, len(leaves) == outputs * len(weights), "a tree has leaves of other classes")
    agree(path, all(map(_number, (*leaves, *weights))), "a leaf of a tree is no number")
    total = sum(map(len, borders))
    for split in splits:
        _keys(path, split, _SPLIT)
        column = _whole(split["float_feature_index"])
        agree(path, split["split_type"] == "FloatFeature", "a tree splits on categories")
        agree(path, 0 <= column < len(borders), f"a tree splits on column {column} of {len(borders)}")
        agree(path, _number(split["border"]) and split["border"] in borders[column], "a tree splits at no border")
        place = sum(map(len, borders[:column])) + borders[column].index(split["border"])
        agree(path, _whole(split["split_index"]) == place < total, "a tree splits at another border than it says")


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 2**31 - 1:
        raise ValueError(f"{value!r:.40} is no whole number")
    return value
