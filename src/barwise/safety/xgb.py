"""XGBoost's model files: every key, type, index and length is checked before the C library sees the file.

A model is JSON (UBJSON in runs of earlier versions); nothing passes that XGBoost would not have written itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from barwise.errors import DataError
from barwise.safety.files import MB, read_bytes
from barwise.safety.guards import agree, keys, once
from barwise.safety.nodes import check_tree
from barwise.safety.ubjson import parse

_MODEL_LIMIT = 512 * MB
_CLASSES = (0, 1, 3)
_OBJECTIVES = ("multi:softprob", "reg:squarederror", "rank:ndcg", "rank:pairwise", "rank:map")
_ROOT = 2**31 - 1  # the parent of a root
_INTEGERS = ("left_children", "right_children", "parents", "split_indices", "default_left", "split_type")
_FLOATS = ("split_conditions", "base_weights", "loss_changes", "sum_hessian")
_CATEGORIES = ("categories", "categories_nodes", "categories_segments", "categories_sizes")
_NUMBER = re.compile(r"-?(\d{1,20}(\.\d{0,20})?([eE][-+]?\d{1,3})?|inf|nan)")
_WHOLE = re.compile(r"\d{1,9}")
_keys = partial(keys, writer="XGBoost writes")


def check_xgboost(path: Path, n_features: int) -> None:
    """DataError unless `path` is an XGBoost model of plain trees on `n_features` columns."""
    data = read_bytes(path, _MODEL_LIMIT)
    try:
        model = parse(data) if path.suffix == ".ubj" else json.loads(data, object_pairs_hook=once)
        _keys(path, model, ("learner", "version"))
        agree(path, len(model["version"]) == 3 and all(0 <= _int(v) < 1000 for v in model["version"]), "no version")
        learner = model["learner"]
        optional = ("attributes", "feature_names", "feature_types")
        _keys(path, learner, ("gradient_booster", "learner_model_param", "objective"), optional)
        outputs = _check_learner(path, learner, n_features)
        _check_forest(path, *_booster(path, learner["gradient_booster"]), n_features, outputs)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: is no XGBoost model that can be read ({error!s:.80}); it is not loaded") from None


def _check_learner(path: Path, learner: Mapping[str, Any], n_features: int) -> int:
    """The number of trees a round; what turns sums of leaves into predictions must expect as many numbers a row."""
    given = learner["learner_model_param"]
    _keys(path, given, ("base_score", "num_class", "num_feature", "num_target"), ("boost_from_average",))
    groups = _whole(given["num_class"])
    if _whole(given["num_feature"]) != n_features or groups not in _CLASSES or _whole(given["num_target"]) != 1:
        raise DataError(
            f"{path}: is a model of {given['num_feature']:.20} features and {groups} classes, not of {n_features}"
        )
    outputs, objective = max(groups, 1), learner["objective"]
    settings = {k: v for k, v in objective.items() if k != "name"}
    agree(path, objective["name"] in _OBJECTIVES, f"its objective {objective['name']!r:.40} is unknown")
    agree(path, all(_words(v, 20) for v in settings.values()), "its objective is none of XGBoost's")
    softmax = settings.get("softmax_multiclass_param", {"num_class": str(outputs)})
    agree(path, _whole(softmax["num_class"]) == outputs, "its objective and its trees differ in classes")
    start = str(given["base_score"]).strip("[]").split(",")
    agree(path, len(start) in (1, outputs), "it has a start value for each of other classes")
    agree(path, all(map(_NUMBER.fullmatch, start)), "it has a start value that is no number")
    agree(path, _words(learner.get("attributes", {}), 100), "it has odd attributes")
    names, types = (learner.get(f"feature_{kind}", []) for kind in ("names", "types"))
    fits = all(len(x) in (0, n_features) and all(isinstance(w, str) for w in x) for x in (names, types))
    agree(path, fits and set(types) <= {"float", "int", "q", "i"}, f"it is not a model of {n_features} plain features")
    return outputs


def _booster(path: Path, booster: Mapping[str, Any]) -> tuple[Mapping[str, Any], int]:
    """Its trees, and how many weights they have."""
    if booster["name"] == "gbtree":
        _keys(path, booster, ("name", "model"))
        return booster["model"], len(booster["model"]["trees"])
    agree(path, booster["name"] == "dart", f"its booster {booster['name']!r:.40} is unknown")
    _keys(path, booster, ("name", "gbtree", "weight_drop"))
    _keys(path, booster["gbtree"], ("name", "model"))
    return booster["gbtree"]["model"], len(_floats(booster["weight_drop"]))


def _check_forest(path: Path, model: Mapping[str, Any], weights: int, n_features: int, outputs: int) -> None:
    _keys(path, model, ("gbtree_model_param", "tree_info", "trees"), ("cats", "iteration_indptr"))
    trees, counts = model["trees"], model["gbtree_model_param"]
    agree(path, isinstance(trees, list), "it has no trees")
    agree(path, weights == len(trees), "its weights are not those of its trees")
    agree(path, not any(len(x) for x in model.get("cats", {}).values()), "it has categories")
    info, steps = _ints(model["tree_info"]), _ints(model.get("iteration_indptr", [0, len(trees)]))
    _keys(path, counts, ("num_trees", "num_parallel_tree"), ("size_leaf_vector",))
    agree(path, _whole(counts["num_trees"]) == len(trees) == len(info), "it miscounts its trees")
    agree(path, 1 <= _whole(counts["num_parallel_tree"]) <= max(len(trees), 1), "it miscounts its trees")
    agree(path, not len(info) or (info.min() >= 0 and info.max() < outputs), "a tree is of an unknown class")
    grows = len(steps) > 0 and steps[0] == 0 and steps[-1] == len(trees) and (np.diff(steps) >= 0).all()
    agree(path, bool(grows), "its rounds do not add up to its trees")
    for tree in trees:
        _check_nodes(path, tree, n_features)


def _check_nodes(path: Path, tree: Mapping[str, Any], n_features: int) -> None:
    """One tree: children and parents say the same, and every node hangs below the root."""
    _keys(path, tree, (*_INTEGERS, *_FLOATS, *_CATEGORIES, "tree_param"), ("id",))
    given = tree["tree_param"]
    _keys(path, given, ("num_nodes", "num_feature"), ("num_deleted", "size_leaf_vector"))
    n = _whole(given["num_nodes"])
    whole = {name: _ints(tree[name]) for name in _INTEGERS}
    lengths = {len(x) for x in (*whole.values(), *(_floats(tree[name]) for name in _FLOATS))}
    agree(path, lengths == {n} and n > 0, "a tree has arrays of different lengths")
    plain = not whole["split_type"].any() and not any(len(tree[name]) for name in _CATEGORIES)
    agree(path, plain, "a tree splits on categories")
    agree(path, _whole(given.get("size_leaf_vector", "1")) <= 1, "a tree has leaves of several values")
    agree(path, _whole(given["num_feature"]) == n_features, f"a tree is not of {n_features} features")
    agree(path, set(np.unique(whole["default_left"])) <= {0, 1}, "a tree has an odd default")
    agree(path, _int(tree.get("id", 0)) >= 0, "a tree has an odd number")
    left, right = whole["left_children"], whole["right_children"]
    check_tree(path, left, right, whole["split_indices"], n_features)
    parents, inner = np.full(n, _ROOT), np.flatnonzero(left != -1)
    parents[left[inner]] = parents[right[inner]] = inner
    agree(path, bool((parents == whole["parents"]).all()), "a tree has a node whose parent is another")


def _words(found: Any, most: int) -> bool:
    """Whether `found` holds words by name, at most so many and none too long."""
    texts = isinstance(found, dict) and all(isinstance(v, str) and len(v) <= 10_000 for v in found.values())
    return texts and len(found) <= most


def _whole(word: Any) -> int:
    if not isinstance(word, str) or not _WHOLE.fullmatch(word):
        raise ValueError(f"{word!r:.40} is no number")
    return int(word)


def _int(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or abs(int(value)) > _ROOT:
        raise ValueError(f"{value!r:.40} is no whole number")
    return int(value)


def _ints(values: Any) -> np.ndarray:
    """A list of whole numbers of 32 bits; ValueError for anything else."""
    array = np.asarray(values if len(values) else np.zeros(0, np.int64))
    if array.ndim != 1 or array.dtype.kind not in "iu" or (array.size and np.abs(array.astype(np.int64)).max() > _ROOT):
        raise ValueError("an array holds other things than whole numbers")
    return array.astype(np.int64)


def _floats(values: Any) -> np.ndarray:
    """A list of numbers; ValueError for anything else."""
    array = np.asarray(values if len(values) else np.zeros(0))
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        raise ValueError("an array holds other things than numbers")
    return array
