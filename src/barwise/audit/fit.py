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
from barwise.data.memmap import on_disk
from barwise.samples import Panel
from barwise.validation.folds import Fold

TINY = 400  # rows of one symbol that a quick audit trains on
SOME = 1_500  # rows of a run's own fold that a thorough audit trains on
FAR = 5.0  # standard deviations that a planted pattern stands out by


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

    def fitted(self, panel: Panel, fold: Fold) -> Any:
        return self.fit(panel, fold, copy.deepcopy(self.strategy))


def learning_ignores_later_rows(
    audit: Audit, panel: Panel, folds: list[Fold], learner: Learner, rule: Any
) -> Iterator[Finding | int]:
    """Fitted on a few rows, the strategy is the same whatever the test rows hold, and its scores of a bar are the same
    whatever comes later; a thorough audit also takes rows of the run's first and last fold.
    """
    small = miniature(panel, max(TINY, 8 * learner.strategy.lookback))
    cases = [(small, _thirds(small))] if small else []
    if on_disk(panel.X) and (audit.thorough or not cases):
        text = f"{learner.name}: not fitted on the run's folds: the matrix, larger than memory, would be copied."
        yield Finding("learning", "note", text)
    elif audit.thorough or not cases:
        cases += [(panel, thinned(fold)) for fold in {f.number: f for f in (folds[0], folds[-1])}.values()]
    for part, fold in cases:
        try:
            found = list(_one_fold(audit, part, fold, learner, rule))
        except Exception as error:  # a strategy of the user's; on few rows it may raise what it likes
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:160]
            text = (
                f"{learner.name}: cannot be fitted or asked on {len(fold.train)} rows ({reason}): not audited on them."
            )
            found = [Finding("learning", "suspicion", text)]
        yield from found
        if any(isinstance(f, Finding) and f.level == "leak" for f in found):
            return


def _one_fold(audit: Audit, panel: Panel, fold: Fold, learner: Learner, rule: Any) -> Iterator[Finding | int]:
    first = learner.fitted(like_training(panel, fold), fold)
    second = learner.fitted(unlike_training(panel, fold), fold)
    rows = np.concatenate([fold.train, fold.valid])
    before, again = learner.scores(first, panel, rows), learner.scores(second, panel, rows)
    yield len(rows)
    differ = _differing(before, again)
    files: tuple[str, ...] = ()
    if audit.thorough or len(differ):
        third = learner.fitted(like_training(panel, fold), fold)
        if len(_differing(before, learner.scores(third, panel, rows))):
            text = f"{learner.name}: two fits on the same rows score them differently; seed it, or no audit can tell."
            yield Finding("learning", "suspicion", text)
            return
        files = changed_files(learner, first, second, third) if audit.thorough else ()
    if len(differ) or files:
        what = _scored(panel, rows, differ[0], before, again) if len(differ) else f"what it files in {', '.join(files)}"
        text = f"{learner.name}: what it learns from training rows changes when test rows are altered: {what}."
        yield Finding("learning", "leak", text)
        return
    yield from scores_look_back(panel, fold, learner, first)
    score = learner.scores(first, panel, fold.test)
    yield from rule_looks_back(rule, before[len(fold.train) :], score, panel.time[fold.test])


def scores_look_back(panel: Panel, fold: Fold, learner: Learner, fitted: Any) -> Iterator[Finding | int]:
    """Scores of the earlier test rows do not change with later rows, nor with labels that were not known yet."""
    time = panel.time[fold.test]
    split = np.unique(time)[len(np.unique(time)) // 2]
    early = fold.test[time < split]
    score = learner.scores(fitted, panel, fold.test)[time < split]
    later = np.zeros(len(panel), bool)
    later[panel.time >= split] = True
    X, unknown = panel.X.copy(), panel.y.copy()
    for rows in (later & panel.finite, later & ~panel.finite):  # what is finite stays so
        X[rows] = X[rows][::-1] * 3.0 + 1.0
    ret = panel.ret.copy()
    late = fold.test[~(panel.end[fold.test] < split)]  # not known by any of the earlier rows, their own included
    unknown[late], ret[late] = -unknown[late] - 1.0, -ret[late] - 0.1
    changed = learner.scores(fitted, replace(panel, X=X, y=unknown, ret=ret), fold.test)[time < split]
    yield len(early)
    differ = _differing(score, changed)
    if len(differ):
        what = _scored(panel, early, differ[0], score, changed)
        text = f"{learner.name}: a score changes when later bars, or labels not known yet, are altered: {what}."
        yield Finding("learning", "leak", text)


def rule_looks_back(rule: Any, valid: np.ndarray, score: np.ndarray, time: np.ndarray) -> Iterator[Finding | int]:
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
        differ = _differing(whole, other)
        if len(differ):
            text = f"{type(rule).__name__}: its signal of {when(time[differ[0]])} changes with scores of later bars."
            yield Finding("learning", "leak", text)
            return


def miniature(panel: Panel, n: int) -> Panel | None:
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


def thinned(fold: Fold) -> Fold:
    """Every so many rows of the fold, so that a thorough audit ends; the test rows stay."""
    train, valid = (rows[:: max(1, len(rows) // SOME)] for rows in (fold.train, fold.valid))
    return replace(fold, train=train, valid=valid)


def like_training(panel: Panel, fold: Fold) -> Panel:
    """Test rows are copies of training rows: who looks at them finds that all it learns holds there."""
    X, y, ret, weight = panel.X.copy(), panel.y.copy(), panel.ret.copy(), panel.weight.copy()
    copied = _copied(panel, fold)
    for values in (X, y, ret, weight):
        values[fold.test] = values[copied]
    return replace(panel, X=X, y=y, ret=ret, weight=weight)


def unlike_training(panel: Panel, fold: Fold) -> Panel:
    """Test rows teach the opposite: labels turned round, and planted in the features that training finds weakest."""
    X, y, ret = panel.X.copy(), panel.y.copy(), panel.ret.copy()
    copied = _copied(panel, fold)
    y[fold.test], ret[fold.test] = -y[copied], -ret[copied]
    train = panel.X[fold.train].astype(np.float64)
    center, spread = np.nanmean(train, axis=0), np.nanstd(train, axis=0) + 1e-6
    target = panel.y[fold.train] - panel.y[fold.train].mean()
    strength = np.abs(np.nan_to_num((train - center) / spread).T @ target)
    weak = strength <= np.median(strength)
    planted = center + spread * FAR * np.sign(y[fold.test] + 0.5 * np.sign(ret[fold.test]))[:, None]
    moved = np.nan_to_num(X[fold.test][::-1]) * 3.0 + spread
    X[fold.test] = np.where(weak, planted, moved).astype(np.float32)
    return replace(panel, X=X, y=y, ret=ret)


def _copied(panel: Panel, fold: Fold) -> np.ndarray:
    """A training row for each test row, finite where there are such: what is finite must stay so."""
    finite = fold.train[panel.finite[fold.train]]
    return np.resize(finite if len(finite) else fold.train, len(fold.test))


def changed_files(learner: Learner, first: Any, second: Any, third: Any) -> tuple[str, ...]:
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


def _differing(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.flatnonzero(~np.isclose(a, b, rtol=1e-6, atol=1e-7, equal_nan=True))


def _scored(panel: Panel, rows: np.ndarray, place: int, before: np.ndarray, after: np.ndarray) -> str:
    row = rows[place]
    where = f"{panel.symbols[panel.symbol[row]]} at {when(panel.time[row])}"
    return f"the score of {where} is {before[place]:.4g} or {after[place]:.4g}"
