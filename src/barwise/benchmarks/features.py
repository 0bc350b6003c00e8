"""The feature matrix beside the usual pandas way: speed, a warm store, memory, and how the cost grows."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from barwise.benchmarks.measure import FOLDER, interleaved, once, resident, seconds, store, watched
from barwise.console.arguments import Arguments
from barwise.data import synthetic
from barwise.data.bars import Bars, Market
from barwise.devices.cores import cores
from barwise.features import FeatureSet
from barwise.features.alpha158 import alpha158
from barwise.features.matrix import build
from barwise.features.microstructure import microstructure
from barwise.features.price import price
from barwise.features.technical import technical
from barwise.features.volume import volume

_SEED_SETS: dict[str, FeatureSet] = {
    "price": price, "volume": volume, "technical": technical, "microstructure": microstructure,
}  # fmt: skip
_SETS: dict[str, dict[str, FeatureSet]] = {"seed": _SEED_SETS, "alpha158": {"alpha158": alpha158}}
_DISTINCT = 50  # symbols that are simulated; a larger market repeats them under other names
_QLIB_ROWS = 18_000  # rows a second of qlib's own engine on two of these cores


def main(words: list[str]) -> None:
    """Measure, print a table, store and plot."""
    parser = Arguments("benchmark features", __doc__ or "")
    parser.add_argument("--n_symbols", type=int, default=2000, help="of the plain sets (2000); alpha158 on a quarter")
    parser.add_argument("--n_bars", type=int, default=2500)
    parser.add_argument("--plain", type=int, default=10, help="symbols that pandas computes (10)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=None, help="all cores by default")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--peak", help="build SET:SYMBOLS:BARS:THREADS in this process, for whom watches it")
    given = parser.parse_args(words)
    if given.peak:
        print(json.dumps(_peak(given.peak)))
        return
    threads = given.threads or cores()
    facts: dict[str, Any] = {
        "threads": threads,
        "seed": _beside_pandas(given.n_symbols, given.n_bars, given.plain, given.repeats, threads),
        "alpha158": _alone(given.n_symbols // 4, given.n_bars, given.repeats, threads),
        "store": _warm_store(given.n_symbols // 4, given.n_bars, threads),
        "memory": _apart(f"seed:{given.n_symbols}:{given.n_bars}:{threads}"),
        "growth": _growth(given.n_symbols // 4, given.n_bars, threads),
    }
    _show(facts)
    given.folder.mkdir(parents=True, exist_ok=True)
    _plot(facts["growth"], given.folder / "features.png")
    print(f"stored: {store('features', facts, given.folder)}, {given.folder / 'features.png'}")


def _beside_pandas(n_symbols: int, n_bars: int, plain: int, repeats: int, threads: int) -> dict[str, Any]:
    """Rows a second of the plain sets on all symbols, and of the usual pandas way on a few of them, in turns."""
    bars = market_of(n_symbols, n_bars).bars
    few = bars[: max(1, min(plain, n_symbols))]
    times = interleaved(
        {"ours": lambda: build(bars, _SEED_SETS, threads), "plain": lambda: [_usual_way(b) for b in few]}, repeats
    )
    ours, theirs = n_symbols * n_bars / times["ours"], len(few) * n_bars / times["plain"]
    return {
        "symbols": n_symbols, "bars": n_bars, "plain_symbols": len(few), "rows_a_second": ours,
        "plain_rows_a_second": theirs, "ratio": ours / theirs, "seconds": times["ours"],
    }  # fmt: skip


def _alone(n_symbols: int, n_bars: int, repeats: int, threads: int) -> dict[str, Any]:
    """Rows a second of alpha158."""
    bars = market_of(n_symbols, n_bars).bars
    took = seconds(lambda: build(bars, _SETS["alpha158"], threads), repeats)
    rate = n_symbols * n_bars / took
    return {"symbols": n_symbols, "bars": n_bars, "rows_a_second": rate, "qlib": _QLIB_ROWS, "ratio": rate / _QLIB_ROWS}


def _usual_way(b: Bars) -> Any:
    """The plain sets' columns as a notebook makes them: a DataFrame a symbol, pandas' windows, TA-Lib's indicators."""
    import pandas as pd
    import talib

    df = pd.DataFrame({name: getattr(b, name) for name in ("open", "high", "low", "close", "volume")}, index=b.time)
    close, out, daily = df["close"], pd.DataFrame(index=df.index), df["close"].pct_change()
    for n in (1, 5, 10, 20):
        out[f"returns_{n}"], out[f"log_returns_{n}"] = close.pct_change(n), np.log(close / close.shift(n))
    for n in (10, 20, 50, 200):
        out[f"ma_{n}"] = close.rolling(n).mean()
        out[f"ma_ratio_{n}"] = close / out[f"ma_{n}"]
    for n in (10, 20, 50):
        out[f"volatility_{n}"] = daily.rolling(n).std()
    for n in (20, 50):
        high, low = df["high"].rolling(n).max(), df["low"].rolling(n).min()
        out[f"price_position_{n}"] = (close - low) / (high - low)
    out["volume_ma_20"] = df["volume"].rolling(20).mean()
    out["volume_ratio"] = df["volume"] / out["volume_ma_20"]
    out["dollar_volume"] = close * df["volume"]
    out["dollar_volume_ma"] = out["dollar_volume"].rolling(20).mean()
    out["volume_price_corr"] = daily.rolling(20).corr(df["volume"].pct_change())
    out["rsi_14"] = talib.RSI(close.to_numpy(), 14)
    out["macd"], out["macd_signal"], out["macd_hist"] = talib.MACD(close.to_numpy())
    upper, middle, lower = talib.BBANDS(close.to_numpy(), 20, 2, 2)
    out["bb_upper"], out["bb_middle"], out["bb_lower"] = upper, middle, lower
    out["bb_width"], out["bb_position"] = (upper - lower) / middle, (close - lower) / (upper - lower)
    out["atr_14"] = talib.ATR(df["high"].to_numpy(), df["low"].to_numpy(), close.to_numpy(), 14)
    out["hl_range"] = df["high"] - df["low"]
    out["hl_range_pct"] = out["hl_range"] / close
    out["close_position"] = (close - df["low"]) / out["hl_range"]
    return out.astype(np.float32)


def _warm_store(n_symbols: int, n_bars: int, threads: int) -> dict[str, Any]:
    """Seconds of the feature stage the first time and the second, with the store: normalized, drift and all."""
    from barwise.data.hash import data_hash
    from barwise.features.normalized import normalized
    from barwise.features.prepare import prepared
    from barwise.features.store import Store

    market, sets = market_of(n_symbols, n_bars), {"normalized": normalized}
    data = data_hash(market)
    with tempfile.TemporaryDirectory() as folder:
        kept = Store(folder)
        first = once(lambda: prepared(market, data, sets, threads, kept))
        second = once(lambda: prepared(market, data, sets, threads, kept))
    return {"symbols": n_symbols, "bars": n_bars, "first_s": first, "second_s": second, "share": second / first}


def _growth(n_symbols: int, n_bars: int, threads: int) -> dict[str, list[tuple[int, float]]]:
    """Seconds of alpha158 over symbols at fixed bars, and over bars at fixed symbols."""
    bars = market_of(n_symbols, n_bars).bars
    over: dict[str, list[tuple[int, float]]] = {"symbols": [], "bars": []}
    for part in (0.25, 0.5, 0.75, 1.0):
        some = bars[: max(1, int(n_symbols * part))]
        over["symbols"].append((len(some), once(lambda some=some: build(some, _SETS["alpha158"], threads))))  # type: ignore[misc]
        cut = [b.take(slice(0, int(n_bars * part))) for b in bars[: max(1, n_symbols // 2)]]
        over["bars"].append((len(cut[0]), once(lambda cut=cut: build(cut, _SETS["alpha158"], threads))))  # type: ignore[misc]
    return over


def _apart(what: str) -> dict[str, Any]:
    """Peak memory that building adds, in a fresh process and those it forks, beside the size of the matrix."""
    command = [sys.executable, "-m", "barwise", "benchmark", "features", "--peak", what]
    text, most = watched(command)
    found: dict[str, Any] = json.loads(text)
    added = most - found.pop("before_mb")
    return found | {"added_mb": added, "ratio": added / found["matrix_mb"]}


def _peak(what: str) -> dict[str, Any]:
    """Build, for whom watches this process; its memory before, and the size of the matrix."""
    name, n_symbols, n_bars, threads = what.split(":")
    market = market_of(int(n_symbols), int(n_bars))
    build(market.bars[:1], _SETS[name])  # what imports and first calls take is no part of it
    before = resident()
    matrix = build(market.bars, _SETS[name], int(threads))
    time.sleep(0.1)
    return {"matrix_mb": matrix.X.nbytes / 2**20, "before_mb": before}


def market_of(n_symbols: int, n_bars: int) -> Market:
    """A random-walk market; beyond 50 symbols the same bars come again under other names, and take no memory."""
    market = synthetic.load(n_symbols=min(n_symbols, _DISTINCT), n_bars=n_bars)
    many = tuple(replace(market.bars[i % len(market.bars)], symbol=f"S{i:05d}") for i in range(n_symbols))
    return replace(market, bars=many)


def _show(facts: dict[str, Any]) -> None:
    """The table."""
    f, a = facts["seed"], facts["alpha158"]
    print(f"{facts['threads']} threads")
    print(
        f"  plain sets {f['symbols']:,} × {f['bars']:,}: {f['rows_a_second']:,.0f} rows/s; pandas and TA-Lib "
        f"{f['plain_rows_a_second']:,.0f} rows/s, on {f['plain_symbols']} of the symbols: {f['ratio']:.1f} times"
    )
    print(
        f"  alpha158 {a['symbols']:,} × {a['bars']:,}: {a['rows_a_second']:,.0f} rows/s; qlib {a['qlib']:,} rows/s, "
        f"as told, not measured here: {a['ratio']:.1f} times"
    )
    s, m = facts["store"], facts["memory"]
    print(f"  store     first {s['first_s']:.3f} s, warm {s['second_s']:.4f} s: {s['share']:.2%} of the first")
    print(f"  memory    matrix {m['matrix_mb']:,.0f} MB, building adds {m['added_mb']:,.0f} MB: {m['ratio']:.2f} times")


def _plot(found: dict[str, list[tuple[int, float]]], path: Path) -> None:
    """How the cost grows."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    for axes, (name, points) in zip(figure.subplots(1, 2), found.items(), strict=True):
        x, y = np.array(points).T
        axes.plot(x, y, "o-", color="#0072B2")
        axes.set_xlabel(name)
        axes.set_ylabel("alpha158, s")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
