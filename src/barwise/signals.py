"""Signal rules: from scores to signals in [-1, 1]; thresholds come from the fold's validation scores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Protocol, Self

import numpy as np

from barwise.console.settings import Number, Share, check_fields
from barwise.errors import ConfigError, require

Level = Annotated[float, Number(-1.0, 1.0)]  # of a score


class SignalRule(Protocol):
    """Learns from validation scores, then turns later scores into signals; a NaN score is flat."""

    def fit(self, scores: np.ndarray) -> Self: ...

    def __call__(self, score: np.ndarray, time: np.ndarray) -> np.ndarray: ...

    def facts(self) -> dict[str, float]: ...


@dataclass(frozen=True)
class FixedThreshold:
    """Long above `upper`, short below `lower`; nothing is learned.

    >>> FixedThreshold(upper=0.5, lower=-0.5)(np.array([0.7, 0.1, -0.6, np.nan]), None).tolist()
    [1.0, 0.0, -1.0, 0.0]
    """

    upper: Level = 0.5
    lower: Level = -0.5

    def __post_init__(self) -> None:
        check_fields(self, "signals")
        require(
            self.lower <= self.upper,
            f"signals.lower={self.lower}: must not lie above signals.upper={self.upper}",
        )

    def fit(self, scores: np.ndarray) -> Self:
        return self

    def __call__(self, score: np.ndarray, time: np.ndarray) -> np.ndarray:
        return beyond(score, self.upper, self.lower)

    def facts(self) -> dict[str, float]:
        return {"upper": self.upper, "lower": self.lower}


@dataclass(frozen=True)
class Quantile:
    """Long above the `upper` quantile of the validation scores, short below the `lower` one.

    Never against the model's own direction: a long needs a score above 0, a short one below 0.
    """

    upper: Share = 0.8
    lower: Share = 0.2
    upper_: Any = np.nan
    lower_: Any = np.nan

    def __post_init__(self) -> None:
        check_fields(self, "signals")
        require(
            self.lower < self.upper,
            f"signals.lower={self.lower}, signals.upper={self.upper}: must be quantiles, 0 <= lower < upper <= 1",
        )

    def fit(self, scores: np.ndarray) -> Self:
        known = _known(scores, "quantile")
        return replace(
            self,
            upper_=max(0.0, float(np.quantile(known, self.upper))),
            lower_=min(0.0, float(np.quantile(known, self.lower))),
        )

    def __call__(self, score: np.ndarray, time: np.ndarray) -> np.ndarray:
        return beyond(score, self.upper_, self.lower_)

    def facts(self) -> dict[str, float]:
        return {"upper": self.upper_, "lower": self.lower_}


@dataclass(frozen=True)
class Proportional:
    """The score over `width` standard deviations of the validation scores, clipped to [-1, 1]."""

    width: Annotated[float, Number(0.0, 1000.0, above=True)] = 2.0
    scale_: Any = np.nan

    def __post_init__(self) -> None:
        check_fields(self, "signals")

    def fit(self, scores: np.ndarray) -> Self:
        deviation = float(np.std(_known(scores, "proportional")))
        return replace(self, scale_=self.width * deviation)

    def __call__(self, score: np.ndarray, time: np.ndarray) -> np.ndarray:
        if not self.scale_ > 0:
            return np.zeros(len(score))
        found: np.ndarray = np.nan_to_num(np.clip(score / self.scale_, -1.0, 1.0), nan=0.0)
        return found

    def facts(self) -> dict[str, float]:
        return {"scale": self.scale_}


@dataclass(frozen=True)
class Rank:
    """Long the `top` share of each bar's cross-section by score, short the `bottom` share, at least one each.

    Flat where fewer than two symbols have a score, or where all scores are equal.
    """

    across_symbols: ClassVar[bool] = True  # a signal depends on the other symbols of its bar
    top: Share = 0.2
    bottom: Share = 0.2

    def __post_init__(self) -> None:
        check_fields(self, "signals")
        require(
            self.top + self.bottom <= 1,
            f"signals.top={self.top}, signals.bottom={self.bottom}: must be shares that add up to 1 at most",
        )

    def fit(self, scores: np.ndarray) -> Self:
        return self

    def __call__(self, score: np.ndarray, time: np.ndarray) -> np.ndarray:
        signal = np.zeros(len(score))
        known = np.flatnonzero(np.isfinite(score))
        order = known[np.lexsort((score[known], time[known]))]
        _, begins = np.unique(time[order], return_index=True)
        for block in np.split(order, begins[1:]):
            n = len(block)
            if n < 2 or score[block[0]] == score[block[-1]]:
                continue
            if self.top > 0:
                signal[block[-max(1, int(n * self.top)) :]] = 1.0
            if self.bottom > 0:
                signal[block[: max(1, int(n * self.bottom))]] = -1.0
        return signal

    def facts(self) -> dict[str, float]:
        return {}


@dataclass(frozen=True)
class Unchanged:
    """The score itself; 0 where there is none. Portfolios that read scores want no other."""

    def fit(self, scores: np.ndarray) -> Self:
        return self

    def __call__(self, score: np.ndarray, time: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.nan_to_num(np.clip(score, -1.0, 1.0), nan=0.0)
        return found

    def facts(self) -> dict[str, float]:
        return {}


def beyond(score: np.ndarray, upper: float, lower: float) -> np.ndarray:
    """+1 above `upper`, -1 below `lower`, else 0.

    >>> beyond(np.array([0.7, 0.1, -0.6]), 0.5, -0.5).tolist()
    [1.0, 0.0, -1.0]
    """
    found: np.ndarray = (score > upper).astype(float) - (score < lower).astype(float)
    return found


def _known(scores: np.ndarray, name: str) -> np.ndarray:
    known = scores[np.isfinite(scores)]
    if not len(known):
        raise ConfigError(
            f"signals={name}: no validation row has a score to learn thresholds from; use more bars, a larger"
            " validation.valid_fraction or signals=fixed_threshold"
        )
    found: np.ndarray = known
    return found
