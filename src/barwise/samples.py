"""The panel (every row of the market, one float32 matrix) and samples (a selection of its rows)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save

from barwise.data.memmap import blocks, gather, on_disk
from barwise.runs.directory import write_bytes

_MANY = 2**28  # bytes of rows that are not copied at once where blocks do as well
NO_MOVE = 1e-12  # a return of less is what rounding left of none


@dataclass(frozen=True)
class Labels:
    """What a trade decided at each bar of one symbol would earn; arrays as long as the bars.

    `ret`: return over the horizon from the execution price, NaN where the last price is not there yet. `y`: what the
    strategy learns. `end`: datetime64[ns] of that last price, NaT without a label. `weight`: 1 by default.
    """

    y: np.ndarray
    ret: np.ndarray
    end: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class Panel:
    """Every bar of every symbol, ordered by symbol, then time.

    `X`: (row, feature) float32, never copied as a whole. `symbol`: index into `symbols` per row. `finite`: all
    features of the row are finite. `warm`: the row lies after its symbol's warm-up. `start`: the first
    row of the stretch of finite rows of one symbol that the row lies in (its own index where it is not finite); a
    window of L rows that ends at row t exists if t - start[t] >= L - 1. `neutral(symbols, symbol, time, score)`: what
    is left of the scores of whole bars where they are to be neutral.
    """

    X: np.ndarray
    features: tuple[str, ...]
    symbols: tuple[str, ...]
    symbol: np.ndarray
    time: np.ndarray
    y: np.ndarray
    ret: np.ndarray
    end: np.ndarray
    weight: np.ndarray
    finite: np.ndarray
    warm: np.ndarray
    start: np.ndarray
    neutral: Callable[[Sequence[str], np.ndarray, np.ndarray, np.ndarray], np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True)
class Scaler:
    """Standard score per feature: (x - mean) / std, fit on training rows; a constant feature becomes 0."""

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def fit(cls, X: np.ndarray, rows: np.ndarray | None = None) -> Scaler:
        """Mean and standard deviation (ddof 0) per column of `X` (row, feature) over `rows` (all by default), in
        float64, NaN left out; block by block, so that no second matrix is made."""
        rows = np.arange(len(X)) if rows is None else rows
        known, total, squares = (np.zeros(X.shape[1]) for _ in range(3))
        with np.errstate(invalid="ignore", divide="ignore"):
            for part in blocks(X, len(rows)):
                wide = gather(X, rows[part]).astype(np.float64)
                known += (~np.isnan(wide)).sum(axis=0)
                total += np.nansum(wide, axis=0)
            mean = total / known
            for part in blocks(X, len(rows)):
                squares += np.nansum((gather(X, rows[part]).astype(np.float64) - mean) ** 2, axis=0)
            std = np.sqrt(squares / known)
        constant = std <= 1e-12 * np.maximum(np.abs(mean), 1e-300)
        return cls(mean.astype(np.float32), np.where(constant, np.inf, std).astype(np.float32))

    def __call__(self, X: np.ndarray) -> np.ndarray:
        found: np.ndarray = (X - self.mean) / self.std
        return found

    def in_place(self, X: np.ndarray) -> np.ndarray:
        """The same, written over `X`."""
        X -= self.mean
        X /= self.std
        return X

    def save(self, path: Path) -> None:
        """Write mean and std as safetensors."""
        write_bytes(path, save({"mean": self.mean, "std": self.std}))

    @classmethod
    def load(cls, path: Path) -> Scaler:
        """What `save` wrote."""
        arrays = load_file(path)
        return cls(arrays["mean"], arrays["std"])


@dataclass(frozen=True)
class Samples:
    """A selection of the panel's rows, sorted; arrays are gathered and scaled as they are read, never kept.

    Where `scaler` is None, X is the raw rows of the matrix.
    """

    panel: Panel
    rows: np.ndarray
    scaler: Scaler | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def features(self) -> tuple[str, ...]:
        return self.panel.features

    @property
    def X(self) -> np.ndarray:
        """(row, feature) float32, scaled if there is a scaler."""
        X = gather(self.panel.X, self.rows)  # a copy
        if self.scaler is None:
            return X
        return self.scaler.in_place(X) if X.dtype == np.float32 and X.flags.writeable else self.scaler(X)

    @property
    def y(self) -> np.ndarray:
        found: np.ndarray = self.panel.y[self.rows]
        return found

    @property
    def ret(self) -> np.ndarray:
        found: np.ndarray = self.panel.ret[self.rows]
        return found

    @property
    def weight(self) -> np.ndarray:
        found: np.ndarray = self.panel.weight[self.rows]
        return found

    @property
    def time(self) -> np.ndarray:
        found: np.ndarray = self.panel.time[self.rows]
        return found

    def select(self, mask: np.ndarray | slice) -> Samples:
        """The samples where `mask` (bool, index or slice, over these rows) holds."""
        return replace(self, rows=self.rows[mask])

    @property
    def many(self) -> bool:
        """Whether a copy of these rows takes so much memory that they are better read in blocks."""
        return len(self) * len(self.features) * self.panel.X.itemsize > _MANY

    def blocks(self) -> Iterator[Samples]:
        """These samples in order: all at once, or block by block where they are many or the matrix is larger than
        memory."""
        if not (self.many or on_disk(self.panel.X)) or not len(self):
            yield self
        else:
            yield from (self.select(part) for part in blocks(self.panel.X, len(self)))


def direction(ret: np.ndarray) -> np.ndarray:
    """Sign (-1, 0, +1) of returns; 0 for one below 1e-12, which is what rounding leaves of no move. NaN stays NaN."""
    return np.where(np.abs(ret) < NO_MOVE, 0.0, np.sign(ret))
