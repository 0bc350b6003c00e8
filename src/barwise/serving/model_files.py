"""The folder of one model: its files checked, tried in a process of their own unless they are one's own, and loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from barwise.errors import BarwiseError, DataError
from barwise.experiment.ranges import Ranges
from barwise.panel import stretch_starts
from barwise.safety.apart import apart, at
from barwise.safety.files import folder_inside, inside, read_json
from barwise.safety.model import check_model, check_shapes
from barwise.samples import Panel, Scaler
from barwise.strategies.base import Strategy
from barwise.strategies.parts import trusting
from barwise.strategies.rows import scores_of

LONGEST_WARMUP = 1_000_000
_TRIED_ROWS = 32
_LIBRARIES = {"xgboost": ("model.json", ".ubj"), "lightgbm": ("model.txt",), "catboost": ("catboost.json",),
             "skops.io": (".skops",), "torch": ("model.safetensors",),
             "safetensors.numpy": (".safetensors",)}  # fmt: skip


def checked(folder: Path, name: str, own: frozenset[str]) -> Path:
    """The folder of one model, every file of which is what its name says."""
    place = folder_inside(folder, "model", name)
    check_model(place, len(ranges_of(place).features), own)
    return place


def loaded(place: Path, kind: type[Strategy]) -> tuple[Strategy, Scaler | None]:
    """Strategy and scaler; what a library says of a file that passed the checks still ends in one line."""
    check_shapes(place, kind)
    scaler = inside(place, "scaler.safetensors")
    try:
        return kind.load(place), Scaler.load(scaler) if scaler.is_file() else None
    except (BarwiseError, MemoryError):
        raise
    except Exception as error:  # a library's own words on a file; whatever they are, the file is to blame
        line = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise DataError(f"{place}: the model cannot be loaded ({line}); train the run again") from error


def try_models(places: list[Path], target: str, own: frozenset[str]) -> None:
    """DataError unless the models load and score some rows in a process of their own."""
    names = {p.name for place in places for p in place.rglob("*")}
    libraries = [library for library, marks in _LIBRARIES.items() if any(n.endswith(marks) for n in names)]
    size = sum(p.stat().st_size for place in places for p in place.rglob("*"))
    given = {"place": str(places[0]), "places": [str(place) for place in places], "target": target, "own": sorted(own)}
    apart(f"{__name__}:tried", given, tuple(libraries), size)


def tried(given: dict[str, Any]) -> None:
    """Load the models and score ordinary, extreme and missing values; in the child."""
    from hydra.utils import get_class

    kind = trusting(get_class(given["target"]), frozenset(given["own"]))
    for place in map(Path, given["places"]):
        at(place)
        _score_some(place, kind, len(ranges_of(place).features))


def _score_some(place: Path, kind: type[Strategy], n_features: int) -> None:
    """Load the model and let it score ordinary, extreme and missing values; DataError where it cannot."""
    strategy, scaler = loaded(place, kind)
    if not 1 <= strategy.lookback <= LONGEST_WARMUP:
        raise DataError(f"{place}: lookback={strategy.lookback!r:.40} is no number of bars; it is not loaded")
    n = strategy.lookback + _TRIED_ROWS
    X = np.random.default_rng(0).normal(size=(n, n_features)).astype(np.float32)
    X[-3:] = np.array([[0.0], [1e30], [np.nan if strategy.takes_nan else -1e30]], np.float32)
    try:
        scores_of(strategy, _one_symbol(X), np.arange(n), scaler)
    except (BarwiseError, MemoryError):
        raise
    except Exception as error:  # as above
        line = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise DataError(f"{place}: the model cannot score ({line}); train the run again") from error


def _one_symbol(X: np.ndarray) -> Panel:
    """Rows of one symbol; the days are made up."""
    n, nan = len(X), np.full(len(X), np.nan)
    warm = np.ones(n, bool)
    finite = np.isfinite(X).all(axis=1)
    time = np.datetime64("1970-01-01", "ns") + np.arange(n) * np.timedelta64(1, "D")
    return Panel(
        X=X, features=tuple(f"f{i}" for i in range(X.shape[1])), symbols=("data",), symbol=np.zeros(n, np.int32),
        time=time, y=nan, ret=nan, end=time, weight=np.ones(n), finite=finite, warm=warm,
        start=stretch_starts(finite, np.array([0, n])),
    )  # fmt: skip


def ranges_of(place: Path) -> Ranges:
    """What the model's training rows looked like; DataError where it is not there or holds something else."""
    path = inside(place, "ranges.json")
    if not path.is_file():
        raise DataError(f"{path}: is not there; the run was made by an earlier version, train it again")
    read_json(path)  # its size and depth
    return Ranges.load(path)
