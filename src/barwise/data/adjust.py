"""Adjusting bars for splits and dividends by their adjusted close, and finding the splits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from barwise.data.bars import PRICES, Bars

_JUMP = 0.15  # a change of adj_close/close beyond a dividend's; the smallest common split, 5 for 4, is 0.25


def adjust(bars: Bars) -> Bars:
    """Prices (bid and ask too) times adj_close/close, volume over it; `adj_close` leaves the extra columns."""
    extra = dict(bars.extra)
    adj_close = extra.pop("adj_close")
    factor = adj_close / bars.close
    prices = {name: getattr(bars, name) * factor for name in PRICES} | {"close": adj_close}
    extra |= {name: extra[name] * factor for name in ("bid", "ask") if name in extra}
    return replace(bars, **prices, volume=bars.volume / factor, extra=extra)


def splits(bars: Bars) -> list[tuple[np.datetime64, float]]:
    """(time, new shares per old) where adj_close/close jumps by more than 15 %, up or down."""
    factor = bars.extra["adj_close"] / bars.close
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = factor[1:] / factor[:-1]
        jumps = np.flatnonzero(np.abs(np.log(ratio)) > np.log1p(_JUMP)) + 1
    return [(bars.time[i], float(ratio[i - 1])) for i in jumps if np.isfinite(ratio[i - 1])]
