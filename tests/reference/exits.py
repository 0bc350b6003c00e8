"""Stops, targets, trailing stops and time limits in the plainest words: one symbol, one bar after the other."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Trade:
    """Bars of entry and exit, the prices of both, and why it ended; open: still held at the last bar."""

    side: int
    entry: int
    exit: int
    entry_price: float
    exit_price: float
    why: str


def plain_trades(bars, orders, unit, stops, execution, last):
    """Trades of `orders` (per bar a side of -1, 0 or 1 to be held from its execution price on, None for no order).

    `unit`: what a distance of 1 is, per order, as a fraction of the price; None where it is not known.
    """
    found, trade, level, best, blocked, wish = [], None, {}, 0.0, None, 0
    at_open = execution == "next_open"
    for t in range(last + 1):
        open_, high, low, close = (float(x[t]) for x in (bars.open, bars.high, bars.low, bars.close))

        def end(price, why, t=t):
            nonlocal trade
            found.append(Trade(trade.side, trade.entry, t, trade.entry_price, price, why))
            trade = None

        def touch(may_gap, best, level, open_=open_, high=high, low=low):
            side = trade.side
            stop, why = level.get("stop"), "stop"
            if "trailing" in level:
                moving = best * (1 - side * level["trailing"])
                if stop is None or side * moving > side * stop:
                    stop, why = moving, "trailing stop"
            worst, good = (low, high) if side > 0 else (high, low)
            if stop is not None and side * worst <= side * stop:
                gap = may_gap and side * open_ <= side * stop
                return (open_ if gap else stop), why
            target = level.get("target")
            if target is not None and side * good >= side * target:
                gap = may_gap and side * open_ >= side * target
                return (open_ if gap else target), "target"
            return None

        def order(price, t=t):
            nonlocal trade, level, best, blocked, wish
            if trade and stops.bars and t - trade.entry >= stops.bars and orders[t] in (None, trade.side):
                blocked = trade.side
                end(price, "time")
            if orders[t] is None:
                return
            wish = orders[t]
            if blocked is not None and wish != blocked:
                blocked = None
            if trade and wish != trade.side:
                end(price, "flip" if wish else "signal")
            if trade is None and wish and wish != blocked and unit[t] is not None:
                trade = Trade(wish, t, t, price, price, "open")
                level = {}
                if stops.stop is not None:
                    level["stop"] = price * (1 - wish * stops.stop * unit[t])
                if stops.target is not None:
                    level["target"] = price * (1 + wish * stops.target * unit[t])
                if stops.trailing is not None:
                    level["trailing"] = stops.trailing * unit[t]
                best = price

        if at_open:
            order(open_)
        if trade and (at_open or t > trade.entry):
            out = touch(t > trade.entry, best, level)
            if out:
                blocked = trade.side
                end(*out)
            else:
                best = max(best, high) if trade.side > 0 else min(best, low)
        if not at_open:
            order(close)
    if trade:
        found.append(Trade(trade.side, trade.entry, last, trade.entry_price, float(bars.close[last]), "open"))
    return found
