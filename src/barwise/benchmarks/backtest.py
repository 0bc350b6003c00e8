"""The ledger beside vectorbt's from_orders; --stage: all that a run trades, beside its ledger bar by bar."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from barwise.backtest import stretch
from barwise.backtest.grid import Grid, Signals
from barwise.backtest.ledger import Backtest, Ledger
from barwise.backtest.weights import weigh
from barwise.benchmarks.measure import FOLDER, interleaved, store
from barwise.console.arguments import Arguments
from barwise.data.bars import Bars
from barwise.data.synthetic import load
from barwise.errors import ConfigError
from barwise.experiment.results import OutOfSample, evaluate


def main(words: list[str]) -> None:
    """Time both, warm, in turns, and compare their returns; print and store."""
    parser = Arguments("benchmark backtest", __doc__ or "")
    parser.add_argument("--n_symbols", type=int, default=500)
    parser.add_argument("--n_bars", type=int, default=2500)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--stage", action="store_true", help="a run's whole backtest, no vectorbt")
    given = parser.parse_args(words)
    if given.stage:
        _stage(given.n_symbols, given.n_bars, given.repeats, given.folder)
        return
    try:
        import vectorbt  # noqa: F401
    except ImportError:
        raise ConfigError("benchmark backtest: needs vectorbt to compare with; pip install 'barwise[test]'") from None
    facts = _measure(given.n_symbols, given.n_bars, given.repeats)
    print(
        f"{given.n_symbols} symbols × {given.n_bars} bars, median of {given.repeats}\n"
        f"  barwise ledger, from a matrix  {facts['matrix_seconds']:.3f} s\n"
        f"  barwise ledger, from a table   {facts['ledger_seconds']:.3f} s\n"
        f"  barwise, grid and ledger       {facts['whole_seconds']:.3f} s\n"
        f"  vectorbt from_orders, value    {facts['vectorbt_seconds']:.3f} s (warm)\n"
        f"  matrix / vectorbt              {facts['matrix_ratio']:.3f}  (as vectorbt has its orders)\n"
        f"  table / vectorbt               {facts['ratio']:.3f}\n"
        f"  with the grid / vectorbt       {facts['whole_ratio']:.3f}\n"
        f"  largest difference of returns  {facts['largest_difference']:.1e}"
    )
    print(f"stored: {store('backtest', facts, given.folder)}")


def _stage(n_symbols: int, n_bars: int, repeats: int, folder: Path) -> None:
    """Time what `evaluate` does with scores of noise on five-minute bars, and one ledger both ways; print and store."""
    bars = _five_minutes(n_symbols, n_bars)
    grid, rules = Grid.build(bars), Backtest()
    table = _scored(grid, n_bars // 6)
    signals = table.signals()
    keeping = replace(rules, keep_positions=True)
    times = interleaved(
        {
            "stage": lambda: evaluate(table, table, Grid.build(bars), rules, 73_584, 0),
            "ledger": lambda: keeping.run(grid, signals, 73_584),
            "bar_by_bar": lambda: _bar_by_bar(keeping, grid, signals),
        },
        repeats,
    )
    begin = time.process_time()
    evaluate(table, table, Grid.build(bars), rules, 73_584, 0)
    times["stage_cpu"] = time.process_time() - begin
    ours, theirs = keeping.run(grid, signals, 73_584), _bar_by_bar(keeping, grid, signals)
    off = float(np.abs(ours.net - theirs.net).max())
    print(
        f"{n_symbols} symbols × {n_bars} bars, five sixths of them traded, median of {repeats}\n"
        f"  the whole backtest, fifteen ledgers   {times['stage']:.2f} s ({times['stage_cpu']:.2f} of CPU)\n"
        f"  one ledger                            {times['ledger']:.3f} s\n"
        f"  the same, bar by bar                  {times['bar_by_bar']:.3f} s\n"
        f"  bar by bar / at once                  {times['bar_by_bar'] / times['ledger']:.1f}\n"
        f"  largest difference of net returns     {off:.1e}"
    )
    facts = {f"{name}_seconds": value for name, value in times.items()}
    facts |= {"n_symbols": n_symbols, "n_bars": n_bars, "largest_difference": off}
    print(f"stored: {store('backtest-stage', facts, folder)}")


def _five_minutes(n_symbols: int, n_bars: int) -> tuple[Bars, ...]:
    """Random walks on bars of five minutes."""
    when = np.datetime64("2018-01-01", "ns") + np.arange(n_bars) * np.timedelta64(5, "m")
    found = []
    for s in range(n_symbols):
        random = np.random.default_rng(s)
        close = 100 * np.exp(np.cumsum(5e-4 * random.standard_normal(n_bars)))
        open_ = np.append(100.0, close[:-1])
        high, low = np.maximum(open_, close), np.minimum(open_, close)
        found.append(Bars(f"S{s}", when, open_, high, low, close, np.full(n_bars, 1e6)))
    return tuple(found)


def _scored(grid: Grid, first: int) -> OutOfSample:
    """Scores of noise from row `first` on in five folds, and signals that stand for some bars."""
    n, symbols = len(grid.time) - first, len(grid.symbols)
    random = np.random.default_rng(0)
    score = np.clip(random.normal(0, 0.25, (symbols, n)), -1, 1).ravel()
    signal = np.repeat(np.sign(random.normal(size=(symbols, -(-n // 4)))), 4, axis=1)[:, :n].ravel()
    ret = random.normal(0, 5e-4, n * symbols)
    fold = np.tile((np.arange(n) * 5 // n).astype(np.int32), symbols)
    symbol = np.repeat(np.arange(symbols, dtype=np.int32), n)
    return OutOfSample(
        grid.symbols, symbol, np.tile(grid.time[first:], symbols), fold, np.sign(ret), ret, score, signal
    )


def _bar_by_bar(rules: Backtest, grid: Grid, signals: Signals) -> Ledger:
    """The ledger as short ones are made."""
    long, stretch.LONG = stretch.LONG, len(grid.time) + 1
    try:
        return rules.run(grid, signals, 73_584)
    finally:
        stretch.LONG = long


def _measure(n_symbols: int, n_bars: int, repeats: int) -> dict[str, Any]:
    """Median seconds of each way, and the largest difference of their returns."""
    bars = load(n_symbols=n_symbols, n_bars=n_bars).bars
    grid = Grid.build(bars)
    random = np.random.default_rng(0)
    symbol = np.repeat(np.arange(n_symbols), n_bars)
    signals = Signals(symbol, np.tile(grid.time, n_symbols), random.integers(-1, 2, len(symbol)).astype(float))
    rules = Backtest(borrow_bps=0, max_gross=0.5)  # half: vectorbt shrinks orders that cash cannot pay for
    orders = _shares(grid, signals, rules)
    dense, span = signals.on(grid), signals.span(grid)
    times = interleaved(
        {
            "matrix": lambda: rules.run_dense(grid, dense, span, 252),
            "ledger": lambda: rules.run(grid, signals, 252),
            "whole": lambda: rules.run(Grid.build(bars), signals, 252),
            "vectorbt": lambda: _by_vectorbt(grid, orders, rules),
        },
        repeats,
    )
    ours, theirs = rules.run(grid, signals, 252).net[1:], _by_vectorbt(grid, orders, rules)[1:]
    return {
        "n_symbols": n_symbols,
        "n_bars": n_bars,
        **{f"{name}_seconds": value for name, value in times.items()},
        "matrix_ratio": times["matrix"] / times["vectorbt"],
        "ratio": times["ledger"] / times["vectorbt"],
        "whole_ratio": times["whole"] / times["vectorbt"],
        "largest_difference": float(np.abs(ours - theirs).max()),
    }


def _shares(grid: Grid, signals: Signals, rules: Backtest) -> np.ndarray:
    """The orders of each bar as target shares of value: the weights of the bar before."""
    weight = weigh(grid, signals.on(grid), rules)
    return np.vstack([np.full((1, weight.shape[1]), np.nan), weight[:-1]])


def _by_vectorbt(grid: Grid, orders: np.ndarray, rules: Backtest) -> np.ndarray:
    """Net returns by vectorbt's from_orders, one account for all symbols."""
    import pandas as pd
    import vectorbt

    price = grid.open if rules.execution == "next_open" else grid.close
    portfolio = vectorbt.Portfolio.from_orders(
        pd.DataFrame(grid.close),
        size=pd.DataFrame(orders),
        size_type="targetpercent",
        price=pd.DataFrame(price),
        val_price=pd.DataFrame(price),
        fees=(rules.commission_bps + rules.slippage_bps) / 1e4,
        cash_sharing=True,
        group_by=np.zeros(orders.shape[1], int),
        init_cash=1e6,  # with 1 it takes small orders for rounding and leaves them out
        call_seq="auto",
        freq="1D",
    )
    found: np.ndarray = portfolio.value().pct_change().to_numpy()
    return found
