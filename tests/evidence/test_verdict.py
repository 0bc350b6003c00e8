"""The verdict: what it says after how many trials, and that it is told anew."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import barwise
from barwise.__main__ import main
from barwise.errors import DataError
from barwise.evidence import trials
from barwise.evidence.bootstrap import sharpe_interval
from barwise.evidence.deflated import probabilistic_sharpe, sharpe
from barwise.evidence.overfitting import common_returns
from barwise.evidence.sketch import sketch
from barwise.evidence.verdict import sentence, verdict, verdict_of
from tests.evidence.finished import train_all

DAYS = np.arange("2010-01-01", "2014-01-01", dtype="datetime64[D]").astype("datetime64[ns]")


def returns(seed: int, ratio: float) -> np.ndarray:
    """Net returns with exactly this Sharpe ratio per bar."""
    x = np.random.default_rng(seed).standard_normal(len(DAYS))
    x = (x - x.mean()) / x.std(ddof=1)
    return (x + ratio) * 0.01


def tried(n: int) -> dict[str, dict]:
    """`n` unlike trials without skill, of which one failed."""
    found = {}
    for k in range(n - 1):
        net = returns(k + 100, 0.02 * np.sin(k))
        found[str(k)] = {"status": "done", "sharpe": sharpe(net), "net": sketch(DAYS, net)}
    return {**found, "failed": {"status": "failed", "sharpe": None}}


@pytest.mark.parametrize(
    ("ratio", "n", "t_alpha", "begins"),
    [
        (0.06, 1, 3.0, "Evidence of skill: DSR 0.99 after 1 trial on this problem."),
        (0.06, 37, 3.0, "No evidence of skill: DSR 0.5"),
        (0.10, 37, 3.0, "Weak evidence of skill, not enough to trade on: DSR 0.9"),
        (0.15, 37, 3.0, "Evidence of skill: DSR 1.00 after 37 trials"),
        (0.15, 37, 1.0, "No evidence of skill beyond buy-and-hold: t of alpha 1.00, though DSR 1.00"),
        (-0.05, 1, 0.0, "No evidence of skill: DSR 0.0"),
    ],
)
def test_one_sentence_says_what_the_evidence_supports(ratio, n, t_alpha, begins):
    found = verdict(returns(0, ratio), tried(n), 252.0, t_alpha)
    assert found["sentence"].startswith(begins), found["sentence"]
    assert found["n_trials"] == n and n - 1.5 < found["n_effective"] <= n
    assert found["trials"]["failed"] == 1
    assert found["sharpe_low"] < ratio * np.sqrt(252) < found["sharpe_high"]


def test_skill_that_a_slow_order_loses_is_said():
    gone = ", but one bar later it is gone (Sharpe -0.82)."
    assert sentence(0.99, 1, 3.0, -0.82) == "Evidence of skill: DSR 0.99 after 1 trial on this problem" + gone
    assert sentence(0.9, 1, 3.0, -0.82).endswith(gone) and "later" not in sentence(0.5, 1, 3.0, -0.82)
    assert sentence(0.99, 1, 3.0, 0.4) == sentence(0.99, 1, 3.0, None) == sentence(0.99, 1, 3.0)


def test_what_never_traded_is_said():
    found = verdict(np.zeros(100), tried(3))
    assert found["sentence"] == "No evidence: the strategy did not trade, or never moved."
    assert found["dsr"] is None and found["n_trials"] == 3


def test_more_trials_never_make_it_surer_and_copies_hardly_count():
    net = returns(0, 0.1)
    dsr = [verdict(net, tried(n))["dsr"] for n in (2, 5, 20, 80)]
    assert dsr == sorted(dsr, reverse=True) and dsr[0] > dsr[-1] + 0.05
    copies = {str(k): {"status": "done", "sharpe": sharpe(net), "net": sketch(DAYS, net)} for k in range(80)}
    assert verdict(net, copies)["dsr"] == pytest.approx(verdict(net, {})["dsr"], abs=1e-3)


def test_the_bootstrap_interval_covers_the_truth_as_often_as_it_says():
    """Autocorrelated returns with a known Sharpe ratio: 95 % intervals hold it in 88 to 99 % of 200 histories."""
    random = np.random.default_rng(3)
    inside = 0
    for _ in range(200):
        x = random.standard_normal(600)
        x[1:] = 0.2 * x[:-1] + np.sqrt(1 - 0.04) * x[1:]
        low, high = sharpe_interval(x + 0.05, n=400)
        inside += low < 0.05 < high
    assert 176 <= inside <= 198


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three trials of one problem, one of another label, one that failed after it saw the bars, and a placebo."""
    home = tmp_path_factory.mktemp("outputs")
    train_all(
        home,
        {
            "sweep/0": (),
            "sweep/1": ("signals=rank",),
            "sweep/2": ("strategy.estimator.alpha=1",),
            "rest/other": ("labels=forward_return",),
            "rest/failed": ("strategy.estimator.alpha=-1",),
            "rest/placebo": ("shuffle_labels=true",),
            "rest/cash": ("data.n_symbols=3", "backtest.cash_rate=0.05", "backtest.max_gross=0.05"),
        },
    )
    return home


def test_trials_are_counted_failed_ones_too_and_earlier_runs_hear_of_later_ones(sweep):
    first = sweep / "sweep" / "0"
    assert json.loads((first / "verdict.json").read_text())["n_trials"] == 1  # as filed
    now = barwise.load(first).verdict
    assert now["n_trials"] == 4 and now["trials"] == {"done": 3, "failed": 1}
    assert now["n_trials_other_labels"] == 1 and "after 4 trials" in now["sentence"]
    assert json.loads((sweep / "rest" / "failed" / "run.json").read_text())["status"] == "failed"


def test_what_cash_earns_is_no_evidence(sweep):
    run = barwise.load(sweep / "rest" / "cash")
    net, excess = run.ledger["net"].to_numpy(), run.ledger["excess"].to_numpy()
    np.testing.assert_allclose(excess, net - 0.05 / run.periods_per_year, rtol=0, atol=1e-14)
    assert probabilistic_sharpe(net) > 0.9 > probabilistic_sharpe(excess)  # the account grows; the trading does not
    assert run.verdict["psr"] == run.metrics["psr"] == pytest.approx(probabilistic_sharpe(excess))
    low, high = (sharpe_interval(excess)[i] * np.sqrt(run.periods_per_year) for i in (0, 1))
    assert (run.verdict["sharpe_low"], run.verdict["sharpe_high"]) == pytest.approx((low, high))
    assert run.verdict["sentence"].startswith("No evidence of skill")
    counted = trials.read(sweep, run.manifest["problem"])
    assert [t["sharpe"] for t in counted.values()] == pytest.approx([sharpe(excess)])


def test_a_ledger_that_was_cut_makes_no_verdict_kinder(sweep, tmp_path):
    home = tmp_path / "moved"
    shutil.copytree(sweep, home)
    first = home / "sweep" / "0"
    main(["verdict", str(first)])
    assert verdict_of(first)["n_trials"] == 4
    path = home / trials.NAME
    path.write_text(path.read_text().splitlines(keepends=True)[0])
    assert verdict_of(first)["n_trials"] == 4
    path.unlink()
    assert verdict_of(first)["n_trials"] == 4


def test_the_verb_tells_of_a_run_and_of_a_sweep(sweep, capsys):
    main(["verdict", str(sweep / "sweep" / "1")])
    printed = capsys.readouterr().out
    assert "after 4 trials" in printed and "trials on this problem" in printed
    assert json.loads((sweep / "sweep" / "1" / "verdict.json").read_text())["n_trials"] == 4
    main(["verdict", str(sweep / "sweep")])
    printed = capsys.readouterr().out
    assert printed.startswith("Probability of backtest overfitting ") and "best of 3 trials" in printed


def test_a_folder_without_runs_is_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["verdict", str(tmp_path)])
    assert ended.value.code == 2 and "is neither a run's directory nor a sweep's" in capsys.readouterr().err


def test_a_placebo_is_told_as_such_and_is_no_trial(sweep):
    run = sweep / "rest" / "placebo"
    found = json.loads((run / "verdict.json").read_text())
    assert "trained on shuffled labels" in found["sentence"] and "not counted as a trial" in found["sentence"]
    assert str(run) not in (sweep / trials.NAME).read_text() and found["n_trials"] == 4
    other, real = (json.loads((x / "metrics.json").read_text()) for x in (run, sweep / "sweep" / "0"))
    assert other["n_bars"] == real["n_bars"] and other["rank_ic"] != real["rank_ic"]
    assert other["baselines"]["buy_and_hold"] == real["baselines"]["buy_and_hold"]


def test_a_run_without_returns_above_cash_keeps_its_verdict_and_is_not_compared(sweep, tmp_path):
    shutil.copytree(sweep / "sweep" / "0", tmp_path / "run")
    path = tmp_path / "run" / "ledger.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["excess"]), path)
    filed = json.loads((tmp_path / "run" / "verdict.json").read_text())
    assert barwise.load(tmp_path / "run").verdict == filed
    with pytest.raises(DataError, match="no column excess"):
        common_returns([tmp_path / "run"])
