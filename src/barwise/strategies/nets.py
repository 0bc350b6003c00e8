"""Causal sequence nets: (batch, time, feature) in, an output per step that depends on no later step.

A new net is one subclass of SequenceNet with `hidden` and one YAML in conf/strategy/net.
"""

from __future__ import annotations

from typing import Annotated, Any

import torch
from torch import Tensor, nn

from barwise.console.settings import Whole, checked

State = Any  # what a net carries from step to step: tensors in lists and tuples; None before the first step


class SequenceNet(nn.Module):
    """A body that each net defines, and the head of all: two linear layers, tanh where `squash`.

    `outputs`: 1, or 3 for classes. `hidden(x, state)` maps (batch, time, feature) to (batch, time, hidden_size) and the
    state after the last step; called in pieces with the state handed on, it gives what it gives in one piece.
    A net of several `members` gives the outputs of each, (member, …), while it learns, and one output otherwise.
    """

    members = 1

    def __init__(self, hidden_size: int, dropout: float, outputs: int = 1, squash: bool = True) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        end: list[nn.Module] = [nn.Linear(32, outputs), *([nn.Tanh()] if squash else [])]
        self.head: nn.Module = nn.Sequential(nn.Linear(hidden_size, 32), nn.ReLU(), nn.Dropout(dropout), *end)

    def hidden(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        raise NotImplementedError

    def last(self, x: Tensor) -> Tensor:
        """The hidden vector of the last step: (batch, hidden_size)."""
        return self.hidden(x)[0][:, -1]

    def forward(self, x: Tensor) -> Tensor:
        """The output of the last step: (batch,), or (batch, outputs) where there are several."""
        found: Tensor = self.head(self.last(x)).squeeze(-1)
        return found

    def steps(self, x: Tensor, state: State = None, skip: int = 0) -> tuple[Tensor, State]:
        """The outputs of all steps but the first `skip`, (batch, time - skip[, outputs]), and the state."""
        h, state = self.hidden(x, state)
        return self.head(h[:, skip:]).squeeze(-1), state


class LSTMNet(SequenceNet):
    """Stacked LSTM layers, then the head.

    The layers are single nn.LSTMs with Dropout between them: the stacked form with dropout has wrong gradients on MPS.
    """

    cell: type[nn.Module] = nn.LSTM

    def __init__(
        self, n_features: int, hidden_size: int = 64, num_layers: int = 2, dropout: float = 0.2, **head: Any
    ) -> None:
        super().__init__(hidden_size, dropout, **head)
        sizes = [n_features] + [hidden_size] * (num_layers - 1)
        self.layers = nn.ModuleList(self.cell(size, hidden_size, batch_first=True) for size in sizes)

    def hidden(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        after = []
        for i, layer in enumerate(self.layers):
            x, s = layer(x if i == 0 else self.dropout(x), None if state is None else state[i])
            after.append(s)
        return x, after


class GRUNet(LSTMNet):
    """Stacked gated recurrent units (Cho et al., 2014): the LSTM's rival with three quarters of its weights."""

    cell = nn.GRU


class MLPNet(SequenceNet):
    """The window's bars side by side through `num_layers` linear layers: a net without an idea of time."""

    def __init__(
        self, n_features: int, lookback: int, hidden_size: int = 64, num_layers: int = 2, dropout: float = 0.2,
        **head: Any,
    ) -> None:  # fmt: skip
        super().__init__(hidden_size, dropout, **head)
        self.window = CausalConv(n_features, hidden_size, lookback)
        self.rest = nn.ModuleList(nn.Linear(hidden_size, hidden_size) for _ in range(num_layers - 1))

    def hidden(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        first, state = self.window(x, state)
        return self._deeper(first), state

    def last(self, x: Tensor) -> Tensor:
        return self._deeper(self.window.last(x))

    def _deeper(self, x: Tensor) -> Tensor:
        x = torch.relu(x)
        for layer in self.rest:
            x = torch.relu(layer(self.dropout(x)))
        return x


class TCNNet(SequenceNet):
    """Temporal convolutions (Bai, Kolter, Koltun, 2018): residual blocks of causal convolutions, dilation doubling.

    As many blocks as cover `lookback` bars; `num_layers` convolutions each, of `kernel_size` steps.
    """

    @checked("strategy.net")
    def __init__(
        self, n_features: int, lookback: int, hidden_size: int = 64, num_layers: int = 2, dropout: float = 0.2,
        kernel_size: Annotated[int, Whole(2, 1000)] = 3, **head: Any,
    ) -> None:  # fmt: skip
        super().__init__(hidden_size, dropout, **head)
        self.first = nn.Linear(n_features, hidden_size)
        self.blocks: Any = nn.ModuleList()
        dilation, reach = 1, 1
        while reach < lookback:
            convs = [CausalConv(hidden_size, hidden_size, kernel_size, dilation) for _ in range(num_layers)]
            self.blocks.append(nn.ModuleList(convs))
            reach += num_layers * (kernel_size - 1) * dilation
            dilation *= 2

    def hidden(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        x, after = self.first(x), []
        for i, block in enumerate(self.blocks):
            before, states = x, []
            for j, conv in enumerate(block):
                x, s = conv(x, None if state is None else state[i][j])
                x = self.dropout(torch.relu(x))
                states.append(s)
            x = x + before
            after.append(states)
        return x, after


class CausalConv(nn.Module):
    """A convolution over past steps; its state is the last inputs, zeros before the first step."""

    def __init__(self, width: int, out: int, kernel_size: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, out, kernel_size, dilation=dilation)
        self.past = (kernel_size - 1) * dilation

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, Tensor]:
        """(batch, time, width) to (batch, time, out), and the last `past` inputs."""
        before = x.new_zeros(len(x), self.past, x.shape[2]) if state is None else state
        seen = torch.cat([before, x], dim=1)
        return self.conv(seen.transpose(1, 2)).transpose(1, 2), seen[:, seen.shape[1] - self.past :]

    def last(self, x: Tensor) -> Tensor:
        """The last step alone, of inputs exactly as long as the kernel of dilation 1."""
        if x.shape[1] != self.past + 1:
            found: Tensor = self(x)[0][:, -1]
            return found
        return nn.functional.linear(x.transpose(1, 2).flatten(1), self.conv.weight.flatten(1), self.conv.bias)
