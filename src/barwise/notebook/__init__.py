"""Strategies on a plain frame of one symbol's bars, and as scikit-learn estimators; a run's own code inside.

strategy = XGBoostStrategy(n_estimators=100)
strategy.train_model(bars.loc[:"2019"])
signals = strategy.generate_signals(bars)           # a Series with the frame's dates
"""

from barwise.notebook.estimators import (
    Features,
    FrameStrategy,
    LightGBMStrategy,
    LSTMStrategy,
    RandomForestStrategy,
    XGBoostStrategy,
)
from barwise.notebook.frames import bars_of

__all__ = [
    "Features", "FrameStrategy", "LSTMStrategy", "LightGBMStrategy", "RandomForestStrategy", "XGBoostStrategy",
    "bars_of",
]  # fmt: skip
