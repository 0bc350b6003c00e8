"""backtesting.py: cases of one symbol from stdin, what it makes of them to stdout. Shares are whole."""

from __future__ import annotations

import json
import sys
import warnings
from collections import defaultdict
from typing import Any

warnings.simplefilter("ignore")


def run(case: dict[str, Any]) -> dict[str, Any]:
    import pandas as pd
    from backtesting import Backtest, Strategy

    (one,) = case["symbols"]
    late = case["at"] == "close"
    columns = {n.title(): one[n] for n in ("open", "high", "low", "close", "volume")}
    columns = {n: [x[0], *x] for n, x in columns.items()}  # it asks for no order at the first bar
    frame = pd.DataFrame(columns, index=pd.date_range("2010-01-01", periods=len(one["rows"]) + 1))
    due: dict[int, list[Any]] = defaultdict(list)
    for order in case["orders"]:
        due[order[0] if late else order[0] - 1].append(order)
    equity, positions, fills = {}, {}, []

    class Traded(Strategy):
        wanted, placed = 0.0, 0

        def init(self) -> None: ...

        def next(self) -> None:
            row = len(self.data) - 2
            told = row - late  # an order at the close is booked when the next bar begins
            price = self.data.Close[-1 - late]
            broker = self._broker
            held = sum(trade.size for trade in broker.trades)
            open_ = sum(trade.size * (price - trade.entry_price) for trade in broker.trades)
            equity[told], positions[told] = broker._cash + open_ - 9 * case["capital"], [held]
            for _, _, shares, *_ in due[row]:
                self.wanted += shares
                amount = round(self.wanted) - self.placed
                self.placed += amount
                if amount:
                    (self.buy if amount > 0 else self.sell)(size=abs(amount))

    test = Backtest(frame, Traded, cash=10 * case["capital"], commission=case["rate"], trade_on_close=late,
                    finalize_trades=False)  # fmt: skip
    found = test.run()
    first, last = case["first"], len(frame) - 2 - late
    sides: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
    trades = found["_trades"]
    for size, begin, end, entered, left in zip(trades["Size"], trades["EntryBar"], trades["ExitBar"],
                                               trades["EntryPrice"], trades["ExitPrice"], strict=True):  # fmt: skip
        for bar, amount, price in ((begin, size, entered), (end, -size, left)):
            sides[int(bar)][0] += amount
            sides[int(bar)][1] = price
    for trade in found["_strategy"]._broker.trades:
        sides[trade.entry_bar][0] += trade.size
        sides[trade.entry_bar][1] = trade.entry_price
    for bar, (amount, price) in sides.items():
        if amount:
            row = bar - 1 - late
            fills.append([row, 0, amount, price, abs(amount) * price * case["rate"]])
    rows = range(first, last + 1)
    return {"equity": [equity[r] for r in rows], "positions": [positions[r] for r in rows], "fills": fills}


if __name__ == "__main__":
    print("\n" + json.dumps([run(case) for case in json.load(sys.stdin)]))
