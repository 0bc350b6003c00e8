"""What is too good to be true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from barwise.errors import require

_DAILY = 252.0


@dataclass(frozen=True)
class Plausibility:
    """Limits beyond which the verdict's sentence speaks of it; conf/config.yaml has their reasons.

    `information_ratio`: of one feature, |rank correlation| × √(independent labels a year), if it also lies
    `standard_errors` from zero. `sharpe`: net, a year, over `bars` bars or more; for bars of less than a day it grows
    with the root of their number, as what independent bets can earn does.
    """

    information_ratio: float = 3.0
    standard_errors: float = 6.0
    sharpe: float = 4.0
    bars: int = 500

    def __post_init__(self) -> None:
        for name in ("information_ratio", "standard_errors", "sharpe", "bars"):
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value)
            require(number and value > 0, f"plausibility.{name}={value}: must be a number above 0")

    def suspicious(self, rho: float, labels: float, years: float) -> bool:
        """Whether a feature's rank correlation with `labels` independent labels of so many `years` is no honest one."""
        a_year = labels / max(years, 1 / _DAILY)
        beyond_luck = rho > self.standard_errors / np.sqrt(labels)
        return bool(beyond_luck and rho * np.sqrt(a_year) > self.information_ratio)

    def implausible(self, metrics: Mapping[str, Any], bars: int, per_year: float, cause: str | None) -> str | None:
        """Why a result is beyond what trading earns, and the likeliest cause; None for one that is not."""
        sharpe = metrics.get("sharpe")
        limit = self.sharpe * max(1.0, np.sqrt(per_year / _DAILY))
        if sharpe is None or bars < self.bars or sharpe <= limit:
            return None
        cause = cause or _likeliest(metrics)
        return f"a net Sharpe ratio of {sharpe:.1f} over {bars:,} bars is implausible; the likeliest cause is {cause}"


def _likeliest(metrics: Mapping[str, Any]) -> str:
    """What a result too good to be true most often comes from, by how it was earned."""
    sharpe, delayed, gross = (metrics.get(name) for name in ("sharpe", "sharpe_delayed", "sharpe_gross"))
    if delayed is not None and sharpe and delayed < 0.5 * sharpe:
        return "a price or a column that was not known when the signal was made: most of it is gone one bar later"
    if gross and sharpe and sharpe > 0.95 * gross:
        return "costs that are too low, or prices that could not be traded"
    return "data that knew the future when they were made: a column of the source, revised or stamped too early"
