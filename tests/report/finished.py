"""A finished run's directory, made up but whole: what the report reads, deterministic."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from barwise.backtest.grid import Grid
from barwise.backtest.metrics import sharpe_ratio
from barwise.data.groups import put
from barwise.data.synthetic import load
from barwise.experiment.factor import about
from barwise.factor.drawdowns import drawdowns
from barwise.factor.exposure import Series, alphas, exposures
from barwise.factor.files import FactorReturns
from barwise.factor.scores import Scores
from barwise.factor.study import study
from barwise.runs.directory import write_json, write_parquet, write_text

SYMBOLS = ("AAA", "BBB", "C<&>C")  # a name that must be escaped
SECRET = "<script>alert('x')</script>"


def write_run(folder: Path, seed: int = 0, bars: int = 900, edge: float = 4e-4, **config: Any) -> Path:
    """Write a done run of `bars` business days and three folds into `folder`; `config` goes under strategy."""
    random = np.random.default_rng(seed)
    time = np.busday_offset("2010-01-04", np.arange(bars)).astype("datetime64[ns]")
    common = np.random.default_rng(99).normal(3e-4, 0.01, bars)
    gross = edge + 0.3 * common + random.normal(0, 0.008, bars)
    turnover = np.abs(random.normal(0.3, 0.1, bars))
    net = gross - 5e-4 * turnover
    ledger = {"time": time, "gross": gross, "cost": 5e-4 * turnover, "net": net, "excess": net, "turnover": turnover}
    write_parquet(folder / "ledger.parquet", {**ledger, "equity": np.cumprod(1 + net), "market": common})
    fold = np.minimum(np.arange(bars) * 3 // bars, 2)
    write_parquet(folder / "predictions.parquet", predictions(random, time, fold))
    features = np.array([f"feature_{i}" for i in range(20)] * 3, dtype=object)
    gain = random.gamma(1.0, 1.0, 60)
    which = np.repeat(np.arange(3), 20)
    importance = {"fold": which, "feature": features, "gain": gain, "permutation": gain / 50 - 0.01}
    write_parquet(folder / "importance.parquet", importance)
    for name, table in factor_tables().items():
        write_parquet(folder / "factor" / f"{name}.parquet", table)
    n = len(SYMBOLS) * 2
    write_parquet(folder / "contributions.parquet", {
        "symbol": np.repeat(np.array(SYMBOLS, dtype=object), 2), "time": np.full(n, time[-1]),
        "weight": np.full(n, 0.3),
        "score": np.full(n, 0.2), "margin": np.full(n, 0.5), "base": np.full(n, 0.1),
        "feature": np.array(["feature_0", SECRET] * len(SYMBOLS), dtype=object), "contribution": np.full(n, 0.2),
    })  # fmt: skip
    curve = [[i, 1.0 / (i + 2)] for i in range(20)]
    losses = {"train_loss": curve, "valid_loss": [[i, v + 0.05] for i, v in curve]}
    write_json(folder / "curves.json", {f"fold-{k}": losses for k in range(3)})
    write_json(folder / "metrics.json", metrics(net, gross, time, fold))
    sentence = "No evidence of skill: DSR 0.41 after 3 trials on this problem."
    write_json(folder / "verdict.json", {"n_trials": 3, "dsr": 0.41, "sentence": sentence})
    write_json(folder / "run.json", manifest(bars, time))
    tree = {"strategy": {"_target_": "a.b.Forest", "max_depth": 3, **config}, "labels": {"execution": "${backtest.x}"}}
    tree |= {"backtest": {"x": "next_open"}, "home": "${oc.env:HOME}", "output_dir": str(folder)}
    write_text(folder / ".hydra" / "config.yaml", yaml.safe_dump(tree))
    write_text(folder / ".hydra" / "overrides.yaml", yaml.safe_dump(["strategy=forest", "data.note=two words"]))
    return folder


@cache
def factor_tables() -> dict[str, dict[str, np.ndarray]]:
    """What a weak score of 24 symbols in two groups knows, one of whose names must be escaped."""
    groups = (SECRET, "others")
    bars = [put(b, {"sector": (np.full(len(b), i % 2, np.int32), groups)}) for i, b in enumerate(load(24, 300).bars)]
    grid = Grid.build(bars)
    random = np.random.default_rng(0)
    scores = Scores(random.standard_normal(grid.has.shape), grid)
    net = random.normal(0, 0.01, 300)
    market = [("market", FactorReturns.market(grid.time, random.normal(0, 0.01, 300)))]
    return {
        **study(scores), "exposures": exposures(scores), "about": about(scores), "drawdowns": drawdowns(grid.time, net),
        "alphas": alphas({"strategy, net": Series(grid.time, net)}, market, 252.0),
    }  # fmt: skip


def predictions(random: np.random.Generator, time: np.ndarray, fold: np.ndarray) -> dict[str, np.ndarray]:
    """Scores with a weak hold on the return; the first ones are NaN."""
    n, bars = len(SYMBOLS), len(time)
    ret = random.normal(0, 0.01, n * bars)
    score = np.clip(0.1 * ret / 0.01 + random.normal(0, 0.3, n * bars), -1, 1)
    score[:10] = np.nan
    columns = {"time": np.tile(time, n), "symbol": np.repeat(np.array(SYMBOLS, dtype=object), bars)}
    values = {"label": np.sign(ret), "ret": ret, "score": score, "signal": np.sign(np.nan_to_num(score))}
    return {**columns, "fold": np.tile(fold, n), **values}


def metrics(net: np.ndarray, gross: np.ndarray, time: np.ndarray, fold: np.ndarray) -> dict[str, Any]:
    """The keys of metrics.json; `calmar` is undefined."""
    found = {"sharpe": sharpe_ratio(net, 252), "sharpe_gross": sharpe_ratio(gross, 252), "sharpe_delayed": -0.1234}
    rest = dict.fromkeys(
        ("annual_volatility", "sortino", "alpha", "beta", "t_stat", "ic", "rank_ic", "accuracy"), 0.123
    )
    found |= {**rest, "annual_return": float(np.prod(1 + net) ** (252 / len(net)) - 1), "max_drawdown": -0.2}
    found |= {
        "calmar": None,
        "turnover": 75.5,
        "hit_rate": 0.51,
        "n_trades": 1234,
        "breakeven_cost_bps": 7.7,
        "psr": 0.9,
    }
    baselines = {"buy_and_hold": 0.5, "persistence": -0.4, "random": -0.9, "linear": None}
    folds = [
        {"fold": k, "first": str(time[fold == k][0]), "last": str(time[fold == k][-1]), "sharpe": 0.1 * k,
         "sharpe_gross": 0.2 * k, "rank_ic": 0.01, "accuracy": 0.5}
        for k in range(3)
    ]  # fmt: skip
    capacity = {"capital": [1e5, 1e6, 1e7], "sharpe": [0.6, 0.5, -0.2], "annual_return": [0.05, 0.04, -0.01],
                "cost_share": [0.2, 0.3, 1.2], "half": 1.67e6, "days_to_liquidate": 0.4,
                "days_to_liquidate_worst": 1.5}  # fmt: skip
    return {**found, "baselines": baselines, "folds": folds, "capacity": capacity}


def manifest(bars: int, time: np.ndarray) -> dict[str, Any]:
    """The keys of run.json."""
    data = {"name": "made up", "note": SECRET, "symbols": list(SYMBOLS), "bars": bars, "first": str(time[0])}
    return {
        "status": "done", "reason": None, "versions": {"python": "3.11", "numpy": "2"}, "seed": 7, "threads": 1,
        "git": {"revision": "a" * 40, "dirty": True}, "machine": {"cores": 2}, "seconds": {"data": 0.5, "fit": 2.0},
        "peak_memory_mb": {"data": 100.0, "fit": 200.0}, "warnings": [f"careful {SECRET}"], "alerts": ["NaN at step 3"],
        "device": {"requested": "mps", "used": "cpu", "reason": "no MPS here"}, "data_hash": "b" * 64,
        "data": {**data, "last": str(time[-1]), "periods_per_year": 252.0}, "features": ["feature_0", SECRET],
        "rows": {"all": 3 * bars, "warm_up": 10}, "reasons": {"calmar": "no drawdown at all"},
        "folds": [{"fold": k, "train_rows": 100, "valid_rows": 20, "test_rows": 30, "best_iteration": 5,
                   "signals": {"lower": -0.1}} for k in range(3)],
        "contribution": {"AAA": 0.2, "BBB": -0.1, "C<&>C": 0.05}, "audit": {"look_ahead": "passed", "rows": 400},
        "overrides": ["strategy=forest"], "command": ["train.py", "strategy=forest"],
    }  # fmt: skip
