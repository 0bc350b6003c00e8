"""A causal transformer with a sliding window, so that it can be walked bar by bar."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from torch import Tensor, nn

from barwise.console.settings import Whole, checked
from barwise.errors import require
from barwise.strategies.nets import SequenceNet, State


class TransformerNet(SequenceNet):
    """Pre-norm blocks of attention to the last `lookback` steps; distance enters as a slope per head.

    Attention: Vaswani et al., 2017. Linear biases in place of positions (ALiBi: Press, Smith, Lewis, 2022), which need
    no beginning to count from.
    """

    @checked("strategy.net")
    def __init__(
        self, n_features: int, lookback: int, hidden_size: int = 64, num_layers: int = 2, dropout: float = 0.2,
        num_heads: Annotated[int, Whole(1, 1024)] = 4, **head: Any,
    ) -> None:  # fmt: skip
        good = hidden_size % num_heads == 0
        require(good, f"strategy.net.num_heads={num_heads}: must divide hidden_size={hidden_size}; the default is 4")
        super().__init__(hidden_size, dropout, **head)
        self.first = nn.Linear(n_features, hidden_size)
        self.blocks = nn.ModuleList(_Block(hidden_size, num_heads, lookback, dropout) for _ in range(num_layers))
        self.norm = nn.LayerNorm(hidden_size)

    def hidden(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        x, after = self.first(x), []
        for i, block in enumerate(self.blocks):
            x, s = block(x, None if state is None else state[i])
            after.append(s)
        return self.norm(x), after


class _Block(nn.Module):
    """Attention, then two linear layers, each beside the way around it; its state is the past keys and values."""

    def __init__(self, hidden_size: int, num_heads: int, lookback: int, dropout: float) -> None:
        super().__init__()
        self.num_heads, self.lookback = num_heads, lookback
        self.before, self.between = nn.LayerNorm(hidden_size), nn.LayerNorm(hidden_size)
        self.project = nn.Linear(hidden_size, 3 * hidden_size)
        self.merge = nn.Linear(hidden_size, hidden_size)
        self.wide = nn.Sequential(
            nn.Linear(hidden_size, 2 * hidden_size),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(2 * hidden_size, hidden_size),
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        heads = self.project(self.before(x)).unflatten(-1, (3, self.num_heads, -1))  # (batch, time, 3, head, width)
        q, k, v = heads.permute(2, 0, 3, 1, 4)  # each (batch, head, time, width)
        if state is not None:
            k, v = torch.cat([state[0], k], dim=2), torch.cat([state[1], v], dim=2)
        seen = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=self.bias(q, k))
        x = x + self.dropout(self.merge(seen.transpose(1, 2).flatten(2)))
        keep = max(0, k.shape[2] - self.lookback + 1)
        return x + self.dropout(self.wide(self.between(x))), (k[:, :, keep:], v[:, :, keep:])

    def bias(self, q: Tensor, k: Tensor) -> Tensor:
        """(head, query, key): minus slope times distance; minus infinity for later and for too distant keys."""
        n, m = q.shape[2], k.shape[2]
        distance = (torch.arange(n, device=q.device) + m - n)[:, None] - torch.arange(m, device=q.device)
        slope = 2.0 ** (-8.0 * torch.arange(1, self.num_heads + 1, device=q.device) / self.num_heads)
        known = (distance >= 0) & (distance < self.lookback)
        return torch.where(known, -slope[:, None, None] * distance, float("-inf")).to(q.dtype)
