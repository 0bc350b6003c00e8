"""Each leak of the corpus is refused by name, and passes once its guard is taken out; what the seams prevent, apart."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import barwise.experiment.run as experiment
from barwise.audit import audit as auditing
from barwise.audit import bars as audit_bars
from barwise.audit.findings import Audit
from barwise.console.progress import Progress
from barwise.data import synthetic
from barwise.data.bars import Market
from barwise.errors import ConfigError, LeakError
from barwise.experiment import fitting
from barwise.experiment.auditing import audit_of
from barwise.experiment.parts import Parts
from barwise.experiment.run import run
from barwise.features.aligned import AlignedBars, across_symbols
from barwise.features.cross_section import cross_section
from barwise.features.matrix import build
from barwise.features.price import price
from barwise.panel import build_panel
from barwise.runs.directory import RunDirectory
from barwise.samples import Samples, Scaler
from barwise.signals import Quantile
from barwise.validation import folds
from barwise.validation.splits import WalkForward
from tests.audit import features, panels
from tests.audit.cases import ACROSS, FOLDS, LEAKS, LEARNING, Leak, honest, overlapping
from tests.audit.strategies import Honest, ScaledOnAllRows
from tests.conftest import ROOT

WHEREVER = ["resampled, labelled left", "back-fill of gaps", "daily high on each bar of the day",
            "missing symbols filled from the next bar", "cross-section of today's members"]  # fmt: skip


def first_of_each(guards: Callable[[Leak], object]) -> list[Any]:
    """All leaks, of which those whose guards another one shows already are slow."""
    seen: dict[object, str] = {}
    for name, leak in LEAKS.items():
        seen.setdefault(guards(leak), name)
    return [name if name in seen.values() else pytest.param(name, marks=pytest.mark.slow) for name in LEAKS]


def audit(parts: Parts) -> Audit:
    """As a run does it, without the run."""
    market = parts.data()
    matrix = build(market.bars, parts.features, universe=market.universe)
    panel = build_panel(matrix, parts.labels, market.universe)
    return audit_of(parts, matrix, panel, parts.validation.folds(panel))


def take_out(monkeypatch: pytest.MonkeyPatch, *guards: str) -> None:
    for guard in guards:
        assert hasattr(auditing, guard)
        monkeypatch.setattr(auditing, guard, lambda *_: iter(()))


def parts_of(leak: Leak) -> Parts:
    return honest(leak.market, **leak.change)


@pytest.mark.parametrize("name", LEAKS)
def test_a_leak_is_refused_by_name_and_shows_no_sharpe(name: str, tmp_path: Path):
    leak, out = LEAKS[name], RunDirectory(tmp_path)
    out.start()
    with pytest.raises(LeakError) as refused:
        run(parts_of(leak), out, Progress(quiet=True))
    assert refused.value.exit_code == 3
    text = str(refused.value)
    assert text.startswith("refused by the audit: ") and "\n" not in text
    for word in leak.words:
        assert word in text, text
    assert json.loads((tmp_path / "run.json").read_text())["audit"]["passed"] is False
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]
    assert "sharpe" not in (tmp_path / "run.json").read_text().lower()


@pytest.mark.parametrize("name", first_of_each(lambda leak: (leak.guards, leak.also)))
def test_without_its_guard_the_leak_passes(name: str, monkeypatch: pytest.MonkeyPatch):
    leak = LEAKS[name]
    if leak.guards == ("splitter_divides",):
        monkeypatch.setattr(folds, "touches", lambda panel, rows, others: np.zeros(len(rows), bool))
        assert [f.check for f in audit(parts_of(leak)).leaks], "the check of the folds is a second guard"
        take_out(monkeypatch, FOLDS)
    take_out(monkeypatch, *leak.guards, *leak.also)
    assert not audit(parts_of(leak)).leaks


@pytest.mark.parametrize("market", ["days", "hours", "quotes", "gaps", "members"])
@pytest.mark.parametrize("mode", ["quick", pytest.param("thorough", marks=pytest.mark.slow)])
def test_an_honest_experiment_passes(market: str, mode: str):
    found = audit(honest(market, audit=mode, features={"price": price, "cross_section": cross_section}))
    assert not found.findings and found.report()["passed"] is True
    assert set(found.checks) == {"features", "labels", "folds", "execution", "learning"}
    assert all(count > 0 for count in found.checks.values())
    assert not audit(overlapping(audit=mode)).findings


@pytest.mark.slow
@pytest.mark.parametrize("name", LEAKS)
def test_the_thorough_audit_finds_it_too(name: str):
    leak = LEAKS[name]
    found = audit(honest(leak.market, **leak.change, audit="thorough"))
    assert all(any(word in f.text for f in found.leaks) for word in leak.words)


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(n, marks=pytest.mark.slow) for n in range(2, 8))])
@pytest.mark.parametrize("name", WHEREVER)
def test_wherever_the_audit_happens_to_cut(name: str, seed: int):
    leak = LEAKS[name]
    assert audit(honest(leak.market, **leak.change, seed=seed)).leaks


def test_only_another_future_of_the_first_bar_shows_a_filled_warm_up(monkeypatch: pytest.MonkeyPatch):
    everything = audit_bars._again
    monkeypatch.setattr(audit_bars, "_again", lambda *given: (a for a in everything(*given) if a.row > 0))
    assert not audit(parts_of(LEAKS["back-fill of the warm-up"])).leaks


def test_only_another_future_shows_an_extreme_that_lies_in_the_past(monkeypatch: pytest.MonkeyPatch):
    everything = audit_bars._again
    monkeypatch.setattr(audit_bars, "_again", lambda *given: (a for a in everything(*given) if a.how == "cut off"))
    growth = np.exp(0.02 * np.arange(700))
    prices = ("open", "high", "low", "close")
    rising = [replace(b, **{name: getattr(b, name) * growth for name in prices}) for b in honest().data().bars]
    matrix = build(rising, {"mine": features.distance_from_low})
    found = Audit("quick")
    found.hear("features", auditing.features_look_back(found, matrix, {"mine": features.distance_from_low}))
    assert not found.leaks
    monkeypatch.setattr(audit_bars, "_again", everything)
    found.hear("features", auditing.features_look_back(found, matrix, {"mine": features.distance_from_low}))
    assert found.leaks


# What the seams leave no way to write: each with the guard in the core that is taken out to show it.


def test_prevented_overlapping_labels_without_purge(monkeypatch: pytest.MonkeyPatch):
    assert not audit(overlapping()).leaks
    monkeypatch.setattr(folds, "touches", lambda panel, rows, others: np.zeros(len(rows), bool))
    text = audit(overlapping()).leaks[0].text
    assert (
        text.startswith("fold 0: the label of the ") and "S0000 at 20" in text and "reaches into a test block" in text
    )
    take_out(monkeypatch, FOLDS)
    assert not audit(overlapping()).leaks


def test_prevented_training_right_after_a_test_block(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(folds, "embargoed", lambda times, train, test, embargo: np.zeros(len(train), bool))
    parts = honest(validation=folds.Validation(overlapping().validation.splitter, embargo=30))
    assert "its embargo" in audit(parts).leaks[0].text
    take_out(monkeypatch, FOLDS)
    assert not audit(parts).leaks


def test_prevented_a_scaler_that_sees_test_rows(monkeypatch: pytest.MonkeyPatch):
    """A strategy that wants scaled features gets them; where the core fitted on all rows, the audit would know."""

    def on_all_rows(panel: Any, fold: Any, model: Any, context: Any) -> Any:
        scaler = Scaler.fit(panel.X[panel.finite])
        model.fit(Samples(panel, fold.train, scaler), Samples(panel, fold.valid, scaler), context)
        return model, scaler

    assert not audit(honest()).leaks
    monkeypatch.setattr(fitting, "fit_fold", on_all_rows)
    assert "what it learns from training rows changes" in audit(honest()).leaks[0].text
    take_out(monkeypatch, LEARNING)
    assert not audit(honest()).leaks


def test_prevented_thresholds_from_test_scores():
    """A rule is fitted on what it is given, and the run gives it validation scores alone."""
    given: list[int] = []

    class Counting(Quantile):
        def fit(self, scores: np.ndarray) -> Any:
            given.append(len(scores))
            return super().fit(scores)

    parts = honest()
    panel = build_panel(build(parts.data().bars, parts.features), parts.labels)
    fold = parts.validation.folds(panel)[0]
    experiment.walk(panel, [fold], Honest(), Counting(), experiment.FitSession())
    assert given == [len(fold.valid)]


def test_prevented_execution_at_the_signals_own_bar():
    with pytest.raises(ConfigError, match=r"backtest\.execution=this_close: must be one of next_open, next_close"):
        type(honest().backtest)(execution="this_close")


def test_a_strategy_that_no_seed_repeats_is_suspect_and_no_leak():
    class Unseeded(Honest):
        def learn(self, X: np.ndarray, y: np.ndarray) -> None:
            super().learn(X, y + np.random.default_rng().normal(size=len(y)))

    found = audit(honest(strategy=Unseeded()))
    assert not found.leaks and "two fits on the same rows" in found.not_audited[0]


def test_a_strategy_that_goes_on_learning_from_labels_that_are_known_passes():
    class Online(Honest):
        """Adds the mean of the test labels that had ended by the bar that is scored."""

        def predict(self, samples: Samples) -> np.ndarray:
            score, panel = super().predict(samples), samples.panel
            past = Samples(panel, np.flatnonzero(panel.end <= samples.time.max()))
            order = np.argsort(panel.end[past.rows], kind="stable")
            total = np.concatenate([[0.0], np.cumsum(past.y[order])])
            known = np.searchsorted(panel.end[past.rows][order], samples.time, side="right")
            return np.clip(score + 0.01 * total[known] / np.maximum(known, 1), -1, 1)

    assert not audit(honest(strategy=Online())).findings


def test_what_raises_on_other_bars_or_few_rows_is_told_and_no_leak():
    def brittle(bars: Any) -> dict[str, np.ndarray]:
        if len(bars) < 600:
            raise ValueError("too few")
        return {"mine": bars.close / bars.open}

    class Large(Honest):
        least = 1_000_000

        def fit(self, train: Samples, valid: Samples, context: Any) -> Any:
            if len(train) < self.least:
                raise ValueError("too few rows")
            return super().fit(train, valid, context)

    found = audit(honest(features={"price": price, "mine": brittle}))
    assert not found.leaks and "rows looked at, first S000" in found.not_audited[0]
    assert "features.mine: raised ValueError on the 200 bars of S0000 (too few)" in found.not_audited[0]
    found = audit(honest(strategy=Large()))
    assert not found.leaks and found.not_audited[0].startswith("Large cannot be fitted or asked on")
    Large.least = 300
    assert not audit(honest(strategy=Large())).findings, "it is given more rows before the audit gives up"


def test_a_set_across_symbols_that_raises_on_other_bars_or_ignores_them_is_told():
    @across_symbols
    def brittle(market: AlignedBars) -> dict[str, np.ndarray]:
        if len(market.time) < 600:
            raise ValueError("too few")
        return {"mine": market.close}

    @across_symbols
    def calendar(market: AlignedBars) -> dict[str, np.ndarray]:
        return {"row": np.where(market.has, np.arange(len(market.time))[:, None], np.nan)}

    found = audit(honest(features={"price": price, "mine": brittle}, seed=1))
    assert not found.leaks and "rows looked at, first all symbols up to 20" in found.not_audited[0]
    assert "(ValueError: too few in features.mine)" in found.not_audited[0]
    found = audit(honest(features={"price": price, "mine": calendar}))
    assert [f.level for f in found.findings] == ["note"] and "feature row is the same on other bars" in found.findings[
        0
    ].text


def test_a_quick_audit_makes_a_market_of_some_symbols_and_bars_of_a_large_one():
    """The leak is found all the same, and each comparison is of columns of the symbols that are taken."""
    many = Market(synthetic.load(n_symbols=40, n_bars=1_300).bars)
    found = Audit("quick")
    matrix = build(many.bars, {"mine": panels.tomorrows_mean})
    found.hear("features", auditing.panels_look_back(found, matrix, {"mine": panels.tomorrows_mean}))
    assert len(found.leaks) == 1 and found.checks["features"] == 30 * 4


def test_a_column_of_codes_stays_one():
    def of_sector(bars: Any) -> dict[str, np.ndarray]:
        return {"sector": np.array([0.1, 0.5, 0.9])[bars.extra["code"].astype(int)]}

    parts = honest(features={"price": price, "mine": of_sector})
    bars = tuple(replace(b, extra={"code": np.arange(700.0) % 3}) for b in parts.data().bars)
    assert not audit(replace(parts, data=lambda: Market(bars))).findings


def test_where_no_stretch_is_long_enough_the_runs_own_fold_is_taken():
    parts = honest()
    bars = tuple(b.take(slice(0, 380)) for b in parts.data().bars)
    few = replace(parts, data=lambda: Market(bars), validation=folds.Validation(WalkForward(2), min_train=20))
    assert audit(few).checks["learning"] > 0 and not audit(few).findings
    assert audit(replace(few, strategy=ScaledOnAllRows())).leaks


def test_a_feature_like_the_label_is_named_and_only_warned_of(tmp_path: Path):
    def noisy(bars: Any) -> dict[str, np.ndarray]:
        noise = np.random.default_rng(0).normal(size=10_000)[: len(bars)]
        return {"hint": bars.extra["target"] + 1.5 * noise}

    found = audit(honest("labelled", features={"mine": noisy}))
    assert not found.leaks
    assert any(f.level == "suspicion" and f.text.startswith("feature hint has rank corr") for f in found.findings)


def test_the_audit_can_be_left_out_and_says_so():
    found = audit(honest(audit="none"))
    assert found.warnings == ["audit=none: nothing was checked for look-ahead"] and found.report()["passed"] is None


def test_the_readme_counts_what_is_caught_and_what_is_prevented():
    across = [name for name, leak in LEAKS.items() if ACROSS in leak.guards]
    alone = [leak for name, leak in LEAKS.items() if name not in across]
    kinds = ("features", "labels", ("strategy", "signals"), ("validation", "backtest"))
    wanted = [sum(next(iter(leak.change)) in kind for leak in alone) for kind in kinds]
    wanted.insert(1, len(across))
    prevented = sum(name.startswith("test_prevented_") for name in globals())
    table = (ROOT / "docs/audit.md").read_text(encoding="utf-8")
    told = [int(line.split("|")[2]) for line in table.splitlines() if line.startswith(("| caught", "| prevented"))]
    assert told == [*wanted, prevented] and sum(wanted) == len(LEAKS) >= 15
