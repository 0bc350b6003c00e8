"""The portfolio: a rule's weights, held in tranches, rebalanced at times, at a target volatility, within limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from barwise.errors import ConfigError, require
from barwise.hooks import unwrapped
from barwise.portfolio.context import Context
from barwise.portfolio.holding import CALENDAR, averaged, drifted, growth_of, order_rows
from barwise.portfolio.hooks import KeepsLimits, Neutralises, ReadsHeld, ReadsScores
from barwise.portfolio.limits import Limits, approach
from barwise.portfolio.rules import equal

Rule = Callable[[Context], np.ndarray]


@dataclass(frozen=True)
class Portfolio:
    """How scores and signals become weights.

    `rule`: weights of a context. `hold`: every bar's weights stand for so many of the symbol's own bars, as
    overlapping tranches of one share each; `auto` is what the labels are held for. `rebalance`: orders at every k-th
    bar of the market, or at the first bar of a week, month or quarter; between them weights drift. `volatility_target`:
    a year's volatility that the weights are scaled to, by the last `volatility_window` bars, never above `gross`.
    `max_turnover`: Σ|change of weight| a bar at most. The others are limits, as `barwise.portfolio.limits.Limits` has
    them; `group` names the group that `max_group` is of. `flat_overnight`: what
    is held is closed at the close of each session's last bar, by the calendar, and opened again by the next session's
    orders. Settings out of range raise `ConfigError`.
    """

    rule: Rule = equal
    hold: int | str = "auto"
    rebalance: int | str = 1
    long_only: bool = False
    gross: float | None = None
    net: float | None = None
    max_weight: float | None = None
    max_group: float | None = None
    group: str | None = None
    max_positions: int | None = None
    max_turnover: float | None = None
    volatility_target: float | None = None
    volatility_window: int = 60
    flat_overnight: bool = False
    held_bars: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        _whole_or("hold", self.hold, ("auto",))
        _whole_or("rebalance", self.rebalance, CALENDAR)
        require(isinstance(self.long_only, bool), f"portfolio.long_only={self.long_only}: must be true or false")
        for name, least in (("gross", 0), ("max_weight", 0), ("max_group", 0), ("max_turnover", 0),
                            ("volatility_target", 0)):  # fmt: skip
            value = getattr(self, name)
            ok = value is None or (_is_number(value) and least < value <= 100)
            require(ok, f"portfolio.{name}={value}: must be a number above {least}, at most 100, or null for none")
        net_ok = self.net is None or (_is_number(self.net) and 0 <= self.net <= 100)
        require(net_ok, f"portfolio.net={self.net}: must be a number from 0 (neutral) to 100, or null for no limit")
        for name, least in (("max_positions", 1), ("volatility_window", 2)):
            value = getattr(self, name)
            ok = (value is None and name == "max_positions") or (_is_whole(value) and value >= least)
            require(ok, f"portfolio.{name}={value}: must be a whole number of {least} or more")
        both = (self.max_group is None) == (self.group is None)
        lacking = "portfolio.group=NAME" if self.group is None else "portfolio.max_group=NUMBER"
        require(both, f"portfolio.max_group and portfolio.group go together; set {lacking} too")
        require(
            not self.reads_held or self.hold in (1, "auto"),
            f"portfolio.hold={self.hold}: this rule reads what is held and holds by itself; set portfolio.hold=1",
        )
        require(
            isinstance(self.flat_overnight, bool),
            f"portfolio.flat_overnight={self.flat_overnight}: must be true or false",
        )
        for name, plain in (("rebalance", self.rebalance in (1,)), ("max_turnover", self.max_turnover is None),
                            ("rule", not self.reads_held)):  # fmt: skip
            what = "a rule that reads what is held" if name == "rule" else f"portfolio.{name}={getattr(self, name)}"
            told = (
                f"portfolio.flat_overnight=true: {what} counts on what was held the day before; leave one of them out"
            )
            require(plain or not self.flat_overnight, told)
        neutral = self.rule.neutral if isinstance(self.rule, Neutralises) else ()
        require(
            not (self.long_only and neutral),
            f"portfolio.rule.neutral={list(neutral)}: nothing long only is neutral; leave portfolio.long_only out",
        )

    @property
    def reads_scores(self) -> bool:
        """Whether the rule reads scores, so that a signal rule would have no effect."""
        rule = unwrapped(self.rule)
        return isinstance(rule, ReadsScores) and rule.reads_scores

    @property
    def reads_held(self) -> bool:
        """Whether the rule reads what is held, so that it is asked bar by bar, for the last row of each context."""
        rule = unwrapped(self.rule)
        return isinstance(rule, ReadsHeld) and rule.reads_held

    @property
    def keeps_limits(self) -> bool:
        """Whether the rule keeps the limits by itself."""
        rule = unwrapped(self.rule)
        return isinstance(rule, KeepsLimits) and rule.keeps_limits

    @property
    def standard(self) -> bool:
        """Whether it is the default: equal shares of the signals, without limits."""
        rule = self.rule.func if isinstance(self.rule, partial) and not self.rule.keywords else self.rule
        return rule is equal and replace(self, rule=equal, hold="auto", held_bars=1) == Portfolio()

    @property
    def plain(self) -> bool:
        """Whether the weights are those without a portfolio: the default, at each bar anew."""
        return self.standard and self.tranches == 1

    def holding(self, bars: int) -> Portfolio:
        """The same, with `hold=auto` meaning `bars`."""
        return replace(self, held_bars=max(1, bars)) if self.hold == "auto" else self

    @property
    def tranches(self) -> int:
        """How many bars a bar's weights stand."""
        if self.reads_held:
            return 1
        return self.held_bars if self.hold == "auto" else int(self.hold)

    def limits(self, gross: float) -> Limits:
        """The limits of one bar, at a gross exposure of at most `gross` where no other is set."""
        most = gross if self.gross is None else min(self.gross, gross)
        return Limits(self.long_only, most, self.net, self.max_weight, self.max_group, self.max_positions)

    def weights(self, context: Context, max_gross: float = 1.0) -> np.ndarray:
        """Target weights (time, symbol) at each row's close; NaN in rows without orders."""
        limits, groups = self.limits(max_gross), self._groups(context)
        target = None if self.volatility_target is None else self.volatility_target / np.sqrt(context.periods_per_year)
        context = replace(
            context, gross=float(limits.gross or max_gross), limits=limits, limited=groups,
            max_turnover=self.max_turnover, volatility=target,
        )  # fmt: skip
        ordered = order_rows(context.time, self.rebalance)
        if self.reads_held:
            return self._bar_by_bar(context, ordered)
        wanted = self._checked(self.rule(context), context)
        traded = self._sessions(context) if self.flat_overnight else None
        wanted = np.where(context.inside, averaged(wanted, context.has, self.tranches, traded), 0.0)
        if target is not None:
            wanted = wanted * self._leverage(wanted, context, target)
        wanted = limits(wanted, groups)
        if self.max_turnover is not None:
            return self._step_by_step(wanted, ordered, context)
        wanted[~ordered] = np.nan
        return wanted

    def _sessions(self, context: Context) -> np.ndarray:
        """(time, symbol): the number of the session that a decision of each bar is traded in, as the calendar says."""
        number, last = context.column("session_number"), context.column("session_left") == 0
        found = np.zeros(number.shape)
        for s in range(number.shape[1]):
            rows = np.flatnonzero(context.has[:, s])
            begun = np.append(False, (number[rows[1:], s] != number[rows[:-1], s]) & ~last[rows[:-1], s])
            found[rows, s] = np.cumsum(last[rows, s] | begun)
        return found

    def _checked(self, found: np.ndarray, context: Context) -> np.ndarray:
        """The rule's weights, 0 outside the universe and where there is none."""
        found = np.asarray(found, dtype=np.float64)
        if found.shape != context.has.shape:
            raise ConfigError(
                f"portfolio.rule: gave weights of shape {found.shape}; they must be (time, symbol), {context.has.shape}"
            )
        return np.where(np.isfinite(found) & context.inside, found, 0.0)

    def _bar_by_bar(self, context: Context, ordered: np.ndarray) -> np.ndarray:
        """Weights of a rule that reads what is held: asked at each row with orders, for that row."""
        whole, growth = self.keeps_limits, growth_of(context)
        out, held = np.full(context.has.shape, np.nan), context.held.astype(np.float64)
        for t in range(len(out)):
            if t:
                held = drifted(held, growth[t])
            if ordered[t]:
                now = replace(context.until(t), held=held)
                row = np.asarray(self.rule(now), dtype=np.float64)
                row = row[-1] if row.ndim == 2 else row
                wanted = self._checked(row[None], replace(now, has=now.has[-1:], inside=now.inside[-1:]))
                if not whole:
                    wanted = self._limited(wanted, now)
                held = out[t] = wanted[0]
        return out

    def _limited(self, wanted: np.ndarray, now: Context) -> np.ndarray:
        """One bar's weights (1, symbol) at the volatility asked for and within the limits."""
        groups = None if now.limited is None else now.limited[-1:]
        if now.volatility is not None:
            padded = np.vstack([np.zeros((len(now.has) - 1, wanted.shape[1])), wanted])
            wanted = wanted * self._leverage(padded, now, now.volatility, len(padded) - 1)[-1]
        wanted = now.limits(wanted, groups)
        if now.max_turnover is None:
            return wanted
        return approach(now.held, wanted[0], now.limits, now.max_turnover, None if groups is None else groups[0])[None]

    def _leverage(self, weights: np.ndarray, context: Context, target: float, first: int = 0) -> np.ndarray:
        """Per row: the target over the volatility that its weights would have had on the last bars; 0 until known."""
        returns = growth_of(context) - 1.0
        window, out = self.volatility_window, np.zeros((len(weights), 1))
        for t in range(max(window, first), len(weights)):
            deviation = float((returns[t - window + 1 : t + 1] @ weights[t]).std(ddof=1))
            out[t] = target / deviation if deviation > 0 else 0.0
        return out

    def _groups(self, context: Context) -> np.ndarray | None:
        return None if self.group is None else context.group(self.group, "portfolio.group")

    def _step_by_step(self, wanted: np.ndarray, ordered: np.ndarray, context: Context) -> np.ndarray:
        """Weights with the turnover of each bar limited; what is held drifts with the returns in between."""
        most, limits, groups = float(self.max_turnover or 0.0), context.limits, context.limited
        out, held = np.full(wanted.shape, np.nan), context.held.astype(np.float64)
        growth = growth_of(context)
        for t in range(len(wanted)):
            if t:
                held = drifted(held, growth[t])
            if ordered[t]:
                held = out[t] = approach(held, wanted[t], limits, most, None if groups is None else groups[t])
        return out


def _whole_or(name: str, value: Any, words: tuple[str, ...]) -> None:
    ok = value in words if isinstance(value, str) else _is_whole(value) and 1 <= value <= 10_000
    require(ok, f"portfolio.{name}={value}: must be a whole number of 1 or more bars, or {' or '.join(words)}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))
