"""The ledger of trials: what counts, what does not, and many processes at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from omegaconf import OmegaConf

from barwise.commands.train import conf_dir
from barwise.console.arguments import compose
from barwise.evidence import aliases, own_code, trials
from barwise.evidence.identity import _ALWAYS, _canonical, identity, seen, shipped_defaults
from barwise.evidence.sketch import _MOST, mean_correlation, sketch
from barwise.evidence.trials import Scope
from tests.conftest import PATIENCE

DATA = {
    "symbols": ["B", "A"], "periods_per_year": 251.9, "bar_size": "86400s", "first": "2010-01-01", "last": "2015-12-31",
}  # fmt: skip
CONFIG = {"labels": {"horizon": 5, "weighting": "uniform"}, "strategy": {"depth": 3}, "seed": 0, "quiet": False}
DAYS = np.arange("2010-01-01", "2016-01-01", dtype="datetime64[D]").astype("datetime64[ns]")


def entered(**more):
    return {**identity(DATA, CONFIG), **seen(DATA), "status": "done", **more}


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, ("market", "trial", "family")),
        ({"quiet": True, "output_dir": "elsewhere", "threads": 2, "audit": "none"}, ("market", "trial", "family")),
        ({"tracking": {"name": "mlflow"}, "monitor": {"every": 5}, "pages": 3}, ("market", "trial", "family")),
        ({"seed": 1}, ("market", "family")),
        ({"strategy": {"depth": 4}}, ("market",)),
        ({"labels": {"horizon": 6, "weighting": "uniform"}}, ("market",)),
        ({"portfolio": {"hold": 5}}, ("market",)),
        ({"shuffle_labels": True}, ("market",)),
    ],
)
def test_what_makes_another_trial_and_what_only_watches(change, same):
    before, after = identity(DATA, CONFIG), identity(DATA, {**CONFIG, **change})
    assert tuple(k for k in ("market", "trial", "family") if before[k] == after[k]) == same


def test_a_key_that_an_older_configuration_lacks_counts_as_its_default():
    newer = {**CONFIG, "portfolio": {"_target_": "x.Equal", "hold": None}, "shuffle_labels": False}
    defaults = {"portfolio": {"_target_": "x.Equal", "hold": None}, "shuffle_labels": False}
    assert identity(DATA, newer, defaults)["trial"] == identity(DATA, CONFIG)["trial"]
    other = {**newer, "portfolio": {"_target_": "x.Equal", "hold": 5}}
    assert identity(DATA, other, defaults)["trial"] != identity(DATA, CONFIG)["trial"]
    inner = {"_target_": "barwise.labels.forward_return", "horizon": 5, "weighting": "uniform"}
    older = {"_target_": "barwise.labels.forward_return", "horizon": 5}
    changed = {**older, "weighting": "uniqueness"}
    found = [identity(DATA, {**CONFIG, "labels": x})["trial"] for x in (inner, older, changed)]
    assert found[0] == found[1] != found[2]


ALIASES = {  # another way to the same part: what is its one name
    "barwise.validation.deflated.Moments": "barwise.evidence.deflated.Moments",
    "barwise.runs.RunDirectory": "barwise.runs.directory.RunDirectory",
    "sklearn.linear_model._ridge.Ridge": "sklearn.linear_model.Ridge",
    "xgboost.XGBClassifier": "xgboost.sklearn.XGBClassifier",
    "own_package.Trend": "own_package.inner.trend.Trend",
    "own_package.inner.trend.Trend": "own_package.inner.trend.Trend",
    "own_package.inner.Trend": "own_package.inner.trend.Trend",
    "own_package.Former": "own_package.inner.trend.Trend",
    "own_package.places.Trend.made": "own_package.inner.trend.Trend.made",
    "own_package.Nowhere": "own_package.Nowhere", "nowhere.at.all": "nowhere.at.all",
}  # fmt: skip


@pytest.fixture
def own_package(tmp_path, monkeypatch):
    """A package with a class, re-exported in four ways; importing it fails."""
    monkeypatch.syspath_prepend(tmp_path)
    inner = tmp_path / "own_package" / "inner"
    inner.mkdir(parents=True)
    head = "try:\n    from own_package.inner import Trend as Latter\nexcept ImportError:\n    pass\nFormer = Latter\n"
    (tmp_path / "own_package" / "__init__.py").write_text(head + "from .inner.trend import *\nraise SystemExit\n")
    (tmp_path / "own_package" / "places.py").write_text("from . import Trend\nfrom .circle import x\n")
    (tmp_path / "own_package" / "circle.py").write_text("from .circle import *\n")
    (inner / "__init__.py").write_text("from .trend import Trend\n")
    (inner / "trend.py").write_text("class Trend:\n    def made(self):\n        pass\n")


@pytest.mark.parametrize("alias", ALIASES)
def test_a_part_has_one_name_wherever_it_is_imported_from(alias, own_package):
    one, other = (
        identity(DATA, {**CONFIG, "strategy": {"_target_": "x.y", "net": [{"_target_": name, "k": 3}]}})
        for name in (alias, ALIASES[alias])
    )
    assert one == other
    assert aliases._canonical(alias) == ALIASES[alias]
    assert aliases._canonical("own_package.circle.x") == "own_package.circle.x"


def test_every_target_that_is_shipped_is_named_as_where_it_is_defined():
    """So that no trial that was filed becomes another."""
    for path in Path(conf_dir()).rglob("*.yaml"):
        for target in own_code._targets(yaml.safe_load(path.read_text())):
            assert aliases._canonical(target) == target


def test_the_shipped_defaults_are_the_defaults_of_train_py():
    config = OmegaConf.to_container(compose([]), resolve=True)
    defaults = shipped_defaults(Path(conf_dir()), config)
    assert {k: v for k, v in config.items() if k not in ("features", "strategy", "baseline", "sweep")}.items() <= {
        k: v for k, v in defaults.items()
    }.items()
    assert set(_canonical(config, defaults)) == set(_ALWAYS)


def test_an_edited_part_of_ones_own_is_another_trial_and_a_comment_is_not(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_part.py").write_text("from own_help import width\n\ndef night(bars):\n    return width\n")
    (tmp_path / "own_help.py").write_text("import json\nimport numpy\nwidth = 1\n")
    config = {**CONFIG, "features": {"night": {"_target_": "own_part.night", "_partial_": True}}}
    first = identity(DATA, config)
    assert first["code"] and identity(DATA, CONFIG)["code"] is None
    (tmp_path / "own_part.py").write_text("# said\nfrom own_help import width\ndef night(bars):\n    return width\n")
    assert identity(DATA, config) == first
    (tmp_path / "own_help.py").write_text("import json\nimport numpy\nwidth = 2\n")
    assert identity(DATA, config)["trial"] != first["trial"] and identity(DATA, config)["code"] != first["code"]


@pytest.mark.parametrize(
    ("data", "counts"),
    [
        ({}, True),
        ({"symbols": ["A"]}, True),  # a subset of the symbols
        ({"symbols": ["A", "Z"]}, True),
        ({"symbols": ["Z"]}, False),
        ({"first": "2015-01-01", "last": "2020-01-01"}, True),  # a stretch of the time
        ({"first": "2016-01-01", "last": "2020-01-01"}, False),
        ({"bar_size": "3600s"}, True),
        ({"symbols": ["Z"], "sealed": {"behind": ["A"], "from": "2015-06-01", "to": "2015-12-31"}}, True),
    ],
)
def test_trials_count_that_share_a_symbol_and_a_time_whatever_else_they_vary(tmp_path, data, counts):
    other = {**CONFIG, "labels": {"horizon": 21}, "backtest": {"execution": "next_close"}}
    trials.enter(tmp_path, entered(**identity({**DATA, **data}, other), **seen({**DATA, **data})))
    assert (len(trials.read(tmp_path, Scope.of(DATA))) == 1) is counts


def test_each_configuration_counts_once_however_it_ended_and_from_its_start(tmp_path: Path):
    for trial, status, sharpe in (
        ("a", "started", None), ("a", "done", 0.1), ("a", "started", None), ("b", "failed", None),
        ("c", "refused", None), ("d", "pruned", None), ("e", "done", 0.2), ("e", "failed", None),
        ("f", "failed", None), ("f", "done", 0.4), ("killed", "started", None),
    ):  # fmt: skip
        trials.enter(tmp_path, entered(trial=trial, status=status, sharpe=sharpe))
    found = trials.read(tmp_path, Scope.of(DATA))
    assert set(found) == {*"abcdef", "killed"} and sorted(trials.sharpes(found)[0]) == [0.1, 0.2, 0.4]
    assert trials.statuses(found) == {"done": 3, "failed": 1, "pruned": 1, "refused": 1, "started": 1}
    assert trials.independent(found) == (7.0, None)


def test_entries_of_an_older_version_are_matched_by_their_run_else_by_the_market(tmp_path: Path):
    run = tmp_path / "2026-01-01" / "1"
    (run / ".hydra").mkdir(parents=True)
    (run / "run.json").write_text(json.dumps({"data": DATA, "status": "done"}))
    (run / ".hydra" / "config.yaml").write_text(json.dumps(CONFIG))
    old = {
        "market": trials.market_of(DATA["symbols"], DATA["bar_size"]),
        "problem": "p",
        "status": "done",
        "sharpe": 0.1,
    }
    trials.enter(tmp_path, {**old, "trial": "of the old kind", "run": f"/somewhere/else/{run.relative_to(tmp_path)}"})
    trials.enter(tmp_path, {**old, "trial": "gone", "run": "/somewhere/else/2025/1"})
    trials.enter(tmp_path, {**old, "trial": "other", "market": "another", "run": "/somewhere/else/2025/2"})
    assert set(trials.read(tmp_path, Scope.of(DATA))) == {identity(DATA, CONFIG)["trial"], "gone"}
    later = Scope.of({**DATA, "first": "2017-01-01", "last": "2018-01-01"})
    assert set(trials.read(tmp_path, later)) == {"gone"}


def test_a_line_that_a_dying_process_left_unfinished_harms_no_other(tmp_path: Path):
    trials.enter(tmp_path, entered(trial="a", sharpe=0.1))
    with (tmp_path / trials._NAME).open("a") as file:
        file.write('{"problem": "p", "tri')
    trials.enter(tmp_path, entered(trial="b", sharpe=0.2))
    assert set(trials.read(tmp_path, Scope.of(DATA))) == {"a", "b"}


def test_many_processes_append_at_once_and_no_line_is_lost(tmp_path: Path):
    code = (
        "import sys; from pathlib import Path; from barwise.validation import trials\n"
        "for i in range(50): trials.enter(Path(sys.argv[1]), {'symbols': ['A'], 'trial': sys.argv[2] + str(i),"
        " 'sharpe': 0.1, 'net': 'x' * 20000})"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name]) for name in "abcd"]
    assert [w.wait(timeout=PATIENCE) for w in writers] == [0] * 4
    assert (
        len((tmp_path / trials._NAME).read_text().splitlines())
        == len({e["trial"] for e in trials.lines(tmp_path)})
        == 200
    )


def test_a_sketch_is_small_and_keeps_correlations():
    random = np.random.default_rng(0)
    common, own = random.standard_normal((2, len(DAYS)))
    a, b = common * 0.01, (0.6 * common + 0.8 * own) * 0.02
    kept = [sketch(DAYS, a), sketch(DAYS, b)]
    assert len(json.dumps(kept[0])) < 4 * _MOST
    assert mean_correlation(kept) == pytest.approx(0.6, abs=0.06)
    assert mean_correlation([sketch(DAYS, a), sketch(DAYS, a * 3)]) == pytest.approx(1.0, abs=1e-3)
    assert mean_correlation(kept[:1]) is None


def test_sketches_of_other_lengths_align():
    """A trial with twenty more years, and minute bars beside days: the stretches that both have are compared."""
    random = np.random.default_rng(1)
    days = np.arange("1995-01-01", "2016-01-01", dtype="datetime64[D]").astype("datetime64[ns]")
    x = random.standard_normal(len(days))
    longer, shorter = sketch(days, x), sketch(days[-1500:], x[-1500:])
    assert longer["minutes"] > shorter["minutes"]
    assert mean_correlation([longer, shorter]) == pytest.approx(1.0, abs=0.05)
    apart = sketch(DAYS[:300], x[:300]), sketch(DAYS[-300:], x[:300])
    assert mean_correlation(apart) == 0.0


def test_thousands_of_trials_and_short_ones_far_apart_stay_cheap():
    random = np.random.default_rng(5)
    common = random.standard_normal(len(DAYS))
    many = [sketch(DAYS, common + random.standard_normal(len(DAYS))) for _ in range(1200)]
    assert mean_correlation(many) == pytest.approx(0.5, abs=0.03)
    minutes = np.datetime64("2001-01-01", "ns") + np.arange(3000) * np.timedelta64(60_000_000_000)
    later = minutes + np.timedelta64(20 * 365, "D")
    assert (
        mean_correlation(
            [sketch(minutes, common[:2190].repeat(2)[:3000]), sketch(later, common[:2190].repeat(2)[:3000])]
        )
        == 0.0
    )


@pytest.mark.parametrize(("held", "low", "high"), [(0.0, 19.0, 20.0), (0.5, 9.0, 12.0), (1.0, 1.0, 1.1)])
def test_alike_trials_are_worth_fewer(held, low, high):
    random = np.random.default_rng(2)
    common = random.standard_normal(len(DAYS))
    found = {}
    for k in range(20):
        net = np.sqrt(held) * common + np.sqrt(1 - held) * random.standard_normal(len(DAYS))
        found[str(k)] = {"status": "done", "sharpe": 0.1, "net": sketch(DAYS, net)}
    worth, rho = trials.independent(found)
    assert low <= worth <= high and rho == pytest.approx(held, abs=0.05)
