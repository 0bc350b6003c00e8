"""Purge, embargo and validation rows by brute force over intervals, for every splitter and any horizon from 1 to 20."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold, TimeSeriesSplit

from barwise.audit.folds import folds_are_purged
from barwise.errors import ConfigError
from barwise.samples import Panel
from barwise.validation.folds import Fold, Validation
from barwise.validation.splits import CombinatorialPurged, Holdout, PurgedKFold, WalkForward

DAY = np.timedelta64(1, "D").astype("timedelta64[ns]")
SPLITTERS = {
    "holdout": Holdout(0.3),
    "walk_forward": WalkForward(4, 0.4),
    "rolling": WalkForward(3, 0.5, window=50),
    "purged_kfold": PurgedKFold(4),
    "combinatorial": CombinatorialPurged(5, 2),
    "scikit-learn, in time": TimeSeriesSplit(3),
    "scikit-learn, both sides": KFold(4),
    "scikit-learn, shuffled": KFold(3, shuffle=True, random_state=0),
}


def panel_of(horizon: int, symbols: int, missing: float, seed: int, n: int = 130) -> Panel:
    """Symbols that each lack some bars, with labels that end `horizon` + 1 of their own bars on."""
    random = np.random.default_rng(seed)
    parts = []
    for k in range(symbols):
        days = np.flatnonzero(random.random(n) >= missing)
        time = np.datetime64("2020-01-01", "ns") + days * DAY
        end = np.full(len(time), np.datetime64("NaT", "ns"))
        end[: -(horizon + 1)] = time[horizon + 1 :]
        parts.append((np.full(len(time), k, np.int32), time, end, np.arange(len(time)) >= 7))
    symbol, time, end, warm = (np.concatenate(column) for column in zip(*parts, strict=True))
    ret = np.where(np.isnat(end), np.nan, 0.01)
    X = np.zeros((len(time), 1), np.float32)
    names = tuple(f"S{k}" for k in range(symbols))
    return Panel(X, ("x",), names, symbol, time, ret, ret, end, np.ones(len(time)), warm, warm, np.arange(len(time)))


def stretch(panel: Panel, row: int) -> tuple[np.datetime64, np.datetime64]:
    return panel.time[row], panel.time[row] if np.isnat(panel.end[row]) else panel.end[row]


def clear_of(panel: Panel, rows: list[int], others: list[int]) -> list[int]:
    """The rows whose stretch [time, end] meets that of none of `others`: each pair is looked at."""
    spans = [stretch(panel, o) for o in others]

    def meets(row: int) -> bool:
        begin, end = stretch(panel, row)
        return any(begin <= last and first <= end for first, last in spans)

    return [row for row in rows if not meets(row)]


def by_hand(panel: Panel, validation: Validation) -> list[tuple[list[int], list[int], list[int]]]:
    """Training, validation and test rows of each fold, from the words of the design."""
    times = sorted({t for t, warm in zip(panel.time, panel.warm, strict=True) if warm})
    found = []
    for train, test in validation.splitter.split(np.array(times)):
        tested = set(test.tolist())
        after = {b + k for b in tested if b + 1 not in tested for k in range(1, validation.embargo + 1)}
        kept = [int(t) for t in train if t not in after]
        cut = max(1, round(len(kept) * (1 - validation.valid_fraction)))

        def rows_at(places, labelled: bool) -> list[int]:
            wanted = {times[p] for p in places}
            return [
                r
                for r in range(len(panel))
                if panel.warm[r] and panel.time[r] in wanted and (np.isfinite(panel.ret[r]) or not labelled)
            ]

        test_rows = rows_at(tested, labelled=False)
        valid = clear_of(panel, rows_at(kept[cut:], labelled=True), test_rows)
        learn = clear_of(panel, clear_of(panel, rows_at(kept[:cut], labelled=True), test_rows), valid)
        found.append((learn, valid, test_rows))
    return found


DRAWN = given(
    horizon=st.integers(1, 20),
    embargo=st.integers(0, 12),
    symbols=st.integers(1, 2),
    missing=st.sampled_from([0.0, 0.3]),
    valid_fraction=st.sampled_from([0.01, 0.2, 0.5]),
    seed=st.integers(0, 1_000),
)


@pytest.mark.parametrize("name", SPLITTERS)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@DRAWN
def test_folds_are_those_found_by_hand(name, horizon, embargo, symbols, missing, valid_fraction, seed):
    compare(name, panel_of(horizon, symbols, missing, seed), embargo, valid_fraction, seed)


@pytest.mark.slow
@pytest.mark.parametrize("name", SPLITTERS)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@DRAWN
def test_folds_are_those_found_by_hand_many_times(name, horizon, embargo, symbols, missing, valid_fraction, seed):
    compare(name, panel_of(horizon, symbols, missing, seed), embargo, valid_fraction, seed)


@pytest.mark.parametrize("horizon", range(1, 21))
def test_each_horizon_with_every_splitter(horizon):
    for seed, name in enumerate(SPLITTERS):
        compare(name, panel_of(horizon, 1, 0.2, seed), horizon % 5, 0.2, seed + horizon)


def compare(name: str, panel: Panel, embargo: int, valid_fraction: float, seed: int) -> None:
    """The folds of the program and those by hand; and that the audit agrees."""
    validation = Validation(SPLITTERS[name], embargo, valid_fraction, min_train=1)
    wanted = by_hand(panel, validation)
    if not all(learn for learn, _, _ in wanted):
        with pytest.raises(ConfigError, match="keeps 0 training rows after purge and embargo"):
            validation.folds(panel)
        return
    folds = validation.folds(panel)
    assert [(f.train.tolist(), f.valid.tolist(), f.test.tolist()) for f in folds] == wanted
    assert not [found for found in folds_are_purged(panel, folds, embargo) if not isinstance(found, int)]
    put_back(panel, folds, embargo, seed)


def put_back(panel: Panel, folds: list[Fold], embargo: int, seed: int) -> None:
    """Any one labelled row that purge or embargo took out, put back into training, is found by the audit."""
    fold = folds[seed % len(folds)]
    times = np.unique(panel.time[panel.warm])
    last = np.searchsorted(times, panel.time[fold.test])
    banned = {times[p + k] for p in set(last.tolist()) for k in range(1, embargo + 1) if p + k < len(times)}
    taken = [
        row
        for row in np.setdiff1d(np.flatnonzero(panel.warm & np.isfinite(panel.ret)), fold.train).tolist()
        if row not in fold.valid
        and (not clear_of(panel, [row], [*fold.test.tolist(), *fold.valid.tolist()]) or panel.time[row] in banned)
    ]
    for row in taken[:: max(1, len(taken) // 5)]:
        worse = replace(fold, train=np.sort(np.append(fold.train, row)))
        texts = [found.text for found in folds_are_purged(panel, [worse], embargo) if not isinstance(found, int)]
        assert texts and f"{panel.symbols[panel.symbol[row]]} at {str(panel.time[row])[:10]}" in texts[0]
