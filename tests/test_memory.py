"""What takes no copy gives what the copy gave: times, rows in blocks, grids, bars read from where they are kept."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import barwise.backtest.grid as grids
import barwise.samples
from barwise.backtest.grid import Grid
from barwise.data import files, synthetic, times
from barwise.data.kept import KeptBars
from barwise.data.memmap import on_disk, release
from barwise.features.matrix import build
from barwise.features.price import price
from barwise.labels import next_return_sign
from barwise.panel import build_panel
from barwise.samples import Samples, Scaler
from barwise.strategies.base import FitContext
from barwise.strategies.sklearn import SklearnStrategy
from barwise.strategies.xgb import XGBoostStrategy
from barwise.validation.folds import overlaps

RANDOM = np.random.default_rng(0)


def test_distinct_times_are_those_of_a_sort(monkeypatch):
    monkeypatch.setattr(times, "_ROWS", 7)
    stamps = RANDOM.integers(0, 30, 100).astype("datetime64[ns]")
    some = RANDOM.random(100) < 0.5
    np.testing.assert_array_equal(times.distinct(stamps), np.unique(stamps))
    np.testing.assert_array_equal(times.distinct(stamps, some), np.unique(stamps[some]))
    assert len(times.distinct(stamps[:0])) == 0
    bars = synthetic.load(n_symbols=4, n_bars=300).bars
    mixed = (bars[0].take(slice(0, 90)), bars[1], bars[2], bars[3].take(np.arange(0, 300, 7)))
    np.testing.assert_array_equal(times.times_of(mixed), np.unique(np.concatenate([b.time for b in mixed])))


def test_stretches_meet_as_each_pair_does():
    for _ in range(50):
        begin, start = (RANDOM.integers(0, 40, RANDOM.integers(1, 30)).astype("datetime64[ns]") for _ in range(2))
        end, stop = (one + RANDOM.integers(0, 8, len(one)) for one in (begin, start))
        each = (begin[:, None] <= stop) & (start <= end[:, None])
        np.testing.assert_array_equal(overlaps(begin, end, start, stop), each.any(axis=1))


@pytest.mark.parametrize("holes", [False, True])
def test_a_grid_laid_in_pieces_is_that_of_each_bar(holes: bool, monkeypatch):
    monkeypatch.setattr(grids, "_SYMBOLS", 2)
    monkeypatch.setattr(grids, "_CELLS", 40)
    bars = list(synthetic.load(n_symbols=5, n_bars=60).bars)
    if holes:
        bars = [b.take(np.sort(RANDOM.choice(60, 45 + s, replace=False))) for s, b in enumerate(bars)]
    grid = Grid.build(bars)
    values = RANDOM.random(grid.has.shape)
    moved = {n: grid.later(values, n) for n in (1, 2)}
    for s, b in enumerate(bars):
        rows = np.searchsorted(grid.time, b.time)
        np.testing.assert_array_equal(grid.has[:, s], np.isin(grid.time, b.time))
        np.testing.assert_array_equal(grid.open[rows, s], b.open)
        last = np.searchsorted(b.time, grid.time, side="right") - 1
        np.testing.assert_array_equal(grid.close[:, s], np.where(last < 0, np.nan, b.close[np.maximum(last, 0)]))
        np.testing.assert_array_equal(grid.before[1:, s], grid.close[:-1, s])
        np.testing.assert_array_equal(grid.prior[rows, s], np.append(-1, rows[:-1]))
        for n, found in moved.items():
            np.testing.assert_array_equal(found[rows[n:], s], values[rows[:-n], s])
    assert np.isnan(grid.before[0]).all()


def test_many_rows_are_learned_in_blocks_to_the_same_model(monkeypatch):
    matrix = build(synthetic.load(n_symbols=2, n_bars=900).bars, {"price": price})
    panel = build_panel(matrix, next_return_sign)
    rows = np.flatnonzero(panel.finite & np.isfinite(panel.ret))
    train, valid = rows[: len(rows) // 2], rows[len(rows) // 2 :]

    def scores() -> list[np.ndarray]:
        scaler, found = Scaler.fit(panel.X, train), []
        for model, own in ((XGBoostStrategy(n_estimators=5), None), (ridge(), scaler)):
            model.fit(Samples(panel, train, own), Samples(panel, valid, own), FitContext())
            found.append(model.predict(Samples(panel, valid, own)))
        return found

    def ridge() -> SklearnStrategy:
        from sklearn.linear_model import Ridge

        return SklearnStrategy(Ridge(), scale=True)

    before = panel.X.copy()
    whole = scores()
    monkeypatch.setattr(barwise.samples, "_MANY", 1_000)
    monkeypatch.setattr("barwise.data.memmap.BLOCK", 4_000)
    assert len(list(Samples(panel, train).blocks())) > 3
    in_blocks = scores()
    np.testing.assert_array_equal(whole[0], in_blocks[0])
    np.testing.assert_allclose(whole[1], in_blocks[1], rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(panel.X, before)  # what is scaled in place is a copy


def test_bars_that_were_kept_lie_in_their_file(tmp_path):
    path = tmp_path / "b.csv"
    synthetic_csv(path)
    keep = KeptBars(tmp_path / "kept", least=0)
    read = files.load(str(path))
    for _ in range(2):  # when they are kept, and when they are found
        bars = keep.source(partial(files.load, path=str(path)))().bars
        close = bars[0].close
        assert mapped(close) and not on_disk(close)
        release(close)
        for ours, theirs in zip(bars, read.bars, strict=True):
            np.testing.assert_array_equal(ours.close, theirs.close)
            np.testing.assert_array_equal(ours.time, theirs.time)


def mapped(values: np.ndarray) -> bool:
    base = values
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    return isinstance(base, np.memmap)


def synthetic_csv(path) -> None:
    import pandas as pd

    tables = [
        pd.DataFrame({"symbol": b.symbol, "time": b.time, "open": b.open, "high": b.high, "low": b.low,
                      "close": b.close, "volume": b.volume})
        for b in synthetic.load(n_symbols=3, n_bars=40).bars
    ]  # fmt: skip
    pd.concat(tables).to_csv(path, index=False)
