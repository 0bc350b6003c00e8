"""The audit of what is learned: no fit depends on test rows, no score on later rows or on labels."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from barwise.audit.features import when
from barwise.audit.findings import Audit, Finding
from barwise.audit.own import is_users
from barwise.audit.scores import dates_of, described, differing, rescored, scored, walked
from barwise.data.memmap import on_disk
from barwise.samples import Panel
from barwise.strategies.hooks import Stateful
from barwise.validation.folds import Fold

_TINY = 400  # rows of one symbol that a quick audit trains on
_MORE = 1_600  # that it trains on where so few raise
_SOME = 1_500  # rows of a run's own fold that a thorough audit trains on
_DATES = {"quick": 3, "thorough": 24}  # whose bars are scored again by themselves
_FAR = 5.0  # standard deviations that a planted pattern stands out by


@dataclass(frozen=True)
class Learner:
    """The run's own way to fit and to score: `fit(panel, fold, strategy)` gives what `scores(fitted, panel, rows)` and
    `save(fitted, folder)` take.
    """

    strategy: Any
    fit: Callable[[Panel, Fold, Any], Any]
    scores: Callable[[Any, Panel, np.ndarray], np.ndarray]
    save: Callable[[Any, Path], None]

    @property
    def name(self) -> str:
        return type(self.strategy).__name__

    @property
    def ours(self) -> bool:
        """Whether all of it is barwise's or a library's, so that nothing needs to be looked for that a user writes."""
        return not is_users(self.strategy)

    def fitted(self, panel: Panel, fold: Fold) -> Any:
        return self.fit(panel, fold, copy.deepcopy(self.strategy))


def learning_ignores_later_rows(
    audit: Audit, panel: Panel, folds: list[Fold], learner: Learner, rule: Any
) -> Iterator[Finding | int]:
    """Fitted on a few rows, the strategy is the same whatever the test rows hold, and its scores of a bar are the same
    whatever comes later; a thorough audit also takes rows of the run's first and last fold.
    """
    few, more = (_miniature(panel, max(n, 8 * learner.strategy.lookback)) for n in (_TINY, _MORE))
    cases = [(small, _thirds(small)) for small in (few, more) if small]
    if on_disk(panel.X) and (audit.thorough or not cases):
        text = f"{learner.name}: not fitted on the run's folds: the matrix, larger than memory, would be copied."
        yield Finding("learning", "note", text)
    elif not on_disk(panel.X):
        own = [(panel, _thinned(folds[0])), (panel, _thinned(folds[-1]))][: len({f.number for f in folds})]
        cases = cases[:1] + own + cases[1:] if audit.thorough else cases + own
        cases.append((panel, folds[-1]))
    raised, wanted = "", 3 if audit.thorough else 1
    for part, fold in cases:
        try:
            found = list(_one_fold(audit, part, fold, learner, rule))
        except Exception as error:  # a strategy of the user's; on few rows it may raise what it likes
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:160]
            raised = f"{learner.name} cannot be fitted or asked on {len(fold.train)} rows ({reason})"
            continue
        yield from found
        wanted -= 1
        raised = ""
        if not wanted or any(isinstance(f, Finding) and f.level == "leak" for f in found):
            return
    if raised:
        yield Finding("learning", "not_audited", raised)


def _one_fold(audit: Audit, panel: Panel, fold: Fold, learner: Learner, rule: Any) -> Iterator[Finding | int]:
    first = learner.fitted(_like_training(panel, fold), fold)
    second = learner.fitted(_unlike_training(panel, fold), fold)
    rows = np.concatenate([fold.train, fold.valid])
    before, again = learner.scores(first, panel, rows), learner.scores(second, panel, rows)
    yield len(rows)
    differ = differing(before, again)
    files: tuple[str, ...] = ()
    if audit.thorough or len(differ):
        third = learner.fitted(_like_training(panel, fold), fold)
        if len(differing(before, learner.scores(third, panel, rows))):
            text = f"{learner.name}: two fits on the same rows score them differently; seed it, or no audit can tell."
            yield Finding("learning", "not_audited", text)
            return
        files = _changed_files(learner, first, second, third) if audit.thorough else ()
    if len(differ) or files:
        filed = f"what it files in {', '.join(files)}"
        what = described(panel, rows, differ[0], before, again) if len(differ) else filed
        text = f"{learner.name}: what it learns from training rows changes when test rows are altered: {what}."
        yield Finding("learning", "leak", text)
        return
    yield from _scores_look_back(audit, panel, fold, learner, first)
    yield from _fits_are_forgotten(panel, fold, learner, first)
    score = learner.scores(first, panel, fold.test)
    yield from _rule_looks_back(rule, before[len(fold.train) :], score, panel.time[fold.test])


def _scores_look_back(audit: Audit, panel: Panel, fold: Fold, learner: Learner, fitted: Any) -> Iterator[Finding | int]:
    """Scores of test rows need neither later rows nor labels that were not known yet, and a net keeps its state."""

    def score_of(part: Panel, rows: np.ndarray) -> np.ndarray:
        return learner.scores(fitted, part, rows)

    dates = dates_of(panel, fold.test, _DATES[audit.mode], [audit.seed])
    try:
        score = scored(score_of, panel, fold.test)
        yield from rescored(learner.name, score_of, panel, fold.test, score, dates, apart=not learner.ours)
    except Exception as error:
        score = learner.scores(fitted, panel, fold.test)  # with all that a run does not show; if it raises too, it may
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        text = f"{learner.name}: cannot score without later bars, or labels that were not known yet ({reason})."
        yield Finding("learning", "leak", text)
        return
    model, scaler = fitted if isinstance(fitted, tuple) else (fitted, None)
    if isinstance(model, Stateful):
        own = fold.test[panel.symbol[fold.test] == panel.symbol[fold.test[-1]]]
        yield from walked(model, learner.name, panel, fold.test, score, scaler, int(own[-1]))


def _fits_are_forgotten(panel: Panel, fold: Fold, learner: Learner, fitted: Any) -> Iterator[Finding | int]:
    """Scores of test rows are the same after another one of its kind was fitted on these rows, labels and all."""
    if learner.ours:
        return
    score = learner.scores(fitted, panel, fold.test)
    labelled = fold.test[np.isfinite(panel.ret[fold.test])]
    half = fold.train[len(fold.train) // 2 :]
    other = Fold(fold.number + 1, np.concatenate([half, fold.valid, labelled]), fold.train[: len(half)], fold.valid)
    learner.fitted(panel, other)
    again = learner.scores(fitted, panel, fold.test)
    yield len(score)
    differ = differing(score, again)
    if len(differ):
        what = described(panel, fold.test, differ[0], score, again)
        text = f"{learner.name}: a score changes when another fold is fitted: it remembers rows of other fits: {what}."
        yield Finding("learning", "leak", text)


def _rule_looks_back(rule: Any, valid: np.ndarray, score: np.ndarray, time: np.ndarray) -> Iterator[Finding | int]:
    """Signals of a bar do not change when later scores are cut off or altered."""
    if not np.isfinite(valid).any():
        return
    order = np.argsort(time, kind="stable")
    score, time = score[order], time[order]
    early = int(np.searchsorted(time, time[len(time) // 2]))
    fitted = copy.deepcopy(rule).fit(valid)
    whole = fitted(score, time)[:early]
    later = np.concatenate([score[:early], -5.0 * score[early:][::-1]])
    yield early
    for other in (fitted(score[:early], time[:early]), fitted(later, time)[:early]):
        differ = differing(whole, other)
        if len(differ):
            text = f"{type(rule).__name__}: its signal of {when(time[differ[0]])} changes with scores of later bars."
            yield Finding("learning", "leak", text)
            return


def _miniature(panel: Panel, n: int) -> Panel | None:
    """The first `n` finite, labelled rows of the symbol with the longest such stretch, as a panel of its own."""
    good = panel.finite & panel.warm & np.isfinite(panel.ret)
    edge = np.ones(len(panel), bool)  # where a symbol or a stretch of good rows begins
    edge[1:] = (panel.symbol[1:] != panel.symbol[:-1]) | (good[1:] != good[:-1])
    begins = np.flatnonzero(edge)
    lengths = np.where(good[begins], np.diff(np.append(begins, len(panel))), 0)
    if not len(begins) or lengths.max() < n // 2:
        return None
    first = int(begins[lengths.argmax()])
    rows = slice(first, first + min(n, int(lengths.max())))
    names = ("X", "symbol", "time", "y", "ret", "end", "weight", "finite", "warm")
    parts = {name: getattr(panel, name)[rows].copy() for name in names}
    return replace(panel, **parts, start=np.zeros(rows.stop - rows.start, dtype=panel.start.dtype))


def _thirds(small: Panel) -> Fold:
    n = len(small)
    train, valid, test = (np.arange(int(a * n), int(b * n)) for a, b in ((0, 0.6), (0.6, 0.8), (0.8, 1.0)))
    train, valid = (rows[np.isfinite(small.ret[rows])] for rows in (train[:-3], valid[:-3]))
    return Fold(0, train, valid, test)


def _thinned(fold: Fold) -> Fold:
    """Every so many rows of the fold, so that a thorough audit ends; the test rows stay."""
    train, valid = (rows[:: max(1, len(rows) // _SOME)] for rows in (fold.train, fold.valid))
    return replace(fold, train=train, valid=valid)


def _like_training(panel: Panel, fold: Fold) -> Panel:
    """Test rows are copies of training rows: who looks at them finds that all it learns holds there."""
    X, y, ret, weight = panel.X.copy(), panel.y.copy(), panel.ret.copy(), panel.weight.copy()
    copied = _copied(panel, fold)
    for values in (X, y, ret, weight):
        values[fold.test] = values[copied]
    return replace(panel, X=X, y=y, ret=ret, weight=weight)


def _unlike_training(panel: Panel, fold: Fold) -> Panel:
    """Test rows teach the opposite: labels turned round, and planted in the features that training finds weakest."""
    X, y, ret = panel.X.copy(), panel.y.copy(), panel.ret.copy()
    copied = _copied(panel, fold)
    y[fold.test], ret[fold.test] = -y[copied], -ret[copied]
    train = panel.X[fold.train].astype(np.float64)
    center, spread = np.nanmean(train, axis=0), np.nanstd(train, axis=0) + 1e-6
    target = panel.y[fold.train] - panel.y[fold.train].mean()
    strength = np.abs(np.nan_to_num((train - center) / spread).T @ target)
    weak = strength <= np.median(strength)
    planted = center + spread * _FAR * np.sign(y[fold.test] + 0.5 * np.sign(ret[fold.test]))[:, None]
    moved = np.nan_to_num(X[fold.test][::-1]) * 3.0 + spread
    X[fold.test] = np.where(weak, planted, moved).astype(np.float32)
    return replace(panel, X=X, y=y, ret=ret)


def _copied(panel: Panel, fold: Fold) -> np.ndarray:
    """A training row for each test row, finite where there are such: what is finite must stay so."""
    finite = fold.train[panel.finite[fold.train]]
    return np.resize(finite if len(finite) else fold.train, len(fold.test))


def _changed_files(learner: Learner, first: Any, second: Any, third: Any) -> tuple[str, ...]:
    """Files that differ between `first` and `second`, and not between `first` and `third`, its twin."""
    with tempfile.TemporaryDirectory() as folder:
        kept = []
        for name, fitted in (("first", first), ("second", second), ("third", third)):
            place = Path(folder) / name
            place.mkdir()
            learner.save(fitted, place)
            kept.append({str(p.relative_to(place)): p.read_bytes() for p in place.rglob("*") if p.is_file()})
    one, other, twin = kept
    names = sorted(one.keys() | other.keys())
    return tuple(k for k in names if one.get(k) != other.get(k) and one.get(k) == twin.get(k))
