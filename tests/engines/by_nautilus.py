"""nautilus_trader: cases from stdin, what it makes of them to stdout.

On bars it fills a market order at the close of the bar that it is submitted at, so that it is given quotes: one at each
row's open and one at its close, with orders submitted at the quote that they are traded at. Shares are whole, and money
is whole cents.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from decimal import Decimal
from typing import Any

HOUR = 3600 * 10**9
DAY, NOON, EVENING = 24 * HOUR, 12 * HOUR, 18 * HOUR  # the last quote of a row is what the account is read at


def run(case: dict[str, Any]) -> dict[str, Any]:
    from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
    from nautilus_trader.config import LoggingConfig
    from nautilus_trader.model.currencies import USD
    from nautilus_trader.model.data import QuoteTick
    from nautilus_trader.model.enums import AccountType, OmsType, OrderSide, TimeInForce
    from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
    from nautilus_trader.model.instruments import Equity
    from nautilus_trader.model.objects import Money, Price, Quantity
    from nautilus_trader.trading.strategy import Strategy

    venue = Venue("SIM")
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
    engine.add_venue(
        venue=venue, oms_type=OmsType.NETTING, account_type=AccountType.MARGIN, base_currency=USD,
        starting_balances=[Money(10 * case["capital"], USD)], default_leverage=Decimal(10),
    )  # fmt: skip
    rate = Decimal(str(round(case["rate"], 8)))
    ids = [InstrumentId(Symbol(f"A{s}"), venue) for s in range(len(case["symbols"]))]
    for one in ids:
        engine.add_instrument(Equity(
            instrument_id=one, raw_symbol=one.symbol, currency=USD, price_precision=2, price_increment=Price(0.01, 2),
            lot_size=Quantity.from_int(1), ts_event=0, ts_init=0, margin_init=Decimal(0), margin_maint=Decimal(0),
            maker_fee=rate, taker_fee=rate,
        ))  # fmt: skip
    ticks, size = [], Quantity.from_int(10**11)
    for s, one in enumerate(case["symbols"]):
        for i, row in enumerate(one["rows"]):
            for kind, moment in (("open", 0), ("close", NOON), ("close", EVENING)):
                price, when = Price(one[kind][i], 2), (row + 1) * DAY + moment + s
                ticks.append(QuoteTick(ids[s], price, price, size, size, when, when))
    ticks.sort(key=lambda tick: tick.ts_init)
    engine.add_data(ticks)
    due: dict[tuple[int, int, str], Any] = {(row, s, kind): shares for row, s, shares, kind, _, _ in case["orders"]}
    equity: dict[int, float] = {}
    positions: dict[int, list[float]] = {}
    fills: list[list[float]] = []
    wanted, placed = defaultdict(float), defaultdict(int)

    class Traded(Strategy):  # type: ignore[misc]
        def on_start(self) -> None:
            for one in ids:
                self.subscribe_quote_ticks(one)

        def on_quote_tick(self, tick: Any) -> None:
            row, s = tick.ts_init // DAY - 1, ids.index(tick.instrument_id)
            moment = tick.ts_init % DAY
            kind = "open" if moment < NOON else "close" if moment < EVENING else "mark"
            shares = due.get((row, s, kind))
            if shares is not None:
                wanted[s] += shares
                amount = round(wanted[s]) - placed[s]
                placed[s] += amount
                self.row = row
                side = OrderSide.BUY if amount > 0 else OrderSide.SELL
                if amount:
                    quantity = Quantity.from_int(abs(amount))
                    self.submit_order(self.order_factory.market(tick.instrument_id, side, quantity, TimeInForce.GTC))
            if kind == "mark":
                account = self.portfolio.account(venue)
                open_ = self.portfolio.unrealized_pnls(venue)
                pnl = float(open_[USD].as_double()) if USD in open_ else 0.0
                equity[row] = float(account.balance_total(USD).as_double()) + pnl - 9 * case["capital"]
                positions[row] = [float(self.portfolio.net_position(one)) for one in ids]

        def on_order_filled(self, event: Any) -> None:
            sign = 1 if event.order_side == OrderSide.BUY else -1
            fills.append([self.row, ids.index(event.instrument_id), sign * float(event.last_qty), float(event.last_px),
                          float(event.commission.as_double())])  # fmt: skip

    engine.add_strategy(Traded())
    engine.run()
    engine.dispose()
    rows = range(case["first"], len(case["time"]))
    return {"equity": [equity[row] for row in rows], "positions": [positions[row] for row in rows], "fills": fills}


if __name__ == "__main__":
    found = [run(case) for case in json.load(sys.stdin)]
    print("\n" + json.dumps(found))
