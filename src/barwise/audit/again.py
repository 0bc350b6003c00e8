"""The user's labels, rules and books once more, where no later bar was ever shown."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from barwise.audit.disguise import away, disguised
from barwise.audit.features import when
from barwise.audit.findings import Audit, Finding
from barwise.audit.own import is_users, users
from barwise.audit.process import Arrays, CleanProcess, Failed, Work
from barwise.audit.recompute import alone
from barwise.audit.row_sample import seed_of
from barwise.audit.rows import RowProof, default_workers
from barwise.audit.scores import blocks_of, differing
from barwise.backtest.grid import Grid, Signals
from barwise.backtest.hooks import portfolio_of
from barwise.cross_labels import bound
from barwise.data.bars import Bars, Universe
from barwise.features.aligned import sees_all
from barwise.samples import Panel
from barwise.validation.folds import Fold

CUTS, MOST = 4, 2_000  # bars at which a book is cut off: by a quick look, by the proof
_BLOCKS = {"quick": 12, "thorough": 200}  # test blocks before which labels are cut off
_PIECE = 50  # cuts that one process makes, the earliest first


def work_again(
    bars: Sequence[Bars], universe: Universe | None, labeler: Any, rule: Any, backtest: Any
) -> dict[str, Work]:
    """What the clean process can be asked for: `labels` of bars before a time, `rule` on scores up to each bar, and
    `book`, what the backtest earns up to each of some bars."""

    def labels(given: Arrays) -> Arrays:
        begin, hide = given["begin"].astype("datetime64[ns]"), bool(given["hide"])
        parts = [b.take(slice(0, int(np.searchsorted(b.time, begin)))) for b in bars]
        there = [i for i, part in enumerate(parts) if len(part)]
        shown = {i: disguised(alone(parts[i]), i) if hide else alone(parts[i]) for i in there}
        one = bound(labeler, list(shown.values()), universe)
        names = ("ret", "y", "weight")
        out = {name: [np.full(len(b), np.nan) for b in bars] for name in names}
        for i in there:
            found = one(shown[i])
            for name in names:
                out[name][i][: len(parts[i])] = getattr(found, name)
        return {name: np.concatenate(values) for name, values in out.items()}

    def signals(given: Arrays) -> Arrays:
        fitted = copy.deepcopy(rule).fit(given["valid"])
        score, time = given["score"], given["time"].astype("datetime64[ns]")
        shown = time + away(np.sort(time)) if given["hide"] else time
        out = np.full(len(score), np.nan)
        for t in np.unique(time):
            early = np.flatnonzero(time <= t)
            now = time[early] == t
            out[early[now]] = np.asarray(fitted(score[early].copy(), shown[early].copy()))[now]
        return {"signal": out}

    def book(given: Arrays) -> Arrays:
        own = [bars[i] for i in given["place"]]
        traded = backtest
        portfolio = portfolio_of(backtest)
        if portfolio is not None and len(given["held"]):
            traded = replace(backtest, portfolio=portfolio.holding(int(given["held"][0])))
        whole = Signals(given["symbol"], given["time"].astype("datetime64[ns]"), given["value"], given["score"])
        nets, sizes = [], []
        for t in given["cuts"].astype("datetime64[ns]"):
            ledger, upto = _cut_book(traded, own, whole, universe, t, float(given["per_year"]), bool(given["hide"]))
            nets.append(ledger.net[:upto])
            sizes.append(upto)
        return {"net": np.concatenate(nets), "sizes": np.array(sizes)}

    return {"labels": labels, "rule": signals, "book": book}


def _cut_book(
    backtest: Any, bars: list[Bars], signals: Signals, universe: Universe | None, t: np.datetime64, per_year: float,
    hide: bool,
) -> tuple[Any, int]:  # fmt: skip
    """The ledger of bars and signals up to `t`, and how many of its rows are as they would be with later bars: those
    before a symbol has, for the time being, its last bar."""
    shift = away(np.sort(signals.time)) if hide else np.timedelta64(0, "ns")
    early = signals.time <= t
    kept = np.unique(signals.symbol[early])
    parts = [b.take(slice(0, int(np.searchsorted(b.time, t, side="right")))) for b in bars]
    there = [i for i, part in enumerate(parts) if len(part)]
    place = np.full(len(bars), -1)
    place[there] = np.arange(len(there))
    shown = [alone(parts[i]) for i in there]
    if hide:
        shown = [replace(disguised(b, i, dated=False), time=b.time + shift) for i, b in zip(there, shown, strict=True)]
    assert (place[kept] >= 0).all()
    score = None if signals.score is None or len(signals.score) != len(early) else signals.score[early]
    part = Signals(place[signals.symbol[early]], signals.time[early] + shift, signals.value[early], score)
    grid = Grid.build(shown, universe)
    ledger = backtest.run(grid, part, per_year)
    gone = [row for row, _ in grid.gone.items()]
    last = grid.time[min(gone)] if gone else grid.time[-1] + np.timedelta64(1, "ns")
    return ledger, int((ledger.time < last).sum())


def labels_are_over(
    audit: Audit, proof: RowProof, panel: Panel, folds: list[Fold], labeler: Any
) -> Iterator[Finding | int]:
    """Labels that a fold learns from, and that say they were over before a test block, are the same on bars cut off
    before it."""
    if not is_users(labeler):
        return
    begins: dict[int, list[np.ndarray]] = {}
    for fold in folds:
        learned = np.concatenate([fold.train, fold.valid])
        for block in blocks_of(panel, fold.test):
            begin = panel.time[block].min()
            over = learned[np.isfinite(panel.ret[learned]) & (panel.end[learned] < begin)]
            begins.setdefault(int(begin.astype("datetime64[ns]").astype(np.int64)), []).append(over)
    chosen = np.array(sorted(begins))
    if len(chosen) > _BLOCKS[audit.mode]:
        chosen = np.sort(np.random.default_rng(audit.seed).choice(chosen, _BLOCKS[audit.mode], replace=False))
    starts = np.concatenate([[0], np.cumsum([len(b) for b in proof.bars])])
    own = np.concatenate([starts[p] + np.arange(len(b)) for p, b in zip(proof.place, proof.matrix.bars, strict=True)])
    hide = not sees_all(labeler) and proof.matrix.universe is None
    for hidden in (True, False) if hide else (False,):
        asked = [{"begin": np.array(b), "hide": np.array(hidden)} for b in chosen]
        stamp = False
        for begin, answer in zip(chosen, proof.clean.ask("labels", *asked), strict=True):
            if isinstance(answer, Failed):
                yield Finding("labels", "not_audited", f"labels cannot be made on fewer bars ({answer})")
                return
            rows = np.unique(np.concatenate(begins[int(begin)]))
            yield len(rows)
            off = np.zeros(len(rows), bool)
            for name in ("ret", "y", "weight"):
                a, b = getattr(panel, name)[rows], answer[name][own[rows]]
                off |= ~np.isclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True)
            if not off.any():
                continue
            row = rows[int(off.argmax())]
            where = f"{panel.symbols[panel.symbol[row]]} at {when(panel.time[row])}"
            if hidden:
                stamp = True
                break
            text = (
                f"the label of {where} changes when the bars from {when(np.datetime64(int(begin), 'ns'))} on, later"
                " than its end, are cut off."
            )
            yield Finding("labels", "leak", text)
            return
        if not stamp:
            if hide and not hidden:
                break
            return
    yield Finding("labels", "not_audited", "labels are others under other names or dates: they may be looked up")


def rules_again(
    clean: CleanProcess, name: str, rules: dict[int, Any], tables: dict[int, Any]
) -> Iterator[Finding | int]:
    """Signals are what a rule makes of scores up to their bar, where nothing later was ever shown to it. `tables`:
    score and time of each fold's test rows."""
    if not clean.forked:
        return
    for number, (valid, signal) in rules.items():
        score, time = tables[number]
        given = {"valid": valid, "score": score, "time": time.astype(np.int64), "hide": np.array(False)}
        answer = clean.ask("rule", given)[0]
        if isinstance(answer, Failed):
            yield Finding("proof", "not_audited", f"{name} cannot be asked on fewer scores ({answer})")
            return
        yield len(score)
        yield from _heard_in(answer)
        differ = differing(signal, answer["signal"])
        if len(differ):
            bar = when(time[differ[0]])
            text = f"{name}: its signal of {bar} is another where later scores were never shown: it keeps what it saw."
            yield Finding("proof", "leak", text)
            return


def book_again(
    proof: RowProof, backtest: Any, signals: Signals, net: np.ndarray, per_year: float, cuts: int,
    done: Callable[[int, str], Callable[[int], None]] | None = None,
) -> Iterator[Finding | int]:  # fmt: skip
    """What the user's own backtest, costs or portfolio earn up to a bar is the same where no later bar was ever shown.

    `net`: of the run. Cut off at `cuts` of the signals' times, or all of them.
    """
    if not is_users(backtest):
        return
    names = sorted(set(_names(backtest)))
    name = ", ".join(names[:2])
    times = np.unique(signals.time)
    some = (
        times if len(times) <= cuts else np.random.default_rng(seed_of(proof.matrix)).choice(times, cuts, replace=False)
    )
    some = np.sort(some)
    portfolio = portfolio_of(backtest)
    score = np.zeros(0) if signals.score is None else signals.score
    common = {
        "place": proof.place, "symbol": signals.symbol, "time": signals.time.astype(np.int64), "value": signals.value,
        "score": score, "per_year": np.array(per_year),
        "held": np.array([] if portfolio is None else [portfolio.held_bars], int),
    }  # fmt: skip
    hide = proof.matrix.universe is None
    pieces = np.array_split(some, max(1, -(-len(some) // _PIECE)))
    for hidden in (True, False) if hide else (False,):
        asked = [{**common, "cuts": p.astype(np.int64), "hide": np.array(hidden)} for p in pieces]
        heard = done(len(asked), "proving the book") if done and not (hide and not hidden) else None
        answers = proof.clean.ask("book", *asked, workers=default_workers(), done=heard)
        bad = None
        for piece, answer in zip(pieces, answers, strict=True):
            if isinstance(answer, Failed):
                yield Finding("execution", "not_audited", f"{name} cannot trade on fewer bars ({answer})")
                return
            yield from _heard_in(answer)
            begin = 0
            for t, size in zip(piece, answer["sizes"], strict=True):
                again = answer["net"][begin : begin + size]
                begin += size
                yield int(size)
                off = np.flatnonzero(~np.isclose(net[:size], again, rtol=1e-7, atol=1e-10))
                if len(off):
                    bad = bad or (t, int(off[0]))
        if bad is None:
            if hide and not hidden:
                break
            return
        if hidden:
            continue
        text = (
            f"{name}: what is earned by {when(bad[0])} is another where no later bar was ever shown (row"
            f" {bad[1] + 1:,} of the ledger): it knows later bars."
        )
        yield Finding("execution", "leak", text)
        return
    text = f"{name}: what is earned is another under other names or dates: they may be looked up"
    yield Finding("execution", "not_audited", text)


def _heard_in(answer: Arrays) -> Iterator[Finding]:
    """What the user's code read while it answered."""
    for name in answer["_opened"].tolist():
        yield Finding("parts", "not_audited", f"parts of your own read {name}")


def _names(part: Any) -> Iterator[str]:
    yield from (name.replace("<locals>.", "") for name in users(part))
