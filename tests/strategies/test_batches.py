"""Batches hold the rows they say, each training row once an epoch, and cross no symbol, gap or fold's start."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from barwise.samples import Samples
from barwise.strategies.batches import Chunks, Windows, _resident, first_rows, window_rows
from tests.strategies.panels import MODES, fitted, model_of, panel_of, readable

LOOKBACK = 6
PANEL = panel_of((60, 45), gaps=(20, 80))
ROWS = readable(PANEL, LOOKBACK)
BOTH = pytest.mark.parametrize("mode", MODES)


def test_windows_never_cross_a_symbol_a_gap_or_the_first_row_of_training():
    everything = Samples(PANEL, np.arange(len(PANEL)))
    first = PANEL.time[10]
    for chosen, earliest in ((None, None), (first, first)):
        kept = window_rows(everything, LOOKBACK, chosen)
        for row in kept:
            window = np.arange(row - LOOKBACK + 1, row + 1)
            assert window[0] >= 0 and len(set(PANEL.symbol[window])) == 1 and PANEL.finite[window].all()
            assert earliest is None or PANEL.time[window[0]] >= earliest
        left = np.setdiff1d(np.arange(len(PANEL)), kept)
        assert len(kept) + len(left) == len(PANEL) and {4, 25, 64} <= set(left)
        assert {15, 26} <= set(kept)
        assert (12 in left) == (earliest is not None)


def test_windows_hold_the_rows_they_say():
    samples = Samples(PANEL, ROWS)
    windows = Windows(samples, samples.y.astype(np.float32), LOOKBACK, 7, "cpu", seed=3)
    seen = []
    for index in windows:
        x, target, weight = windows.gather(index)
        rows = windows.rows(index)
        expected = PANEL.X[rows[:, None] + np.arange(1 - LOOKBACK, 1)]
        assert np.array_equal(x.numpy(), expected) and np.array_equal(target.numpy(), PANEL.y[rows].astype(np.float32))
        assert (weight == 1).all()
        seen.append(rows)
    assert sorted(np.concatenate(seen)) == ROWS.tolist() and [len(s) for s in seen][:-1] == [7] * (len(seen) - 1)


@settings(max_examples=40, deadline=None)
@given(epoch=st.integers(0, 50), chunk=st.integers(1, 30), kept=st.integers(1, 90), seed=st.integers(0, 5))
def test_chunks_pass_each_training_row_once_and_never_leave_its_stretch(epoch, chunk, kept, seed):
    rows = np.sort(np.random.default_rng(seed).choice(ROWS, min(kept, len(ROWS)), replace=False))
    samples = Samples(PANEL, rows)
    target = np.arange(len(rows), dtype=np.float32)
    chunks = Chunks(samples, target, first_rows(samples), (LOOKBACK, chunk), 3 * chunk, "cpu", seed=1)
    chunks.epoch = epoch
    passed = []
    for index in chunks:
        x, target, weight = chunks.gather(index)
        assert x.shape[1] == LOOKBACK - 1 + chunk and torch.isfinite(x).all()
        for (first, until), w, t, window in zip(chunks.cut()[:, index].T.numpy(), weight, target, x, strict=True):
            scored = np.arange(first, until) + chunks.low
            inside = np.arange(scored[0] - LOOKBACK + 1, scored[-1] + 1)
            assert len(set(PANEL.symbol[inside])) == 1 and PANEL.finite[inside].all()
            assert np.array_equal(window[: len(inside)].numpy(), PANEL.X[inside])
            known = w.numpy() > 0
            assert not known[len(scored) :].any()
            passed += scored[known[: len(scored)]].tolist()
            assert np.array_equal(rows[t.numpy()[known].astype(int)], scored[known[: len(scored)]])
    assert sorted(passed) == rows.tolist()


def test_a_matrix_that_does_not_fit_the_device_stays_where_it_is():
    class Large(torch.Tensor):
        def to(self, *where):
            raise torch.OutOfMemoryError("out of memory")

    small = torch.zeros(3)
    large = small.as_subclass(Large)
    assert _resident(small, "cpu") is small and _resident(large, "cuda") is large


@BOTH
def test_an_epoch_can_be_repeated_and_differs_from_the_next(mode):
    model, _ = fitted(model_of(mode=mode), PANEL, ROWS)
    samples = Samples(PANEL, ROWS)
    batches = model._batches(samples, first_rows(samples), "cpu", 3)
    batches.per_batch = 2

    def order(epoch: int) -> list:
        batches.epoch = epoch
        return [batches.rows(index).tolist() for index in batches]

    third = order(3)
    assert order(4) != third and order(3) == third
