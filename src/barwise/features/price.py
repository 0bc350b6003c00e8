"""Price features: returns, moving averages, volatility and the place in the range."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from barwise.console.settings import WideWindow, Window, checked
from barwise.data.bars import Bars
from barwise.features import rolling

_RETURNS, _AVERAGES, _VOLATILITIES, _POSITIONS = (1, 5, 10, 20), (10, 20, 50, 200), (10, 20, 50), (20, 50)


@checked("features.price")
def price(
    bars: Bars,
    returns: Sequence[Window] = _RETURNS,
    averages: Sequence[Window] = _AVERAGES,
    volatilities: Sequence[WideWindow] = _VOLATILITIES,
    positions: Sequence[Window] = _POSITIONS,
) -> dict[str, np.ndarray]:
    """`returns_n`, `log_returns_n`, `ma_n`, `ma_ratio_n` (close over it), `volatility_n`, `price_position_n`.

    The price position is 0.5 where high and low of the window are one price. ConfigError for a window of no bars.
    """
    close = bars.close
    out: dict[str, np.ndarray] = {}
    for n in returns:
        growth = rolling.quotient(close, n)
        out[f"returns_{n}"] = growth - 1.0
        out[f"log_returns_{n}"] = np.log(growth)
    for n, average in rolling.means(close, averages).items():
        out[f"ma_{n}"], out[f"ma_ratio_{n}"] = average, rolling.ratio(close, average)
    for n, deviation in rolling.stds(rolling.change(close), volatilities).items():
        out[f"volatility_{n}"] = deviation
    for n in positions:
        out[f"price_position_{n}"] = rolling.share(close, rolling.lowest(bars.low, n), rolling.highest(bars.high, n))
    return out
