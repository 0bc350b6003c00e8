"""Is the best trial of a sweep best later too? The probability of backtest overfitting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from barwise.errors import ConfigError, require
from barwise.evidence.returns import excess_returns

SPLITS = 16  # 12,870 ways to halve the time: the number of the paper's examples


@dataclass(frozen=True)
class Overfitting:
    """What choosing the best of `n_trials` in one half of the time did in the other half, over `n_halves` choices.

    `pbo`: share of choices that ended in the lower half of the trials, out of sample. `loss`: share that lost money
    there. `slope`: of the out-of-sample Sharpe ratio of the chosen on its in-sample one; None if all are alike.
    """

    pbo: float
    loss: float
    slope: float | None
    n_trials: int
    n_halves: int
    n_bars: int

    def sentence(self) -> str:
        """The finding in one line."""
        return (
            f"Probability of backtest overfitting {self.pbo:.2f}: the best of {self.n_trials} trials in one half of the"
            f" time was in their lower half in the other that often ({self.n_halves:,} ways to halve {self.n_bars:,}"
            " bars)."
        )


def overfitting(returns: np.ndarray, splits: int = SPLITS) -> Overfitting:
    """Combinatorially symmetric cross-validation of `returns` (bar, trial), by Sharpe ratio.

    The bars are cut into `splits` equal blocks (the first few that do not fit are left out); each choice of half of
    them chooses the best trial, whose rank r among N is taken on the rest: it overfits where the logit of r/(N+1) is
    zero or less. Ties share their mean rank; a trial that never moves has a Sharpe ratio of 0. Source: Bailey, Borwein,
    López de Prado and Zhu, The Probability of Backtest Overfitting (2015). ConfigError for too few bars or trials.

    >>> returns = np.random.default_rng(0).standard_normal((480, 20)) / 100
    >>> 0.2 < overfitting(returns).pbo < 0.8  # noise: the best of one half is anything in the other
    True
    """
    bars, trials = returns.shape if returns.ndim == 2 else (0, 0)
    require(splits >= 2 and splits % 2 == 0, f"splits={splits}: must be an even number of 2 or more; 16 is the default")
    if trials < 2 or bars < 2 * splits:
        raise ConfigError(
            f"overfitting: {trials} trials of {bars} common bars; it takes 2 trials and {2 * splits} bars or more"
        )
    kept = returns[bars % splits :]
    size = len(kept) // splits
    blocks = kept.reshape(splits, size, trials)
    sums, squares = blocks.sum(axis=1), (blocks**2).sum(axis=1)
    chosen = list(combinations(range(splits), splits // 2))
    half = np.zeros((len(chosen), splits))
    half[np.repeat(np.arange(len(chosen)), splits // 2), np.ravel(chosen)] = 1.0
    n = size * splits // 2
    inside = ratios(half @ sums, half @ squares, n)
    outside = ratios((1.0 - half) @ sums, (1.0 - half) @ squares, n)
    rows, best = np.arange(len(chosen)), inside.argmax(axis=1)
    held = outside[rows, best]
    below, same = (outside < held[:, None]).sum(axis=1), (outside == held[:, None]).sum(axis=1)
    share = (below + (same + 1) / 2) / (trials + 1)  # ω of the paper; its logit is <= 0 where ω <= 1/2
    first = inside[rows, best]
    slope = float(np.polyfit(first, held, 1)[0]) if np.ptp(first) > 0 else None
    return Overfitting(
        float((share <= 0.5).mean()), float((held < 0).mean()), slope, trials, len(chosen), size * splits
    )


def ratios(sums: np.ndarray, squares: np.ndarray, n: int) -> np.ndarray:
    """Sharpe ratios (ddof 1) of `n` returns from their sums and sums of squares; 0 where nothing moves."""
    mean = sums / n
    variance = (squares - n * mean**2) / (n - 1)
    moves = variance > 1e-12 * np.maximum(squares / n, 1e-300)
    return np.where(moves, mean / np.sqrt(np.where(moves, variance, 1.0)), 0.0)


def of_runs(folders: Sequence[Path], splits: int = SPLITS) -> Overfitting:
    """The same for finished runs, by their net returns on the bars that all of them have."""
    return overfitting(common_returns(folders), splits)


def common_returns(folders: Sequence[Path]) -> np.ndarray:
    """Net returns above cash (bar, run) on the bars that every run's ledger has; DataError where a run has none."""
    tables = [excess_returns(folder) for folder in folders]
    if not tables:
        return np.zeros((0, 0))
    time = tables[0][0]
    for other, _ in tables[1:]:
        time = np.intersect1d(time, other)
    return np.column_stack([net[np.searchsorted(own, time)] for own, net in tables])
