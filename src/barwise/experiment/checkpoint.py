"""The folds of a run that may be cut off, as it goes on with them.

A finished fold is kept as its scores and signals (`model/fold-<k>/scores.safetensors`) and a record written last
(`finished.json`); a broken one goes on from its nets' checkpoints. Nothing that is read back is executed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from barwise.data.hash import is_hash_of
from barwise.errors import DataError

if TYPE_CHECKING:
    import numpy as np

    from barwise.data.bars import Market

_RECORD, _SCORES = "finished.json", "scores.safetensors"


Curves = dict[str, Any]  # {"train_loss": [[step, value], …]}


@dataclass(frozen=True)
class Finished:
    """What is kept of a fold: score and signal of its test rows, what run.json says of it, its curves, and the signals
    (model, row) of each model of an ensemble."""

    score: np.ndarray
    signal: np.ndarray
    facts: dict[str, Any]
    curves: Curves
    alone: np.ndarray | None = None


def store(folder: Path, fold: Finished) -> None:
    """Say that the fold in `folder` is finished; its checkpoints are of no more use."""
    import numpy as np
    from safetensors.numpy import save

    from barwise.runs.directory import write_bytes, write_json

    arrays = {"score": fold.score, "signal": fold.signal}
    if fold.alone is not None:
        arrays["alone"] = fold.alone
    write_bytes(folder / _SCORES, save({name: np.asarray(x, dtype=np.float64) for name, x in arrays.items()}))
    write_json(folder / _RECORD, {"facts": fold.facts, "curves": fold.curves})
    _discard(folder, "*.ckpt", ".*.ckpt.*.tmp")


def stored(folder: Path, rows: int) -> Finished | None:
    """The fold in `folder`, which has so many test rows; None if it is not finished."""
    from safetensors.numpy import load_file

    from barwise.safety.files import inside, read_json
    from barwise.safety.tensors import shapes_of

    record, scores = inside(folder, _RECORD), inside(folder, _SCORES)
    if not record.is_file() or not scores.is_file():
        return None
    shapes = shapes_of(scores)
    alone = shapes.pop("alone", (1, rows))
    if shapes != {"score": (rows,), "signal": (rows,)} or len(alone) != 2 or alone[1] != rows:
        raise DataError(f"{scores}: does not hold the {rows} scores of this fold; begin again without resume=")
    found, arrays = read_json(record), load_file(scores)
    return Finished(arrays["score"], arrays["signal"], found["facts"], found["curves"], arrays.get("alone"))


def same_data(manifest: Mapping[str, Any], market: Market) -> None:
    """DataError where a run that goes on would read other bars than it began with."""
    if "data_hash" in manifest and not is_hash_of(market, manifest["data_hash"]):
        raise DataError("resume: the bars are not those that the run began with; begin again without resume=")


def begin_again(folder: Path) -> None:
    """Nothing of an earlier run in the same directory may be taken for this one's."""
    _discard(folder, "*.ckpt", ".*.ckpt.*.tmp", _RECORD)


def _discard(folder: Path, *patterns: str) -> None:
    """Delete the files that match."""
    for pattern in patterns:
        for path in folder.rglob(pattern):
            path.unlink(missing_ok=True)
