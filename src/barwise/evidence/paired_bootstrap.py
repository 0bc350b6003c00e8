"""Is one Sharpe ratio above another? A paired block bootstrap of the difference."""

from __future__ import annotations

import math

import numpy as np

from barwise.errors import ConfigError
from barwise.evidence.bootstrap import default_block, drawn_sums, ratio


def paired_bootstrap(
    net_a: np.ndarray, net_b: np.ndarray, block: int | None = None, n: int = 2000, seed: int = 0
) -> tuple[float, float, float, float]:
    """Difference of the Sharpe ratios of two returns on the same bars: (difference, low, high, p), not annualised.

    Circular blocks of `block` bars (n_bars^(1/3) by default) are drawn for both at once, `n` times. `low` and `high`
    bound the middle 95 % of the differences; `p` is two-sided, from the differences centred on the one observed
    (Ledoit and Wolf, 2008, without studentizing). ConfigError for unequal lengths, too few bars or no variance.
    """
    a, b = np.asarray(net_a, dtype=np.float64), np.asarray(net_b, dtype=np.float64)
    bars = len(a)
    if len(b) != bars or bars < 10:
        raise ConfigError(f"paired_bootstrap: {bars} and {len(b)} bars; both must have the same 10 or more")
    length = default_block(bars) if block is None else block
    if not 1 <= length <= bars // 2 or n < 1:
        raise ConfigError(f"paired_bootstrap: block={block}, n={n}: a block is 1 to {bars // 2} bars, n 1 or more")
    if not (np.isfinite(a).all() and np.isfinite(b).all() and np.ptp(a) > 0 and np.ptp(b) > 0):
        raise ConfigError("paired_bootstrap: returns that are not finite or never move have no Sharpe ratio")
    sums = drawn_sums(np.column_stack([a, a * a, b, b * b]), length, n, np.random.default_rng(seed))
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = ratio(sums[:, 0], sums[:, 1], bars) - ratio(sums[:, 2], sums[:, 3], bars)
    drawn = drawn[np.isfinite(drawn)]
    observed = float(ratio(a.sum(), (a * a).sum(), bars) - ratio(b.sum(), (b * b).sum(), bars))
    if len(drawn) < 2:
        return observed, math.nan, math.nan, math.nan
    low, high = np.quantile(drawn, [0.025, 0.975])
    beyond = np.abs(drawn - drawn.mean()) >= abs(observed) - 1e-15
    return observed, float(low), float(high), float((1 + beyond.sum()) / (1 + len(drawn)))
