"""New bars at the end of a market extend the kept matrix to what building it anew gives; nothing else does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from barwise.data import synthetic
from barwise.data.bars import Bars, Market
from barwise.data.hash import data_hash
from barwise.features import cross_section, price, side_by_side, technical
from barwise.features.matrix import compute
from barwise.features.prepare import prepared
from barwise.features.store import Report, Store

WHOLE = synthetic.load(n_symbols=4, n_bars=900)
SETS = {"price": price.price, "technical": technical.technical, "cross": cross_section.cross_section}


def first(n: int, market: Market = WHOLE) -> Market:
    return replace(market, bars=tuple(b.take(slice(0, n)) for b in market.bars))


def made(market: Market, folder: Path, sets=SETS, **how):
    reports: list[Report] = []
    matrix, start_up = prepared(market, data_hash(market), sets, 1, Store(folder, **how), reports.append)
    return matrix, start_up, reports[-1]


@pytest.mark.parametrize("n", [899, 880])
@pytest.mark.parametrize("mapped", [False, True])
def test_more_bars_extend_the_matrix(n, mapped, tmp_path):
    assert made(first(n), tmp_path, mapped=mapped)[2].status == "built"
    longer, start_up, report = made(WHOLE, tmp_path, mapped=mapped)
    assert report.status == "extended"
    anew, wanted, _ = made(WHOLE, tmp_path / "other")
    np.testing.assert_allclose(longer.X, anew.X, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(longer.warmup, anew.warmup)
    np.testing.assert_array_equal(longer.offsets, anew.offsets)
    assert longer.names == anew.names and start_up == wanted
    opened, _, report = made(WHOLE, tmp_path)
    assert report.status == "opened"
    for one in (longer, anew, opened):  # of which rows are finite nobody need read the matrix
        np.testing.assert_array_equal(one.finite, np.isfinite(one.X).all(axis=1))
    assert replace(opened, X=opened.X[:, :1]).finite is None


def test_a_new_symbol_is_computed_whole(tmp_path):
    before = replace(first(880), bars=first(880).bars[:3])
    after = replace(WHOLE, bars=(*WHOLE.bars[:3], replace(WHOLE.bars[3].take(slice(500, 900)), symbol="ZZZ")))
    sets = {"price": price.price}
    made(before, tmp_path, sets)
    longer, _, report = made(after, tmp_path, sets)
    assert report.status == "extended"
    np.testing.assert_allclose(longer.X, made(after, tmp_path / "other", sets)[0].X, rtol=1e-5, atol=1e-7)


def changed(bars: Bars, row: int) -> Bars:
    close = bars.close.copy()
    close[row] *= 1.001
    return replace(bars, close=close)


@pytest.mark.parametrize("case", ["an old bar", "a symbol gone", "many new", "another set", "one bar longer before"])
def test_anything_else_is_built_anew(case, tmp_path):
    made(first(880 if case != "many new" else 600), tmp_path)
    after, sets = WHOLE, SETS
    if case == "an old bar":
        after = replace(WHOLE, bars=(changed(WHOLE.bars[0], 100), *WHOLE.bars[1:]))
    elif case == "a symbol gone":
        after = replace(WHOLE, bars=WHOLE.bars[1:])
    elif case == "another set":
        sets = {"price": price.price}
    elif case == "one bar longer before":
        after = replace(WHOLE, bars=tuple(b.take(slice(1, None)) for b in WHOLE.bars))
    assert made(after, tmp_path, sets)[2].status == "built"


def total(bars: Bars) -> dict[str, np.ndarray]:
    """Reads all bars before: no window determines it."""
    return {"total": np.cumsum(bars.volume) / np.arange(1, len(bars) + 1) ** 0.5}


def test_a_set_without_a_window_is_built_anew(tmp_path):
    made(first(880), tmp_path, {"total": total})
    matrix, _, report = made(WHOLE, tmp_path, {"total": total})
    assert report.status == "built"
    np.testing.assert_allclose(matrix.X[:900, 0], total(WHOLE.bars[0])["total"], rtol=1e-6)


def kept(folder: Path) -> list[Path]:
    return sorted((folder / "features").glob("[0-9a-f]*"), key=lambda one: one.stat().st_mtime)


def test_day_after_day_only_what_is_new_is_written(tmp_path):
    sets = {"price": price.price, "technical": technical.technical}
    made(first(880), tmp_path, sets)
    whole = kept(tmp_path)[0] / "X.npy"
    for n in (881, 884, 900):
        longer, _, report = made(first(n), tmp_path, sets)
        assert report.status == "extended"
        anew = made(first(n), tmp_path / "other", sets, gb=0)[0]
        np.testing.assert_allclose(longer.X, anew.X, rtol=1e-5, atol=1e-7)
        opened, _, again = made(first(n), tmp_path, sets)
        assert again.status == "opened"
        np.testing.assert_array_equal(opened.X, longer.X)
        folder = next(one for one in kept(tmp_path) if one.name == report.key)
        assert (folder / "X.npy").samefile(whole)
        assert np.load(folder / "more.npy").shape == (4 * (n - 880), len(longer.names))
    sizes = [size for _, size, _ in Store(tmp_path).entries()]
    assert sum(sizes) < 2 * whole.stat().st_size  # four matrices, one file


@pytest.mark.parametrize(("name", "status"), [("X.npy", "built"), ("more.npy", "extended")])
def test_damage_to_either_file_is_noticed(name, status, tmp_path):
    sets = {"price": price.price}
    made(first(880), tmp_path, sets)
    key = made(WHOLE, tmp_path, sets)[2].key
    path = tmp_path / "features" / key / name
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(bytes(data))
    matrix, _, report = made(WHOLE, tmp_path, sets)
    assert report.status == status and "is damaged" in report.warning  # the old matrix alone is whole, or neither
    np.testing.assert_allclose(matrix.X, made(WHOLE, tmp_path / "other", sets)[0].X, rtol=1e-5, atol=1e-7)


def weekday(bars: Bars) -> dict[str, np.ndarray]:
    """Reads the date: windows of several symbols have none."""
    days = (bars.time.astype("datetime64[D]").astype(int) + 3) % 7
    return {"weekday": days.astype(float), "change": np.append(0.0, np.diff(np.log(bars.close)))}


def named(bars: Bars) -> dict[str, np.ndarray]:
    """Reads the symbol's name."""
    return {"scaled": bars.close / (1 + int(bars.symbol[-1]))}


@pytest.mark.parametrize("one", [weekday, named])
def test_what_reads_dates_or_names_is_computed_symbol_by_symbol(one, tmp_path):
    made(first(895), tmp_path, {"own": one})
    longer, _, report = made(WHOLE, tmp_path, {"own": one})
    assert report.status == "extended"
    np.testing.assert_array_equal(longer.X, made(WHOLE, tmp_path / "other", {"own": one})[0].X)


def test_windows_side_by_side_give_what_each_gives(monkeypatch):
    monkeypatch.setattr(side_by_side, "_ROWS", 900)
    sets = {"price": price.price, "technical": technical.technical}
    names = tuple(compute(WHOLE.bars[0], sets))
    parts = {i: b.take(slice(300, None)) for i, b in enumerate(WHOLE.bars)}
    found = side_by_side.side_by_side(parts, {i: 5 + i for i in parts}, sets, names)
    assert [len(one) for one in found.values()] == [5, 6, 7, 8]
    for i, rows in found.items():
        alone = np.array([values[-5 - i :] for values in compute(parts[i], sets).values()], np.float32).T
        np.testing.assert_allclose(rows, alone, rtol=2e-5, atol=1e-6)
