"""Larger than memory: built in its file and read in blocks, a matrix gives what it gives in memory, to the bit."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from barwise.benchmarks.features import _apart
from barwise.data import memmap as mapped
from barwise.data import synthetic
from barwise.data.hash import data_hash
from barwise.errors import ConfigError, DataError
from barwise.features import store as store_module
from barwise.features.normalized import normalized
from barwise.features.prepare import prepared
from barwise.features.price import price
from barwise.features.store import Store
from barwise.samples import Samples, Scaler
from barwise.strategies.base import FitContext
from barwise.strategies.lgbm import LightGBMStrategy
from barwise.strategies.sklearn import SklearnStrategy
from barwise.strategies.xgb import XGBoostStrategy
from tests.strategies.panels import model_of, panel_of, readable

MODELS = {
    "xgboost": partial(XGBoostStrategy, n_estimators=20, subsample=0.7, colsample_bytree=0.7),
    "lightgbm": partial(LightGBMStrategy, n_estimators=20),
    "lstm window": model_of,
    "lstm stream": partial(model_of, mode="stream"),
}


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(mapped, "BLOCK", 500)  # some 40 rows of three features


def on_file(panel, folder: Path):
    """The same panel with its matrix mapped from a file that lies as deep as the store's."""
    (folder / "key").mkdir()
    np.save(folder / "key" / "X.npy", panel.X)
    return replace(panel, X=np.load(folder / "key" / "X.npy", mmap_mode="r"))


@pytest.mark.parametrize("name", MODELS)
def test_what_is_learned_and_scored_is_the_same_as_in_memory(name, tmp_path, small_blocks):
    panel = panel_of((400, 300), seed=3, gaps=(20, 450))
    lookback = MODELS[name]().lookback
    rows = np.flatnonzero(panel.warm) if lookback == 1 else readable(panel, lookback)
    found = []
    for one in (panel, on_file(panel, tmp_path)):
        scaler = Scaler.fit(one.X, rows[:400]) if lookback > 1 else None
        learn, watch, ask = (Samples(one, r, scaler) for r in (rows[:400], rows[400:500], rows[500:]))
        model = MODELS[name]().fit(learn, watch, FitContext(seed=1))
        found.append(model.predict(ask))
    assert np.ptp(found[0]) > 0
    np.testing.assert_array_equal(found[1], found[0])
    assert [p.name for p in tmp_path.iterdir()] == ["key"], "what training wrote beside the matrix is gone"


def test_external_memory_is_for_the_processor(tmp_path):
    panel, heard = on_file(panel_of((200,)), tmp_path), []
    rows, context = np.arange(200), FitContext(device="cuda", alert=lambda kind, text: heard.append((kind, text)))
    XGBoostStrategy(n_estimators=2).fit(Samples(panel, rows), Samples(panel, rows[:0]), context)
    assert heard == [("fallback", "xgboost: a matrix larger than memory is trained from on the CPU")]


def test_a_run_files_the_same_whether_the_matrix_is_mapped(smoke):
    plain, other = smoke(), smoke("cache.mapped=true")
    assert (other / "metrics.json").read_bytes() == (plain / "metrics.json").read_bytes()
    pd.testing.assert_frame_equal(*(pd.read_parquet(run / "predictions.parquet") for run in (plain, other)))


def test_a_scaler_made_of_blocks_is_that_of_all_rows(small_blocks):
    X = np.random.default_rng(0).normal(3.0, 2.0, (1000, 3)).astype(np.float32)
    X[5, 1] = np.nan
    rows = np.arange(0, 1000, 3)
    scaler = Scaler.fit(X, rows)
    np.testing.assert_allclose(scaler.mean, np.nanmean(X[rows].astype(float), axis=0), rtol=1e-6)
    np.testing.assert_allclose(scaler.std, np.nanstd(X[rows].astype(float), axis=0), rtol=1e-6)


@pytest.fixture(scope="module")
def uneven():
    """Three symbols, the second too short for its features."""
    market = synthetic.load(n_symbols=3, n_bars=300)
    return replace(market, bars=(market.bars[0], market.bars[1].take(slice(0, 5)), market.bars[2]))


def both(market, folder: Path, sets, **settings):
    """The matrix in memory, and that of a store that maps."""
    plain, _ = prepared(market, "data", sets, 1, None)
    found, _ = prepared(market, data_hash(market), sets, 2, Store(folder, mapped=True, **settings))
    assert mapped.on_disk(found.X) and not mapped.on_disk(plain.X)
    np.testing.assert_array_equal(found.X, plain.X)
    assert found.left_out == plain.left_out
    return found


def test_it_is_built_in_its_file_without_the_symbols_that_are_left_out(uneven, tmp_path):
    found = both(uneven, tmp_path, {"normalized": normalized})
    assert len(found.left_out) >= 1 and len(found.X) == 600
    ((folder, size, _),) = Store(tmp_path).entries()
    assert size < found.X.nbytes + 10_000 and {p.name for p in folder.iterdir()} == {"X.npy", "meta.json"}
    again, _ = prepared(uneven, data_hash(uneven), {"normalized": normalized}, 1, Store(tmp_path, mapped=False))
    assert not mapped.on_disk(again.X)
    np.testing.assert_array_equal(again.X, found.X)


@pytest.mark.parametrize("gb", [0, 1e-6])
def test_what_may_not_be_kept_lies_in_a_file_without_a_name(uneven, tmp_path, gb):
    both(uneven, tmp_path, {"price": price}, gb=gb)
    assert [p for p in (tmp_path / "features").iterdir() if p.is_dir()] == []


def test_a_failed_build_leaves_nothing(uneven, tmp_path):
    def broken(bars):
        if bars.symbol == uneven.bars[2].symbol:
            raise ValueError("no")
        return {"x": bars.close}

    with pytest.raises(ValueError, match="no"):
        prepared(uneven, "data", {"broken": broken}, 1, Store(tmp_path, mapped=True))
    assert [p for p in (tmp_path / "features").iterdir() if p.is_dir()] == []


def test_clearing_removes_what_killed_processes_left(tmp_path):
    home = Store(tmp_path).home
    for name in (".making-old", ".training-old", ".training-new"):
        (home / name).mkdir(parents=True)
        if name.endswith("old"):
            os.utime(home / name, (1000, 1000))
    Store(tmp_path).clear()
    assert [p.name for p in home.iterdir()] == [".training-new"]


def test_auto_maps_what_takes_more_than_its_share_of_the_free_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(store_module, "free_memory", lambda: 3000)
    assert [Store(tmp_path).maps(size) for size in (999, 1001)] == [False, True]
    assert Store(tmp_path, mapped=True).maps(1) and not Store(tmp_path, mapped=False).maps(10**12)


def test_a_container_has_less_free_memory_than_its_machine(monkeypatch, tmp_path):
    whole = mapped.free_memory()
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("400000\n")
    monkeypatch.setattr(mapped, "_CGROUP", tmp_path)
    assert mapped.free_memory() == 600_000 < whole


def test_a_disk_without_room_is_one_line(uneven, tmp_path, monkeypatch):
    monkeypatch.setattr(mapped.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(DataError, match=r"needs as much disk; .*: set cache\.folder to a larger disk"):
        prepared(uneven, "data", {"price": price}, 1, Store(tmp_path, mapped=True))
    assert [p for p in (tmp_path / "features").iterdir() if p.is_dir()] == []


def test_a_wrong_word_is_one_line():
    with pytest.raises(ConfigError, match=r"^cache\.mapped=yes: must be one of auto, true, false$"):
        Store(mapped="yes")


def measured(folder: Path, n_symbols: int, n_bars: int, *more: str) -> dict:
    """Built mapped and trained from there by the benchmark, in a process of its own."""
    words = [
        "--n_symbols",
        str(n_symbols),
        "--n_bars",
        str(n_bars),
        "--scratch",
        str(folder),
        "--folder",
        str(folder),
        *more,
    ]
    command = [sys.executable, "-m", "barwise", "benchmark", "larger", *words]
    subprocess.run(command, check=True, capture_output=True)
    return json.loads((folder / "larger.json").read_text())


def test_building_takes_memory_for_a_symbol_not_for_the_matrix(tmp_path):
    found = measured(tmp_path, 600, 1000, "--rounds", "0")
    assert found["matrix_mb"] > 540
    # Of 200 and 600 symbols the peak was the same: code that is loaded, 60 to 160 MB as numba compiles or opens it.
    assert found["peak_mb"] - found["data_mb"] < 0.4 * found["matrix_mb"]


def test_in_memory_building_takes_the_matrix_and_little_more():
    assert 0.5 < _apart("seed:400:2500:2")["ratio"] < 1.3  # the peak itself may pass between two looks


@pytest.mark.slow
def test_a_matrix_of_8_gb_is_built_and_trained_from_within_2_gb(tmp_path):
    found = measured(tmp_path, 3510, 2500)
    assert found["matrix_mb"] >= 8 * 1024 and found["scored"] == found["test_rows"] > 3_000_000
    assert found["peak_mb"] < 2 * 1024


def test_a_strategy_that_reads_all_rows_at_once_is_refused_where_they_do_not_fit(tmp_path, monkeypatch):
    panel = on_file(panel_of(), tmp_path)
    monkeypatch.setattr(mapped, "free_memory", lambda: 1000)
    ridge = SklearnStrategy(Ridge())
    says = "SklearnStrategy reads its 100 training rows at once"
    for name, advice in (("strategy", "read in blocks$"), ("baseline", "baseline=null leaves it out$")):
        with pytest.raises(ConfigError, match=rf"^{name}: {says}.*{advice}"):
            mapped.check_fits(panel.X, 100, {name: ridge})
    mapped.check_fits(panel.X, 100, {"strategy": XGBoostStrategy(), "baseline": None})
    mapped.check_fits(panel.X, 10, {"strategy": ridge})


@pytest.mark.skipif(sys.platform != "linux", reason="tells of no process which pages it has mapped")
def test_of_a_matrix_in_a_file_a_process_reads_the_pages_of_its_rows(tmp_path):
    n, bars = 40, 2500  # symbols of 200 kB each
    np.save(tmp_path / "X.npy", np.arange(n * bars * 20, dtype=np.float32).reshape(-1, 20))
    with (tmp_path / "X.npy").open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # as on a machine that did not write it
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    mapped.in_parts(X)
    rows = (np.arange(n)[:, None] * bars + np.arange(250)).ravel()  # a tenth of each symbol's bars, as a fold has them
    np.testing.assert_array_equal(mapped.gather(np.asarray(X), rows)[:, 0], 20 * rows)
    areas = re.split(r"\n(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text())
    (area,) = (area for area in areas if str(tmp_path) in area.splitlines()[0])
    size, resident = (int(re.search(rf"^{name}:\s+(\d+)", area, re.MULTILINE)[1]) for name in ("Size", "Rss"))
    assert size > 7_800 and 780 < resident < size / 2


@pytest.mark.parametrize("shape", [(0,), (50,), (30, 7)])
def test_rows_are_gathered_in_any_order_and_shape(tmp_path, small_blocks, monkeypatch, shape):
    monkeypatch.setattr(mapped, "_FOLIO", 100)
    panel = panel_of((400, 300))
    rows = np.random.default_rng(0).integers(0, 700, shape)
    np.testing.assert_array_equal(mapped.gather(on_file(panel, tmp_path).X, rows), panel.X[rows])
