"""Bars of five minutes, of three pairs, with a pattern that their hours alone show."""

from __future__ import annotations

import numpy as np

from barwise.data.bars import Bars

PAIRS = ("EURUSD", "GBPUSD", "USDJPY")
SIGMA = 3e-4  # of five minutes


def pairs(n_hours: int, strength: float = 2.0, seed: int = 0) -> list[Bars]:
    """Hours around the clock on weekdays, stamped with when a bar opens.

    Where the hours two and six before went the same way, some bar of an hour, at random, is moved up by `strength`
    standard deviations; where they went apart, down. Returns of five minutes do not tell, nor does any one of hours.
    """
    random = np.random.default_rng(seed)
    moves = random.normal(0.0, SIGMA, (n_hours, 12, len(PAIRS)))
    paid = random.integers(12, size=(n_hours, len(PAIRS)))
    for h in range(6, n_hours):
        sign = np.sign(moves[h - 6].sum(axis=0) * moves[h - 2].sum(axis=0))
        moves[h, paid[h], np.arange(len(PAIRS))] += strength * SIGMA * sign
    close = 100.0 * np.exp(moves.reshape(-1, len(PAIRS)).cumsum(axis=0))
    opened = np.vstack([np.full(len(PAIRS), 100.0), close[:-1]])
    reach = SIGMA * np.abs(random.normal(size=(2, *close.shape)))
    high, low = np.maximum(opened, close) * (1 + reach[0]), np.minimum(opened, close) * (1 - reach[1])
    volume = np.round(random.lognormal(8.0, 0.5, close.shape))
    bar = np.arange(12 * n_hours)
    minutes = bar // (288 * 5) * (7 * 288 * 5) + bar % (288 * 5) * 5
    time = (np.datetime64("2024-01-01", "m") + minutes).astype("datetime64[ns]")  # a Monday
    return [
        Bars(name, time, *(x[:, i].copy() for x in (opened, high, low, close, volume))) for i, name in enumerate(PAIRS)
    ]
