"""Samples handed to boosted trees block by block: of a matrix larger than memory, or too many to be copied at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from barwise.data.memmap import BLOCK, gather
from barwise.samples import Samples


def quantized(samples: Samples, shift: float, folder: Path | None, like: Any = None) -> Any:
    """XGBoost's quantized matrix of `samples`, labels moved by `shift`; its pages are kept in `folder` and read anew in
    each round, or lie in memory.

    Cut points, and so trees, are those of `QuantileDMatrix`, to the bit: its sketch takes the rows one after the other.
    """
    import xgboost

    name = "train" if like is None else "valid"

    class Blocks(xgboost.DataIter):
        def __init__(self) -> None:
            own: dict[str, Any] = {} if folder is None else {"cache_prefix": str(folder / name), "on_host": False}
            super().__init__(**own)
            self.reset()

        def reset(self) -> None:
            self.left: Iterator[Samples] = samples.blocks()

        def next(self, input_data: Callable[..., None]) -> bool:
            one = next(self.left, None)
            if one is None:
                return False
            names = list(samples.features)
            input_data(data=one.X, label=one.y + shift, weight=one.weight, feature_names=names)
            return True

    return (xgboost.QuantileDMatrix if folder is None else xgboost.ExtMemQuantileDMatrix)(Blocks(), ref=like)


def sequence(samples: Samples) -> Any:
    """The rows of `samples` as LightGBM reads them where they are not an array: by number and by slice, in float64.

    Bins, and so trees, are those of the array; they take a byte a value in memory, a quarter of the matrix.
    """
    import lightgbm

    class Rows(lightgbm.Sequence):
        batch_size = max(1, BLOCK // (8 * len(samples.features)))

        def __len__(self) -> int:
            return len(samples)

        def __getitem__(self, place: Any) -> np.ndarray:
            return gather(samples.panel.X, np.asarray(samples.rows[place])).astype(np.float64)

    return Rows()
