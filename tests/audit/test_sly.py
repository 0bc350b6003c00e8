"""Leaks that an audit of a few rows would pass, through a whole run: refused, or never called evidence."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from barwise.audit import audit as checks
from barwise.audit import in_run, recompute, scores
from barwise.audit.ledger import ledger_adds_up
from barwise.audit.plausibility import Plausibility
from barwise.audit.scores import Scoring
from barwise.backtest.grid import Grid, Signals
from barwise.backtest.ledger import Backtest
from barwise.console.progress import Progress
from barwise.errors import ConfigError, LeakError
from barwise.experiment import proving
from barwise.experiment import run as experiment
from barwise.experiment.parts import Parts
from barwise.experiment.run import run
from barwise.features.price import price
from barwise.runs.directory import RunDirectory
from barwise.validation.folds import Validation
from barwise.validation.splits import PurgedKFold
from tests.audit import sly
from tests.audit.cases import LEARNING, LOOKS_BACK, NO_LABEL, OVER, ROWS, WAITS, days, honest

FEATURE, SCORE, LABEL = (ROWS, LOOKS_BACK, NO_LABEL), (LEARNING,), (WAITS, OVER)


@dataclass(frozen=True)
class Sly:
    """`refused`: words of the refusal; else `stamped`: words of what was not audited."""

    change: dict[str, Any]
    guards: tuple[str, ...]
    refused: str = ""
    stamped: str = ""
    proof: bool = False  # the run shows too little to be proven by itself


def feature(made: Callable[..., Any], refused: str = "", stamped: str = "") -> Sly:
    return Sly({"features": {"price": price, "mine": made}}, FEATURE, refused, stamped)


def scoring(made: type, refused: str = "the score of S000", stamped: str = "", **change: Any) -> Sly:
    return Sly({"strategy": made(), **change}, SCORE, refused, stamped)


CASES: dict[str, Sly] = {
    "statistics kept by symbol": feature(sly.statistics_by_symbol, "feature z of S000"),
    "smoothed values kept by symbol and time": feature(sly.smoothed_by_time, "feature smooth of S000"),
    "a trend kept in a global": feature(sly.trend_of_the_first_call, "feature above of S000"),
    "on one symbol": feature(sly.on_one_symbol, "feature hint of S0001"),
    "on one bar in two hundred": replace(feature(sly.on_few_bars, "feature hint of S000"), proof=True),
    "at high volatility": feature(sly.when_it_is_wild, "feature hint of S000"),
    "in long series": feature(sly.in_long_series, "feature hint of S000"),
    "beside a value of 1e9": feature(sly.beside_a_giant, "feature hint of S000"),
    "a file": feature(sly.from_a_file, stamped="features read "),
    "a table by date": feature(sly.looked_up_by_date, stamped="keeps a table of 700 rows (tests.audit.sly.TABLE)"),
    "noise of another shape": feature(sly.noise_of_two_rows, stamped="depends on how many bars there are"),
    "noise without a seed": feature(sly.noise_without_a_seed, stamped="is irreproducible"),
    "the bar's mean label": scoring(sly.MeanLabelOfTheBar),
    "labels of purged rows": scoring(sly.PurgedLabels),
    "the next rows' features": scoring(sly.NextRows),
    "only with a folder": scoring(sly.OnlyWithAFolder),
    "only where the panel is large": scoring(sly.OnlyWhereThePanelIsLarge),
    "only with several symbols": scoring(sly.OnlyWithSeveralSymbols),
    "on one date in ten": scoring(sly.OnOneDateInTen),
    "rows of other fits": scoring(sly.Remembers, "remembers", validation=Validation(PurgedKFold(3))),
    "a strategy without a seed": scoring(sly.Unseeded, "", "two fits on the same rows"),
    "weights by what comes": Sly({"labels": sly.weighed_by_what_comes}, LABEL, "the label of S000"),
    "a rule that looks returns up": Sly({"signals": sly.LooksUpReturns()}, SCORE, "", "LooksUpReturns"),
}


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    sly.KEPT.clear()
    sly.TABLE.clear()
    bars = days().bars[0]
    sly.TABLE.update(zip(bars.time, np.roll(sly.tomorrow(bars), -1), strict=True))
    yield
    sly.KEPT.clear()
    sly.TABLE.clear()


def parts_of(case: Sly, folder: Path) -> Parts:
    parts = honest(**case.change)
    if parts.features.get("mine") is sly.from_a_file:
        path = sly.vendor_file(folder, days().bars)
        parts = honest(features={"price": price, "mine": partial(sly.from_a_file, path)})
    return parts


def started(folder: Path) -> RunDirectory:
    out = RunDirectory(folder / "run")
    out.start()
    return out


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused_or_stamped(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    case, out = CASES[name], started(tmp_path)
    if case.proof:
        monkeypatch.setattr(experiment, "may_be_evidence", lambda excess: True)
    if case.refused:
        with pytest.raises(LeakError) as refused:
            run(parts_of(case, tmp_path), out, Progress(quiet=True))
        assert case.refused in str(refused.value) and "\n" not in str(refused.value)
        assert not (out.path / "metrics.json").exists()
    else:
        run(parts_of(case, tmp_path), out, Progress(quiet=True))
    found = json.loads((out.path / "run.json").read_text())["audit"]
    assert found["passed"] is not bool(case.refused)
    assert any(case.stamped in text for text in found["not_audited"]) or not case.stamped


@pytest.mark.parametrize("name", CASES)
def test_it_passes_without_its_guard(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    case, out = CASES[name], started(tmp_path)
    for guard in case.guards:
        assert hasattr(checks, guard)
        monkeypatch.setattr(checks, guard, lambda *_: iter(()))
    monkeypatch.setattr(experiment, "may_be_evidence", lambda excess: False)
    monkeypatch.setattr(experiment, "watched", nullcontext)
    monkeypatch.setattr(recompute, "tables_of", lambda *_: [])
    if case.guards == SCORE:
        monkeypatch.setattr(scores, "known_at", lambda panel, *_, **__: panel)
        monkeypatch.setattr(experiment, "known_to_fit", lambda panel, *_: panel)
        monkeypatch.setattr(in_run, "rescored", lambda *_, **__: Scoring())
        monkeypatch.setattr(in_run, "_same_at_first", lambda *_: iter(()))
        monkeypatch.setattr(in_run, "_cut_signals", lambda *_: iter(()))
        monkeypatch.setattr(in_run, "_signals_look_back", lambda *_, **__: iter(()))
    run(parts_of(case, tmp_path), out, Progress(quiet=True))
    found = json.loads((out.path / "run.json").read_text())["audit"]
    assert found["passed"] is True and not found["not_audited"]


BACKTESTS = {
    "at the better of two prices": (
        sly.AtTheBetterPrice(),
        ("ledger_adds_up", "book_again"),
        "a fill that no order could have had",
    ),
    "costs that know the end": (
        sly.KnowsTheEnd(),
        ("ledger_looks_back", "book_again"),
        "changes with prices that came after",
    ),
}


@pytest.mark.parametrize("name", BACKTESTS)
def test_what_a_backtest_could_not_have_earned_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    backtest, guards, words = BACKTESTS[name]
    out = started(tmp_path)
    with pytest.raises(LeakError, match=words):
        run(honest(backtest=backtest), out, Progress(quiet=True))
    assert not (out.path / "metrics.json").exists()
    for guard in guards:
        monkeypatch.setattr(proving, guard, lambda *_: iter(()))
    run(honest(backtest=backtest), out, Progress(quiet=True))


def test_a_backtest_that_reports_no_positions_is_stamped(tmp_path: Path):
    out = started(tmp_path)
    run(honest(backtest=sly.SaysNothing()), out, Progress(quiet=True))
    found = json.loads((out.path / "run.json").read_text())["audit"]
    assert any("SaysNothing reports no positions" in text for text in found["not_audited"])


@pytest.mark.parametrize("costs", [0.0, 5.0])
@pytest.mark.parametrize("execution", ["next_open", "next_close"])
@pytest.mark.parametrize("market", ["days", "gaps"])
def test_our_own_ledger_adds_up(market: str, execution: str, costs: float):
    backtest = Backtest(execution=execution, slippage_bps=costs, cash_rate=0.03, keep_positions=True)
    bars = honest(market).data().bars
    grid = Grid.build(bars)
    random = np.random.default_rng(0)
    symbol = np.repeat(np.arange(len(bars)), [len(b) for b in bars])
    time = np.concatenate([b.time for b in bars])
    ledger = backtest.run(grid, Signals(symbol, time, np.sign(random.normal(size=len(time)))), 252.0)
    assert not [f for f in ledger_adds_up(backtest, ledger, grid, bars) if not isinstance(f, int)]
    other = replace(ledger, gross=ledger.gross + 1e-6)
    assert [f for f in ledger_adds_up(backtest, other, grid, bars) if not isinstance(f, int)]


def test_a_result_too_good_to_be_true_is_called_so_and_why():
    limits = Plausibility()
    assert limits.implausible({"sharpe": 3.9}, 900, 252.0, None) is None
    assert limits.implausible({"sharpe": 7.0}, 499, 252.0, None) is None
    assert limits.implausible({"sharpe": 7.0}, 900, 252.0 * 78, None) is None, "five-minute bars may earn more"
    text = limits.implausible({"sharpe": 7.0, "sharpe_gross": 9.0, "sharpe_delayed": 0.3}, 900, 252.0, None)
    assert text and "net Sharpe ratio of 7.0 over 900 bars is implausible" in text and "gone one bar later" in text
    with pytest.raises(ConfigError, match=r"plausibility\.sharpe=0"):
        Plausibility(sharpe=0)


def test_a_net_that_forgets_its_state_is_refused(tmp_path: Path):
    from barwise.strategies.sequence import SequenceStrategy
    from tests.audit.forgetful import Forgetful

    strategy = SequenceStrategy(
        lookback=5, hidden_size=8, num_layers=1, net=Forgetful, sequence="stream", chunk=16, epochs=1
    )
    with pytest.raises(LeakError, match="it forgets its state"):
        run(honest(strategy=strategy), started(tmp_path), Progress(quiet=True))
