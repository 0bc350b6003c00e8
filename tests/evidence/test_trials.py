"""The ledger of trials: what counts, what does not, and many processes at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from barwise.evidence import trials
from barwise.evidence.sketch import MOST, mean_correlation, sketch

DATA = {"symbols": ["B", "A"], "periods_per_year": 251.9, "bar_size": "86400s"}
CONFIG = {"labels": {"horizon": 5, "weighting": "uniform"}, "strategy": {"depth": 3}, "seed": 0, "quiet": False}
DAYS = np.arange("2010-01-01", "2016-01-01", dtype="datetime64[D]").astype("datetime64[ns]")


def test_a_seal_before_a_symbols_first_bar_does_not_reset_a_problem():
    behind = {"symbols": ["A"], "bar_size": "86400s", "sealed": {"behind": ["B"]}}
    assert trials.identity(behind, CONFIG) == trials.identity(DATA, CONFIG)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, ("market", "problem", "trial")),
        ({"quiet": True, "output_dir": "elsewhere", "threads": 2, "audit": "none"}, ("market", "problem", "trial")),
        ({"seed": 1}, ("market", "problem")),
        ({"strategy": {"depth": 4}}, ("market", "problem")),
        ({"labels": {"horizon": 5, "weighting": "uniqueness"}}, ("market", "problem")),
        ({"labels": {"horizon": 6, "weighting": "uniform"}}, ("market",)),
    ],
)
def test_what_makes_another_trial_and_another_problem(change, same):
    before, after = trials.identity(DATA, CONFIG), trials.identity(DATA, {**CONFIG, **change})
    assert tuple(k for k in before if before[k] == after[k]) == same


def test_a_new_bar_does_not_reset_a_problem_and_a_new_symbol_does():
    before = trials.identity(DATA, CONFIG)
    assert trials.identity({**DATA, "symbols": ["A", "B"], "periods_per_year": 259.0}, CONFIG) == before
    assert trials.identity({**DATA, "symbols": ["A"]}, CONFIG)["problem"] != before["problem"]


def test_each_configuration_counts_once_however_it_ended(tmp_path: Path):
    for trial, status, sharpe in (
        ("a", "done", 0.1), ("a", "done", 0.1), ("b", "failed", None), ("c", "refused", None),
        ("d", "pruned", None), ("e", "done", 0.2), ("e", "failed", None), ("f", "failed", None), ("f", "done", 0.4),
    ):  # fmt: skip
        entry = {"market": "m", "problem": "p", "trial": trial, "status": status, "sharpe": sharpe}
        trials.enter(tmp_path, entry)
    trials.enter(tmp_path, {"market": "m", "problem": "other label", "trial": "a", "status": "done", "sharpe": 0.3})
    found = trials.read(tmp_path, "p")
    assert set(found) == set("abcdef") and sorted(trials.sharpes(found)) == [0.1, 0.2, 0.4]
    assert trials.statuses(found) == {"done": 3, "failed": 1, "pruned": 1, "refused": 1}
    assert trials.with_other_labels(tmp_path, "m", "p") == 1
    assert trials.independent(found) == (6.0, None)


def test_a_line_that_a_dying_process_left_unfinished_harms_no_other(tmp_path: Path):
    trials.enter(tmp_path, {"problem": "p", "trial": "a", "sharpe": 0.1})
    with (tmp_path / trials.NAME).open("a") as file:
        file.write('{"problem": "p", "tri')
    trials.enter(tmp_path, {"problem": "p", "trial": "b", "sharpe": 0.2})
    assert set(trials.read(tmp_path, "p")) == {"a", "b"}


def test_many_processes_append_at_once_and_no_line_is_lost(tmp_path: Path):
    code = (
        "import sys; from pathlib import Path; from barwise.validation import trials\n"
        "for i in range(50): trials.enter(Path(sys.argv[1]), {'problem': 'p', 'trial': sys.argv[2] + str(i),"
        " 'sharpe': 0.1, 'net': 'x' * 20000})"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name]) for name in "abcd"]
    assert [w.wait(timeout=120) for w in writers] == [0] * 4
    assert len((tmp_path / trials.NAME).read_text().splitlines()) == len(trials.read(tmp_path, "p")) == 200


def test_a_sketch_is_small_and_keeps_correlations():
    random = np.random.default_rng(0)
    common, own = random.standard_normal((2, len(DAYS)))
    a, b = common * 0.01, (0.6 * common + 0.8 * own) * 0.02
    kept = [sketch(DAYS, a), sketch(DAYS, b)]
    assert len(json.dumps(kept[0])) < 4 * MOST
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
