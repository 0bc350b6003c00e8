"""TabM: many multilayer perceptrons in one, which share their matrices and learn each by itself."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from torch import Tensor, nn

from barwise.console.settings import Whole, checked
from barwise.strategies.nets import CausalConv, SequenceNet, State


class TabMNet(SequenceNet):
    """`members` perceptrons over the window's bars: common weights, each with scales of inputs and outputs, biases and
    a head of its own. Each learns by its own loss; the output is their mean, of probabilities for classes.

    Source: Gorishniy, Kotelnikov, Babenko (2025), arXiv:2410.24210; scales: Wen, Tran, Ba (2020), arXiv:2002.06715.
    Over a window the scales of inputs are those of a feature, whatever the bar.
    """

    @checked("strategy.net")
    def __init__(
        self, n_features: int, lookback: int, hidden_size: int = 64, num_layers: int = 2, dropout: float = 0.2,
        members: Annotated[int, Whole(2, 256)] = 32, **head: Any,
    ) -> None:  # fmt: skip
        super().__init__(hidden_size, dropout, **head)
        self.members = members
        signs = torch.randint(2, (members, 1, 1, n_features)).float() * 2 - 1  # what makes members differ at first
        self.window = CausalConv(n_features, hidden_size, lookback)
        self.scales = nn.ParameterList([nn.Parameter(signs)])
        self.rest = nn.ModuleList(nn.Linear(hidden_size, hidden_size) for _ in range(num_layers - 1))
        self.scales.extend(nn.Parameter(torch.ones(members, 1, 1, hidden_size)) for _ in self.rest)
        self.after = nn.ModuleList(_Adapter(members, hidden_size) for _ in range(num_layers))
        self.head = _Heads(members, hidden_size, **head)

    def hidden(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """Hidden vectors (member, batch, time, hidden_size), and the past inputs that the next step looks at."""
        past = x.new_zeros(len(x), self.window.past, x.shape[2]) if state is None else state
        first = self.window(self._spread(x), self._spread(past))[0].unflatten(0, (self.members, len(x)))
        seen = torch.cat([past, x], dim=1)
        return self._deeper(first), seen[:, seen.shape[1] - self.window.past :]

    def last(self, x: Tensor) -> Tensor:
        first = self.window.last(self._spread(x)).unflatten(0, (self.members, len(x)))
        found: Tensor = self._deeper(first[:, :, None])[:, :, 0]
        return found

    def forward(self, x: Tensor) -> Tensor:
        return self._answer(self.head(self.last(x)))

    def steps(self, x: Tensor, state: State = None, skip: int = 0) -> tuple[Tensor, State]:
        h, state = self.hidden(x, state)
        return self._answer(self.head(h[:, :, skip:])), state

    def _spread(self, x: Tensor) -> Tensor:
        """(member * batch, time, feature): the inputs as each member sees them."""
        found: Tensor = (x * self.scales[0]).flatten(0, 1)
        return found

    def _deeper(self, z: Tensor) -> Tensor:
        z = torch.relu(self.after[0](z))
        for scale, layer, after in zip(list(self.scales)[1:], self.rest, list(self.after)[1:], strict=True):
            z = torch.relu(after(layer(self.dropout(z) * scale)))
        return z

    def _answer(self, out: Tensor) -> Tensor:
        """Outputs (member, …, outputs): of each member while it learns, else their mean."""
        if self.training:
            return out.squeeze(-1)
        if out.shape[-1] == 1:
            return out.mean(dim=0).squeeze(-1)
        return out.softmax(dim=-1).mean(dim=0).log()


class _Adapter(nn.Module):
    """What is each member's own of a common layer's outputs: a scale and a bias."""

    def __init__(self, members: int, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(members, 1, 1, width))
        self.bias = nn.Parameter(torch.zeros(members, 1, 1, width))

    def forward(self, z: Tensor) -> Tensor:
        found: Tensor = z * self.scale + self.bias
        return found


class _Heads(nn.Module):
    """A linear layer a member, tanh where `squash`: (member, …, width) to (member, …, outputs)."""

    def __init__(self, members: int, width: int, outputs: int = 1, squash: bool = True) -> None:
        super().__init__()
        bound = width**-0.5
        self.weight = nn.Parameter(torch.empty(members, width, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(members, 1, outputs).uniform_(-bound, bound))
        self.squash = squash

    def forward(self, h: Tensor) -> Tensor:
        out: Tensor = torch.baddbmm(self.bias, h.flatten(1, -2), self.weight).unflatten(1, h.shape[1:-1])
        return out.tanh() if self.squash else out
