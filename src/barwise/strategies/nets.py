"""Sequence nets: (batch, time, feature) in, one score in (-1, 1) per window out."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LSTMNet(nn.Module):
    """SEED.md's network: stacked LSTM layers, then two linear layers and tanh.

    The layers are single nn.LSTMs with Dropout between them: the stacked form with dropout has wrong gradients on MPS.
    """

    def __init__(self, n_features: int, hidden_size: int = 64, num_layers: int = 2, dropout: float = 0.2) -> None:
        super().__init__()
        sizes = [n_features] + [hidden_size] * (num_layers - 1)
        self.layers = nn.ModuleList(nn.LSTM(size, hidden_size, batch_first=True) for size in sizes)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Sequential(
            nn.Linear(hidden_size, 32), nn.ReLU(), nn.Dropout(dropout), nn.Linear(32, 1), nn.Tanh()
        )

    def forward(self, x: Tensor) -> Tensor:
        for i, layer in enumerate(self.layers):
            x, _ = layer(x if i == 0 else self.dropout(x))  # (batch, time, hidden)
        return self.head(x[:, -1]).squeeze(-1)  # (batch,)


def count_parameters(net: nn.Module) -> int:
    """How many numbers the net learns."""
    return sum(p.numel() for p in net.parameters() if p.requires_grad)


def finite(net: nn.Module) -> bool:
    """Whether every weight is a finite number."""
    return all(bool(torch.isfinite(p).all()) for p in net.parameters())
