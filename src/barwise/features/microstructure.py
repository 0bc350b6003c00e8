"""Microstructure features: spread where the source has bid and ask, and the bar's range."""

from __future__ import annotations

import numpy as np

from barwise.console.settings import Window, checked
from barwise.data.bars import Bars
from barwise.features import rolling


@checked("features.microstructure")
def microstructure(bars: Bars, window: Window = 20) -> dict[str, np.ndarray]:
    """`hl_range`, `hl_range_pct`, `close_position`; with bid and ask also `spread`, `spread_pct` of mid, `spread_ma`.

    The close position is 0.5 in a bar whose high is its low. Without both bid and ask the spread features are absent;
    where a quote is missing they are NaN. ConfigError for a window of no bars.
    """
    out: dict[str, np.ndarray] = {}
    if has_quotes(bars):
        bid, ask = bars.extra["bid"], bars.extra["ask"]
        out["spread"] = ask - bid
        out["spread_pct"] = rolling.ratio(ask - bid, (ask + bid) / 2)
        out["spread_ma"] = rolling.mean(ask - bid, window)
    out["hl_range"] = bars.high - bars.low
    out["hl_range_pct"] = rolling.ratio(bars.high - bars.low, bars.close)
    out["close_position"] = rolling.share(bars.close, bars.low, bars.high)
    return out


def has_quotes(bars: Bars) -> bool:
    """Whether the source has both bid and ask."""
    return "bid" in bars.extra and "ask" in bars.extra
