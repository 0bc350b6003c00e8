"""The gates of the verdict in real runs, by the command: what a bar's delay, the market or another seed takes away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from barwise.evidence.verdict import verdict_of
from tests.evidence.finished import train_all

pytestmark = pytest.mark.slow
YAML = {
    "data/made": "_target_: tests.evidence.gates.market\n_partial_: true\ndrift: 0.0\n",
    "features/news": "news:\n  _target_: tests.evidence.gates.news\n  _partial_: true\n",
    "strategy/follows": "_target_: tests.evidence.gates.Follows\nwhat: news\n",
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("gates")
    for name, text in YAML.items():
        path = home / "conf" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    common = [
        f"hydra.searchpath=[file://{home}/conf]",
        "audit=quick",
        "features=[news]",
        "strategy=follows",
        "signals=none",
    ]
    free = ["backtest.commission_bps=0", "backtest.slippage_bps=0", "backtest.borrow_bps=0", "cache.gb=0"]
    made = ["data=made", "~data.n_symbols", "~data.n_bars"]
    cases = {
        "moment": [f"output_dir={home}/one"],
        "market": [f"output_dir={home}/two", "strategy.what=market", "data.drift=0.0007"],
        "seed 0": [f"output_dir={home}/three", "strategy.what=dice", "backtest=next_close"],
        "seed 1": [f"output_dir={home}/three", "strategy.what=dice", "backtest=next_close", "seed=1"],
        "seed 2": [f"output_dir={home}/three", "strategy.what=dice", "backtest=next_close", "seed=2"],
    }
    train_all(home, {name: [*common, *made, *free, *more] for name, more in cases.items()})
    return home


def test_skill_that_one_bar_takes_away_is_no_evidence(runs: Path):
    found = verdict_of(runs / "moment")
    assert found["p_value"] <= 0.05 and "one bar later it is gone" in found["sentence"]
    assert found["sentence"].startswith("No evidence of skill")


def test_what_the_market_earned_is_no_evidence(runs: Path):
    found = verdict_of(runs / "market")
    assert found["p_value"] <= 0.05
    assert found["sentence"].startswith("No evidence of skill: beyond the market's return p is")


def test_of_several_seeds_the_median_is_judged(runs: Path):
    found, filed = verdict_of(runs / "seed 0"), json.loads((runs / "seed 0" / "verdict.json").read_text())
    assert filed["p_value"] < 0.2 < found["p_value"] and filed["n_seeds"] == 1
    assert filed["sentence"].endswith("one seed.") or "one seed;" in filed["sentence"]
    assert found["n_seeds"] == 3 and "the median of 3 seeds" in found["sentence"]
