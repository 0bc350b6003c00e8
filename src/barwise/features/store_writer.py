"""A matrix on its way into the store, whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from barwise.data.bars import Bars
from barwise.data.memmap import create, finish
from barwise.errors import DataError
from barwise.features.matrix import FeatureMatrix, Room, in_memory
from barwise.runs.directory import write_json

Facts = dict[str, Any]
Make = Callable[[Room], tuple[FeatureMatrix, Facts]]


@dataclass
class Making:
    """A matrix that is being made. Of what is not kept nothing is left but what is mapped.

    `home`: where matrices lie. `maps(bytes)`: whether one of that size is built in its file.
    """

    home: Path
    maps: Callable[[int], bool]
    beside: Path | None = field(default=None, init=False)

    def __enter__(self) -> Making:
        return self

    def __exit__(self, *_: object) -> None:
        if self.beside is not None:
            shutil.rmtree(self.beside, ignore_errors=True)  # what is mapped stays readable

    def room(self, shape: tuple[int, int]) -> np.ndarray:
        """In memory, or in a file that is mapped where the store wants that; DataError without room on the disk."""
        if not self.maps(4 * prod(shape)):
            return in_memory(shape)
        try:
            self.beside = self._folder()
        except OSError as error:
            raise DataError(
                f"features: a matrix larger than memory needs a folder to lie in, and {self.home} cannot be written"
                f" ({error.strerror}); set cache.folder"
            ) from None
        return create(self.beside / "X.npy", shape)

    def keep(self, folder: Path, matrix: FeatureMatrix, facts: Facts, bars: Sequence[Bars]) -> None:
        """Write a matrix whole or not at all: beside its place, then renamed into it."""
        places = {b.symbol: i for i, b in enumerate(bars)}
        if self.beside is None:
            self.beside = self._folder()
            np.save(self.beside / "X.npy", matrix.X, allow_pickle=False)
        else:
            finish(matrix.X, self.beside / "X.npy")
        meta = {
            "names": matrix.names, "kept": [places[b.symbol] for b in matrix.bars], "offsets": matrix.offsets,
            "warmup": matrix.warmup, "left_out": matrix.left_out, "facts": facts,
        }  # fmt: skip
        write_json(self.beside / "meta.json", meta)
        os.rename(self.beside, folder)

    def _folder(self) -> Path:
        self.home.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".making-", dir=self.home))
