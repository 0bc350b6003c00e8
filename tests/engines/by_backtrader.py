"""backtrader: cases from stdin, what it makes of them to stdout.

Orders at the open and those inside a bar are placed at the bar before, with its own market, stop and limit orders;
orders at the close by its cheat-on-close. What shorts and funding pay is told to it as cash, by its own
position and price.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from typing import Any


def run(case: dict[str, Any]) -> dict[str, Any]:
    import backtrader
    import pandas as pd

    time = pd.DatetimeIndex(case["time"])
    due: dict[int, list[Any]] = defaultdict(list)  # by the row at whose close an order is placed
    for order in case["orders"]:
        row, _, _, kind, *_ = order
        due[row if kind == "close" else row - 1].append(order)
    at = {when.to_pydatetime(): row for row, when in enumerate(time)}
    equity, positions, fills = [], [], []

    late = case["at"] == "close"  # it books such orders at the next bar, at the price of this one

    class Charged(backtrader.CommInfoBase):
        params = (("stocklike", True), ("commtype", backtrader.CommInfoBase.COMM_PERC), ("percabs", True))

        def _getcommission(self, size: float, price: float, pseudoexec: bool) -> float:
            return abs(size) * price * self.p.commission

    class Traded(backtrader.Strategy):
        def next(self) -> None:
            row = at[self.datetime.datetime(0)]
            marks = {s: d for s, d in enumerate(self.datas) if len(d) and row >= case["symbols"][s]["rows"][0]}
            flow = 0.0
            for s, d in marks.items():
                held = self.getposition(d).size
                if case["funding"] and row in rows_of[s]:
                    flow -= held * d.close[0] * case["funding"][row][s]
                if case["borrow"] and row in rows_of[s]:
                    i = case["symbols"][s]["rows"].index(row)
                    flow -= case["borrow"] * max(0.0, -held) * case["symbols"][s][case["at"]][i]
            if flow:
                self.broker.cash += flow
            held = [self.getposition(d).size for d in self.datas]
            if row >= case["first"] + late:
                price = self.seen if late else [d.close[0] if len(d) else 0.0 for d in self.datas]
                value = sum(h * p for h, p in zip(held, price, strict=True) if h)
                equity.append(self.broker.get_cash() + value - 9 * case["capital"])
                positions.append(held)
            self.seen = [d.close[0] if len(d) else 0.0 for d in self.datas]
            for order in due[row]:
                self.place(*order)

        def prenext(self) -> None:  # before the latest symbol's first bar
            self.next()

        def place(self, row: int, s: int, shares: float, kind: str, level: float, rate: float) -> None:
            make = self.buy if shares > 0 else self.sell
            kinds = {"stop": backtrader.Order.Stop, "limit": backtrader.Order.Limit}
            how = {"exectype": kinds[kind], "price": level} if kind in kinds else {"exectype": backtrader.Order.Market}
            make(data=self.datas[s], size=abs(shares), **how).addinfo(row=row, symbol=s)

        def notify_order(self, order: Any) -> None:
            if order.status == order.Completed:
                s, row = order.info.symbol, order.info.row
                fills.append([row, s, order.executed.size, order.executed.price, order.executed.comm])
            elif order.status in (order.Margin, order.Rejected):
                raise RuntimeError(f"{order.status}")

    rows_of = {s: set(one["rows"]) for s, one in enumerate(case["symbols"])}
    cerebro = backtrader.Cerebro(stdstats=False, preload=True, runonce=False)
    for one in case["symbols"]:
        frame = pd.DataFrame({n: one[n] for n in ("open", "high", "low", "close", "volume")}, index=time[one["rows"]])
        cerebro.adddata(backtrader.feeds.PandasData(dataname=frame), name=one["name"])
    cerebro.broker.setcash(10 * case["capital"])
    cerebro.broker.addcommissioninfo(Charged(commission=case["rate"] or 0.0))
    cerebro.broker.set_coc(case["at"] == "close")
    cerebro.broker.set_shortcash(True)
    cerebro.broker.set_checksubmit(False)
    cerebro.addstrategy(Traded)
    cerebro.run()
    return {"equity": equity, "positions": positions, "fills": fills}


if __name__ == "__main__":
    print(json.dumps([run(case) for case in json.load(sys.stdin)]))
