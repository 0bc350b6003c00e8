"""Batches of windows or chunks, gathered from one matrix as they are needed; none is kept.

Both kinds iterate over index tensors, one per optimizer step, in an order set by (seed, epoch) alone; `gather(index)`
makes x, target and weight of any part of such an index, so that a step can be taken in smaller pieces.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from barwise.data.memmap import gather, on_disk
from barwise.devices.guards import kind_of
from barwise.samples import Panel, Samples
from barwise.strategies.nets import SequenceNet


def first_rows(samples: Samples, first_time: np.datetime64 | None = None) -> np.ndarray:
    """Per sample the earliest row its context may hold: in its stretch of its symbol, not before `first_time`."""
    panel, rows = samples.panel, samples.rows
    begin = panel.start[rows]
    if first_time is None:
        found: np.ndarray = begin
        return found
    counts = np.bincount(panel.symbol, minlength=len(panel.symbols))
    ends = np.cumsum(counts)
    firsts = [
        low + np.searchsorted(panel.time[low:high], first_time) for low, high in zip(ends - counts, ends, strict=True)
    ]
    found = np.maximum(begin, np.asarray(firsts)[panel.symbol[rows]])
    return found


def window_rows(samples: Samples, lookback: int, first_time: np.datetime64 | None = None) -> np.ndarray:
    """Which samples (positions) have a whole window: inside one stretch of one symbol, and not before `first_time`."""
    return np.flatnonzero(samples.rows - first_rows(samples, first_time) >= lookback - 1)


class Batches:
    """What windows and chunks share: the scaled matrix on the device, the order of an epoch, a batch's facts.

    A matrix larger than memory stays where it is: the rows of a batch are read, and scaled, as they are wanted.
    `per_batch`: items an optimizer step sees; `rows_each`: labelled rows an item holds at most.
    """

    rows_each = 1

    def __init__(self, samples: Samples, low: int, device: str, seed: int | None) -> None:
        self.samples, self.low, self.device, self.seed = samples, low, device, seed
        self.epoch = 0
        self.per_batch = 1
        X = samples.panel.X[low : int(samples.rows.max()) + 1]
        self.n_rows = len(X)
        self.X = X if on_disk(X) else _resident(self.clean(X), device)

    def clean(self, X: np.ndarray) -> Tensor:
        """Rows of the matrix as the net reads them: scaled, and 0 in rows that no context holds."""
        scaler = self.samples.scaler
        X = X if scaler is None else scaler(X)
        return torch.as_tensor(np.nan_to_num(X, copy=scaler is None, nan=0.0, posinf=0.0, neginf=0.0))

    def pick(self, places: Tensor) -> Tensor:
        """The matrix's rows at `places` (time, batch) on the device: (batch, time, feature), laid out by time."""
        if isinstance(self.X, Tensor):
            rows = self.X.index_select(0, places.flatten().to(self.X.device))
        else:
            rows = self.clean(gather(self.X, places.flatten().cpu().numpy()))
        return rows.view(*places.shape, -1).transpose(0, 1).to(self.device)

    def items(self) -> int:
        """How many windows or chunks an epoch has."""
        raise NotImplementedError

    def gather(self, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x, target and weight of the items at `index`."""
        raise NotImplementedError

    def weigh(self, index: Tensor) -> Tensor:
        """The weight alone."""
        raise NotImplementedError

    def outputs(self, net: SequenceNet, x: Tensor) -> Tensor:
        """The net's outputs that have a target."""
        raise NotImplementedError

    def rows(self, index: Tensor) -> np.ndarray:
        """Rows of the panel that the items at `index` end in or score."""
        raise NotImplementedError

    def pieces(self, index: Tensor, size: int) -> Sequence[Tensor]:
        """A batch in parts of `size` items."""
        found: Sequence[Tensor] = index.split(size)
        return found

    def bars(self, index: Tensor) -> list[int]:
        """How many rows of each bar follow each other; empty where batches do not hold whole bars."""
        return []

    def __len__(self) -> int:
        return -(-self.items() // self.per_batch)

    def __iter__(self) -> Iterator[Tensor]:
        if self.seed is None:
            order = torch.arange(self.items())
        else:
            order = torch.randperm(self.items(), generator=_generator(self.seed, self.epoch))
        yield from order.to(self.device).split(self.per_batch)

    def facts(self, index: Tensor) -> dict[str, Any]:
        """What can be said of a batch that went wrong."""
        panel, rows = self.samples.panel, self.rows(index)
        x, target, _ = self.gather(index)
        return {
            "symbols": sorted({panel.symbols[i] for i in np.unique(panel.symbol[rows])})[:10],
            "first": str(panel.time[rows].min())[:19],
            "last": str(panel.time[rows].max())[:19],
            "rows": len(rows),
            "largest_feature": float(x.abs().max()),
            "largest_target": float(target.abs().max()),
        }


class Windows(Batches):
    """Windows of `lookback` rows, each with the target of its last."""

    def __init__(
        self, samples: Samples, target: np.ndarray, lookback: int, per_batch: int, device: str, seed: int | None = None
    ) -> None:
        super().__init__(samples, int(samples.rows.min()) - lookback + 1, device, seed)
        self.per_batch = per_batch
        self.ends = torch.as_tensor(samples.rows - self.low, device=device)
        self.target = torch.as_tensor(target, device=device)
        self.weight = torch.as_tensor(samples.weight.astype(np.float32), device=device)
        self.steps = torch.arange(1 - lookback, 1, device=device)[:, None]

    def items(self) -> int:
        return len(self.ends)

    def gather(self, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.x(index), self.target[index], self.weight[index]

    def weigh(self, index: Tensor) -> Tensor:
        return self.weight[index]

    def x(self, index: Tensor) -> Tensor:
        """(batch, lookback, feature); laid out by time, as recurrent layers want it."""
        places = self.ends[index] + self.steps
        return self.pick(places)

    def outputs(self, net: SequenceNet, x: Tensor) -> Tensor:
        found: Tensor = net(x)
        return found

    def rows(self, index: Tensor) -> np.ndarray:
        found: np.ndarray = self.samples.rows[index.cpu().numpy()]
        return found


class BarWindows(Windows):
    """Windows whose batches hold whole bars, in an order drawn each epoch: `per_batch` rows at most, or one bar."""

    def __init__(
        self, samples: Samples, target: np.ndarray, lookback: int, per_batch: int, device: str, seed: int | None = None
    ) -> None:
        super().__init__(samples, target, lookback, per_batch, device, seed)
        _, self.bar, self.sizes = np.unique(samples.time, return_inverse=True, return_counts=True)
        self.of_bar = np.split(np.argsort(self.bar, kind="stable"), np.cumsum(self.sizes)[:-1])

    def __len__(self) -> int:
        return len(self.packed())

    def __iter__(self) -> Iterator[Tensor]:
        for bars in self.packed():
            yield torch.as_tensor(np.concatenate([self.of_bar[i] for i in bars]), device=self.device)

    def packed(self) -> list[np.ndarray]:
        """The bars of each batch of the epoch."""
        order = np.arange(len(self.sizes))
        if self.seed is not None:
            order = torch.randperm(len(order), generator=_generator(self.seed, self.epoch)).numpy()
        return _cut_at(order, self.sizes[order], self.per_batch)

    def pieces(self, index: Tensor, size: int) -> Sequence[Tensor]:
        sizes = self.bars(index)
        parts = _cut_at(np.arange(len(sizes)), np.array(sizes), size)
        found: Sequence[Tensor] = index.split([sum(sizes[i] for i in part) for part in parts])
        return found

    def bars(self, index: Tensor) -> list[int]:
        bar = self.bar[index.cpu().numpy()]
        edges = np.flatnonzero(np.diff(bar)) + 1
        found: list[int] = np.diff(np.concatenate([[0], edges, [len(bar)]])).tolist()
        return found


def _cut_at(bars: np.ndarray, sizes: np.ndarray, most: int) -> list[np.ndarray]:
    """`bars` one after the other in parts whose sizes sum to `most` at most, or that are one bar."""
    begins, filled = [0], 0
    for i, size in enumerate(sizes.tolist()):
        if filled and filled + size > most:
            begins.append(i)
            filled = 0
        filled += size
    return np.split(bars, begins[1:])


class Chunks(Batches):
    """Chunks of a stretch: `lookback` - 1 rows of warm-up, then up to `chunk` rows with a target each.

    An epoch passes each training row once; where chunks begin is drawn anew each epoch, if there is a seed.
    """

    def __init__(
        self, samples: Samples, target: np.ndarray, begins: np.ndarray, shape: tuple[int, int], per_batch: int,
        device: str, seed: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__(samples, int(begins.min()), device, seed)
        self.warm, self.chunk = shape[0] - 1, shape[1]
        self.rows_each, self.per_batch = self.chunk, max(1, per_batch // self.chunk)
        first, last = _stretches(begins, samples.rows)
        self.stretches = np.stack([first + self.warm, last + 1], axis=1) - self.low  # scoreable rows of each stretch
        self.dense = torch.zeros(2, self.n_rows)  # target and weight of each row; weight zero where there is no label
        places = torch.as_tensor(samples.rows - self.low)
        self.dense[0, places] = torch.as_tensor(target)
        self.dense[1, places] = torch.as_tensor(samples.weight.astype(np.float32))
        self.dense = self.dense.to(device)
        self.steps = torch.arange(-self.warm, self.chunk, device=device)[:, None]
        self.cut_for: int | None = None
        self.table = self.cut()

    def items(self) -> int:
        return len(self.cut()[0])

    def cut(self) -> Tensor:
        """(2, chunk): the first row that each chunk scores, and the one after its last."""
        if self.cut_for == self.epoch:
            return self.table
        shift = torch.zeros(len(self.stretches), dtype=torch.long)
        if self.seed is not None:
            shift = torch.randint(self.chunk, (len(self.stretches),), generator=_generator(self.seed, -1 - self.epoch))
        known = np.append(0, np.cumsum(self.dense[1].cpu().numpy() > 0))
        found = []
        for (low, high), offset in zip(self.stretches, shift.numpy(), strict=True):
            edges = np.unique(np.concatenate([[low], np.arange(low + offset, high, self.chunk), [high]]))
            found.append(np.stack([edges[:-1], edges[1:]]))
        table = np.concatenate(found, axis=1)
        table = table[:, known[table[1]] > known[table[0]]]
        self.table, self.cut_for = torch.as_tensor(table, device=self.device), self.epoch
        return self.table

    def gather(self, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        first, until = self.cut()[:, index]
        places = (first + self.steps).minimum(until - 1)  # (time, batch); one that ends early repeats its last row
        return self.pick(places), self.dense[0, places[self.warm :]].T, self.weigh(index)

    def weigh(self, index: Tensor) -> Tensor:
        first, until = self.cut()[:, index]
        places = first + self.steps[self.warm :]
        inside = places < until
        found: Tensor = (self.dense[1, places.minimum(until - 1)] * inside).T
        return found

    def outputs(self, net: SequenceNet, x: Tensor) -> Tensor:
        return net.steps(x, skip=self.warm)[0]

    def rows(self, index: Tensor) -> np.ndarray:
        table = self.cut()[:, index].cpu().numpy()
        return np.concatenate([np.arange(a, b) for a, b in table.T]) + self.low


def _resident(X: Tensor, device: str) -> Tensor:
    """The matrix on the device if it fits there, else where it is, to be gathered from batch by batch."""
    try:
        return X.to(device)
    except RuntimeError as error:
        if kind_of(error) != "out of memory":
            raise
        return X


def _generator(seed: int, epoch: int) -> torch.Generator:
    """Random numbers of one epoch, whatever was drawn before."""
    return torch.Generator().manual_seed((seed * 1_000_003 + epoch) % (2**63))


def _stretches(begins: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first row of each stretch that holds samples, and its last sample."""
    first, place = np.unique(begins, return_inverse=True)
    last = np.zeros(len(first), dtype=np.int64)
    np.maximum.at(last, place, rows)
    return first, last


def stretch_ends(panel: Panel, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each stretch of finite rows that holds any of `rows` begins, and the last of them in it."""
    return _stretches(panel.start[rows], rows)
