"""Every YAML in conf/ is run, so that a new one is tested the day it is added."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from barwise.commands.contracts import _of_its_strategy
from barwise.console.progress import Progress
from barwise.experiment.recipe import parts_of
from barwise.experiment.run import run
from barwise.runs.directory import RunDirectory
from tests.conftest import ROOT

GROUPS = (
    "data", "features", "labels", "validation", "strategy", "signals", "backtest", "device", "monitor", "experiment",
    "strategy/net", "portfolio", "costs", "exits", "search", "search/space", "select", "tracking",
)  # fmt: skip
NEEDS_NETWORK = {"data/yfinance", "data/ccxt"}  # tests/data runs them on recorded answers
OPTIONS = [
    f"{group}/{path.stem}"
    for group in GROUPS
    for path in sorted((ROOT / "conf" / group).glob("*.yaml"))
    if f"{group}/{path.stem}" not in NEEDS_NETWORK
]
NET = ["strategy.epochs=1", "strategy.hidden_size=8", "strategy.lookback=5"]
SMALL = {
    "strategy/lstm": NET,
    "strategy/net": ["strategy=lstm", *NET],
    "monitor/profiler": ["strategy=lstm", *NET],
    "experiment/strategy_shootout": ["data=synthetic", "data.n_symbols=2", "data.n_bars=500"],
    "experiment/feature_ablation": ["data=synthetic", "data.n_symbols=2", "data.n_bars=500"],
    "experiment/lstm_search": ["data=synthetic", "data.n_symbols=2", "data.n_bars=500", *NET],
    "data/files": ["~data.n_symbols", "~data.n_bars"],
    "data/frame": ["~data.n_symbols", "~data.n_bars", "data.frame={_target_:tests.frames.small,_partial_:true}"],
    "data/query": ["~data.n_symbols", "~data.n_bars"],
    "features/session": ["data.calendar=24/7"],
    "features/context": ["data=files", "~data.n_symbols", "~data.n_bars"],
    "data/sample": ["~data.n_symbols", "~data.n_bars", "data.symbols=[IBM]", "data.start=2010-01-01"],
    "data/synthetic": ["data.n_symbols=2", "data.n_bars=500"],
    "validation/sklearn": ["data.n_bars=900"],
    "exits/barriers": ["labels=triple_barrier"],
    "portfolio/deciles": ["portfolio.rule.quantiles=2"],
    "portfolio/topk_dropout": ["portfolio.rule.k=1", "portfolio.rule.drop=1"],
    "validation/dates": [
        "validation.valid_fraction=null",
        "validation.splitter.train_until=2001-05",
        "validation.splitter.valid_until=2001-08",
    ],
    "validation/rolling": ["validation.splitter.window=150"],
    "search/optuna": ["search.trials=2", "search.folds=2", "strategy.n_estimators=10"],
    "search/space": ["search=optuna", "search.trials=2", "search.folds=2", "validation=holdout"],
    "strategy/blend": ["strategy.members.xgboost.n_estimators=10", "strategy.members.lightgbm.n_estimators=10"],
    "strategy/meta": ["strategy.secondary.n_estimators=10"],
    "strategy/abstain": ["strategy.strategy.n_estimators=10"],
    "select": ["strategy.n_estimators=10", "validation=holdout"],
}

BRIEF = ["experiment=smoke", "threads=1", "baseline=null", "audit=none"]  # tests/test_contracts.py audits each part
FROM_A_FILE = ("data/files", "features/context")


@pytest.fixture(scope="session")
def bars_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from barwise.data import synthetic

    path = tmp_path_factory.mktemp("bars") / "bars.csv"
    bars = synthetic.load(n_symbols=1, n_bars=700).bars[0]
    vix = synthetic.load(n_symbols=1, n_bars=700, seed=1).bars[0].close
    columns = (bars.open, bars.high, bars.low, bars.close, bars.volume, vix)
    rows = zip(bars.time.astype("datetime64[D]"), *columns, strict=True)
    path.write_text("Date,Open,High,Low,Close,Volume,VIX\n" + "\n".join(",".join(map(str, row)) for row in rows))
    return path


def shortened(config: DictConfig, group: str) -> None:
    """Few trees and folds, where it is not they that are tried."""
    for node in (config.strategy, config.strategy.get("estimator") or {}):
        if "n_estimators" in node:
            node.n_estimators = 10
    if group not in ("validation", "experiment") and "n_splits" in config.validation.splitter:
        config.validation.splitter.n_splits = 2


@pytest.mark.parametrize("option", OPTIONS)
def test_every_yaml_runs(option: str, tmp_path: Path, bars_file: Path):
    group, _, name = option.rpartition("/")
    more = [*_of_its_strategy(group, name), *SMALL.get(option, SMALL.get(group, []))]
    more += [f"data.path={bars_file}"] if option in FROM_A_FILE else []
    more += [f"data.sql=\"SELECT * FROM '{bars_file}'\""] if option == "data/query" else []
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("config", [*BRIEF, *more, f"{group}={name}"])
    shortened(config, group)
    out = RunDirectory(tmp_path)
    out.start()
    metrics = run(parts_of(config), out, Progress(quiet=True))
    assert metrics == json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["n_bars"] > 50


def test_no_group_is_forgotten():
    assert {p.name for p in (ROOT / "conf").iterdir() if p.is_dir()} - {"hydra"} == {g.split("/")[0] for g in GROUPS}
