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
from barwise.evidence.thresholds import EVIDENCE, LEVEL, T_ALPHA

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


@dataclass(frozen=True)
class _Exposure:
    """Sets of `m` trials that are long or flat, for 20 bars each time, on a market of `sharpe` a year; of their turns
    each trial draws `own` anew and shares the others."""

    m: int
    sharpe: float
    own: float = 1.0
    bars: int = 2000

    def draw(self, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Returns of the market (bar,) and of the trials (trial, bar)."""
        market = random.standard_t(5, self.bars) / math.sqrt(5 / 3) * 0.01 + self.sharpe / math.sqrt(252) * 0.01
        turns = (self.m, self.bars // 20 + 1)
        long = np.where(random.random(turns) < self.own, random.integers(0, 2, turns), random.integers(0, 2, turns[1]))
        return market, np.repeat(long, 20, axis=1)[:, : self.bars] * market


_EXPOSURES = [_Exposure(m, sharpe, own) for own in (1.0, 0.3) for m in (1, 10, 50) for sharpe in (0.0, 0.5, 1.0)]


def _exposed(design: _Exposure, sets: int, seed: int) -> tuple[float, float, float]:
    """Shares of sets whose best trial by Sharpe ratio has p ≤ 0.05; and also t of alpha from 1.645 on; and also
    p ≤ 0.05 of its t of alpha as the best of so many trials."""
    from barwise.backtest.metrics import regression

    random = np.random.default_rng(seed)
    days = _FIRST_DAY + np.arange(design.bars) * _DAY
    found = np.zeros(3)
    for _ in range(sets):
        market, nets = design.draw(random)
        moments = [Moments.of(net) for net in nets]
        best = int(np.argmax([m.z for m in moments]))
        kept = [sketch(days, net) for net in nets]
        if MaxZ.of(kept).p_value(moments[best].z) <= EVIDENCE:
            t = regression(nets[best], market, 252.0)["t_stat"] or 0.0
            own = MaxZ.of(kept, sketch(days, market)).p_value(t) <= EVIDENCE
            found += [1.0, t >= T_ALPHA, own]
    alone, single, after = found / sets
    return float(alone), float(single), float(after)


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
    print(f"{'long or flat, no skill':<30} {'sets':>6} {'p <= .05':>9} {'t>1.645':>9} {'p of alpha':>11}")
    for number, exposure in enumerate(_EXPOSURES):
        shares = _exposed(exposure, given.sets // 4, given.seed + number)
        name = f"{exposure.m} trials, market {exposure.sharpe}, {exposure.own:.0%} own"
        print(f"{name:<30} {given.sets // 4:6d} " + " ".join(f"{share:9.1%}" for share in shares), flush=True)
    print(f"{time.perf_counter() - begin:.0f} s")
