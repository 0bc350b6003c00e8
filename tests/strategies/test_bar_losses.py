"""Losses that compare the symbols of a bar: whole bars in a batch, the correlation they say, what they refuse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from barwise.backtest.metrics import cross_section
from barwise.errors import ConfigError
from barwise.samples import Samples
from barwise.strategies.batches import BarWindows
from barwise.strategies.losses import loss_of
from tests.strategies.panels import fitted, model_of, panel_of, readable

SYMBOLS, LOOKBACK = 12, 3
LOSSES = pytest.mark.parametrize("loss", ["ic", "listwise"])


def panel_of_bars(bars: int = 80, gaps: tuple = (5, 95, 300)):
    """y is a symbol's own pattern beneath a move of the whole market, ten times as large."""
    panel = panel_of((bars,) * SYMBOLS, gaps=gaps)
    market = np.tile(np.random.default_rng(5).normal(0, 10, bars), SYMBOLS)
    return replace(panel, y=panel.y + market, ret=0.01 * (panel.y + market))


PANEL = panel_of_bars()
ROWS = readable(PANEL, LOOKBACK)


@pytest.mark.parametrize("per_batch", [5, 30, 1000])
def test_a_batch_and_its_pieces_hold_whole_bars(per_batch):
    samples = Samples(PANEL, ROWS)
    batches = BarWindows(samples, samples.y.astype(np.float32), LOOKBACK, per_batch, "cpu", seed=3)
    orders = []
    for epoch in (0, 1):
        batches.epoch, seen, order = epoch, [], []
        for index in batches:
            sizes, time = batches.bars(index), PANEL.time[batches.rows(index)]
            assert sum(sizes) <= per_batch or len(sizes) == 1
            parts = batches.pieces(index, 20)
            assert torch.equal(torch.cat(list(parts)), index)
            for part in parts:
                assert len(part) <= 20 or len(batches.bars(part)) == 1
            for bar in np.split(time, np.cumsum(sizes)[:-1]):
                assert (bar == bar[0]).all() and len(bar) == (PANEL.time[ROWS] == bar[0]).sum()
                order.append(bar[0])
            seen.append(batches.rows(index))
        assert sorted(np.concatenate(seen)) == ROWS.tolist() and len(seen) == len(batches)
        orders.append(order)
    assert orders[0] != orders[1] and sorted(orders[0]) == sorted(orders[1])


def test_the_loss_is_one_less_the_mean_correlation_within_bars():
    random = np.random.default_rng(0)
    bars = [6, 4, 9]
    out, y, w = random.normal(size=19), random.normal(size=19), random.uniform(0.5, 2, 19)
    right, at = [], 0
    for size in bars:
        a, b, c = (x[at : at + size] for x in (out, y, w))
        cov = np.cov(a, b, aweights=c, ddof=0)
        right.append((c.sum(), 1 - cov[0, 1] / np.sqrt(cov[0, 0] * cov[1, 1])))
        at += size
    expected = sum(size * each for size, each in right) / w.sum()
    found = loss_of("ic").mean(*(torch.as_tensor(x) for x in (out, y, w)), bars)
    assert float(found) == pytest.approx(expected, abs=1e-9)
    flat = loss_of("ic").mean(torch.zeros(6), torch.arange(6.0), torch.ones(6), [6])
    assert float(flat) == pytest.approx(1.0)


def test_listwise_is_least_for_the_right_order():
    y = torch.tensor([0.3, -1.0, 2.0, 0.1, -0.4])
    z = (y - y.mean()) / y.std(unbiased=False)
    loss = loss_of("listwise")
    best, turned = (float(loss.mean(out, y, torch.ones(5), [5])) for out in (z / 3, -z / 3))
    assert best == pytest.approx(0.0, abs=1e-6) and turned > 0.5
    padded = loss.mean(torch.cat([z / 3, z[:3]]), torch.cat([y, y[:3]]), torch.ones(8), [5, 3])
    assert np.isfinite(float(padded))


@LOSSES
def test_a_pattern_beneath_the_markets_moves_is_found(loss):
    model = model_of("gru", lookback=LOOKBACK, hidden_size=16, epochs=12, patience=12, batch_size=48,
                     learning_rate=0.02, loss=loss)  # fmt: skip
    model, scaler = fitted(model, PANEL, ROWS)
    score = model.predict(Samples(PANEL, ROWS, scaler))
    assert np.abs(score).max() <= 1
    own = PANEL.y[ROWS] - np.tile(np.random.default_rng(5).normal(0, 10, 80), SYMBOLS)[ROWS]
    correlation = [np.corrcoef(score[PANEL.time[ROWS] == t], own[PANEL.time[ROWS] == t])[0, 1]
                   for t in np.unique(PANEL.time[ROWS])[5:]]  # fmt: skip
    assert np.mean(correlation) > 0.8
    assert cross_section(score, own, PANEL.time[ROWS]) is None  # fewer than 20 symbols


@LOSSES
def test_smaller_pieces_train_the_same_net(loss):
    settings = dict(lookback=LOOKBACK, epochs=2, batch_size=60, loss=loss)
    one, other = (fitted(model_of("mlp", **settings, accumulate=k), PANEL, ROWS)[0].nets_[0] for k in (1, 4))
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-4)


@LOSSES
@pytest.mark.parametrize("lengths", [(80,), (80, 80, 80)])
def test_too_few_symbols_are_one_line(loss, lengths):
    panel = panel_of(lengths)
    with pytest.raises(ConfigError, match=rf"^strategy\.loss={loss}: compares the symbols of a bar.* it takes 5: use"):
        fitted(model_of(lookback=3, loss=loss), panel, readable(panel, 3))


def test_streams_of_one_symbol_are_refused():
    with pytest.raises(ConfigError, match=r"strategy\.loss=ic: .* set strategy\.sequence=window"):
        model_of(mode="stream", loss="ic")
