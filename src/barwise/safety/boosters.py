"""XGBoost's and LightGBM's model files: every index and length is checked before the C library sees the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from barwise.errors import DataError
from barwise.safety.files import MB, read_bytes
from barwise.safety.nodes import check_tree
from barwise.safety.ubjson import parse

MODEL_LIMIT = 512 * MB
CLASSES = (0, 1, 3)
NODE_ARRAYS = ("left_children", "right_children", "parents", "split_indices", "split_conditions", "default_left",
               "base_weights", "loss_changes", "sum_hessian", "split_type")  # fmt: skip
BLOCK_ARRAYS = ("split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child",
                "internal_value", "internal_weight", "internal_count")  # fmt: skip


def check_xgboost(path: Path, n_features: int) -> None:
    """DataError unless `path` is an XGBoost model of plain trees on `n_features` columns."""
    data = read_bytes(path, MODEL_LIMIT)
    try:
        learner = parse(data)["learner"]
        given = learner["learner_model_param"]
        groups = int(given["num_class"])
        if int(given["num_feature"]) != n_features or groups not in CLASSES or int(given["num_target"]) != 1:
            raise DataError(
                f"{path}: is a model of {given['num_feature']} features and {groups} classes, not of {n_features}"
            )
        _check_objective(path, learner, max(groups, 1))
        booster = learner["gradient_booster"]
        _agree(path, booster["name"] in ("gbtree", "dart"), f"its booster {booster['name']!r} is unknown")
        model = booster["model"] if booster["name"] == "gbtree" else booster["gbtree"]["model"]
        drops = booster.get("weight_drop", model["trees"])
        _agree(path, len(drops) == len(model["trees"]), "its weights are not those of its trees")
        _check_forest(path, model, n_features, max(groups, 1))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: is no XGBoost model that can be read ({error}); it is not loaded") from None


def _check_objective(path: Path, learner: dict[str, Any], outputs: int) -> None:
    """What turns sums of leaves into predictions must expect as many numbers a row as the trees give."""
    softmax = learner["objective"].get("softmax_multiclass_param", {"num_class": outputs})
    _agree(path, int(softmax["num_class"]) == outputs, "its objective and its trees differ in classes")
    start = str(learner["learner_model_param"]["base_score"]).strip("[]").split(",")
    _agree(path, len(start) in (1, outputs), "it has a start value for each of other classes")


def _check_forest(path: Path, model: dict[str, Any], n_features: int, outputs: int) -> None:
    trees = model["trees"]
    _agree(path, not any(len(x) for x in model.get("cats", {}).values()), "it has categories")
    info, steps = np.asarray(model["tree_info"]), np.asarray(model.get("iteration_indptr", [0, len(trees)]))
    _agree(path, int(model["gbtree_model_param"]["num_trees"]) == len(trees) == len(info), "it miscounts its trees")
    _agree(path, not len(info) or (info.min() >= 0 and info.max() < outputs), "a tree is of an unknown class")
    grows = len(steps) > 0 and steps[0] == 0 and steps[-1] == len(trees) and (np.diff(steps) >= 0).all()
    _agree(path, bool(grows), "its rounds do not add up to its trees")
    for tree in trees:
        given = tree["tree_param"]
        n = int(given["num_nodes"])
        _agree(path, all(len(tree[name]) == n for name in NODE_ARRAYS), "a tree has arrays of different lengths")
        _agree(path, not np.any(tree["split_type"]) and not len(tree["categories"]), "a tree splits on categories")
        _agree(path, int(given.get("size_leaf_vector", 1)) <= 1, "a tree has leaves of several values")
        left, right, feature = (np.asarray(tree[k], np.int64) for k in NODE_ARRAYS[:2] + NODE_ARRAYS[3:4])
        check_tree(path, left, right, feature, n_features)


def check_lightgbm(path: Path, n_features: int) -> None:
    """DataError unless `path` is a LightGBM model of plain trees on `n_features` columns."""
    data = read_bytes(path, MODEL_LIMIT)
    try:
        text = data.decode("utf-8")
        head, _, _ = text.partition("\nTree=")
        given = _pairs(head)
        per_round = int(given["num_tree_per_iteration"])
        _agree(path, int(given["max_feature_idx"]) == n_features - 1, f"it is not a model of {n_features} features")
        claimed = [int(word[10:]) for word in given["objective"].split() if word.startswith("num_class:")] or [1]
        known = per_round in (1, 3) and {int(given["num_class"]), *claimed} == {per_round}
        _agree(path, known, "its objective and its trees differ in classes")
        _agree(path, len(given["feature_names"].split()) == n_features, f"it is not a model of {n_features} features")
        _agree(path, "linear_tree" not in given, "it has linear trees")
        body = text[len(head) + 1 : text.index("end of trees")]
        blocks = ["Tree=" + block for block in body.split("Tree=")[1:]]
        sizes = [int(n) for n in given["tree_sizes"].split()]
        _agree(path, sizes == [len(block.encode()) for block in blocks], "its tree sizes are not those of its trees")
        _agree(path, len(blocks) % per_round == 0, "its rounds do not add up to its trees")
        for block in blocks:
            _check_block(path, _pairs(block), n_features)
    except (KeyError, ValueError, IndexError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: is no LightGBM model that can be read ({error}); it is not loaded") from None


def _check_block(path: Path, tree: dict[str, str], n_features: int) -> None:
    """One tree: LightGBM numbers inner nodes from 0 and leaves from -1 down; here leaves follow the inner nodes."""
    leaves = int(tree["num_leaves"])
    plain = tree["num_cat"] == "0" and tree.get("is_linear", "0") == "0"
    _agree(path, plain, "a tree splits on categories or has linear leaves")
    _agree(path, 1 <= leaves <= len(tree["leaf_value"]), "a tree has no leaves")
    _agree(path, len(tree["leaf_value"].split()) == leaves, "a tree has arrays of different lengths")
    inner = leaves - 1
    arrays = {name: tree[name].split() for name in BLOCK_ARRAYS if name in tree}
    _agree(path, all(len(values) == inner for values in arrays.values()), "a tree has arrays of different lengths")
    if not inner:
        return
    _agree(path, not any(int(kind) & 1 for kind in arrays["decision_type"]), "a tree splits on categories")
    sides = []
    for name in ("left_child", "right_child"):
        child = np.array(arrays[name], np.int64)
        sides.append(np.concatenate([np.where(child < 0, inner - 1 - child, child), np.full(leaves, -1)]))
    feature = np.concatenate([np.array(arrays["split_feature"], np.int64), np.zeros(leaves, np.int64)])
    check_tree(path, sides[0], sides[1], feature, n_features)


def _pairs(text: str) -> dict[str, str]:
    """name=value of each line; a name that comes twice is refused."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, sign, value = line.partition("=")
        if sign and name in found:
            raise ValueError(f"{name} comes twice")
        if sign:
            found[name] = value
    return found


def _agree(path: Path, ok: bool, otherwise: str) -> None:
    if not ok:
        raise DataError(f"{path}: {otherwise}; it is not loaded")
