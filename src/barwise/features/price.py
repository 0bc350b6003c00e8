"""Price features: returns, moving averages, volatility and the place in the range (SEED.md's columns)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from barwise.data.bars import Bars
from barwise.features import rolling


def price(
    bars: Bars,
    returns: Sequence[int] = (1, 5, 10, 20),
    averages: Sequence[int] = (10, 20, 50, 200),
    volatilities: Sequence[int] = (10, 20, 50),
    positions: Sequence[int] = (20, 50),
) -> dict[str, np.ndarray]:
    """`returns_n`, `log_returns_n`, `ma_n`, `ma_ratio_n` (close over it), `volatility_n`, `price_position_n`.

    The price position is 0.5 where high and low of the window are one price.
    """
    out: dict[str, np.ndarray] = {}
    for n in returns:
        out[f"returns_{n}"] = rolling.change(bars.close, n)
        out[f"log_returns_{n}"] = np.log1p(out[f"returns_{n}"])
    for n in averages:
        out[f"ma_{n}"] = rolling.mean(bars.close, n)
        out[f"ma_ratio_{n}"] = rolling.ratio(bars.close, out[f"ma_{n}"])
    daily = rolling.change(bars.close)
    for n in volatilities:
        out[f"volatility_{n}"] = rolling.std(daily, n)
    for n in positions:
        out[f"price_position_{n}"] = rolling.share(
            bars.close, rolling.lowest(bars.low, n), rolling.highest(bars.high, n)
        )
    return out
