"""The ledger in the plainest words: one account, one bar after the other, dictionaries and plain floats."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from barwise.backtest.ledger import Backtest
from barwise.data.bars import Bars


@dataclass
class Row:
    """One bar of the account."""

    time: object
    gross: float
    cost: float
    net: float
    turnover: float
    equity: float


def plain_ledger(
    bars: list[Bars], signals: Mapping[tuple[str, object], float], rules: Backtest, per_year: float, delay: int = 0
) -> list[Row]:
    """Trade `signals` {(symbol, time): value} on `bars`, equal weights, from the first to the last signal's time."""
    by_symbol = {b.symbol: {t: i for i, t in enumerate(b.time.tolist())} for b in bars}
    book = {b.symbol: b for b in bars}
    times = sorted({t for b in bars for t in b.time.tolist()})
    first, last = min(t for _, t in signals), max(t for _, t in signals)
    rate = (rules.commission_bps + rules.slippage_bps) / 1e4
    session, interest = rules.borrow_bps / 1e4 / per_year, rules.cash_rate / per_year

    def order_of(symbol: str, now: object) -> float | None:
        """The weight ordered at the symbol's own bar 1 + delay bars ago; None before the first signal."""
        i = by_symbol[symbol].get(now)
        if i is None or i < 1 + delay:
            return None
        decided = book[symbol].time.tolist()[i - 1 - delay]
        value = signals.get((symbol, decided), 0.0)
        there = [b.symbol for b in bars if decided in by_symbol[b.symbol]]
        weights = {s: (signals.get((s, decided), 0.0) or 0.0) / len(there) for s in there}
        weights = {s: 0.0 if math.isnan(w) else w for s, w in weights.items()}
        size = sum(abs(w) for w in weights.values())
        value = weights[symbol]
        return value * rules.max_gross / size if size > rules.max_gross else value

    cash, held, price, worth, rows = 1.0, {}, {}, 1.0, []
    for now in times:
        if now < first:
            for symbol in by_symbol:
                if now in by_symbol[symbol]:
                    price[symbol] = book[symbol].close[by_symbol[symbol][now]]
            continue
        if now > last:
            break
        begin = worth
        trade_at = {}
        for symbol, places in by_symbol.items():
            if now in places:
                b, i = book[symbol], places[now]
                trade_at[symbol] = b.open[i] if rules.execution == "next_open" else b.close[i]
        held = {s: v * (trade_at[s] / price[s] if s in trade_at else 1.0) for s, v in held.items()}
        account = cash + sum(held.values())
        orders = {s: order_of(s, now) for s in trade_at}
        orders = {s: w for s, w in orders.items() if w is not None} if now > first else {}
        ending = {
            s
            for s, places in by_symbol.items()
            if now in places and places[now] == len(places) - 1 and now != times[-1]
        }
        if rules.execution == "next_close":
            orders.update({s: 0.0 for s in ending if now > first})
        wanted = dict(held) | {s: w * account for s, w in orders.items()}
        size = sum(abs(v) for v in wanted.values())
        if orders and size > rules.max_gross * account * (1 + 1e-9):
            fixed = sum(abs(v) for s, v in wanted.items() if s not in orders)
            scale = max(0.0, rules.max_gross * account - fixed) / max(size - fixed, 1e-300)
            wanted = {s: v * min(1.0, scale) if s in orders else v for s, v in wanted.items()}
        volume = sum(abs(wanted.get(s, 0.0) - held.get(s, 0.0)) for s in {*wanted, *held})
        shorts = sum(-v for v in wanted.values() if v < 0)
        paid = rate * volume + session * shorts
        cash = (account - sum(wanted.values())) * (1 + interest) - paid
        held = {}
        for symbol, value in wanted.items():
            if symbol in trade_at:
                value *= book[symbol].close[by_symbol[symbol][now]] / trade_at[symbol]
            held[symbol] = value
        for symbol in trade_at:
            price[symbol] = book[symbol].close[by_symbol[symbol][now]]
        worth = cash + sum(held.values())
        turnover = volume / account
        gone = [s for s in held if s in ending]
        if gone:
            left = sum(abs(held[s]) for s in gone)
            cash += sum(held.pop(s) for s in gone) - rate * left
            turnover += left / worth
            paid += rate * left
            worth -= rate * left
        rows.append(Row(now, worth / begin - 1 + paid / begin, paid / begin, worth / begin - 1, turnover, worth))
    return rows


def as_mapping(symbols: tuple[str, ...], symbol: np.ndarray, time: np.ndarray, value: np.ndarray) -> dict:
    """Long arrays as {(symbol, time): value}."""
    return {(symbols[s], t): v for s, t, v in zip(symbol.tolist(), time.tolist(), value.tolist(), strict=True)}
