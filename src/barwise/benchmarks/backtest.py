"""The ledger beside vectorbt's from_orders, on the same bars and the same orders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from barwise.backtest.grid import Grid, Signals
from barwise.backtest.ledger import Backtest
from barwise.backtest.weights import weigh
from barwise.benchmarks.measure import FOLDER, interleaved, store
from barwise.console.arguments import Arguments
from barwise.data.synthetic import load
from barwise.errors import ConfigError


def main(words: list[str]) -> None:
    """Time both, warm, in turns, and compare their returns; print and store."""
    parser = Arguments("benchmark backtest", __doc__ or "")
    parser.add_argument("--n_symbols", type=int, default=500)
    parser.add_argument("--n_bars", type=int, default=2500)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    given = parser.parse_args(words)
    try:
        import vectorbt  # noqa: F401
    except ImportError:
        raise ConfigError("benchmark backtest: needs vectorbt to compare with; pip install 'barwise[test]'") from None
    facts = measure(given.n_symbols, given.n_bars, given.repeats)
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


def measure(n_symbols: int, n_bars: int, repeats: int) -> dict[str, Any]:
    """Median seconds of each way, and the largest difference of their returns."""
    bars = load(n_symbols=n_symbols, n_bars=n_bars).bars
    grid = Grid.build(bars)
    random = np.random.default_rng(0)
    symbol = np.repeat(np.arange(n_symbols), n_bars)
    signals = Signals(symbol, np.tile(grid.time, n_symbols), random.integers(-1, 2, len(symbol)).astype(float))
    rules = Backtest(borrow_bps=0, max_gross=0.5)  # half: vectorbt shrinks orders that cash cannot pay for
    orders = shares(grid, signals, rules)
    dense, span = signals.on(grid), signals.span(grid)
    times = interleaved(
        {
            "matrix": lambda: rules.run_dense(grid, dense, span, 252),
            "ledger": lambda: rules.run(grid, signals, 252),
            "whole": lambda: rules.run(Grid.build(bars), signals, 252),
            "vectorbt": lambda: by_vectorbt(grid, orders, rules),
        },
        repeats,
    )
    ours, theirs = rules.run(grid, signals, 252).net[1:], by_vectorbt(grid, orders, rules)[1:]
    return {
        "n_symbols": n_symbols,
        "n_bars": n_bars,
        **{f"{name}_seconds": value for name, value in times.items()},
        "matrix_ratio": times["matrix"] / times["vectorbt"],
        "ratio": times["ledger"] / times["vectorbt"],
        "whole_ratio": times["whole"] / times["vectorbt"],
        "largest_difference": float(np.abs(ours - theirs).max()),
    }


def shares(grid: Grid, signals: Signals, rules: Backtest) -> np.ndarray:
    """The orders of each bar as target shares of value: the weights of the bar before."""
    weight = weigh(grid, signals.on(grid), rules)
    return np.vstack([np.full((1, weight.shape[1]), np.nan), weight[:-1]])


def by_vectorbt(grid: Grid, orders: np.ndarray, rules: Backtest) -> np.ndarray:
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
