"""Metrics of the user's own, beside barwise's in metrics.json."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from barwise.errors import ConfigError
from barwise.experiment.parts import Measure


def measured(measures: Mapping[str, Measure], net: np.ndarray, per_year: float) -> dict[str, Any]:
    """Each of `measures` of the net returns by bar; null where it is not finite. ConfigError where one fails."""
    found: dict[str, Any] = {}
    for name, measure in measures.items():
        try:
            value = measure(net.copy(), per_year)
            found[name] = float(value) if value is not None and math.isfinite(float(value)) else None
        except Exception as error:
            line = " ".join(f"{type(error).__name__}: {error}".split())[:160]
            what = "must give one number of net returns and periods a year"
            raise ConfigError(f"measures.{name}: {what} ({line})") from error
    return found
