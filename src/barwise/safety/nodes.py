"""One rule for every library's trees: indices that a C library will follow blindly must lie inside, and form a tree."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from barwise.errors import DataError


def check_tree(where: Path, left: np.ndarray, right: np.ndarray, feature: np.ndarray, n_features: int) -> None:
    """DataError unless inner nodes' children are nodes, each once, never the root, and their features are columns.

    `left`, `right`: child of each inner node; a leaf has -1 in both. `feature`: column of each node, ignored in leaves.
    """
    n = len(left)
    if n == 0 or len(right) != n or len(feature) != n:
        raise DataError(f"{where}: a tree has arrays of different lengths; it is not loaded")
    leaf = left == -1
    if (leaf != (right == -1)).any():
        raise DataError(f"{where}: a tree has a node with one child; it is not loaded")
    children = np.concatenate([left[~leaf], right[~leaf]])
    if len(children) and (children.min() < 1 or children.max() >= n):
        worst = children[np.argmax((children < 1) | (children >= n))]
        raise DataError(f"{where}: a tree of {n} nodes has a child {worst}; it is not loaded")
    if len(np.unique(children)) < len(children):
        raise DataError(f"{where}: a node of a tree is the child of two; it is not loaded")
    inner = feature[~leaf]
    if len(inner) and (inner.min() < 0 or inner.max() >= n_features):
        raise DataError(f"{where}: a tree splits on column {inner.max()} of {n_features}; it is not loaded")
