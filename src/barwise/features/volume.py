"""Volume features."""

from __future__ import annotations

import numpy as np

from barwise.console.settings import WideWindow, checked
from barwise.data.bars import Bars
from barwise.features import rolling


@checked("features.volume")
def volume(bars: Bars, window: WideWindow = 20) -> dict[str, np.ndarray]:
    """`volume_ma_<window>`, `volume_ratio` to it, `dollar_volume`, its mean, and the correlation of relative changes.

    `volume_ratio` is NaN where the mean is 0; `volume_price_corr` where a volume in the window (or the one before it)
    is 0, or nothing varies. ConfigError for a window below 2.
    """
    average = rolling.mean(bars.volume, window)
    dollars = bars.close * bars.volume
    return {
        f"volume_ma_{window}": average,
        "volume_ratio": rolling.ratio(bars.volume, average),
        "dollar_volume": dollars,
        "dollar_volume_ma": rolling.mean(dollars, window),
        "volume_price_corr": rolling.correlation(rolling.change(bars.close), rolling.change(bars.volume), window),
    }
