"""What the audit is made of: other futures that are sound bars, rows that stay comparable, one paragraph."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barwise.audit.bars import altered, holes
from barwise.audit.features import _independent
from barwise.audit.findings import Audit, Finding
from barwise.audit.fit import _TINY, _like_training, _miniature, _unlike_training
from barwise.data import synthetic
from barwise.data.checks import check_bars
from barwise.errors import LeakError
from barwise.experiment.auditing import audit_of
from barwise.features.matrix import build
from barwise.labels import forward_return
from barwise.panel import build_panel
from tests.audit.cases import MARKETS, honest
from tests.audit.strategies import Honest
from tests.audit.test_leaks import audit


@settings(max_examples=30, deadline=None)
@given(market=st.sampled_from(["days", "quotes", "hours"]), first=st.integers(1, 699))
def test_an_altered_future_is_sound_bars_all_unlike_the_old_ones(market: str, first: int):
    bars = MARKETS[market]().bars[1]
    other = altered(bars, first)
    check_bars(other)
    for name in ("open", "high", "low", "close", "volume"):
        values, again = getattr(bars, name), getattr(other, name)
        np.testing.assert_array_equal(values[:first], again[:first])
        assert (values[first:] != again[first:]).all()
    assert other.high[first:].max() > bars.high.max()
    assert first == 699 or other.low[first:].min() < bars.low.min()
    assert (other.time == bars.time).all()
    for name, values in bars.extra.items():
        np.testing.assert_array_equal(values[:first], other.extra[name][:first])


def test_holes_are_missing_quotes_and_bars_without_a_trade():
    bars = MARKETS["quotes"]().bars[0]
    assert holes(bars).tolist() == list(range(0, 699, 3))
    assert not len(holes(MARKETS["days"]().bars[0]))


def test_other_test_rows_leave_all_others_alone():
    parts = honest()
    panel = build_panel(build(parts.data().bars, parts.features), parts.labels)
    fold = parts.validation.folds(panel)[0]
    rest = np.setdiff1d(np.arange(len(panel)), fold.test)
    for other in (_like_training(panel, fold), _unlike_training(panel, fold)):
        for name in ("X", "y", "ret", "weight"):
            np.testing.assert_array_equal(getattr(other, name)[rest], getattr(panel, name)[rest])
        assert np.isfinite(other.X[fold.test][panel.finite[fold.test]]).all()
        assert (other.y[fold.test] != panel.y[fold.test]).any() and (other.X[fold.test] != panel.X[fold.test]).any()


def test_a_miniature_is_one_stretch_of_labelled_rows():
    parts = honest()
    panel = build_panel(build(parts.data().bars, parts.features), parts.labels)
    small = _miniature(panel, _TINY)
    assert small is not None and len(small) == _TINY and len(np.unique(small.symbol)) == 1
    assert small.finite.all() and np.isfinite(small.ret).all() and (np.diff(small.time) > np.timedelta64(0)).all()
    assert _miniature(panel, 5_000) is None


@pytest.mark.parametrize(("horizon", "days"), [(1, 2), (9, 14)])  # until the last price, by the calendar
def test_overlapping_labels_count_for_less(horizon: int, days: int):
    parts = honest()
    panel = build_panel(build(parts.data().bars, parts.features), partial(forward_return, horizon=horizon))
    rows = np.flatnonzero(panel.warm & np.isfinite(panel.ret))
    assert _independent(panel, rows) == pytest.approx(len(rows) / days)


class FilesAllRows(Honest):
    """Scores as it should, and files what it saw of all rows."""

    def fit(self, train, valid, context):
        self.seen_ = float(train.panel.X[train.panel.finite].mean())
        return super().fit(train, valid, context)

    def save(self, folder: Path) -> None:
        super().save(folder)
        (folder / "seen.json").write_text(str(self.seen_))


def test_the_thorough_audit_compares_what_is_filed_too():
    assert not audit(honest(strategy=FilesAllRows())).leaks
    (found,) = audit(honest(strategy=FilesAllRows(), audit="thorough")).leaks
    assert "FilesAllRows: what it learns" in found.text and "what it files in seen.json" in found.text


def test_what_changes_from_fit_to_fit_by_itself_is_no_leak():
    class Dated(Honest):
        def save(self, folder: Path) -> None:
            super().save(folder)
            (folder / "date.json").write_text(str(np.random.default_rng().random()))

    assert not audit(honest(strategy=Dated(), audit="thorough")).findings


def test_a_refusal_is_one_paragraph_that_counts_the_rest():
    found = Audit("quick", findings=[Finding("features", "leak", f"feature {k}.") for k in range(7)])
    with pytest.raises(LeakError) as refused:
        found.refuse()
    assert str(refused.value).endswith("feature 4. And 2 more.") and "feature 5" not in str(refused.value)


def test_the_audit_leaves_bars_and_panel_as_they_were():
    parts = honest(audit="thorough")
    matrix = build(parts.data().bars, parts.features)
    panel = build_panel(matrix, parts.labels)
    before = {name: getattr(panel, name).copy() for name in ("X", "y", "ret", "weight", "end", "finite", "warm")}
    assert not audit_of(parts, matrix, panel, parts.validation.folds(panel)).findings
    for name, values in before.items():
        np.testing.assert_array_equal(values, getattr(panel, name))
    for kept, fresh in zip(matrix.bars, synthetic.load(n_symbols=2, n_bars=700).bars, strict=True):
        for name in ("open", "high", "low", "close", "volume"):
            np.testing.assert_array_equal(getattr(kept, name), getattr(fresh, name))
