"""The limits that every sentence, page and table goes by; each with its reason."""

from __future__ import annotations

EVIDENCE = 0.05  # p up to which a result is evidence: one false alarm in twenty, the usual level
WEAK = 0.20  # p up to which it is weak evidence: worth more bars, not money
LEVEL = 1.0 - EVIDENCE  # of probabilities, such as that of a track record's length
T_ALPHA = 1.645  # t of alpha on buy-and-hold from which a single trial's is its own: one-sided, at 5 %
POWER = 0.80  # with which a Sharpe ratio counts as detectable: Cohen's convention
PRIOR = 0.10  # of ideas that have skill, for the false discovery rate: the example of its source; seldom more
SKILLED = 1.0  # a year's Sharpe ratio of those that have it: what a good strategy earns after costs
