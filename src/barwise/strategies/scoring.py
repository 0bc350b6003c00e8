"""Scores from trained nets: windows gathered batch by batch, or each stretch of bars walked once with its state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from barwise.data.memmap import gather
from barwise.devices.heap import kept_heap
from barwise.samples import Samples
from barwise.strategies.batches import Windows, stretch_ends
from barwise.strategies.losses import Loss
from barwise.strategies.nets import SequenceNet, State

_BLOCK = 256  # steps a stretch is walked in at once
_TOGETHER = 64  # stretches walked side by side
_BATCH = 1024  # windows scored at once


@dataclass
class Memory:
    """What scoring the next bar of one symbol needs: the rows seen (window) or each net's state (stream)."""

    seen: int = 0
    rows: Tensor | None = None
    states: list[State] = field(default_factory=list)


@kept_heap()
@torch.inference_mode()
def score_windows(nets: Sequence[SequenceNet], loss: Loss, samples: Samples, lookback: int) -> np.ndarray:
    """(net, sample): the score of each sample's window, which must be whole."""
    windows = Windows(samples, np.zeros(len(samples), np.float32), lookback, _BATCH, "cpu")
    found = [torch.stack([loss.score(net(x)) for net in nets]) for x in map(windows.x, windows)]
    return torch.cat(found, dim=1).double().numpy()


@kept_heap()
@torch.inference_mode()
def score_stretches(nets: Sequence[SequenceNet], loss: Loss, samples: Samples) -> np.ndarray:
    """(net, sample): each stretch of finite rows that holds samples is walked once, from its first row.

    A score so depends on its stretch's rows up to its own, whatever samples are asked for beside it.
    """
    panel = samples.panel
    first, last = stretch_ends(panel, samples.rows)
    found = np.full((len(nets), len(panel)), np.nan)
    order = np.argsort(last - first, kind="stable")
    for group in np.split(order, range(_TOGETHER, len(order), _TOGETHER)):
        states: list[State] = [None] * len(nets)
        for step in range(0, int((last - first)[group].max()) + 1, _BLOCK):
            rows = first[group, None] + np.arange(step, step + _BLOCK)
            inside = rows <= last[group, None]
            x = _scaled(samples, np.minimum(rows, last[group, None])[:, : inside.any(axis=0).sum()])
            for i, net in enumerate(nets):
                out, states[i] = net.steps(x, states[i])
                found[i, rows[inside]] = loss.score(out).double().numpy()[inside[:, : x.shape[1]]]
    return found[:, samples.rows]


@torch.inference_mode()
def advance(
    nets: Sequence[SequenceNet], loss: Loss, x: np.ndarray, lookback: int, stream: bool, memory: Memory | None = None
) -> tuple[np.ndarray, Memory]:
    """Scores of the next bars of one symbol, and what to remember.

    `x`: (bar, feature), scaled, finite, following those that `memory` has seen. NaN before `lookback` bars are seen.
    """
    memory = memory or Memory()
    new = torch.as_tensor(x, dtype=torch.float32)
    seen = memory.seen + len(new)
    early = max(0, min(len(new), lookback - 1 - memory.seen))
    score = np.full(len(new), np.nan)
    if stream:
        states, outs = [], []
        for i, net in enumerate(nets):
            out, state = net.steps(new[None], memory.states[i] if memory.states else None)
            outs.append(loss.score(out)[0])
            states.append(state)
        score[early:] = torch.stack(outs).double().mean(dim=0).numpy()[early:]
        return score, Memory(seen, None, states)
    rows = new if memory.rows is None else torch.cat([memory.rows, new])
    if len(new) > early:
        windows = rows.unfold(0, lookback, 1).transpose(1, 2)  # (bar, lookback, feature)
        score[early:] = torch.stack([loss.score(net(windows)) for net in nets]).double().mean(dim=0).numpy()
    return score, Memory(seen, rows[max(0, len(rows) - lookback + 1) :], [])


def _scaled(samples: Samples, rows: np.ndarray) -> Tensor:
    """(stretch, step, feature) of the panel's rows, laid out by time."""
    X = gather(samples.panel.X, rows.T)
    X = X if samples.scaler is None else samples.scaler(X)
    return torch.as_tensor(X).transpose(0, 1)
