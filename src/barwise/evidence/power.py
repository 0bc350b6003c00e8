"""What could have been found: critical and detectable Sharpe ratios, the bars that finding one takes, and how much of
what is found has no skill.

Sharpe ratios are per bar. Source: López de Prado, Lipton and Zoonekynd, How to Use the Sharpe Ratio (2025): sections on
the critical Sharpe ratio and on power, with the variance of its equation 5 at the Sharpe ratio that is supposed.
"""

from __future__ import annotations

import math

from barwise.evidence.deflated import NORMAL, Moments
from barwise.evidence.thresholds import POWER, PRIOR


def critical_sharpe(moments: Moments, critical: float, benchmark: float = 0.0) -> float:
    """The Sharpe ratio from which one of `moments` is told from `benchmark`: SR0 + z σ(SR0), with z = `critical`.

    >>> from barwise.evidence.deflated import Moments
    >>> round(critical_sharpe(Moments(1000, 0.05, 0.0, 3.0, 0.0), 1.645), 3)
    0.052
    """
    return benchmark + critical * math.sqrt(moments.spread_at(benchmark) / (moments.n - 1))


def power(moments: Moments, critical: float, sharpe: float) -> float:
    """How often so many bars find a true Sharpe ratio of `sharpe`: Φ((SR1 - SRc) / σ(SR1))."""
    spread = moments.spread_at(sharpe)
    return NORMAL.cdf((sharpe - critical_sharpe(moments, critical)) / math.sqrt(spread / (moments.n - 1)))


def detectable_sharpe(moments: Moments, critical: float, wanted: float = POWER) -> float:
    """The true Sharpe ratio that so many bars find with probability `wanted`; NaN where none is, with too few bars.

    Solves SR - SRc = k σ(SR), a quadratic in SR, with k = Φ⁻¹(`wanted`).

    >>> from barwise.evidence.deflated import Moments
    >>> round(detectable_sharpe(Moments(1000, 0.05, 0.0, 3.0, 0.0), 1.645), 3)
    0.079
    """
    k, least, bars = NORMAL.inv_cdf(wanted), critical_sharpe(moments, critical), moments.n - 1
    a, b, c = (x * k * k / bars for x in moments.coefficients)
    square, linear, rest = 1.0 - c, -b - 2.0 * least, least * least - a
    under = linear * linear - 4.0 * square * rest
    if square <= 0 or under < 0:
        return math.nan
    root = math.copysign(math.sqrt(under), k)
    return (root - linear) / (2.0 * square)


def exceedance(moments: Moments, sharpe: float) -> float:
    """How often a true Sharpe ratio of `sharpe` shows as much as was seen: Φ((SR1 - SR) / σ(SR1))."""
    spread = moments.spread_at(sharpe)
    return NORMAL.cdf((sharpe - moments.sharpe) / math.sqrt(spread / (moments.n - 1)))


def false_discovery_rate(without: float, with_skill: float, prior: float = PRIOR) -> float:
    """The share of discoveries that have no skill, where a share `prior` of what is tried has it: a discovery is made
    `without` it and `with_skill` so often. NaN where none is ever made.

    Source: López de Prado, Lipton and Zoonekynd (2025), the planned rate with α and 1 - β, the observed one with what
    exceeds the Sharpe ratio seen: P(H0 | SR > seen).
    """
    false, true = (1.0 - prior) * without, prior * with_skill
    return false / (false + true) if false + true > 0 else math.nan


def bars_needed(moments: Moments, critical: float, wanted: float = POWER) -> float:
    """Bars in all that find a true Sharpe ratio such as the one seen with probability `wanted`; infinite for none.

    1 + ((z σ₀ + k σ₁) / SR)², with σ the deviation per √bar at zero and at SR.
    """
    if not moments.sharpe > 0:
        return math.inf
    null, alternative = (math.sqrt(moments.spread_at(s)) for s in (0.0, moments.sharpe))
    return 1.0 + ((critical * null + NORMAL.inv_cdf(wanted) * alternative) / moments.sharpe) ** 2
