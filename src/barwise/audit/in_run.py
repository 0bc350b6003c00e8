"""The audit of each fold of the real run: scores and signals again, at times that nobody could have foreseen."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from barwise.audit.disguise import CYCLE
from barwise.audit.features import when
from barwise.audit.findings import Audit, Finding
from barwise.audit.own import is_users
from barwise.audit.scores import Scores, bar_by_bar, dates_of, described, differing, rescored, scored, walked
from barwise.data.times import distinct
from barwise.samples import Panel
from barwise.strategies.hooks import Online, Stateful
from barwise.validation.folds import Fold

_DATES = {"quick": 8, "thorough": 40}  # whose bars are scored again by themselves, of each fold
_OURS = 2  # of each fold where none of the code is the user's
_CUTS = 6  # at which a fold's signals are made again without the later scores


@dataclass
class FoldAudit:
    """Checks the scores and signals of each fold as it is done; LeakError for what depends on what came later.

    `ours`: none of the strategy's code is the user's. `by_bar`: it is asked bar by bar, since its scores depend on
    where a block begins. `folds`: name, what scores, and scores of each fold, for the proof of all of them; `rules`:
    validation scores that the fold's rule learned from, and its signals.
    """

    audit: Audit
    seed: int = 0
    ours: bool = True
    by_bar: bool = False
    folds: dict[int, tuple[str, Scores, np.ndarray]] = field(default_factory=dict)
    rules: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def findings(self) -> dict[str, Any]:
        """What was found, as plain values for the process that `told` hears them in."""
        findings = [[one.check, one.level, one.text] for one in self.audit.findings]
        return {"findings": findings, "checks": self.audit.checks, "by_bar": self.by_bar}

    def told(self, given: Mapping[str, Any]) -> bool:
        """Hear what another process found of a fold; False where the fold must be scored again: bar by bar, as an
        earlier one has shown by now. LeakError where it found a leak."""
        if self.by_bar and not given["by_bar"]:
            return False
        self.by_bar = bool(given["by_bar"])
        for check, n in given["checks"].items():
            self.audit.hear(check, iter([int(n)]))
        for one in given["findings"]:
            self.audit.hear(one[0], iter([Finding(*one)]))
        self.audit.refuse()
        return True

    def _first_look(self, model: Any, scorer: Any, panel: Panel, fold: Fold, dates: np.ndarray) -> np.ndarray | None:
        """Scores of the bars at `dates` before a block was ever seen, by a twin of the model; None without a twin."""
        at = np.isin(panel.time[fold.test], dates)
        try:
            twin = copy.deepcopy(model)
            return bar_by_bar(lambda part, rows: scorer(twin, part, rows), panel, fold.test[at])
        except Exception:  # what cannot be copied, or asked for one bar, is told of later
            return None

    def scores(
        self, model: Any, scaler: Any, scorer: Callable[[Any, Panel, np.ndarray], np.ndarray], panel: Panel, fold: Fold
    ) -> np.ndarray:
        """Scores of the fold's test rows; `scorer(model, panel, rows)` makes them."""

        def score_of(part: Panel, rows: np.ndarray) -> np.ndarray:
            return scorer(model, part, rows)

        name = type(model).__name__
        if isinstance(model, Online) and model.online:
            self.by_bar = True
        if self.audit.mode == "none":
            return scored(score_of, panel, fold.test, self.by_bar)
        seen = dates_of(panel, fold.test, _OURS if self.ours else _DATES[self.audit.mode], [self.seed, fold.number])
        first = None if self.ours else self._first_look(model, scorer, panel, fold, seen)
        try:
            score = scored(score_of, panel, fold.test, self.by_bar)
        except Exception as error:
            self._refuse_what_needs_more(name, score_of, panel, fold, error)
            raise
        stream = isinstance(model, Stateful) and model.sequence == "stream"
        if isinstance(model, Stateful):
            row = int(np.random.default_rng([self.seed, fold.number]).choice(fold.test))
            self._hear(walked(model, name, panel, fold.test, score, scaler, row))
        if not (stream and self.ours):  # each score of a stream walks all of its stretch again
            score = self._rescored(name, score_of, panel, fold, score, seen, first)
        if not self.ours:
            self.folds[fold.number] = (name, score_of, score)
        return score

    def signals(self, rule: Any, score: np.ndarray, time: np.ndarray, fold: int = -1, valid: Any = None) -> np.ndarray:
        """Signals of the fold's test rows, by a rule that learned from the `valid` scores."""
        own = self.audit.mode != "none" and is_users(rule)
        early = list(_cut_signals(rule, score, time, _CUTS, self.seed)) if own else []
        signal: np.ndarray = rule(score, time)
        if self.audit.mode != "none":
            self._hear(_signals_look_back(rule, score, time, signal, _CUTS, self.seed))
        for upto, again in early:
            self._hear(_same_signals(rule, time, signal, upto, again))
        if own:
            self.rules[fold] = (np.asarray(valid), signal)
        return signal

    def _rescored(
        self, name: str, score_of: Scores, panel: Panel, fold: Fold, score: np.ndarray, dates: np.ndarray,
        first: np.ndarray | None,
    ) -> np.ndarray:  # fmt: skip
        found = rescored(name, score_of, panel, fold.test, score, dates, by_bar=self.by_bar, apart=not self.ours)
        if first is not None and not found.findings and not found.by_bar:
            self._hear(_same_at_first(name, panel, fold, score, dates, first))
        self._hear(found)
        if found.by_bar and not self.by_bar:
            self.by_bar = True
            text = f"{name}: its scores depend on where a block begins: it is asked bar by bar, as it will be served."
            self.audit.hear("learning", iter([Finding("learning", "note", text)]))
            return scored(score_of, panel, fold.test, by_bar=True)
        return score

    def _refuse_what_needs_more(self, name: str, score_of: Scores, panel: Panel, fold: Fold, error: Exception) -> None:
        try:
            score_of(panel, fold.test)
        except Exception:
            return  # it fails with everything at hand, too
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        text = f"{name}: cannot score without later bars, or labels that were not known yet ({reason})."
        self._hear(iter([Finding("learning", "leak", text)]))

    def _hear(self, found: Any) -> None:
        self.audit.hear("learning", iter(found))
        self.audit.refuse()


def _same_at_first(
    name: str, panel: Panel, fold: Fold, score: np.ndarray, dates: np.ndarray, first: np.ndarray
) -> Iterator[Finding | int]:
    """Scores are what they were before a block was seen."""
    at = np.flatnonzero(np.isin(panel.time[fold.test], dates))
    yield len(at)
    differ = differing(score[at], first)
    if len(differ):
        what = described(panel, fold.test[at], int(differ[0]), score[at], first)
        text = f"{name}: a score is another before later bars were ever shown to it: it keeps what it saw: {what}."
        yield Finding("learning", "leak", text)


def _cut_signals(
    rule: Any, score: np.ndarray, time: np.ndarray, cuts: int, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(which rows, their signals) of scores cut off at some times, the earliest first."""
    times = distinct(time)
    for t in np.sort(np.random.default_rng([seed, 1]).choice(times, min(cuts, len(times)), replace=False)):
        early = time <= t
        now = time[early] == t
        upto = np.zeros(len(time), bool)
        upto[np.flatnonzero(early)[now]] = True
        yield upto, np.asarray(rule(score[early], time[early]))[now]


def _same_signals(
    rule: Any, time: np.ndarray, signal: np.ndarray, rows: np.ndarray, again: np.ndarray
) -> Iterator[Finding | int]:
    yield int(rows.sum())
    if len(differing(signal[rows], again)):
        bar = when(time[rows][0])
        text = f"{type(rule).__name__}: its signal of {bar} is another before later scores were shown to it."
        yield Finding("learning", "leak", text)


def _signals_look_back(
    rule: Callable[..., np.ndarray], score: np.ndarray, time: np.ndarray, signal: np.ndarray, cuts: int, seed: int
) -> Iterator[Finding | int]:
    """Signals are the same where later scores are cut off; and `cuts` times later scores are others."""
    dated = differing(signal, rule(score, time + CYCLE))
    if len(dated):
        text = f"{type(rule).__name__} looks up dates: its signal of {when(time[dated[0]])} is another 28 years later"
        yield Finding("learning", "not_audited", text)
    times = distinct(time)
    for k, t in enumerate(np.random.default_rng(seed).choice(times, min(cuts, len(times)), replace=False)):
        early = time <= t
        yield int(early.sum())
        if k % 2:
            again = rule(score[early], time[early])
        else:
            again = rule(np.where(early, score, -5.0 * score[::-1]), time)[early]
        differ = differing(signal[early], again)
        if len(differ):
            bar = when(time[early][differ[0]])
            text = f"{type(rule).__name__}: its signal of {bar} changes with scores of later bars."
            yield Finding("learning", "leak", text)
            return
