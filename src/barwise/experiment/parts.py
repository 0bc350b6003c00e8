"""What an experiment is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from barwise.audit.plausibility import Plausibility
from barwise.backtest.ledger import Backtest
from barwise.data.bars import Market
from barwise.devices.monitor import Monitor
from barwise.factor.files import FactorReturns
from barwise.features.matrix import FeatureSet
from barwise.features.store import Store
from barwise.neutral import Neutral
from barwise.panel import Labeler
from barwise.signals import SignalRule
from barwise.strategies.base import Strategy
from barwise.validation.folds import Validation

Measure = Callable[[np.ndarray, float], float | None]  # of net returns by bar, and the periods of a year


@dataclass(frozen=True)
class Parts:
    """What an experiment is made of, one field per config group."""

    data: Callable[[], Market]
    features: Mapping[str, FeatureSet]
    labels: Labeler
    validation: Validation
    strategy: Strategy
    signals: SignalRule
    backtest: Backtest
    baseline: Strategy | None = None
    neutral: Neutral | None = None
    device: Mapping[str, Any] = field(default_factory=lambda: {"name": "cpu"})
    seed: int = 0
    threads: int | Literal["auto"] | None = None  # auto: those that train the net fastest
    fold_jobs: int | Literal["auto"] = 1  # folds trained side by side; auto: as many as are faster
    audit: str = "quick"
    plausibility: Plausibility = field(default_factory=Plausibility)
    shuffle_labels: bool = False
    measures: Mapping[str, Measure] = field(default_factory=dict)
    monitor: Monitor | None = None
    cache: Store | None = None
    importance: str = "auto"
    factor_returns: FactorReturns | None = None
    shipped: Callable[[], Mapping[str, FeatureSet]] | None = None  # other feature sets, to name those that would do
