"""Does p ≤ 0.05 happen in 5 % of sets of trials without skill? Simulated returns of known shape, no market."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np

from barwise.console.arguments import Arguments
from barwise.evidence.deflated import Moments, expected_maximum, probability
from barwise.evidence.max_z import MaxZ
from barwise.evidence.sketch import sketch
from barwise.evidence.thresholds import EVIDENCE, LEVEL

_FIRST_DAY = np.datetime64("2000-01-03", "ns")
_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class _Design:
    """Sets of `m` trials on `bars` bars with correlation `rho`; Student's t with `tails` degrees of freedom (0: normal)
    plus a skewed part, first-order autocorrelation `memory`, and lengths from `shortest` share of the bars on."""

    name: str
    m: int
    rho: float = 0.0
    bars: int = 1000
    tails: int = 0
    memory: float = 0.0
    shortest: float = 1.0

    def draw(self, random: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
        """Times and returns of each trial of one set, without skill."""
        x = math.sqrt(self.rho) * self._noise(random, 1) + math.sqrt(1.0 - self.rho) * self._noise(random, self.m)
        for t in range(1, self.bars if self.memory else 0):
            x[:, t] = self.memory * x[:, t - 1] + math.sqrt(1.0 - self.memory**2) * x[:, t]
        days = _FIRST_DAY + np.arange(self.bars) * _DAY
        begins = np.zeros(self.m, int)
        if self.shortest < 1.0:
            begins = random.integers(0, round(self.bars * (1.0 - self.shortest)) + 1, self.m)
        return [(days[b:], 0.01 * row[b:]) for b, row in zip(begins, x, strict=True)]

    def _noise(self, random: np.random.Generator, rows: int) -> np.ndarray:
        if not self.tails:
            return random.standard_normal((rows, self.bars))
        fat = random.standard_t(self.tails, (rows, self.bars)) / math.sqrt(self.tails / (self.tails - 2))
        return (fat + 0.7 * (random.exponential(1.0, (rows, self.bars)) - 1.0)) / math.sqrt(1.49)


_DESIGNS = (
    _Design("one trial", 1),
    _Design("10 independent", 10),
    _Design("10, correlation .5", 10, 0.5),
    _Design("10, correlation .9", 10, 0.9),
    _Design("50 independent", 50),
    _Design("50, correlation .5", 50, 0.5),
    _Design("50, correlation .9", 50, 0.9),
    _Design("10, .5, fat tails and skew", 10, 0.5, tails=4),
    _Design("10, .5, autocorrelation .2", 10, 0.5, memory=0.2),
    _Design("20, .5, lengths 150 to 1,500", 20, 0.5, bars=1500, tails=5, shortest=0.1),
)


@dataclass(frozen=True)
class _Level:
    """Shares of sets in which some trial has p ≤ 0.05, and in which some trial has a DSR above 0.95."""

    design: _Design
    sets: int
    alarms: float
    deflated: float
    planted: float | None = None


def _level_of(design: _Design, sets: int, seed: int, skill: float = 0.0) -> _Level:
    """The shares over `sets` sets; `skill`: a Sharpe ratio per bar that the first trial of each set has in truth."""
    random = np.random.default_rng(seed)
    alarms = deflated = 0
    for _ in range(sets):
        trials = design.draw(random)
        if skill:
            trials[0] = (trials[0][0], trials[0][1] + skill * 0.01)
        moments = [Moments.of(net) for _, net in trials]
        z = max(m.z for m in moments)
        alarms += MaxZ.of([sketch(when, net) for when, net in trials]).p_value(z) <= EVIDENCE
        best = max(moments, key=lambda m: m.z)
        luck = expected_maximum(design.m, best.spread / (best.n - 1))
        deflated += probability(best, luck) > LEVEL
    return _Level(design, sets, alarms / sets, deflated / sets)


def main(words: list[str]) -> None:
    """Print the false alarms of each design."""
    parser = Arguments("benchmark levels", "How often p is at most 0.05 on simulated returns without skill.")
    parser.add_argument("--sets", type=int, default=2000, help="sets of trials a design (default 2000)")
    parser.add_argument("--seed", type=int, default=16, help="of the simulations (default 16)")
    given = parser.parse_args(words)
    begin = time.perf_counter()
    print(f"{'sets of trials without skill':<30} {'sets':>6} {'p <= .05':>9} {'DSR>.95':>9}")
    for number, design in enumerate(_DESIGNS):
        found = _level_of(design, given.sets, given.seed + number)
        print(f"{design.name:<30} {found.sets:6d} {found.alarms:9.1%} {found.deflated:9.1%}", flush=True)
    print(f"{time.perf_counter() - begin:.0f} s")
