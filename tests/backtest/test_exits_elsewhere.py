"""Stops and targets beside backtesting.py's and vectorbt's own, on the same bars and orders; where they differ, why.

Both fill a gap through a stop or target at the open, and take the stop of two that one bar touches, as we do. What
differs: vectorbt looks at stops from the bar after the entry on, we (and backtesting.py) in the entry's own bar, too;
and in the bar at whose open a signal ends a trade it takes a stop that the bar touches later, of what is sold by then.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from barwise.backtest.exits import Stops
from barwise.backtest.grid import Grid, Signals
from barwise.backtest.ledger import Backtest
from barwise.data.bars import Bars

STOP, TARGET, N, HELD = 3.0, 4.0, 400, 8
JUMP = 0.06


def path(seed: int) -> tuple[Bars, np.ndarray]:
    """Bars with a gap beyond stops and targets now and then, and signals that stand for some bars, flat after each."""
    random = np.random.default_rng(seed)
    night = 0.003 * random.standard_normal(N)
    gap = np.arange(N) % 20 == 13
    night[gap] = JUMP * random.choice([-1, 1], gap.sum())
    day = 0.01 * random.standard_normal(N)
    close = 100 * np.exp(np.cumsum(night + day))
    open_ = close / np.exp(day)
    high = np.maximum(open_, close) * (1 + 0.01 * random.random(N))
    low = np.minimum(open_, close) * (1 - 0.01 * random.random(N))
    time = np.datetime64("2020-01-01", "ns") + np.arange(N) * np.timedelta64(1, "D")
    side = random.choice([-1.0, 1.0], N // 10)
    value = np.concatenate([np.append(np.full(HELD, s), [0.0, 0.0]) for s in side])  # entered at bars 11, 21, …
    value[:10] = 0.0  # backtesting.py asks for no order at the first bar
    return Bars("A", time, open_, high, low, close, np.full(N, 1e6)), value


def ours(bars: Bars, value: np.ndarray) -> dict[int, tuple[int, float]]:
    grid = Grid.build([bars])
    rules = Backtest("next_open", 0, 0, 0, keep_positions=True, exits=Stops(STOP, TARGET, unit="percent"))
    trades = rules.run(grid, Signals(np.zeros(N, int), bars.time, value), 252).held.trades(grid, "next_open")
    assert {"stop", "target", "signal"} <= set(trades["ended"])
    entry, exit_ = (np.searchsorted(bars.time, trades[name]).tolist() for name in ("entry", "exit"))
    return {a: (b, p) for a, b, p in zip(entry, exit_, trades["exit_price"].tolist(), strict=True)}


def frame(bars: Bars) -> pd.DataFrame:
    columns = {"Open": bars.open, "High": bars.high, "Low": bars.low, "Close": bars.close, "Volume": bars.volume}
    return pd.DataFrame(columns, index=pd.DatetimeIndex(bars.time))


def same(found: dict[int, tuple[int, float]], other: dict[int, tuple[int, float]]) -> None:
    assert found.keys() == other.keys() and len(found) > 25
    for entry, (row, price) in found.items():
        assert other[entry] == (row, pytest.approx(price, rel=1e-9)), entry


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_trades_are_backtestings(seed):
    backtesting = pytest.importorskip("backtesting")
    bars, value = path(seed)

    class Orders(backtesting.Strategy):
        def init(self) -> None:
            pass

        def next(self) -> None:
            i = len(self.data) - 1
            before, now = value[i - 1] if i else 0.0, value[i]
            if now == before:
                return
            if self.position:
                self.position.close()
            if now and i + 1 < N:
                entry = bars.open[i + 1]  # it has levels of price, we have distances from the entry
                order = self.buy if now > 0 else self.sell
                order(size=1, sl=entry * (1 - now * STOP / 100), tp=entry * (1 + now * TARGET / 100))

    test = backtesting.Backtest(frame(bars), Orders, cash=1e6, finalize_trades=True)
    test._data.attrs["quiet"] = True
    trades = test.run()._trades
    theirs = zip(trades.EntryBar.tolist(), trades.ExitBar.tolist(), trades.ExitPrice.tolist(), strict=True)
    same(ours(bars, value), {a: (b, p) for a, b, p in theirs})


@pytest.mark.slow  # it compiles for half a minute
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_trades_are_vectorbts(seed):
    vectorbt = pytest.importorskip("vectorbt")
    bars, value = path(seed)
    ordered = np.append(0.0, value[:-1])  # at the open after the signal
    before = np.append(0.0, ordered[:-1])
    begins, ends = (ordered != 0) & (before == 0), (ordered == 0) & (before != 0)
    table = frame(bars)
    folio = vectorbt.Portfolio.from_signals(
        table.Close, entries=begins & (ordered > 0), exits=ends, short_entries=begins & (ordered < 0), short_exits=ends,
        price=table.Open, open=table.Open, high=table.High, low=table.Low, sl_stop=STOP / 100, tp_stop=TARGET / 100,
        stop_entry_price="fillprice", stop_exit_price="stoplimit", size=1, init_cash=1e6, freq="1D",
    )  # fmt: skip
    trades = folio.trades.records
    theirs = zip(trades.entry_idx.tolist(), trades.exit_idx.tolist(), trades.exit_price.tolist(), strict=True)
    other = {a: (b, p) for a, b, p in theirs}
    found = ours(bars, value)
    early = {a for a, (b, _) in found.items() if a == b}
    late = {a for a, (b, price) in found.items() if ends[b] and price == bars.open[b] and other[a][1] != price}
    assert all(other[a][0] > a for a in early) and all(other[a][0] == found[a][0] for a in late)
    assert len(early | late) < 10
    same(*({a: x for a, x in trades.items() if a not in early | late} for trades in (found, other)))
