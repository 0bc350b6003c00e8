"""A net that starts each piece of a stretch anew."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from barwise.strategies.nets import SequenceNet, State


class Forgetful(SequenceNet):
    """Leaves out the state that it is given."""

    def __init__(self, n_features: int, hidden_size: int = 8, num_layers: int = 1, dropout: float = 0.0, **head: Any):
        super().__init__(hidden_size, dropout, **head)
        self.gru = nn.GRU(n_features, hidden_size, num_layers, batch_first=True)

    def hidden(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        found: tuple[Tensor, State] = self.gru(x)
        return found
