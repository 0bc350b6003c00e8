"""Scores that are made neutral by what comes later are refused."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from barwise.audit.neutral import neutral_waits
from barwise.neutral import Neutral
from tests.test_neutral import exposed


@dataclass(frozen=True)
class ByLater:
    """`Neutral` whose exposures are changed by `change`."""

    change: object
    to: tuple[str, ...] = ("size", "hint")

    def on(self, bars, universe=None):
        found = Neutral(self.to).on(bars, universe)
        return replace(found, columns=tuple(self.change(values) for values in found.columns))  # type: ignore[operator]


def by_the_mean_of_all_dates(values: np.ndarray) -> np.ndarray:
    return values * np.nanmean(values, axis=0)


def by_the_next_bar(values: np.ndarray) -> np.ndarray:
    return np.vstack([values[1:], values[-1:]])


def by_those_that_last(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values[-1]), values, 0.0)


@pytest.mark.parametrize("change", [by_the_mean_of_all_dates, by_the_next_bar, by_those_that_last])
def test_exposures_of_later_bars_are_refused(change):
    market, *_ = exposed()
    found = [f for f in neutral_waits(ByLater(change), market.bars, market.universe, 0) if not isinstance(f, int)]
    assert len(found) == 1 and found[0].level == "leak" and "later" in found[0].text


def test_those_of_past_bars_pass():
    market, *_ = exposed()
    found = list(neutral_waits(Neutral(("sector", "beta", "size", "hint")), market.bars, market.universe, 0))
    assert len(found) == 4 and all(isinstance(f, int) and f > 5 for f in found)
    assert list(neutral_waits(None, market.bars, market.universe, 0)) == []
