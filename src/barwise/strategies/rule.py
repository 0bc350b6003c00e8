"""A side told by one feature, for meta-labels and as a yardstick: nothing is learned."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np

from barwise.console.settings import Number, OneOf, checked
from barwise.errors import ConfigError
from barwise.samples import Samples
from barwise.strategies import scores
from barwise.strategies.base import FitContext

_RETURN = re.compile(r"returns?_(\d+)")


class FeatureRule:
    """1 where `feature` lies above `level` and -1 below it, or the reverse where `direction` is -1.

    Without a name: the longest return among the features, so that 1 is momentum and -1 reversal.
    """

    lookback = 1
    scale = False
    takes_nan = False
    in_blocks = True

    @checked("strategy")
    def __init__(
        self,
        feature: str | None = None,
        level: Annotated[float, Number(-1e9, 1e9)] = 0.0,
        direction: Annotated[int, OneOf((1, -1))] = 1,
    ) -> None:
        self.feature, self.level, self.direction = feature, level, direction

    def fit(self, train: Samples, valid: Samples, context: FitContext) -> Self:
        names = train.features
        feature = self.feature
        if feature is None:
            returns = [(int(m.group(1)), name) for name in names if (m := _RETURN.fullmatch(name))]
            if not returns:
                raise ConfigError("strategy.feature=null: none of the features is a return; name one of them")
            feature = max(returns)[1]
        if feature not in names:
            near = difflib.get_close_matches(str(feature), names, n=1)
            guess = f" did you mean {near[0]}?" if near else ""
            raise ConfigError(
                f"strategy.feature={feature!s:.60}: is none of the features;{guess} there are {', '.join(names)}"
            )
        self.column_ = names.index(feature)
        context.facts.update(feature=feature, learns=False)
        return self

    def predict(self, samples: Samples) -> np.ndarray:
        parts = [np.sign(block.X[:, self.column_].astype(np.float64) - self.level) for block in samples.blocks()]
        return float(self.direction) * np.concatenate(parts)

    def save(self, folder: Path) -> None:
        settings: dict[str, Any] = {"column": self.column_, "level": self.level, "direction": self.direction}
        scores.save_settings(folder, "rule", settings)

    @classmethod
    def load(cls, folder: Path) -> Self:
        found = scores.load_settings(folder, "rule")
        model = cls(None, float(found["level"]), int(found["direction"]))
        model.column_ = int(found["column"])
        return model
