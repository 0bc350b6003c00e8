"""One account on one grid: moved on bar by bar, or over a stretch of bars at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from barwise.backtest.costs import Prices
from barwise.backtest.grid import Grid
from barwise.backtest.positions import Positions

ROUNDING = 1.0 + 1e-9  # a gross exposure above its cap by less is not above it
_total = np.add.reduce


@dataclass(frozen=True)
class Terms:
    """What is traded on a grid, and on which terms; arrays (time, symbol).

    `target`: shares of the account before costs that are ordered at the execution price, NaN where there is no order.
    `to_price`, `to_close`: price ratios from the close before to the execution price, and on to the close. `rate`: cost
    over the value traded, unless `prices` says it. `lending` and `interest`: of a bar, on shorts and on cash. `ends`:
    by row, the columns of what is closed after the bar, at its last price; `gone` are those of them whose symbol ends
    there, at a further return of `delisting`. `funding`: what a position pays at the bar's close over its value.
    `rolls`: where the contract is another than at the bar before, which is sold and the next one bought.
    `lent_by`: in place of `lending`, of each symbol.
    """

    grid: Grid
    target: np.ndarray
    to_price: np.ndarray
    to_close: np.ndarray
    max_gross: float
    rate: float
    lending: float
    interest: float
    prices: Prices | None = None
    delisting: float = 0.0
    ends: dict[int, np.ndarray] = field(default_factory=dict)
    gone: dict[int, np.ndarray] = field(default_factory=dict)
    funding: np.ndarray | None = None
    rolls: np.ndarray | None = None
    at_open: bool = True
    lent_by: np.ndarray | None = None

    @cached_property
    def bought_by(self) -> list[float]:
        """Per row the sum of the orders, NaN where one is missing."""
        found: list[float] = self.target.sum(axis=1).tolist()
        return found

    def fees(self, row: int | slice, size: np.ndarray) -> np.ndarray:
        """By symbol, what changing values by `size` costs at the row or rows."""
        return self.rate * np.abs(size) if self.prices is None else self.prices.each(row, size)

    def rolling(
        self, row: int | slice, before: np.ndarray, moved: np.ndarray, wanted: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """By symbol, what rolls cost and trade beyond the change from `moved` to `wanted` values; None without any.

        What is held is closed in the old contract and opened in the new one: at the open, by orders of that open, or
        before them where orders are of the close (`before`: as it was at the close before).
        """
        if self.rolls is None or not self.rolls[row].any():
            return None
        old, new, change = (moved, wanted, wanted - moved) if self.at_open else (before, before, np.zeros_like(before))
        cost = self.fees(row, -old) + self.fees(row, new) - self.fees(row, change)
        size = np.abs(old) + np.abs(new) - np.abs(change)
        return np.where(self.rolls[row], cost, 0.0), np.where(self.rolls[row], size, 0.0)

    def lent(self, row: int, wanted: np.ndarray, bought: float) -> float:
        """What shorts pay at the row; `bought`: the sum of `wanted`."""
        if self.lent_by is not None:
            return float(_total(self.lent_by[row] * np.maximum(-wanted, 0.0)))
        return self.lending * 0.5 * max(0.0, float(_total(np.abs(wanted))) - bought) if self.lending else 0.0

    def lent_each(self, row: int, wanted: np.ndarray) -> np.ndarray:
        """The same by symbol."""
        rate = self.lending if self.lent_by is None else self.lent_by[row]
        found: np.ndarray = rate * np.maximum(-wanted, 0.0)
        return found

    @cached_property
    def charged(self) -> np.ndarray | None:
        """`funding`, 0 where a position is closed before the bar's close."""
        if self.funding is None:
            return None
        found = self.funding.copy()
        for row, columns in self.ends.items():
            found[row, np.setdiff1d(columns, self.gone.get(row, columns[:0]))] = 0.0
        return found


class Account:
    """Cash and values held, and the rows of the ledger so far, from the first to the last row of `span`."""

    def __init__(self, terms: Terms, span: tuple[int, int], kept: Positions | None = None) -> None:
        self.terms, self.first, self.last, self.kept = terms, span[0], span[1], kept
        arrays = np.zeros((7, span[1] + 1 - span[0]))
        self.net, self.cost, self.borrow, self.turnover, self.equity, self.exposure, self.flow = arrays
        self.value, self.contribution = np.zeros((2, len(terms.grid.symbols)))
        self.cash = self.worth = 1.0
        self.ruined = False
        self._waiting: np.ndarray | None = None
        self._columns = np.arange(len(terms.grid.symbols))

    def bar(self, t: int) -> None:
        """Drift to the execution price, trade to the target weights, drift to the close, pay; one bar."""
        terms, i, worth = self.terms, t - self.first, self.worth
        moved = self.value * terms.to_price[t]
        held = float(_total(moved))
        account = self.cash + held
        self.ruined = account <= 0.0
        wanted, bought, change = self._ordered(t, moved, held, account)
        volume = float(_total(np.abs(change)))
        lent = terms.lent(t, wanted, bought)
        paid = (terms.rate * volume if terms.prices is None else terms.prices.paid(t, change)) + lent
        rolled = terms.rolling(t, self.value, moved, wanted)
        if rolled is not None:
            paid, volume = paid + float(_total(rolled[0])), volume + float(_total(rolled[1]))
        self.cash = (account - bought) * (1.0 + terms.interest) - paid
        after = wanted * terms.to_close[t]
        self.contribution += (after - self.value - change) / worth
        if self.kept is not None:
            share = account if account > 0.0 else 1.0
            fees = terms.fees(t, change) + terms.lent_each(t, wanted)
            fees = fees if rolled is None else fees + rolled[0]
            self.kept.note(
                i, weight=wanted / share, before=(moved - self.value) / worth, after=(after - wanted) / worth,
                cost=fees / worth, traded=np.abs(change) / share,
            )  # fmt: skip
        self.value, now = after, self.cash + float(_total(after))
        closing = after
        traded = volume / account if account > 0.0 else 0.0
        if terms.charged is not None:
            now += self._fund(i, -after * terms.charged[t])
        if t in terms.ends and now > 0.0:
            closing = after.copy()
            now, fee, left = self._close(i, t, now)
            traded, paid = traded + left, paid + fee
        self.cost[i], self.borrow[i], self.turnover[i] = paid / worth, lent / worth, traded
        self.ruined = self.ruined or now <= 0.0
        if self.ruined:
            self.net[i] = -1.0
            return
        if self.kept is not None:
            self.kept.closing[i] = closing / now
        self.net[i], self.equity[i] = now / worth - 1.0, now
        self.exposure[i] = _total(np.abs(self.value)) / now
        self.worth = now

    def _ordered(self, t: int, moved: np.ndarray, held: float, account: float) -> tuple[np.ndarray, float, np.ndarray]:
        """Values wanted, their sum, and the change that brings them about."""
        terms, waiting = self.terms, self._waiting
        target = terms.target[t]
        order = target if waiting is None else np.where(np.isnan(target), waiting, target)
        if self.ruined:
            wanted, bought = moved, held
        elif terms.bought_by[t] == terms.bought_by[t]:  # no NaN: an order for every symbol
            wanted, bought = target * account, terms.bought_by[t] * account
        else:
            wanted = _within(order * account, moved, terms.max_gross * account)
            bought = float(_total(wanted))
        change = wanted - moved
        if terms.prices is not None and terms.prices.most is not None:
            change, asked = terms.prices.room(t, change), change
            self._waiting = np.where(change == asked, np.nan, order)  # what is left is traded later
            wanted = moved + change
            bought = float(_total(wanted))
        return wanted, bought, change

    def _fund(self, i: int, flow: np.ndarray) -> float:
        """Take or pay `flow` (symbol,) and note it; its sum."""
        paid = float(_total(flow))
        self.cash += paid
        self.contribution += flow / self.worth
        self.flow[i] = paid / self.worth
        if self.kept is not None and self.kept.flow is not None:
            self.kept.flow[i] = flow / self.worth
        return paid

    def _close(self, i: int, t: int, now: float) -> tuple[float, float, float]:
        """Close what ends at the row: the equity after it, the fee, and the share of the account that was traded."""
        terms, ended, value = self.terms, self.terms.ends[t], self.value
        if terms.delisting and t in terms.gone:
            gone = terms.gone[t]
            lost = value[gone] * terms.delisting
            value[gone] += lost
            self.contribution[gone] += lost / self.worth
            if self.kept is not None:
                self.kept.after[i, gone] += lost / self.worth
            now += float(_total(lost))
        left = _total(np.abs(value[ended]))
        sold = np.where(np.isin(self._columns, ended), value, 0.0)
        fee = terms.rate * left if terms.prices is None else terms.prices.paid(t, -sold)
        if self.kept is not None:
            self.kept.cost[i] += terms.fees(t, -sold) / self.worth
        self.cash += _total(value[ended]) - fee
        value[ended] = 0.0
        return now - fee, fee, left / now


def _within(wanted: np.ndarray, held: np.ndarray, most: float) -> np.ndarray:
    """Values wanted, or `held` where that is NaN; those wanted are scaled down until Σ|value| is at most `most`."""
    ordered = ~np.isnan(wanted)
    if not ordered.any():
        return held
    values = np.where(ordered, wanted, held)
    size = np.abs(values)
    gross = float(size.sum())
    if gross <= most * ROUNDING:
        return values
    fixed = float(size[~ordered].sum())
    scale = max(0.0, most - fixed) / max(gross - fixed, 1e-300)
    return np.where(ordered, values * min(scale, 1.0), values)
