"""What features add to the margin of a strategy that is made of others, where each of these knows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from barwise.samples import Samples
from barwise.strategies.hooks import Contributing
from barwise.strategies.parts import Part
from barwise.strategies.rows import usable


class Member(NamedTuple):
    """A part, its weight in the mean, and what its margin is multiplied by."""

    part: Part
    weight: float = 1.0
    scale: float = 1.0


def offer_reasons(
    whole: Any, members: Iterable[Member], view: Callable[[Samples], Samples] | None = None,
    columns: Sequence[int] | None = None,
) -> None:  # fmt: skip
    """Give `whole` the hook `Contributing` where all members with a weight have it: margins and contributions are
    weighted means over those that can read the row. `view`: the samples as members see them, whose features are the
    `columns` of all."""
    counted = [one for one in members if one.weight > 0]
    vars(whole).pop("contributions", None), vars(whole).pop("margin", None)
    if not counted or not all(isinstance(one.part.strategy, Contributing) for one in counted):
        return

    def mean(samples: Samples, of: str, shape: tuple[int, ...]) -> np.ndarray:
        seen = samples if view is None else view(samples)
        total, weight = np.zeros(shape), np.zeros(len(samples))
        for part, own, scale in counted:
            known = usable(part.strategy, seen.panel, seen.rows)
            if known.any():
                rows = Samples(seen.panel, seen.rows[known], part.scaler)
                total[known] += own * scale * getattr(part.strategy, of)(rows)
                weight[known] += own
        weight = weight.reshape(-1, *(1,) * (len(shape) - 1))
        found: np.ndarray = np.divide(total, weight, out=np.full(shape, np.nan), where=weight > 0)
        return found

    def contributions(samples: Samples) -> np.ndarray:
        features = len(samples.features) if columns is None else len(columns)
        found = mean(samples, "contributions", (len(samples), features + 1))
        if columns is None:
            return found
        out = np.zeros((len(samples), len(samples.features) + 1))
        out[:, [*columns, -1]] = found
        return out

    whole.contributions, whole.margin = contributions, lambda samples: mean(samples, "margin", (len(samples),))


def offer_sided_reasons(
    whole: Any, second: Part, score: Callable[[Samples], np.ndarray],
    beside: Callable[[Samples, np.ndarray], Samples], column: int,
) -> None:  # fmt: skip
    """Give `whole` the hook `Contributing` where `second` has it: margin and contributions are those of `second` times
    the side, the sign of `score`; 0 without a side.

    `beside`: what `second` reads, the features and the score last. What it makes of the score goes to the feature
    `column`, and to the base for -1.
    """
    vars(whole).pop("contributions", None), vars(whole).pop("margin", None)
    if not isinstance(second.strategy, Contributing):
        return

    def sided(samples: Samples, of: str, shape: tuple[int, ...]) -> np.ndarray:
        value = score(samples)
        found = np.zeros((len(samples), *shape))
        found[~np.isfinite(value)] = np.nan
        rows = np.flatnonzero(np.isfinite(value) & (value != 0))
        if not len(rows):
            return found
        seen = beside(samples.select(rows), value[rows])
        known = usable(second.strategy, seen.panel, seen.rows)
        found[rows[~known]] = np.nan
        if known.any():
            inner = getattr(second.strategy, of)(Samples(seen.panel, seen.rows[known], second.scaler))
            found[rows[known]] = inner * np.sign(value[rows[known]]).reshape(-1, *(1,) * len(shape))
        return found

    def contributions(samples: Samples) -> np.ndarray:
        features = len(samples.features)
        inner = sided(samples, "contributions", (features + 2,))
        found = np.delete(inner, features, axis=1)
        found[:, column] += inner[:, features]
        return found

    whole.contributions, whole.margin = contributions, lambda samples: sided(samples, "margin", ())
