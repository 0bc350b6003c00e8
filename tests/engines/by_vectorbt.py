"""vectorbt: cases from stdin, what it makes of them to stdout.

A bar is two rows: its orders, then what ends inside it.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np


def run(case: dict[str, Any]) -> dict[str, Any]:
    import pandas as pd
    import vectorbt

    n, symbols = len(case["time"]), case["symbols"]
    size, price, fees = (np.full((2 * n, len(symbols)), np.nan) for _ in range(3))
    close = np.full((n, len(symbols)), np.nan)
    for s, one in enumerate(symbols):
        close[one["rows"], s] = one["close"]
    known = {s: dict(zip(one["rows"], range(len(one["rows"])), strict=True)) for s, one in enumerate(symbols)}
    close = pd.DataFrame(close).ffill().bfill().to_numpy()
    for row, s, shares, kind, level, rate in case["orders"]:
        k = 2 * row + (kind in ("stop", "limit"))
        i = known[s][row]
        bar = {name: symbols[s][name][i] for name in ("open", "close")}
        size[k, s], fees[k, s] = shares, rate
        price[k, s] = bar[kind] if kind in bar else _touched(kind, shares, level, bar["open"])
    found = vectorbt.Portfolio.from_orders(
        pd.DataFrame(np.repeat(close, 2, axis=0)), size=pd.DataFrame(size), price=pd.DataFrame(price),
        fees=pd.DataFrame(np.nan_to_num(fees)), size_type="amount", cash_sharing=True,
        group_by=np.zeros(len(symbols), int), init_cash=10 * case["capital"], freq="1D",
    )  # fmt: skip
    records = found.orders.records_readable
    fills = [
        [int(i) // 2, int(c), float(q if side == "Buy" else -q), float(p), float(f)]
        for i, c, q, p, f, side in zip(found.orders.records["idx"], found.orders.records["col"], records["Size"],
                                       records["Price"], records["Fees"], records["Side"], strict=True)
    ]  # fmt: skip
    return {
        "equity": (found.value().to_numpy()[1::2] - 9 * case["capital"]).tolist(),
        "positions": found.assets().to_numpy()[1::2].tolist(), "fills": fills,
    }  # fmt: skip


def _touched(kind: str, shares: float, level: float, opened: float) -> float:
    """The level, or the open where the bar begins beyond it."""
    beyond = opened < level if (kind == "stop") == (shares < 0) else opened > level
    return opened if beyond else level


if __name__ == "__main__":
    print(json.dumps([run(case) for case in json.load(sys.stdin)]))
