"""Feature sets: plain functions of one symbol's bars."""

from collections.abc import Callable, Sequence

import numpy as np

from barwise.data.bars import Bars

FeatureSet = Callable[[Bars], dict[str, np.ndarray]]
"""Column name to float64 array as long as the bars; row t uses bars <= t; NaN where undefined, never infinite."""


class Block(dict[str, np.ndarray]):
    """Columns that lie side by side in one `array` (bar, column), which the matrix takes over at once."""

    def __init__(self, array: np.ndarray, names: Sequence[str]) -> None:
        super().__init__(zip(names, array.T, strict=True))
        self.array = array


__all__ = ["Block", "FeatureSet"]
