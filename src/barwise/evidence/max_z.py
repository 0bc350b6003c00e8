"""How often the best of so many trials without skill shows as much: the largest of correlated standard normals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from barwise.evidence.sketch import unit_vectors, valid
from barwise.evidence.thresholds import EVIDENCE

DRAWS = 2000  # relative error of p about 1 %
FEWEST, CELLS = 500, 2_000_000  # draws for many trials, and draws times trials
COMMON = 0.3  # p from which plain counting is the more precise
FARTHEST = 36.0  # z beyond which p is zero in floating point


@dataclass(frozen=True)
class MaxZ:
    """The distribution of the largest of M standard normals: `vectors` (trial, dimension) of length one, whose products
    are the correlations C, and `alone` further ones that are independent of all others."""

    vectors: np.ndarray
    alone: int = 0

    @classmethod
    def of(cls, sketches: Sequence[Mapping[str, Any] | None], market: Mapping[str, Any] | None = None) -> MaxZ:
        """From what trials earned; one without a sketch, or that never moved, is independent. None at all is one.

        Trials of unequal lengths correlate by what they share: ρ n_ij / √(n_i n_j), as their z do. With what the
        `market` earned: of the trials' t of alpha on it, which correlate less.
        """
        vectors = unit_vectors([s for s in sketches if s is not None and valid(s)], market)
        alone = len(sketches) - len(vectors)
        return cls(vectors, alone if len(vectors) else max(1, alone))

    @cached_property
    def _draws(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Normals (trial, draw) with correlation C, the trial that is raised in each draw, its row of C, uniforms."""
        m = len(self.vectors)
        factor = self.vectors
        if m <= factor.shape[1]:  # as few dimensions as trials will do
            factor = np.asarray(np.linalg.qr(factor.T, mode="r")).T
        n = int(np.clip(CELLS // m, FEWEST, DRAWS))
        random = np.random.default_rng(0)
        raised = np.arange(n) % m if n >= m else random.integers(m, size=n)
        normals = factor @ random.standard_normal((factor.shape[1], n))
        return normals, raised, factor @ factor[raised].T, random.permutation((np.arange(n) + 0.5) / n)

    def p_value(self, z: float) -> float:
        """P(max ≥ z); exact for independent trials, else by draws from a fixed seed, precise however small it is.

        One trial is raised above z in each draw: P = M P(Z ≥ z) E[1 / number of trials above z], where that is rare;
        plain counting where it is not. Source: Adler, Blanchet and Liu, Efficient Monte Carlo for High Excursions of
        Gaussian Random Fields (2012), section 4.
        """
        from scipy.special import log_ndtr, ndtr, ndtri

        if not math.isfinite(z):
            return math.nan
        z = min(max(z, -FARTHEST), FARTHEST)
        together = float(ndtr(-z)) if len(self.vectors) == 1 else 0.0
        if len(self.vectors) > 1:
            normals, raised, row, uniform = self._draws
            height = -ndtri(uniform * ndtr(-z))
            lifted = normals + row * (height - normals[raised, np.arange(len(raised))])
            above = np.maximum((lifted >= z).sum(axis=0), 1)
            together = len(self.vectors) * float(ndtr(-z)) * float((1.0 / above).mean())
            if together > COMMON:
                together = float((normals.max(axis=0) >= z).mean())
        none_alone = self.alone * float(log_ndtr(z))
        if together >= 1.0:
            return 1.0
        return float(-math.expm1(none_alone + math.log1p(-together)))

    def critical_value(self, level: float = EVIDENCE) -> float:
        """The z whose p is `level`: what a run must show to be evidence."""
        from scipy.special import ndtri

        low, high = float(-ndtri(level)), float(-ndtri(level / max(1, len(self.vectors) + self.alone)))
        for _ in range(14):  # between what one trial must show and Bonferroni's bound
            middle = (low + high) / 2
            low, high = (middle, high) if self.p_value(middle) > level else (low, middle)
        return high
