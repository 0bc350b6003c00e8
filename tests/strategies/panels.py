"""Small panels for tests of nets: random features, stretches with gaps, and a pattern that can be planted."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from barwise.panel import stretch_starts
from barwise.samples import Panel, Samples, Scaler
from barwise.strategies.attention import TransformerNet
from barwise.strategies.base import FitContext
from barwise.strategies.nets import GRUNet, LSTMNet, MLPNet, TCNNet
from barwise.strategies.sequence import SequenceStrategy
from barwise.strategies.tabm import TabMNet

NETS = {"lstm": LSTMNet, "gru": GRUNet, "tcn": TCNNet, "transformer": TransformerNet, "mlp": MLPNet, "tabm": TabMNet}
MODES = ("window", "stream")


def panel_of(lengths: tuple[int, ...] = (60, 45), n_features: int = 3, seed: int = 0, gaps: tuple = ()) -> Panel:
    """Symbols of the given lengths on business days; rows in `gaps` have an undefined feature.

    y is the sign of what the first feature did two bars before, so that one bar alone does not tell it.
    """
    rng = np.random.default_rng(seed)
    n = sum(lengths)
    X = rng.standard_normal((n, n_features)).astype(np.float32)
    X[list(gaps)] = np.nan
    offsets = np.append(0, np.cumsum(lengths))
    finite = np.isfinite(X).all(axis=1)
    time = np.concatenate([np.datetime64("2020-01-01", "ns") + np.arange(k) * np.timedelta64(1, "D") for k in lengths])
    y = np.sign(np.roll(np.nan_to_num(X[:, 0]), 2)).astype(float)
    return Panel(
        X=X, features=tuple(f"f{i}" for i in range(n_features)), symbols=tuple(f"S{i}" for i in range(len(lengths))),
        symbol=np.repeat(np.arange(len(lengths), dtype=np.int32), lengths), time=time, y=y, ret=0.01 * y,
        end=time + np.timedelta64(1, "D"), weight=np.ones(n), finite=finite, warm=np.ones(n, bool),
        start=stretch_starts(finite, offsets),
    )  # fmt: skip


def altered(panel: Panel, rows: np.ndarray, seed: int = 9) -> Panel:
    """The same panel with other features in `rows`."""
    X = panel.X.copy()
    X[rows] = np.where(np.isnan(X[rows]), np.nan, np.random.default_rng(seed).normal(5.0, 3.0, X[rows].shape))
    return replace(panel, X=X)


def readable(panel: Panel, lookback: int) -> np.ndarray:
    """Rows whose whole window is finite."""
    return np.flatnonzero(panel.finite & (np.arange(len(panel)) - panel.start >= lookback - 1))


def model_of(net: str = "lstm", mode: str = "window", **settings: Any) -> SequenceStrategy:
    """A small net behind the strategy interface."""
    keywords = {"transformer": {"num_heads": 2}, "tabm": {"members": 4}}.get(net, {})
    chosen = {"lookback": 6, "hidden_size": 8, "epochs": 1, "batch_size": 16, "chunk": 8, "dropout": 0.0} | settings
    return SequenceStrategy(net=partial(NETS[net], **keywords), sequence=mode, **chosen)


def fitted(model: SequenceStrategy, panel: Panel, rows: np.ndarray, context: FitContext | None = None, **more: Any):
    """The model fit on the first four fifths of `rows`, validated on the rest."""
    cut = int(0.8 * len(rows))
    scaler = Scaler.fit(panel.X[rows[:cut]])
    train, valid = Samples(panel, rows[:cut], scaler), Samples(panel, rows[cut:], scaler)
    model.fit(train, valid, context or FitContext(seed=1, **more))
    return model, scaler
