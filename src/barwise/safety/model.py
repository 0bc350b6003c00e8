"""The folder of one model: every file that a strategy's `load` may hand to a library is checked first."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from barwise.errors import DataError
from barwise.safety.cat import check_catboost
from barwise.safety.files import folder_inside, inside, read_json
from barwise.safety.lgbm import check_lightgbm
from barwise.safety.skops import check_skops
from barwise.safety.tensors import Shapes, shapes_of
from barwise.safety.xgb import check_xgboost

_SETTINGS_LIMIT = 64 * 1024
_LARGEST = 1_000_000  # any whole number among settings: bars, units, rounds
_REPEATS = ("layer", "level", "block", "depth", "head", "stack", "seeds")  # settings that count parts of a net


_DEEPEST = 8  # a model within a model within…


def check_model(folder: Path, n_features: int, own: frozenset[str] = frozenset(), depth: int = 0) -> None:
    """DataError unless each known file in `folder` is what its name says, with indices and sizes that hold; so in each
    folder below it, where the parts of a model lie.

    `own`: targets that the user allowed by name; they may read other files at the user's own risk.
    """
    shapes: Shapes = {}
    if depth > _DEEPEST:
        raise DataError(f"{folder}: is a model more than {_DEEPEST} deep; it is not loaded")
    for name in sorted(p.name for p in folder.iterdir() if p.is_dir()):
        check_model(folder_inside(folder, name), _part_features(folder, name, n_features), own, depth + 1)
    for name in sorted(p.name for p in folder.iterdir()):
        path = inside(folder, name) if not (folder / name).is_dir() else folder / name
        if path.name == "model.json" or path.suffix == ".ubj":
            check_xgboost(path, n_features)
        elif path.name == "catboost.json":
            check_catboost(path, n_features)
        elif path.name == "model.txt":
            check_lightgbm(path, n_features)
        elif path.suffix == ".skops":
            check_skops(path, n_features, own)
        elif path.suffix == ".safetensors":
            shapes |= shapes_of(path) if path.name != "scaler.safetensors" else {}
    scaler = inside(folder, "scaler.safetensors")
    if scaler.is_file() and shapes_of(scaler) != {"mean": (n_features,), "std": (n_features,)}:
        raise DataError(f"{scaler}: does not hold the mean and deviation of {n_features} features; it is not loaded")
    settings = inside(folder, "strategy.json")
    if settings.is_file():
        _check_settings(settings, read_json(settings, _SETTINGS_LIMIT), shapes)


def _part_features(folder: Path, part: str, n_features: int) -> int:
    """How many columns a part of the model in `folder` reads, as its kind makes it."""
    settings = inside(folder, "strategy.json")
    found = read_json(settings, _SETTINGS_LIMIT) if settings.is_file() else {}
    kind = found.get("kind") if isinstance(found, dict) else None
    if kind == "selected":
        columns = found.get("columns")
        whole = isinstance(columns, list) and all(type(c) is int and 0 <= c < n_features for c in columns)
        if not columns or not whole or len(set(columns)) < len(columns):
            raise DataError(f"{settings}: columns={columns!r:.40} are none of {n_features} features; it is not loaded")
        return len(columns)
    return n_features + 1 if kind == "meta" and part == "secondary" else n_features


def _check_settings(path: Path, settings: Any, shapes: Shapes) -> None:
    """No number so large that building the model it describes would take memory or time without bound."""
    if not isinstance(settings, dict):
        raise DataError(f"{path}: holds {type(settings).__name__}, not settings; it is not loaded")
    for name, value in settings.items():
        if isinstance(value, dict):
            _check_settings(path, value, shapes)
            continue
        numbers = value if isinstance(value, list) else [value]
        limit = max(len(shapes), 64) if any(word in name for word in _REPEATS) else _LARGEST
        if len(numbers) > _LARGEST or any(isinstance(n, int | float) and abs(n) > limit for n in numbers):
            raise DataError(f"{path}: {name}={value!r:.40} is more than {limit}; it is not loaded")


def check_shapes(folder: Path, strategy: Any) -> None:
    """Load a net once without memory, so that settings which do not fit its weights are found before it is built."""
    if not any(folder.rglob("model.safetensors")):
        return
    import torch

    try:
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nothing is copied here, and torch says so
            strategy.load(folder)
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
        line = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise DataError(f"{folder}: settings and weights of the net do not fit ({line}); it is not loaded") from None
