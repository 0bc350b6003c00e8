"""LightGBM's model files: every line is one that LightGBM writes, before the C library sees the file.

LightGBM takes text as it comes: a letter among numbers aborts, a file cut short is read beyond its end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from barwise.errors import DataError
from barwise.safety.files import MB, read_bytes
from barwise.safety.guards import agree
from barwise.safety.nodes import check_tree

_MODEL_LIMIT = 512 * MB
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_FLOAT = r"-?(?:\d{1,20}(?:\.\d{0,20})?(?:e[-+]?\d{1,3})?|inf|nan)"
_INT = r"-?\d{1,9}"
_COUNTS = r"\d{1,9}(?: \d{1,9})*|"
_FLOATS = re.compile(rf"{_FLOAT}(?: {_FLOAT})*|")
_INTS = re.compile(rf"{_INT}(?: {_INT})*|")
_HEAD = {
    "version": r"v[34]", "num_class": _INT, "num_tree_per_iteration": _INT, "label_index": _INT,
    "max_feature_idx": _INT,
    "objective": r"regression|multiclass num_class:[0-9]{1,3}|lambdarank|rank_xendcg", "feature_names": r"\S+(?: \S+)*",
    "feature_infos": rf"(?:none|\[{_FLOAT}:{_FLOAT}\])(?: (?:none|\[{_FLOAT}:{_FLOAT}\]))*", "tree_sizes": _COUNTS,
    "monotone_constraints": r"[-01]{1,2}(?: [-01]{1,2})*",
}  # fmt: skip
_NEEDED = ("version", "num_class", "num_tree_per_iteration", "max_feature_idx", "objective", "feature_names",
          "feature_infos", "tree_sizes")  # fmt: skip
_BLOCK_FLOATS = ("split_gain", "threshold", "internal_value", "internal_weight")  # one for each inner node
_BLOCK_INTS = ("split_feature", "decision_type", "left_child", "right_child", "internal_count")
_LEAF_FLOATS, _LEAF_INTS, _ONE = ("leaf_value", "leaf_weight"), ("leaf_count",), ("num_leaves", "num_cat", "is_linear")
_BLOCK_NEEDED = ("split_feature", "threshold", "decision_type", "left_child", "right_child")
_PARAMETER = re.compile(r"\[([a-z0-9_]{1,80}): ([^\n]{0,10000})\]")
_IMPORTANCE = re.compile(rf"\S{{1,4096}}={_FLOAT}")
_EMPTY = ("machines", "machine_list_filename", "parser_config_file", "forcedsplits_filename", "forcedbins_filename")


def check_lightgbm(path: Path, n_features: int) -> None:
    """DataError unless `path` is a LightGBM model of plain trees on `n_features` columns."""
    data = read_bytes(path, _MODEL_LIMIT)
    try:
        text = data.decode("utf-8")
        odd = _CONTROL.search(text)
        agree(path, odd is None, f"it has a control character at {odd.start() if odd else 0}")
        head, _, rest = text.partition("\nTree=")
        body, mark, tail = ("Tree=" + rest).partition("end of trees\n")
        agree(path, bool(mark), "it is cut short")
        per_round, sizes = _check_head(path, head, n_features)
        blocks = ["Tree=" + block for block in body.split("Tree=")[1:]]
        agree(path, sizes == [len(block.encode()) for block in blocks], "its tree sizes are not those of its trees")
        agree(path, len(blocks) % per_round == 0, "its rounds do not add up to its trees")
        for i, block in enumerate(blocks):
            _check_block(path, i, block, n_features)
        _check_tail(path, tail)
    except (KeyError, ValueError, IndexError, OverflowError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: is no LightGBM model that can be read ({error!s:.80}); it is not loaded") from None


def _check_head(path: Path, head: str, n_features: int) -> tuple[int, list[int]]:
    """Trees a round, and the bytes of each tree."""
    first, *lines = head.split("\n")
    agree(path, first == "tree", "it does not begin as LightGBM's models do")
    given = _pairs(line for line in lines if line not in ("average_output", ""))
    for name, value in given.items():
        agree(path, name in _HEAD and bool(re.fullmatch(_HEAD[name], value)), f"its {name:.40} is none of LightGBM's")
    agree(path, set(_NEEDED) <= set(given), "it lacks some of its settings")
    per_round = int(given["num_tree_per_iteration"])
    agree(path, int(given["max_feature_idx"]) == n_features - 1, f"it is not a model of {n_features} features")
    claimed = [int(word[10:]) for word in given["objective"].split() if word.startswith("num_class:")] or [1]
    known = per_round in (1, 3) and {int(given["num_class"]), *claimed} == {per_round}
    agree(path, known, "its objective and its trees differ in classes")
    names, infos = (given[k].split(" ") for k in ("feature_names", "feature_infos"))
    bounds = given["monotone_constraints"].split(" ") if "monotone_constraints" in given else names
    fits = len(names) == len(infos) == len(bounds) == n_features
    agree(path, fits, f"it is not a model of {n_features} features")
    agree(path, -1 <= int(given.get("label_index", 0)) <= n_features, "its label is none of its columns")
    return per_round, [int(n) for n in given["tree_sizes"].split()]


def _check_block(path: Path, number: int, block: str, n_features: int) -> None:
    """One tree: LightGBM numbers inner nodes from 0 and leaves from -1 down; here leaves follow the inner nodes."""
    tree = _pairs(line for line in block.split("\n") if line)
    agree(path, tree.pop("Tree") == str(number), "its trees are not in order")
    shrinkage = tree.pop("shrinkage", "1")
    leaves = int(tree["num_leaves"])
    known = {
        **dict.fromkeys(_BLOCK_FLOATS + _LEAF_FLOATS, _FLOATS),
        **dict.fromkeys(_BLOCK_INTS + _LEAF_INTS + _ONE, _INTS),
    }
    for name, value in tree.items():
        agree(path, name in known and bool(known[name].fullmatch(value)), f"a tree's {name:.40} is no list of numbers")
    agree(path, bool(re.fullmatch(_FLOAT, shrinkage)), "a tree's shrinkage is no number")
    plain = tree["num_cat"] == "0" and tree.get("is_linear", "0") == "0"
    agree(path, plain, "a tree splits on categories or has linear leaves")
    arrays = {name: tree[name].split() for name in tree if name not in _ONE}
    inner = leaves - 1
    agree(path, leaves >= 1 and len(arrays["leaf_value"]) == leaves, "a tree has arrays of different lengths")
    if not inner:
        agree(path, all(len(values) <= 1 for values in arrays.values()), "a tree has arrays of different lengths")
        return
    wanted = {**dict.fromkeys(_BLOCK_FLOATS + _BLOCK_INTS, inner), **dict.fromkeys(_LEAF_FLOATS + _LEAF_INTS, leaves)}
    fits = set(_BLOCK_NEEDED) <= set(arrays) and all(len(values) == wanted[name] for name, values in arrays.items())
    agree(path, fits, "a tree has arrays of different lengths")
    kinds = [int(kind) for kind in arrays["decision_type"]]
    agree(path, not any(kind & 1 for kind in kinds), "a tree splits on categories")
    agree(path, all(0 <= kind < 16 and kind >> 2 < 3 for kind in kinds), "a tree decides in an unknown way")
    sides = []
    for name in ("left_child", "right_child"):
        child = np.array(arrays[name], np.int64)
        sides.append(np.concatenate([np.where(child < 0, inner - 1 - child, child), np.full(leaves, -1)]))
    feature = np.concatenate([np.array(arrays["split_feature"], np.int64), np.zeros(leaves, np.int64)])
    check_tree(path, sides[0], sides[1], feature, n_features)


def _check_tail(path: Path, tail: str) -> None:
    """What follows the trees: importances, parameters, no categories."""
    before, mark, after = tail.partition("\nparameters:\n")
    given, end, last = after.partition("\nend of parameters\n")
    agree(path, bool(mark and end), "it is cut short")
    known = ("", "feature_importances:")
    agree(path, all(x in known or _IMPORTANCE.fullmatch(x) for x in before.split("\n")), "it has odd importances")
    found = [_PARAMETER.fullmatch(line) for line in given.split("\n") if line]
    agree(path, None not in found, "it has odd parameters")
    parameters = {m.group(1): m.group(2) for m in found if m}
    away = any(parameters.get(name) for name in _EMPTY) or parameters.get("num_machines", "1") != "1"
    agree(path, not away, "its parameters name other files or machines")
    agree(path, last.strip() in ("", "pandas_categorical:null", "pandas_categorical:[]"), "it has categories")


def _pairs(lines: Iterable[str]) -> dict[str, str]:
    """name=value of each line; a name that comes twice, or a line that is no such pair, is refused."""
    found: dict[str, str] = {}
    for line in lines:
        name, sign, value = line.partition("=")
        if not sign or name in found:
            raise ValueError(f"{line[:40]!r} is no setting, or comes twice")
        found[name] = value
    return found
