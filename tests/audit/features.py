"""Feature sets as a careless user writes them, with pandas; each knows something too early."""

from __future__ import annotations

import numpy as np
import pandas as pd

from barwise.data.bars import Bars


def close_of(bars: Bars) -> pd.Series:
    return pd.Series(bars.close, index=pd.DatetimeIndex(bars.time))


def centred_window(bars: Bars) -> dict[str, np.ndarray]:
    close = close_of(bars)
    return {"centred": (close / close.rolling(11, center=True).mean()).to_numpy()}


def shifted_back(bars: Bars) -> dict[str, np.ndarray]:
    return {"tomorrow": close_of(bars).pct_change().shift(-1).to_numpy()}


def back_filled(bars: Bars) -> dict[str, np.ndarray]:
    close = close_of(bars)
    return {"filled": (close / close.rolling(50).mean()).bfill().to_numpy()}


def back_filled_quotes(bars: Bars) -> dict[str, np.ndarray]:
    """The source has a quote on some bars only; the next one is used until then."""
    quote = pd.Series(bars.extra["bid"]).bfill()
    return {"quote": (quote / bars.close).ffill().to_numpy()}


def interpolated_quotes(bars: Bars) -> dict[str, np.ndarray]:
    return {"between": (pd.Series(bars.extra["bid"]).interpolate() / bars.close).ffill().to_numpy()}


def z_scored(bars: Bars) -> dict[str, np.ndarray]:
    move = close_of(bars).pct_change()
    return {"z": ((move - move.mean()) / move.std()).to_numpy()}


def min_max_scaled(bars: Bars) -> dict[str, np.ndarray]:
    close = bars.close
    return {"scaled": (close - close.min()) / (close.max() - close.min())}


def distance_from_low(bars: Bars) -> dict[str, np.ndarray]:
    """Where prices rise, the lowest lies in the past and only another future gives it away."""
    return {"above_low": bars.close / bars.low.min()}


def weekly_labelled_left(bars: Bars) -> dict[str, np.ndarray]:
    close = close_of(bars)
    week = close.resample("W-MON", label="left", closed="left").last()
    return {"week": (week.reindex(close.index, method="ffill") / close).to_numpy()}


def smoothed_backwards(bars: Bars) -> dict[str, np.ndarray]:
    """Forwards and backwards, as filtfilt does."""
    close = close_of(bars)
    return {"smooth": (close[::-1].ewm(span=10).mean()[::-1] / close).to_numpy()}


def day_high(bars: Bars) -> dict[str, np.ndarray]:
    """The day's high on each of the day's bars, the first included."""
    high = pd.Series(bars.high, index=pd.DatetimeIndex(bars.time))
    return {"day_high": (high.groupby(high.index.date).transform("max") / bars.close).to_numpy()}


def target_encoded(bars: Bars) -> dict[str, np.ndarray]:
    """What each weekday earned on average, over all bars there are."""
    earned = close_of(bars).pct_change().shift(-1)
    return {"weekday": earned.groupby(earned.index.day_of_week).transform("mean").to_numpy()}


def low_passed(bars: Bars) -> dict[str, np.ndarray]:
    waves = np.fft.rfft(np.log(bars.close))
    waves[len(waves) // 10 :] = 0
    return {"trend": np.log(bars.close) - np.fft.irfft(waves, len(bars.close))}


def label_renamed(bars: Bars) -> dict[str, np.ndarray]:
    """A code for each class, in no order: no correlation gives it away."""
    y = bars.extra["target"]
    return {"state": np.select([y < 0, y > 0, y == 0], [1.0, 2.0, 4.0], np.nan)}


def label_itself(bars: Bars) -> dict[str, np.ndarray]:
    """A column that the source brought along; bar by bar it looks like any other."""
    return {"target": bars.extra["target"]}
