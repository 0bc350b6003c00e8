"""From a score to the probability that it is right, learned on validation rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

KINDS = ("sigmoid", "isotonic", "none")
_FEWEST = 20  # rows below which nothing is learned


@dataclass(frozen=True)
class Calibration:
    """`sigmoid`: 1 / (1 + exp(-(a s + b))) (Platt, 1999); `isotonic`: steps that never fall; `none`: (1 + s) / 2."""

    kind: str = "none"
    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()

    @classmethod
    def of(cls, kind: str, score: np.ndarray, right: np.ndarray) -> Self:
        """Learned from scores and whether each was right; `none` where there are too few, or of one kind alone."""
        known = np.isfinite(score)
        score, right = score[known], right[known].astype(bool)
        if kind == "none" or len(score) < _FEWEST or right.all() or not right.any():
            return cls()
        if kind == "isotonic":
            from sklearn.isotonic import IsotonicRegression

            model = IsotonicRegression(out_of_bounds="clip").fit(score, right.astype(float))
            return cls(kind, tuple(map(float, model.X_thresholds_)), tuple(map(float, model.y_thresholds_)))
        from sklearn.linear_model import LogisticRegression

        fitted = LogisticRegression(C=1.0).fit(score[:, None], right)
        return cls(kind, (float(fitted.coef_[0, 0]),), (float(fitted.intercept_[0]),))

    def __call__(self, score: np.ndarray) -> np.ndarray:
        """The probability of each score."""
        if self.kind == "isotonic":
            return np.asarray(np.where(np.isfinite(score), np.interp(score, self.x, self.y), np.nan))
        if self.kind == "sigmoid":
            return np.asarray(1.0 / (1.0 + np.exp(-(self.x[0] * score + self.y[0]))))
        return np.asarray((1.0 + score) / 2.0)

    def settings(self) -> dict[str, Any]:
        return {"kind": self.kind, "x": list(self.x), "y": list(self.y)}

    @classmethod
    def from_settings(cls, found: Mapping[str, Any]) -> Self:
        kind = str(found["kind"])
        x, y = (tuple(float(v) for v in found[key]) for key in ("x", "y"))
        if kind not in KINDS or len(x) != len(y) or (kind != "none" and not x):
            raise ValueError(f"calibration={kind!r:.40}")
        return cls(kind, x, y)


def bet_size(probability: np.ndarray) -> np.ndarray:
    """2 Φ(z) - 1 with z = (p - 1/2) / √(p (1 - p)); none below one half. Source: López de Prado (2018), chapter 10."""
    from scipy.stats import norm

    p = np.clip(probability, 1e-6, 1 - 1e-6)
    size = 2.0 * norm.cdf((p - 0.5) / np.sqrt(p * (1.0 - p))) - 1.0
    return np.asarray(np.maximum(size, 0.0))
