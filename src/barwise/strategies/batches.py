"""Batches of windows, gathered from one matrix as they are needed; no window is kept."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from barwise.samples import Samples


def window_rows(samples: Samples, lookback: int, first_time: np.datetime64 | None = None) -> np.ndarray:
    """Which samples (positions) have a whole window: inside one stretch of one symbol, and not before `first_time`."""
    panel, rows = samples.panel, samples.rows
    begin = rows - (lookback - 1)
    known = begin >= panel.start[rows]
    if first_time is not None:
        known &= panel.time[np.maximum(begin, 0)] >= first_time
    return np.flatnonzero(known)


class Windows:
    """An iterable of (x, y, weight) batches for Lightning: x (batch, lookback, feature) on `device`.

    Shuffled by a generator seeded with (seed, epoch), so that an epoch can be repeated. The last partial batch counts.
    The matrix's span that the rows need is scaled once and lies on the device; windows are indexed from it.
    """

    def __init__(self, samples: Samples, lookback: int, batch_size: int, device: str, seed: int | None = None) -> None:
        self.batch_size, self.seed, self.epoch = batch_size, seed, 0
        self.X, rows = _matrix(samples, lookback, device)
        self.rows = torch.as_tensor(rows, device=device)
        self.y = torch.as_tensor(samples.y.astype(np.float32), device=device)
        self.weight = torch.as_tensor(samples.weight.astype(np.float32), device=device)
        self.steps = torch.arange(1 - lookback, 1, device=device)

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        n = len(self.rows)
        if self.seed is None:
            order = torch.arange(n)
        else:
            generator = torch.Generator().manual_seed((self.seed * 1_000_003 + self.epoch) % (2**63))
            order = torch.randperm(n, generator=generator)
        self.epoch += 1
        for batch in order.to(self.rows.device).split(self.batch_size):
            yield self.x(batch), self.y[batch], self.weight[batch]

    def x(self, batch: Tensor) -> Tensor:
        """The windows of the samples at `batch`, gathered: (batch, lookback, feature)."""
        return self.X[self.rows[batch, None] + self.steps]


def _matrix(samples: Samples, lookback: int, device: str) -> tuple[Tensor, np.ndarray]:
    """The scaled stretch of the matrix that holds all windows, and the rows' places in it."""
    rows = samples.rows
    low, high = int(rows.min()) - lookback + 1, int(rows.max()) + 1
    X = samples.panel.X[low:high]
    X = X if samples.scaler is None else samples.scaler(X)
    return torch.as_tensor(np.nan_to_num(X, nan=0.0), device=device), rows - low
