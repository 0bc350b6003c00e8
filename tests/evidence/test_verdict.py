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
from barwise.evidence.deflated import Moments, expected_maximum, probabilistic_sharpe, sharpe
from barwise.evidence.overfitting import common_returns
from barwise.evidence.sentence import Finding, sentence, with_audit
from barwise.evidence.sketch import sketch
from barwise.evidence.thresholds import POWER, T_ALPHA
from barwise.evidence.trials import Scope
from barwise.evidence.verdict import Record, _verdict, gates_of, verdict_of
from barwise.runs.measures import MEASURES, VERDICT
from tests.evidence.finished import train_all

DAYS = np.arange("2010-01-01", "2014-01-01", dtype="datetime64[D]").astype("datetime64[ns]")


def returns(seed: int, ratio: float) -> np.ndarray:
    """Net returns with exactly this Sharpe ratio per bar."""
    x = np.random.default_rng(seed).standard_normal(len(DAYS))
    x = (x - x.mean()) / x.std(ddof=1)
    return (x + ratio) * 0.01


def done(net: np.ndarray, **more) -> dict:
    """What the ledger of trials keeps of a finished trial."""
    moments = Moments.of(net)
    kept = {"sharpe": moments.sharpe, "z": moments.z, "bars": len(net), "net": sketch(DAYS[-len(net) :], net)}
    return {"status": "done", **kept, **more}


def tried(n: int) -> dict[str, dict]:
    """`n` unlike trials without skill, of which one failed."""
    found = {str(k): done(returns(k + 100, 0.02 * np.sin(k))) for k in range(n - 1)}
    return {**found, "failed": {"status": "failed", "sharpe": None}}


@pytest.mark.parametrize(
    ("ratio", "n", "t_alpha", "begins"),
    [
        (0.06, 1, 3.0, "Evidence of skill: p 0.011 after 1 trial on this market, one seed."),
        (0.06, 37, 3.0, "No evidence of skill: p 0.3"),
        (
            0.07,
            37,
            3.0,
            "Weak evidence of skill, not enough to trade on: p 0.14 after 37 trials on this market, one seed; ",
        ),
        (0.15, 37, 3.0, "Evidence of skill: p below 0.001 after 37 trials"),
        (
            0.15,
            37,
            1.0,
            "No evidence of skill: beyond the market's return p is 1.00 (t of alpha 1.00); p below 0.001 after",
        ),
        (-0.05, 1, 0.0, "No evidence of skill: p 0.97 after 1 trial"),
    ],
)
def test_one_sentence_says_what_the_evidence_supports(ratio, n, t_alpha, begins):
    found = _verdict(returns(0, ratio), tried(n), 252.0, t_alpha)
    assert found["sentence"].startswith(begins), found["sentence"]
    assert found["n_trials"] == n and n - 1.5 < found["n_effective"] <= n
    assert found["trials"]["failed"] == 1
    assert found["sharpe_low"] < ratio * np.sqrt(252) < found["sharpe_high"]
    assert found["critical_sharpe"] < found["detectable_sharpe"]
    assert (found["bars_needed"] == 0) == (found["p_value"] <= 0.05) or ratio < 0


def test_the_lesser_t_of_alpha_is_judged():
    assert gates_of({"t_steady": -0.2}, {"t_stat": 1.73, "sharpe_delayed": 0.5}) == {"t_alpha": -0.2, "delayed": 0.5}
    assert gates_of({}, {"t_stat": 1.73})["t_alpha"] == 1.73 and gates_of({}, {"t_stat": None})["t_alpha"] is None


def test_one_trial_has_the_p_of_its_own_probabilistic_sharpe():
    found = _verdict(returns(0, 0.06), {})
    assert found["p_value"] == pytest.approx(1 - found["psr"], rel=1e-9)


def test_the_tables_name_the_limits_that_the_sentence_goes_by():
    means = {m.name: m.means for m in (*MEASURES, *VERDICT)}
    assert f"from {T_ALPHA} on" in means["t_stat"] and f"with {POWER:.0%}".replace("%", " %") in means["bars_needed"]


def test_skill_that_a_slow_order_loses_is_none():
    said = sentence(Finding(0.01, 1, t_alpha=3.0, delayed=-0.82))
    after = "p 0.010 after 1 trial on this market, one seed."
    assert said == f"No evidence of skill: one bar later it is gone (Sharpe -0.82); {after}"
    assert "later" not in sentence(Finding(0.5, 1, t_alpha=3.0, delayed=-0.82))
    assert (
        sentence(Finding(0.01, 1, t_alpha=3.0, delayed=0.4))
        == sentence(Finding(0.01, 1))
        == ("Evidence of skill: p 0.010 after 1 trial on this market, one seed.")
    )


@pytest.mark.parametrize("p", [0.0499, 0.05, 0.0500001, 0.0504, 0.1999, 0.2, 0.200001, 0.2049, 0.9])
def test_no_sentence_contradicts_the_limits_that_it_goes_by(p):
    said = sentence(Finding(p, 3, 2))
    shown = float(said.partition(": p ")[2].split(" ")[0])
    assert said.startswith("Evidence") == (p <= 0.05) == (shown <= 0.05)
    assert said.startswith("No evidence") == (p > 0.2) == (shown > 0.2)
    assert ", the median of 2 seeds" in said


AUDITED = {"mode": "quick", "not_audited": [], "suspicions": [], "implausible": None, "proven": {"share": 1.0}}


@pytest.mark.parametrize(
    ("change", "begins"),
    [
        (
            {"not_audited": ["the strategy has no seed"]},
            "Not audited: the strategy has no seed. No verdict on skill: p 0.010",
        ),
        (
            {"mode": "none", "not_audited": ["audit=none"]},
            "Not audited: audit=none. No verdict on skill: p 0.010 after",
        ),
        ({"proven": None}, "Not audited: not every test row was proven. No verdict on skill: "),
        ({"proven": {"share": 0.5}}, "Not audited: not every test row was proven. No verdict on skill: "),
        (
            {"suspicions": ["Column x is too good."]},
            "Suspected of look-ahead: Column x is too good. No verdict on skill: ",
        ),
        (
            {"implausible": "a net Sharpe of 7 is implausible: a leak"},
            "A net Sharpe of 7 is implausible: a leak. No verdict on",
        ),
    ],
)
def test_what_the_audit_could_not_see_or_doubts_stands_first_and_is_no_evidence(change, begins):
    for p in (0.01, 0.1):
        said = with_audit(sentence(Finding(p, 2)), {**AUDITED, **change})
        assert said.startswith(begins.replace("p 0.010", f"p {p:.3f}" if p < 0.1 else "p 0.10")), said
        assert "vidence of skill" not in said
    assert with_audit(sentence(Finding(0.01, 2)), AUDITED) == sentence(Finding(0.01, 2))
    assert with_audit(sentence(Finding(0.5, 2)), {**AUDITED, "proven": None}) == sentence(Finding(0.5, 2))


def test_what_never_traded_is_said():
    found = _verdict(np.zeros(100), tried(3))
    assert found["sentence"] == "No evidence of skill: the strategy did not trade, or never moved."
    assert found["dsr"] is None and found["p_value"] is None and found["n_trials"] == 3


def test_more_trials_never_make_it_surer_and_copies_hardly_count():
    net = returns(0, 0.1)
    found = [_verdict(net, tried(n)) for n in (2, 5, 20, 80)]
    for name, sign in (("dsr", -1), ("p_value", 1)):
        values = [sign * f[name] for f in found]
        assert values == sorted(values) and values[0] < values[-1]
    copies = {str(k): done(net) for k in range(80)}
    alone = _verdict(net, {})
    assert _verdict(net, copies)["dsr"] == pytest.approx(alone["dsr"], abs=1e-3)
    assert _verdict(net, copies)["p_value"] == pytest.approx(alone["p_value"], rel=0.1)


def test_one_bad_short_trial_does_not_make_luck_look_large():
    """The variance over trials counts each by its bars: 148 bad bars tell little of luck."""
    good = {str(k): done(returns(0, 0.0) + 0.003 * returns(k, 0.0)) for k in range(1, 4)}
    bad = {**good, "bad": done(returns(50, 0.0)[:148] - 0.0015)}
    luck = [_verdict(returns(0, 0.05), x)["sharpe_of_luck"] for x in (good, bad)]
    plain = expected_maximum(4, np.var([t["sharpe"] for t in bad.values()], ddof=1)) * np.sqrt(252)
    assert luck[0] < 0.05 and plain > 0.85 and luck[1] < 0.4 * plain


def test_correlation_is_not_counted_twice():
    """Alike trials vary less; their number is then not made smaller as well."""
    random = np.random.default_rng(0)
    common = random.standard_normal(len(DAYS))
    alike = {}
    for k in range(50):
        x = np.sqrt(0.9) * common + np.sqrt(0.1) * random.standard_normal(len(DAYS))
        alike[str(k)] = done(0.01 * x)
    best = max(alike.values(), key=lambda t: t["sharpe"])
    luck = Record(alike).luck((best["sharpe"] / best["z"]) ** 2, len(DAYS))
    expected = expected_maximum(50, 0.1 / len(DAYS))
    assert luck == pytest.approx(expected, rel=0.35)


def test_the_median_of_the_seeds_is_judged_with_its_own_gates():
    lucky, middle, unlucky = (returns(k, r) for k, r in ((1, 0.12), (2, 0.01), (3, -0.02)))
    trials = {
        "a": done(lucky, family="f", t_alpha=3.0, delayed=1.0),
        "b": done(middle, family="f", t_alpha=0.1, delayed=-1.0),
        "c": done(unlucky, family="f", t_alpha=0.0, delayed=-1.0), "d": done(returns(4, 0.0), family="other"),
    }  # fmt: skip
    found = _verdict(lucky, trials, 252.0, 3.0, 1.0, family="f")
    assert found["n_seeds"] == 3 and found["z"] == pytest.approx(Moments.of(middle).z)
    assert found["sentence"].startswith("No evidence of skill: p 0.") and "the median of 3 seeds" in found["sentence"]
    assert _verdict(lucky, trials, 252.0, 3.0, 1.0)["sentence"].startswith("Evidence of skill")
    assert _verdict(lucky, {"d": trials["d"]}, 252.0, 3.0, 1.0, family="f")["n_seeds"] == 1


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
            "rest/failed": ("+strategy.estimator.solver=lbfgs",),
            "rest/placebo": ("shuffle_labels=true",),
            "rest/cash": ("data.n_symbols=3", "backtest.cash_rate=0.05", "backtest.max_gross=0.05"),
        },
    )
    return home


def test_trials_are_counted_whatever_they_vary_failed_ones_too_and_earlier_runs_hear_of_later_ones(sweep):
    first = sweep / "sweep" / "0"
    filed = json.loads((first / "verdict.json").read_text())
    assert filed["n_trials"] == 1
    now = barwise.load(first).verdict
    assert now["n_trials"] == 6 and now["trials"] == {"done": 5, "failed": 1}
    assert "after 6 trials on this market" in now["sentence"] and "another folder" in now["footnote"]
    assert json.loads((sweep / "rest" / "failed" / "run.json").read_text())["status"] == "failed"


def test_a_trial_counts_from_its_start(sweep):
    entries = trials.lines(sweep)
    of_first = [e["status"] for e in entries if e["run"] == str(sweep / "sweep" / "0")]
    assert of_first == ["started", "done"]
    assert all(e["symbols"] and e["first"] < e["last"] for e in entries)


def test_what_cash_earns_is_no_evidence(sweep):
    run = barwise.load(sweep / "rest" / "cash")
    net, excess = run.ledger["net"].to_numpy(), run.ledger["excess"].to_numpy()
    np.testing.assert_allclose(excess, net - 0.05 / run.periods_per_year, rtol=0, atol=1e-14)
    assert probabilistic_sharpe(net) > 0.9 > probabilistic_sharpe(excess)  # the account grows; the trading does not
    assert run.verdict["psr"] == run.metrics["psr"] == pytest.approx(probabilistic_sharpe(excess))
    low, high = (sharpe_interval(excess)[i] * np.sqrt(run.periods_per_year) for i in (0, 1))
    assert (run.verdict["sharpe_low"], run.verdict["sharpe_high"]) == pytest.approx((low, high))
    assert "No evidence of skill" in run.verdict["sentence"]
    entry = trials.read(sweep, Scope.of(run.manifest["data"]))[run.manifest["trial"]]
    assert entry["sharpe"] == pytest.approx(sharpe(excess)) and entry["z"] == pytest.approx(run.verdict["z"])


def test_a_ledger_that_was_cut_makes_no_verdict_kinder(sweep, tmp_path):
    home = tmp_path / "moved"
    shutil.copytree(sweep, home)
    first = home / "sweep" / "0"
    main(["verdict", str(first)])
    assert verdict_of(first)["n_trials"] == 6
    path = home / trials._NAME
    path.write_text(path.read_text().splitlines(keepends=True)[0])
    assert verdict_of(first)["n_trials"] == 6
    path.unlink()
    assert verdict_of(first)["n_trials"] == 6


def test_the_verb_tells_of_a_run_and_of_a_sweep(sweep, capsys):
    main(["verdict", str(sweep / "sweep" / "1")])
    printed = capsys.readouterr().out
    assert "after 6 trials on this market" in printed and "more bars needed" in printed and "another folder" in printed
    assert json.loads((sweep / "sweep" / "1" / "verdict.json").read_text())["n_trials"] == 6
    main(["verdict", str(sweep / "sweep")])
    printed = capsys.readouterr().out
    assert printed.startswith("Probability of backtest overfitting ") and "best of 3 trials" in printed
    assert "Reality check over the sweep's 3 trials: p 0." in printed and "StepM finds skill in none." in printed


def test_a_folder_without_runs_is_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["verdict", str(tmp_path)])
    assert ended.value.code == 2 and "is neither a run's directory nor a sweep's" in capsys.readouterr().err


def test_a_placebo_is_told_as_such_and_is_no_trial(sweep):
    run = sweep / "rest" / "placebo"
    found = json.loads((run / "verdict.json").read_text())
    assert "trained on shuffled labels" in found["sentence"] and "not counted as a trial" in found["sentence"]
    assert str(run) not in (sweep / trials._NAME).read_text() and found["n_trials"] == 5
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
