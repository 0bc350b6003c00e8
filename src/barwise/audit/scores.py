"""The audit of scoring: a score is the same whatever rows stand beside it, and needs no label that was not known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from barwise.as_of import Rising, known_at
from barwise.audit.features import when
from barwise.audit.findings import Finding
from barwise.data.times import distinct
from barwise.samples import Panel

Scores = Callable[[Panel, np.ndarray], np.ndarray]
_PIECES = 4  # that a stretch is cut into, to be walked bar by bar as live serving does
_SOME_BARS = 64  # of a stretch that a net of windows is walked over


@dataclass
class Scoring:
    """What scoring some bars again showed: `findings`, how many scores were compared, and whether the strategy must be
    asked bar by bar, since its scores depend on where the block begins (it may go on learning from labels)."""

    findings: list[Finding] = field(default_factory=list)
    compared: int = 0
    by_bar: bool = False

    def __iter__(self) -> Iterator[Finding | int]:
        yield self.compared
        yield from self.findings


def blocks_of(panel: Panel, rows: np.ndarray) -> list[np.ndarray]:
    """`rows` in blocks of times that follow one another among those of the panel's warm rows."""
    if not len(rows):
        return []
    times = distinct(panel.time, panel.warm)
    place = np.searchsorted(times, panel.time[rows])
    own = distinct(place)
    block = np.cumsum(np.append(0, np.diff(own) > 1))[np.searchsorted(own, place)]
    return [rows[block == k] for k in range(int(block.max()) + 1)]


def bar_by_bar(score_of: Scores, panel: Panel, rows: np.ndarray) -> np.ndarray:
    """Scores of `rows`, one bar after the other, of which nothing later can be reached."""
    found, known = np.full(len(rows), np.nan), Rising(panel)
    time = panel.time[rows]
    for t in np.unique(time):
        at = np.flatnonzero(time == t)
        found[at] = score_of(known.at(t, t), rows[at])
    return found


def scored(score_of: Scores, panel: Panel, rows: np.ndarray, by_bar: bool = False) -> np.ndarray:
    """Scores of `rows`, each block of times scored with what was known at its first bar; or each bar by itself."""
    found = np.full(len(rows), np.nan)
    for block in blocks_of(panel, rows):
        time = panel.time[block]
        parts = [block[time == t] for t in np.unique(time)] if by_bar else [block]
        for part in parts:
            own = panel.time[part]
            found[np.searchsorted(rows, part)] = score_of(known_at(panel, own.min(), own.max()), part)
    return found


def dates_of(panel: Panel, rows: np.ndarray, count: int, seed: list[int]) -> np.ndarray:
    """`count` of the times of `rows`, the last among them."""
    times = distinct(panel.time[rows])
    if len(times) <= count:
        return times
    chosen = np.random.default_rng(seed).choice(times[:-1], count - 1, replace=False)
    return np.sort(np.append(chosen, times[-1]))


def rescored(
    name: str, score_of: Scores, panel: Panel, rows: np.ndarray, score: np.ndarray, dates: np.ndarray,
    labels: bool = True, by_bar: bool = False, apart: bool = True,
) -> Scoring:  # fmt: skip
    """Score the bars at `dates` again by themselves, with later rows hidden; with `labels` also with those that were
    known by then, and with those that were not. `score` is what each block of `rows` got, or each bar by
    itself where they were asked for `by_bar`. `apart`: in a matrix of its own, that has no later row."""
    found = Scoring()
    begins = [panel.time[block].min() for block in blocks_of(panel, rows)]
    known = Rising(panel).at if apart else partial(known_at, panel)
    for t in dates:
        first = t if by_bar else max(begin for begin in begins if begin <= t)
        at = np.flatnonzero(panel.time[rows] == t)
        own = rows[at]
        found.compared += len(own)
        try:
            alone = score_of(known(first, t), own)
            raised = ""
        except Exception as error:  # a strategy of the user's; asked for one bar it may raise what it likes
            alone, raised = score[at], " ".join(f"{type(error).__name__}: {error}".split())[:160]
        if raised or len(differing(score[at], alone)):
            until = (panel.time[rows] >= first) & (panel.time[rows] <= t)
            before = score_of(known(first, t), rows[until])[panel.time[rows[until]] == t]
            later = differing(score[at], before)
            if len(later):
                what = described(panel, own, later[0], score[at], before)
                text = f"{name}: a score changes when later bars are not there yet: {what}."
                found.findings.append(Finding("learning", "leak", text))
                return found
            if raised:
                text = f"{name} cannot be asked for one bar ({raised})"
                found.findings.append(Finding("learning", "not_audited", text))
                return found
            found.by_bar = True
        if not labels:
            continue
        now = score_of(known(t, t), own)
        found.by_bar |= len(differing(alone, now)) > 0
        shown = score_of(known(t, t, shown=panel.end > t), own)
        differ = differing(now, shown)
        if len(differ):
            what = described(panel, own, differ[0], now, shown)
            text = f"{name}: a score changes with labels that were not known yet: {what}."
            found.findings.append(Finding("learning", "leak", text))
            return found
    return found


def walked(model: Any, name: str, panel: Panel, rows: np.ndarray, score: np.ndarray, scaler: Any, row: int) -> Scoring:
    """Walk the stretch that ends at `row` in pieces, as live serving does, and compare with `score` of `rows`."""
    found = Scoring()
    stream = model.sequence == "stream"
    begin = int(panel.start[row]) if stream else max(int(panel.start[row]), row - _SOME_BARS - model.lookback)
    x = np.asarray(panel.X[begin : row + 1])
    x = x if scaler is None else scaler(x)
    memory, parts = None, []
    for piece in np.array_split(x, min(_PIECES, len(x))):
        part, memory = model.advance(piece, memory)
        parts.append(part)
    live = np.concatenate(parts)
    inside = np.flatnonzero((rows >= begin + model.lookback - 1) & (rows <= row))
    live = live[rows[inside] - begin]
    found.compared = len(inside)
    differ = np.flatnonzero(~np.isclose(score[inside], live, rtol=1e-4, atol=1e-5, equal_nan=True))
    if len(differ):
        what = described(panel, rows[inside], differ[0], score[inside], live)
        text = (
            f"{name}: scored bar by bar, as it will be served, it forgets its state: {what}; a net's `hidden` must use"
            " the state that it is given and return the one that it leaves."
        )
        found.findings.append(Finding("learning", "leak", text))
    return found


def differing(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Where two arrays of scores are not the same, but for what summing in another order does to them."""
    return np.flatnonzero(~np.isclose(a, b, rtol=1e-5, atol=1e-6, equal_nan=True))


def described(panel: Panel, rows: np.ndarray, place: int, before: np.ndarray, after: np.ndarray) -> str:
    """Which score is the first that differs, with as many digits as tell the two apart."""
    row, one, other = rows[place], float(before[place]), float(after[place])
    digits = next((n for n in range(4, 17) if f"{one:.{n}g}" != f"{other:.{n}g}"), 17)
    where = f"{panel.symbols[panel.symbol[row]]} at {when(panel.time[row])}"
    return f"the score of {where} is {one:.{digits}g} or {other:.{digits}g}"
