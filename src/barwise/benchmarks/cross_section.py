"""A study of many symbols, stage by stage, beside the same in pandas, LightGBM and alphalens.

alpha158, lambdarank on the rank of five days' returns, deciles held for five days, the factor page's numbers. Each side
runs in a process of its own; memory is the most that it has held by the end of each stage.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from barwise.benchmarks.larger import universe
from barwise.benchmarks.measure import FOLDER, store, watched
from barwise.console.arguments import Arguments
from barwise.data.bars import Bars, Market
from barwise.devices.cores import cores
from barwise.errors import ConfigError
from barwise.runs.directory import peak_memory_mb

_HORIZON, _QUANTILES, _TRAINED = 5, 10, 0.6  # bars of a label and of a position; parts; share of the bars trained on
_PERIODS = (1, 5, 10, 20, 60)  # of alphalens; barwise's page has 15 horizons
_STAGES = ("features", "labels", "fit", "score", "backtest", "factor page")


@dataclass
class _Clock:
    """Seconds, by the clock and of CPU, and peak memory by stage."""

    seconds: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    peak_mb: dict[str, float] = field(default_factory=dict)

    def stage(self, name: str, action: Callable[[], Any]) -> Any:
        begin, work = time.perf_counter(), _cpu()
        found = action()
        self.seconds[name], self.cpu[name] = time.perf_counter() - begin, _cpu() - work
        self.peak_mb[name] = peak_memory_mb()
        return found


def _cpu() -> float:
    """CPU seconds of this process and of those that it has waited for."""
    return sum(os.times()[:4])


def main(words: list[str]) -> None:
    """Measure both sides, print and store."""
    parser = Arguments("benchmark cross_section", (__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--n_symbols", type=int, default=500)
    parser.add_argument("--n_bars", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=50, help="of boosting (50)")
    parser.add_argument("--plain", type=int, default=50, help="symbols whose features pandas computes; scaled (50)")
    parser.add_argument("--threads", type=int, default=None, help="all cores by default")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--side", choices=("ours", "theirs"), help="one side in this process, for whom watches it")
    given = parser.parse_args(words)
    if given.side:
        measure = _ours if given.side == "ours" else _theirs
        print(json.dumps(measure(given.n_symbols, given.n_bars, given.rounds, given.plain, given.threads or cores())))
        return
    try:
        import alphalens  # noqa: F401
    except ImportError:
        raise ConfigError("benchmark cross_section: needs alphalens; pip install 'barwise[test]'") from None
    sides = {}
    for side in ("ours", "theirs"):
        command = [sys.executable, "-m", "barwise", "benchmark", "cross_section", "--side", side, *words]
        text, _ = watched(command, every=1.0)
        sides[side] = json.loads(text.strip().splitlines()[-1])
    facts = {"symbols": given.n_symbols, "bars": given.n_bars, "rounds": given.rounds, **sides}
    _show(facts)
    print(f"stored: {store('cross_section', facts, given.folder)}")


def _show(facts: dict[str, Any]) -> None:
    """The table: seconds and peak memory by stage, and their ratio."""
    one, other = facts["ours"], facts["theirs"]
    print(f"{facts['symbols']:,} symbols × {facts['bars']:,} bars, alpha158, {facts['rounds']} rounds of lambdarank")
    head = "".join(f"{side:>11}{'CPU':>8}{'memory':>11}" for side in ("barwise", "others"))
    print(f"  {'stage':<14}{head}{'ratio of CPU':>14}")
    rest = [name for name in _STAGES if name != "fit"]
    for label, stages in [(name, [name]) for name in _STAGES] + [("all but fit", rest)]:
        line, cpu = f"  {label:<14}", []
        for side in (one, other):
            cpu.append(sum(side["cpu"][name] for name in stages))
            memory = f"{max(side['peak_mb'][name] for name in stages):,.0f} MB"
            line += f"{sum(side['seconds'][name] for name in stages):>9.1f} s{cpu[-1]:>6.1f} s{memory:>11}"
        print(f"{line}{cpu[0] / cpu[1]:>14.2f}")
    print(f"  barwise also traded the baselines and folds in {one['seconds']['baselines']:.1f} s")
    print(f"  pandas' features: {other['plain']} symbols, times {facts['symbols'] / other['plain']:.0f}")
    print(f"  rank correlation across symbols {one['rank_ic']:.4f} and {other['rank_ic']:.4f}")


def _ours(n_symbols: int, n_bars: int, rounds: int, plain: int, threads: int) -> dict[str, Any]:
    """The study by barwise's own stages."""
    from barwise.backtest.grid import Grid, Signals
    from barwise.backtest.ledger import Backtest
    from barwise.backtest.metrics import cross_section
    from barwise.cross_labels import bound, cross_rank
    from barwise.experiment.results import OutOfSample, evaluate
    from barwise.factor.scores import Scores
    from barwise.factor.study import study
    from barwise.features.alpha158 import alpha158
    from barwise.features.matrix import build
    from barwise.panel import build_panel
    from barwise.portfolio.portfolio import Portfolio
    from barwise.portfolio.rules import deciles
    from barwise.samples import Samples
    from barwise.strategies.base import FitContext
    from barwise.strategies.lgbm import LightGBMStrategy

    market, clock = universe(n_symbols, n_bars), _Clock()
    clock.peak_mb["data"] = peak_memory_mb()
    matrix = clock.stage("features", lambda: build(market.bars, {"alpha158": alpha158}, threads))
    labels = partial(cross_rank, horizon=_HORIZON)
    panel = clock.stage("labels", lambda: build_panel(matrix, bound(labels, matrix.bars)))
    edge = np.unique(panel.time)[int(_TRAINED * len(np.unique(panel.time)))]
    train = np.flatnonzero(panel.warm & np.isfinite(panel.y) & (panel.end < edge))
    test = np.flatnonzero(panel.warm & (panel.time >= edge))
    model = LightGBMStrategy(rounds, early_stopping_rounds=None, objective="lambdarank")
    nothing = Samples(panel, train[:0])
    import_module("lightgbm")  # once features are made: beside its threads they would not be made in forked processes
    clock.stage("fit", lambda: model.fit(Samples(panel, train), nothing, FitContext(threads=threads)))
    score = clock.stage("score", lambda: model.predict(Samples(panel, test)))
    symbol, when = panel.symbol[test], panel.time[test]
    rules = Backtest(portfolio=Portfolio(partial(deciles, quantiles=_QUANTILES), _HORIZON), keep_positions=True)
    grid = Grid.build(matrix.bars)
    clock.stage("backtest", lambda: rules.run(Grid.build(matrix.bars), Signals(symbol, when, score), 252.0))
    fold = np.zeros(len(test), np.int32)
    table = OutOfSample(panel.symbols, symbol, when, fold, panel.y[test], panel.ret[test], score, score)
    clock.stage("baselines", lambda: evaluate(table, None, grid, rules, 252.0, 0))
    clock.stage("factor page", lambda: study(Scores.of(grid, symbol, when, score, horizon=_HORIZON)))
    found = cross_section(score, panel.ret[test], when)
    times = {"seconds": clock.seconds, "cpu": clock.cpu, "peak_mb": clock.peak_mb}
    return {**times, "rank_ic": found, "train_rows": len(train)}


def _theirs(n_symbols: int, n_bars: int, rounds: int, plain: int, threads: int) -> dict[str, Any]:
    """The same study as a notebook writes it: a frame by time and symbol, LightGBM on it, alphalens' tables.

    pandas computes the features of `plain` symbols, and their time is scaled; the frame then holds barwise's values of
    all of them, which are the same, so that both sides fit the same rows.
    """
    import lightgbm
    import pandas as pd

    market, clock = universe(n_symbols, n_bars), _Clock()
    clock.peak_mb["data"] = peak_memory_mb()
    few = min(plain, n_symbols)
    clock.stage("features", lambda: [_usual_alpha158(b) for b in market.bars[:few]])
    clock.seconds["features"] *= n_symbols / few
    clock.cpu["features"] *= n_symbols / few
    X = _by_time(market)
    clock.peak_mb["features"] = peak_memory_mb()
    prices = {name: _wide(market, name) for name in ("open", "close")}

    def labelled() -> Any:
        ret = prices["open"].shift(-1 - _HORIZON) / prices["open"].shift(-1) - 1
        y = (30 * (ret.rank(axis=1) - 1) / (ret.count(axis=1) - 1).to_numpy()[:, None]).round()
        return pd.DataFrame({"ret": ret.stack(), "y": y.stack()}).rename_axis(["time", "symbol"])

    label = clock.stage("labels", labelled)
    times = X.index.get_level_values(0)
    edge = times.unique().sort_values()[int(_TRAINED * n_bars)]
    last = times.unique().sort_values()[int(_TRAINED * n_bars) - _HORIZON - 2]

    whole = pd.Series(np.isfinite(X.to_numpy().sum(axis=1)), X.index)

    def fitted() -> Any:
        y = label["y"].reindex(X.index)
        known = ((times <= last) & whole & y.notna()).to_numpy()
        y = y[known]
        data = lightgbm.Dataset(X[known], y, group=y.groupby(level=0).size().to_numpy())
        options = {"objective": "lambdarank", "label_gain": list(range(31)), "metric": "None", "num_leaves": 8,
                   "learning_rate": 0.05, "num_threads": threads, "deterministic": True, "force_row_wise": True,
                   "verbosity": -1, "lambdarank_truncation_level": min(500, n_symbols)}  # fmt: skip
        return lightgbm.train(options, data, rounds)

    model = clock.stage("fit", fitted)
    tested = X[((times >= edge) & whole).to_numpy()]
    X = None
    score = clock.stage("score", lambda: pd.Series(model.predict(tested), tested.index))
    tested = None
    clock.stage("backtest", lambda: _traded(score, prices["open"], prices["close"]))
    untied = score.groupby(level=0).rank(method="first")  # alphalens drops bars whose quantiles tie
    clock.stage("factor page", lambda: _tears(untied, prices["open"]))
    both = pd.DataFrame({"score": score, "ret": label["ret"]}).dropna()
    ic = both.groupby(level=0).apply(lambda bar: bar["score"].rank().corr(bar["ret"].rank())).mean()
    return {"seconds": clock.seconds, "cpu": clock.cpu, "peak_mb": clock.peak_mb, "rank_ic": float(ic), "plain": few}


def _by_time(market: Market) -> Any:
    """All symbols' features, by time and symbol: barwise's values."""
    import pandas as pd

    from barwise.features.alpha158 import alpha158
    from barwise.features.matrix import build

    names = build(market.bars[:1], {"alpha158": alpha158}).names
    X = np.empty((len(market.bars[0]), len(market.bars), len(names)), np.float32)
    for place, b in enumerate(market.bars):
        X[:, place] = build([b], {"alpha158": alpha158}).X
    index = pd.MultiIndex.from_product([market.bars[0].time, market.symbols], names=["time", "symbol"])
    return pd.DataFrame(X.reshape(-1, len(names)), index, names, copy=False)


def _wide(market: Market, name: str) -> Any:
    """A column of all symbols, by time."""
    import pandas as pd

    return pd.DataFrame({b.symbol: pd.Series(getattr(b, name), b.time) for b in market.bars})


def _usual_alpha158(b: Bars) -> Any:
    """Alpha158 as pandas writes it: a rolling window for each factor, lines by covariance with the time."""
    import pandas as pd

    e, t = 1e-12, pd.Series(np.arange(len(b), dtype=float), b.time)
    o, h, l, c, v = (pd.Series(getattr(b, name), b.time) for name in ("open", "high", "low", "close", "volume"))
    w = (h + l + c) / 3
    out = {
        "KMID": (c - o) / o, "KLEN": (h - l) / o, "KMID2": (c - o) / (h - l + e),
        "KUP": (h - np.maximum(o, c)) / o, "KUP2": (h - np.maximum(o, c)) / (h - l + e),
        "KLOW": (np.minimum(o, c) - l) / o, "KLOW2": (np.minimum(o, c) - l) / (h - l + e),
        "KSFT": (2 * c - h - l) / o, "KSFT2": (2 * c - h - l) / (h - l + e),
        "OPEN0": o / c, "HIGH0": h / c, "LOW0": l / c, "VWAP0": w / c,
    }  # fmt: skip
    change, flow, ratio = c.diff(), v.diff(), c / c.shift()
    moved, log_v, log_flow = (ratio - 1).abs() * v, np.log(v + 1), np.log(v / v.shift() + 1)
    for d in (5, 10, 20, 30, 60):
        roll = c.rolling(d)
        out[f"ROC{d}"], out[f"MA{d}"], out[f"STD{d}"] = c.shift(d) / c, roll.mean() / c, roll.std() / c
        slope = roll.cov(t) / t.rolling(d).var()
        out[f"BETA{d}"], out[f"RSQR{d}"] = slope / c, roll.corr(t) ** 2
        out[f"RESI{d}"] = (c - roll.mean() - slope * (d - 1) / 2) / c
        top, bottom = h.rolling(d).max(), l.rolling(d).min()
        out[f"MAX{d}"], out[f"MIN{d}"] = top / c, bottom / c
        out[f"QTLU{d}"], out[f"QTLD{d}"] = roll.quantile(0.8) / c, roll.quantile(0.2) / c
        out[f"RANK{d}"], out[f"RSV{d}"] = roll.rank(pct=True), (c - bottom) / (top - bottom + e)
        first, last = (x.rolling(d).apply(f, raw=True) + 1 for x, f in ((h, np.argmax), (l, np.argmin)))
        out[f"IMAX{d}"], out[f"IMIN{d}"], out[f"IMXD{d}"] = first / d, last / d, (first - last) / d
        out[f"CORR{d}"], out[f"CORD{d}"] = roll.corr(log_v), ratio.rolling(d).corr(log_flow)
        rose, fell = (side.astype(float).rolling(d).mean() for side in (change > 0, change < 0))
        out[f"CNTP{d}"], out[f"CNTN{d}"], out[f"CNTD{d}"] = rose, fell, rose - fell
        for name, x in (("", change), ("V", flow)):
            up, down = x.clip(lower=0).rolling(d).sum(), (-x).clip(lower=0).rolling(d).sum()
            whole = x.abs().rolling(d).sum() + e
            out[f"{name}SUMP{d}"], out[f"{name}SUMN{d}"] = up / whole, down / whole
            out[f"{name}SUMD{d}"] = (up - down) / whole
        out[f"VMA{d}"], out[f"VSTD{d}"] = v.rolling(d).mean() / (v + e), v.rolling(d).std() / (v + e)
        out[f"WVMA{d}"] = moved.rolling(d).std() / (moved.rolling(d).mean() + e)
    return pd.DataFrame(out).astype(np.float32)


def _traded(score: Any, open_: Any, close: Any) -> Any:
    """Net returns of the highest tenth long and the lowest short, in tranches, by frames of weights."""
    s = score.unstack().reindex(columns=open_.columns)
    rank = s.rank(axis=1, method="first")
    count = s.count(axis=1)
    size = (count // _QUANTILES).clip(lower=1)
    top, bottom = rank.gt(count - size, axis=0), rank.le(size, axis=0)
    weight = (top.astype(float) - bottom.astype(float)).div(2 * size, axis=0).rolling(_HORIZON, min_periods=1).mean()
    held = weight.shift(1)
    night, day = (open_ / close.shift(1) - 1).loc[s.index], (close / open_ - 1).loc[s.index]
    gross = (held.shift(1) * night).sum(axis=1) + (held * day).sum(axis=1)
    change = (held - held.shift(1) * (1 + night)).abs().sum(axis=1)
    return gross - 5e-4 * change - held.clip(upper=0).abs().sum(axis=1) * 50e-4 / 252


def _tears(score: Any, prices: Any) -> dict[str, Any]:
    """What alphalens' full tear sheet computes, without its plots."""
    import contextlib
    import io
    import warnings

    from alphalens import performance, utils

    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        factor = score.copy()
        factor.index = factor.index.set_names(["date", "asset"])
        data = utils.get_clean_factor_and_forward_returns(
            factor, prices.shift(-1), quantiles=_QUANTILES, periods=_PERIODS, max_loss=1.0
        )
        bars = range(1, _QUANTILES + 1)
        return {
            "ic": performance.factor_information_coefficient(data),
            "by_quantile": performance.mean_return_by_quantile(data, by_date=True),
            "returns": performance.factor_returns(data),
            "alpha_beta": performance.factor_alpha_beta(data),
            "turnover": {q: performance.quantile_turnover(data["factor_quantile"], q) for q in bars},
            "rank_autocorrelation": [performance.factor_rank_autocorrelation(data, k) for k in _PERIODS],
        }
