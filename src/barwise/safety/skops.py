"""Skops archives: what they would build and how much they hold is checked before skops opens them.

skops trusts every scikit-learn class; some of those (support vectors, k-d trees) index memory with numbers from the
file. Only classes whose state is plain arrays, or trees that are checked here, are let through.
"""

from __future__ import annotations

import json
import math
import os
import zipfile
from collections.abc import Iterator, Mapping
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from barwise.errors import DataError
from barwise.safety.files import MB, open_regular
from barwise.safety.nodes import check_tree

_UNPACKED, _ENTRIES, _SCHEMA = 1024 * MB, 100_000, 64 * MB
_LOADERS = {
    *("DictNode", "DefaultDictNode", "ListNode", "SetNode", "TupleNode", "TypeNode", "SliceNode", "ObjectNode"),
    *("JsonNode", "NdArrayNode", "RandomStateNode", "RandomGeneratorNode", "TreeNode", "LossNode", "DTypeNode"),
    "CachedNode",
}
_PLAIN = {
    *("str", "int", "float", "bool", "complex", "bytes", "NoneType", "type", "slice"),
    *("dict", "list", "tuple", "set", "frozenset", "OrderedDict", "defaultdict"),
}
PARTS = ("ensemble", "tree", "linear_model", "naive_bayes", "neural_network", "preprocessing", "pipeline", "dummy",
         "discriminant_analysis", "impute", "compose", "calibration", "_loss", "utils._bunch")  # fmt: skip
_NEIGHBORS = {"KNeighborsClassifier": "sklearn.neighbors._classification",
             "KNeighborsRegressor": "sklearn.neighbors._regression"}  # fmt: skip
_PROCESSES = ("gaussian_process._gpr", "gaussian_process._gpc", "gaussian_process.kernels")  # plain arrays, no pointers
_HIST = {"left", "right", "feature_idx", "is_leaf", "is_categorical"}


def check_skops(path: Path, n_features: int, own: frozenset[str] = frozenset()) -> None:
    """DataError unless the archive holds a scikit-learn model of allowed classes whose trees stay inside their arrays.

    `own`: targets that the user allowed by name; the scikit-learn package of each is let through unchecked.
    """
    parts = PARTS + tuple(name.split(".")[1] for name in own if name.startswith("sklearn."))
    try:
        with os.fdopen(open_regular(path), "rb") as file, zipfile.ZipFile(file) as archive:
            _check_entries(path, archive)
            schema = json.loads(archive.read("schema.json"))
            nodes = list(_nodes(schema))
            entries = [i for i in archive.infolist() if i.filename.endswith(".npy")]
            marks = {i.filename: sha256(archive.read(i)).hexdigest() for i in entries}
            _check_classes(path, schema, nodes, parts, marks)
            arrays = {i.filename: _array(path, archive, i) for i in entries}
            for node in nodes:
                if node.get("__loader__") == "TreeNode":
                    _check_sklearn_tree(path, node, arrays, n_features)
                elif str(node.get("__class__")) in _NEIGHBORS and "neighbors" not in parts:
                    _check_neighbors(path, node, arrays, n_features)
            for array in arrays.values():
                if array.dtype.names and set(array.dtype.names) >= _HIST:
                    _check_hist_tree(path, array, n_features)
    except DataError:
        raise
    except Exception as error:  # the readers of zip, JSON and numpy raise a dozen kinds; the file is to blame for all
        line = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise DataError(f"{path}: is no skops archive that can be read ({line}); it is not loaded") from None


def _check_entries(path: Path, archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    names = [i.filename for i in entries]
    if len(entries) > _ENTRIES or len(set(names)) < len(names):
        raise DataError(f"{path}: has {len(entries)} entries, too many or some twice; it is not loaded")
    strange = [n for n in names if "/" in n or "\\" in n or not (n == "schema.json" or n.endswith(".npy"))]
    if strange:
        raise DataError(f"{path}: holds {strange[0][:80]!r}, which no skops archive of arrays has; it is not loaded")
    size = sum(i.file_size for i in entries)
    packed = path.stat().st_size
    schema = next((i.file_size for i in entries if i.filename == "schema.json"), 0)
    if size > _UNPACKED or size > 200 * packed + MB or schema > _SCHEMA:
        raise DataError(f"{path}: {packed / MB:.2f} MB would unpack to {size / MB:.0f} MB; it is not loaded")


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every node of the schema, without recursion."""
    rest = [tree]
    while rest:
        node = rest.pop()
        if isinstance(node, dict):
            if "__loader__" in node or "__class__" in node or "__id__" in node:
                yield node
            rest.extend(node.values())
        elif isinstance(node, list):
            rest.extend(node)


def _check_classes(
    path: Path, schema: dict[str, Any], nodes: list[dict[str, Any]], parts: tuple[str, ...], marks: Mapping[str, str]
) -> None:
    """Loaders and classes on the list; one id means one object, so that none can stand in for another.

    `marks`: a hash of each array's file: an object that is saved twice has its arrays in files of their own.
    """
    from skops.io._protocol import PROTOCOL

    if schema.get("protocol") != PROTOCOL:
        raise DataError(f"{path}: has skops protocol {schema.get('protocol')}, not {PROTOCOL}; train the run again")
    seen: dict[Any, dict[str, Any]] = {}
    for node in nodes:
        module, name, loader = str(node.get("__module__")), str(node.get("__class__")), node.get("__loader__")
        if loader not in _LOADERS:
            raise DataError(f"{path}: has a {loader}, which could call code; it is not loaded")
        if not _known(module, name, parts):
            raise DataError(
                f"{path}: holds {module}.{name}, which is not on the list of models that are safe to load; "
                f"if you trust it, allow its estimator by name: --allow {'.'.join(module.split('.')[:2])}.{name}"
            )
        first = seen.setdefault(node.get("__id__"), node) if loader != "CachedNode" else node
        if first is not node and first != node and _bare(first, marks) != _bare(node, marks):
            raise DataError(f"{path}: gives two objects one id; it is not loaded")


def _bare(node: Any, marks: Mapping[str, str]) -> Any:
    """The node without ids, which skops gives anew to what it makes while saving; references keep theirs."""
    if isinstance(node, dict):
        kept = node.get("__loader__") == "CachedNode"
        items = {key: value for key, value in node.items() if key != "__id__" or kept}
        return {key: marks.get(value) if key == "file" else _bare(value, marks) for key, value in items.items()}
    return [_bare(value, marks) for value in node] if isinstance(node, list) else node


def _known(module: str, name: str, parts: tuple[str, ...]) -> bool:
    if module in ("builtins", "collections"):
        return name in _PLAIN
    if module in ("numpy", "numpy.random._generator", "numpy.random.mtrand", "numpy.random.bit_generator"):
        return name not in ("load", "memmap", "fromfile")
    if _NEIGHBORS.get(name) == module or module in [f"sklearn.{part}" for part in _PROCESSES]:
        return True
    return any(module == f"sklearn.{part}" or module.startswith(f"sklearn.{part}.") for part in parts)


def _array(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray:
    """The array of one entry; its header must promise exactly the bytes that are there."""
    raw = BytesIO(archive.read(entry))
    version = np.lib.format.read_magic(raw)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    shape, fortran, dtype = read(raw)
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != entry.file_size - raw.tell():
        raise DataError(f"{path}: {entry.filename} claims the shape {shape}, which its bytes do not hold")
    return np.frombuffer(raw.getbuffer()[raw.tell() :], dtype).reshape(shape, order="F" if fortran else "C")


def _check_sklearn_tree(path: Path, node: dict[str, Any], arrays: dict[str, np.ndarray], n_features: int) -> None:
    try:
        state = node["content"]["content"]
        nodes, values = (arrays[state[name]["file"]] for name in ("nodes", "values"))
        columns = int(node["__reduce__"]["args"]["content"][0]["content"])
        count = int(state["node_count"]["content"])
        if not len(nodes) == len(values) == count or columns != n_features:
            raise DataError(f"{path}: a tree has arrays of different lengths or other features; it is not loaded")
        check_tree(path, nodes["left_child"], nodes["right_child"], nodes["feature"], n_features)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: a tree cannot be read ({error!r:.80}); it is not loaded") from None


def _check_neighbors(path: Path, node: dict[str, Any], arrays: dict[str, np.ndarray], n_features: int) -> None:
    """Its compiled code goes through plain arrays by the labels in `_y`, which must be places among the classes; there
    is no tree, whose pointers could not be checked."""
    try:
        state = node["content"]["content"]
        X, y = (arrays[state[name]["file"]] for name in ("_fit_X", "_y"))
        whole = X.ndim == 2 and X.shape[1] == n_features and len(y) == len(X) and X.dtype.kind == "f"
        if "classes_" in state:
            classes = arrays[state["classes_"]["file"]]
            whole = whole and y.dtype.kind == "i" and y.ndim == 1 and len(y) > 0
            whole = whole and int(y.min()) >= 0 and int(y.max()) < len(classes)
        tree = state.get("_tree") or {}
        if not whole or str(tree.get("content")) not in ("None", "null"):
            raise DataError(f"{path}: its neighbours are not {n_features} columns in plain arrays; it is not loaded")
        if str(state["_fit_method"]["content"]).strip('"') != "brute":
            raise DataError(f"{path}: looks its neighbours up in a tree; train it again with algorithm=brute")
    except (KeyError, IndexError, TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: its neighbours cannot be read ({error!r:.80}); it is not loaded") from None


def _check_hist_tree(path: Path, nodes: np.ndarray, n_features: int) -> None:
    """Histogram gradient boosting marks leaves apart and leaves their children at 0."""
    if nodes["is_categorical"].any():
        raise DataError(f"{path}: a tree splits on categories; it is not loaded")
    leaf = nodes["is_leaf"] != 0
    left, right = (np.where(leaf, -1, nodes[side].astype(np.int64)) for side in ("left", "right"))
    check_tree(path, left, right, nodes["feature_idx"], n_features)
