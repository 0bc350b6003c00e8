"""ml4t-backtest: cases from stdin, what it makes of them to stdout."""

from __future__ import annotations

import json
import sys
import warnings
from collections import defaultdict
from typing import Any

warnings.simplefilter("ignore")


def run(case: dict[str, Any]) -> dict[str, Any]:
    import pandas as pd
    import polars
    from ml4t.backtest import BacktestConfig, CommissionType, DataFeed, Engine, ExecutionMode, OrderSide, Strategy
    from ml4t.backtest.config import ExecutionPrice, SlippageType

    late = case["at"] == "close"
    time = pd.date_range("2010-01-01", periods=len(case["time"])).to_pydatetime()
    parts = []
    for s, one in enumerate(case["symbols"]):
        columns = {n: one[n] for n in ("open", "high", "low", "close", "volume")}
        when = [time[r] for r in one["rows"]]
        parts.append(polars.DataFrame({"timestamp": when, "asset": [f"A{s}"] * len(when), **columns}))
    at = {when: row for row, when in enumerate(time)}
    due: dict[int, list[Any]] = defaultdict(list)
    for order in case["orders"]:
        due[order[0] if late else order[0] - 1].append(order)
    equity, positions = [], []
    names = [f"A{s}" for s in range(len(case["symbols"]))]

    class Traded(Strategy):
        def on_data(self, timestamp: Any, data: Any, context: Any, broker: Any) -> None:
            row = at[timestamp.replace(tzinfo=None)]
            for _, s, shares, *_ in due[row]:
                side = OrderSide.BUY if shares > 0 else OrderSide.SELL
                broker.submit_order(names[s], abs(shares), side)
            if row >= case["first"] and not late:
                equity.append(broker.get_account_value() - 9 * case["capital"])
                held = [broker.get_position(name) for name in names]
                positions.append([one.quantity if one else 0.0 for one in held])

    config = BacktestConfig(
        allow_short_selling=True, allow_leverage=True, initial_cash=10 * case["capital"],
        execution_mode=ExecutionMode.SAME_BAR if late else ExecutionMode.NEXT_BAR,
        execution_price=ExecutionPrice.CLOSE if late else ExecutionPrice.OPEN,
        commission_type=CommissionType.PERCENTAGE, commission_rate=case["rate"], slippage_type=SlippageType.NONE,
        slippage_rate=0.0, skip_cash_validation=True, reject_on_insufficient_cash=False,
    )  # fmt: skip
    engine = Engine(DataFeed(prices_df=polars.concat(parts), entity_col="asset"), Traded(), config)
    found = engine.run()
    fills = [
        [at[f.timestamp.replace(tzinfo=None)], names.index(f.asset),
         f.quantity if f.side == OrderSide.BUY else -f.quantity, f.price, f.commission]
        for f in found.fills
    ]  # fmt: skip
    if late:
        first = case["first"]
        equity = [value - 9 * case["capital"] for _, value in found.equity_curve][first:]
        held = [[0.0] * len(names) for _ in time]
        for row, s, shares, *_ in fills:
            for later in range(row, len(time)):
                held[later][s] += shares
        positions = held[first:]
    return {"equity": equity, "positions": positions, "fills": fills}


if __name__ == "__main__":
    print("\n" + json.dumps([run(case) for case in json.load(sys.stdin)]))
