"""Feature sets: plain functions of one symbol's bars."""

from collections.abc import Callable

import numpy as np

from barwise.data.bars import Bars

FeatureSet = Callable[[Bars], dict[str, np.ndarray]]
"""Column name to float64 array as long as the bars; row t uses bars <= t; NaN where undefined, never infinite."""

__all__ = ["FeatureSet"]
