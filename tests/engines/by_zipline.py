"""zipline-reloaded: cases from stdin, what it makes of them to stdout.

Rows are sessions of a calendar without holidays. Its own slippage models fill at the close of the next bar; one of
three lines fills at the row's open where the orders are of the open. Shares are whole.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import warnings
from collections import defaultdict
from typing import Any

warnings.simplefilter("ignore")
BASE = "2010-01-01"


def bundle(case: dict[str, Any], name: str) -> Any:
    """Ingest the case's bars; the sessions of its rows."""
    import pandas as pd
    from zipline.data.bundles import ingest, register

    sessions = pd.date_range(BASE, periods=len(case["time"]), freq="D")

    def write(environ, assets, minutes, days, adjustments, calendar, start, end, cache, progress, folder):  # type: ignore
        rows = [
            {"symbol": f"A{s}", "asset_name": one["name"], "start_date": sessions[0], "end_date": sessions[-1],
             "first_traded": sessions[0], "auto_close_date": sessions[-1] + pd.Timedelta(days=400), "exchange": "X"}
            for s, one in enumerate(case["symbols"])
        ]  # fmt: skip
        exchanges = pd.DataFrame([{"exchange": "X", "canonical_name": "X", "country_code": "US"}])
        assets.write(equities=pd.DataFrame(rows), exchanges=exchanges)
        days.write((s, frame(one)) for s, one in enumerate(case["symbols"]))
        adjustments.write()

    def frame(one: dict[str, Any]) -> pd.DataFrame:
        found = pd.DataFrame(
            {n: one[n] for n in ("open", "high", "low", "close", "volume")}, index=sessions[one["rows"]]
        )
        return found.reindex(sessions).fillna({"volume": 0})

    register(name, write, calendar_name="24/7", start_session=sessions[0], end_session=sessions[-1])
    ingest(name, show_progress=False)
    return sessions


def run(case: dict[str, Any], name: str) -> dict[str, Any]:
    import pandas as pd
    from zipline import run_algorithm
    from zipline.api import order, set_commission, set_slippage, symbol
    from zipline.finance.commission import EquityCommissionModel
    from zipline.finance.slippage import SlippageModel
    from zipline.utils.calendar_utils import get_calendar

    sessions = bundle(case, name)
    at = {when: row for row, when in enumerate(sessions)}
    due: dict[int, list[Any]] = defaultdict(list)
    for one in case["orders"]:
        due[one[0] - 1].append(one)
    rates: dict[str, float] = {}
    equity, positions, fills = [], [], []

    class At(SlippageModel):  # type: ignore[misc]
        def process_order(self, data: Any, order: Any) -> Any:
            return float(data.current(order.asset, case["at"])), order.amount

    class Rated(EquityCommissionModel):  # type: ignore[misc]
        def calculate(self, order: Any, transaction: Any) -> float:
            paid = abs(transaction.amount * transaction.price) * rates[order.id]
            session = (pd.Timestamp(transaction.dt).tz_localize(None) - pd.Timedelta("1min")).normalize()
            fills.append([at[session], symbols.index(order.asset),
                          transaction.amount, transaction.price, paid])  # fmt: skip
            return float(paid)

    symbols: list[Any] = []
    wanted, placed = defaultdict(float), defaultdict(int)

    def initialize(context: Any) -> None:
        symbols.extend(symbol(f"A{s}") for s in range(len(case["symbols"])))
        set_slippage(us_equities=At())
        set_commission(us_equities=Rated())

    def handle_data(context: Any, data: Any) -> None:
        row = at[pd.Timestamp(data.current_session).tz_localize(None)]
        if row >= case["first"]:
            equity.append(context.portfolio.portfolio_value)
            held = context.portfolio.positions
            positions.append([held[one].amount if one in held else 0 for one in symbols])
        for _, s, shares, _, _, rate in due[row]:
            wanted[s] += shares
            amount = round(wanted[s]) - placed[s]
            placed[s] += amount
            if amount:
                rates[order(symbols[s], amount)] = rate

    calendar = get_calendar("24/7")
    run_algorithm(
        start=sessions[0], end=sessions[-1], initialize=initialize, handle_data=handle_data, bundle=name,
        capital_base=case["capital"], trading_calendar=calendar, default_extension=False,
        benchmark_returns=pd.Series(0.0, index=sessions),
    )  # fmt: skip
    return {"equity": equity, "positions": positions, "fills": fills}


if __name__ == "__main__":
    cases = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ZIPLINE_ROOT"] = folder
        print("\n" + json.dumps([run(case, f"case{i}") for i, case in enumerate(cases)]))
