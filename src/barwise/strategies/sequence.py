"""The LSTM behind the strategy interface."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from barwise.errors import require
from barwise.samples import Samples
from barwise.strategies import scores
from barwise.strategies.base import FitContext
from barwise.strategies.batches import Windows, window_rows
from barwise.strategies.module import train as train_net
from barwise.strategies.nets import LSTMNet


class LSTMStrategy:
    """Scores the last bar of a window of `lookback` bars by SEED.md's LSTM, trained by Lightning.

    Learns y as it is where it is -1, 0, +1, else y over three training deviations, clipped.
    """

    scale = True
    takes_nan = False
    needs_torch = True

    def __init__(
        self,
        lookback: int = 30,
        hidden_size: int = 64,
        num_layers: int = 2,
        dropout: float = 0.2,
        learning_rate: float = 0.001,
        batch_size: int = 256,
        epochs: int = 8,
        patience: int = 2,
        weight_decay: float = 0.01,
        gradient_clip: float = 1.0,
    ) -> None:
        for name, value, default in (
            ("lookback", lookback, 30), ("hidden_size", hidden_size, 64), ("num_layers", num_layers, 2),
            ("batch_size", batch_size, 256), ("epochs", epochs, 8), ("patience", patience, 2),
        ):  # fmt: skip
            good = isinstance(value, int) and value >= 1
            require(
                good, f"strategy.{name}={value}: must be a whole number of 1 or more; the shipped default is {default}"
            )
        require(0 <= dropout < 1, f"strategy.dropout={dropout}: must lie in [0, 1); the shipped default is 0.2")
        require(learning_rate > 0, f"strategy.learning_rate={learning_rate}: must be above 0; the default is 0.001")
        require(weight_decay >= 0, f"strategy.weight_decay={weight_decay}: must be 0 or more; the default is 0.01")
        require(
            gradient_clip >= 0, f"strategy.gradient_clip={gradient_clip}: must be 0 (off) or more; the default is 1"
        )
        self.lookback = lookback
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.epochs = epochs
        self.patience = patience
        self.weight_decay = weight_decay
        self.gradient_clip = gradient_clip

    def fit(self, train: Samples, valid: Samples, context: FitContext) -> Self:
        torch.manual_seed(context.seed)
        first = train.time.min() if len(train) else None
        train = train.select(window_rows(train, self.lookback, first))
        require(len(train) > 0, f"strategy.lookback={self.lookback}: no training row has so many bars before it")
        self.n_features_ = len(train.features)
        target = _target(train.y)
        batches = Windows(train, self.lookback, self.batch_size, context.device, seed=context.seed)
        batches.y = target(batches.y)
        watched = None
        if len(valid):
            watched = Windows(valid, self.lookback, 4 * self.batch_size, context.device)
            watched.y = target(watched.y)
        settings = {
            name: getattr(self, name)
            for name in ("epochs", "patience", "learning_rate", "weight_decay", "gradient_clip")
        }
        self.net_ = train_net(self._net(), batches, watched, context, settings)
        return self

    def probe(self, n_features: int) -> tuple[torch.nn.Module, torch.Tensor, torch.Tensor]:
        """A fresh net and one random batch of the shape it trains on, by which devices are timed and compared."""
        generator = torch.Generator().manual_seed(0)
        self.n_features_ = n_features
        x = torch.randn(self.batch_size, self.lookback, n_features, generator=generator)
        return self._net(), x, torch.randn(self.batch_size, generator=generator).sign()

    def _net(self) -> LSTMNet:
        return LSTMNet(self.n_features_, self.hidden_size, self.num_layers, self.dropout)

    def predict(self, samples: Samples) -> np.ndarray:
        score = np.full(len(samples), np.nan)
        known = window_rows(samples, self.lookback)
        if len(known):
            windows = Windows(samples.select(known), self.lookback, 1024, "cpu")
            self.net_.eval()
            with torch.inference_mode():
                score[known] = torch.cat([self.net_(x) for x, _, _ in windows]).double().numpy()
        return score

    def save(self, folder: Path) -> None:
        names = ("lookback", "hidden_size", "num_layers", "dropout")
        settings = {name: getattr(self, name) for name in names} | {"n_features": self.n_features_}
        scores.save_settings(folder, "lstm", settings)
        save_file(self.net_.state_dict(), folder / "model.safetensors")

    @classmethod
    def load(cls, folder: Path) -> Self:
        settings = scores.load_settings(folder, "lstm")
        n_features = int(settings.pop("n_features"))
        model = cls(**settings)
        model.n_features_ = n_features
        model.net_ = model._net().eval()
        model.net_.load_state_dict(load_file(folder / "model.safetensors"))
        return model


def _target(y: np.ndarray) -> Any:
    """What turns labels into what tanh can reach: signs as they are, else y over three deviations, clipped."""
    if scores.is_classes(y):
        return lambda t: t
    width = 3.0 * float(np.std(y)) or 1.0
    return lambda t: torch.clamp(t / width, -1.0, 1.0)
