"""Volume features (SEED.md's columns)."""

from __future__ import annotations

import numpy as np

from barwise.data.bars import Bars
from barwise.features import rolling


def volume(bars: Bars, window: int = 20) -> dict[str, np.ndarray]:
    """Mean volume and volume over it, dollar volume and its mean, and the correlation of price and volume changes.

    `volume_ratio` is NaN where the mean is 0; the correlation where volume was 0 or nothing varied.
    """
    average = rolling.mean(bars.volume, window)
    dollars = bars.close * bars.volume
    together = rolling.correlation(rolling.change(bars.close), rolling.change(bars.volume), window)
    return {
        f"volume_ma_{window}": average,
        "volume_ratio": rolling.ratio(bars.volume, average),
        "dollar_volume": dollars,
        "dollar_volume_ma": rolling.mean(dollars, window),
        "volume_price_corr": together,
    }
