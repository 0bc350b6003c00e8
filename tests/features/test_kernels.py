"""Alpha158's compiled kernels: odd bars, the same bits again, what is kept of them, and who never imports numba."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from barwise.data import synthetic
from barwise.data.bars import Bars
from barwise.features import Block
from barwise.features.alpha158 import alpha20, alpha158
from barwise.features.compiled import ready
from barwise.features.fingerprint import fingerprint
from barwise.features.matrix import build
from barwise.features.price import price
from tests.reference.alpha158_columns import columns_of

WINDOWS = (2, 3, 5, 7, 17)
PRICES, VOLUMES = (1.0, 2.0, 3.0, 5.0, np.nan), (0.0, 1.0, 7.0, 1e12, np.nan)
SIGNATURE = "void(float64[::1], float64[::1])"


def made(closes: list[float], spans: list[int], volumes: list[float], scale: float) -> Bars:
    """Bars of these closes, as far below and above as told, all of them `scale` times as large."""
    close, span = np.array(closes) * scale, np.array(spans) * scale
    time = np.datetime64("2020-01-01", "ns") + np.arange(len(close)) * np.timedelta64(1, "D")
    opened = np.where(span > 0, close + scale / 2, close)
    return Bars("S", time, opened, close + span, close - span / 4, close, np.array(volumes))


@st.composite
def odd_bars(draw: st.DrawFn) -> Bars:
    """Few distinct values, so that windows stand still, tie and hold gaps; of integers, so that ratios repeat."""
    n = draw(st.integers(1, 40))
    some = draw(st.sampled_from([PRICES, PRICES[:4], PRICES[:2], PRICES[:1]]))
    flows = draw(st.sampled_from([VOLUMES, VOLUMES[:4], VOLUMES[:2], VOLUMES[:1]]))
    closes = draw(st.lists(st.sampled_from(some), min_size=n, max_size=n))
    spans = draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    volumes = draw(st.lists(st.sampled_from(flows), min_size=n, max_size=n))
    return made(closes, spans, volumes, draw(st.sampled_from([1.0, 2.0**-20, 1e9, 2.0**100])))


@settings(max_examples=150)
@given(odd_bars())
@example(made([1.0], [0], [0.0], 1.0))
@example(made([3.0] * 40, [0] * 40, [5.0] * 40, 1.0))
@example(made([float(k) for k in range(1, 41)], [1] * 40, [float(k * k) for k in range(40)], 2.0**100))
def test_every_value_is_that_of_one_window_at_a_time(bars):
    found, right = alpha158(bars, WINDOWS), columns_of(bars, WINDOWS)
    assert list(found) == list(right)
    for name, values in right.items():
        expected = np.where(np.isfinite(values), values, np.nan)
        np.testing.assert_array_equal(np.isnan(found[name]), np.isnan(expected), err_msg=name)
        np.testing.assert_allclose(found[name], expected, rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.fixture(scope="module")
def market():
    return synthetic.load(n_symbols=2, n_bars=300)


def test_where_nothing_moves_deviations_are_exact_zeros_and_correlations_nan():
    found = alpha158(made([3.0] * 40, [0] * 40, [5.0] * 40, 0.1), WINDOWS)
    for d in WINDOWS:
        for name in ("STD", "BETA", "RESI", "VSTD", "WVMA", "CNTD", "SUMD", "VSUMD"):
            assert (found[f"{name}{d}"][d:] == 0.0).all(), name
        for name in ("RSQR", "CORR", "CORD"):
            assert np.isnan(found[f"{name}{d}"]).all(), name


def test_the_first_and_later_runs_are_equal_to_the_bit_and_so_is_a_beginning(market):
    bars = market.bars[0]
    first, again, part = alpha158(bars), alpha158(bars), alpha158(bars.take(slice(0, 173)))
    for name, values in first.items():
        np.testing.assert_array_equal(again[name], values, err_msg=name)
        np.testing.assert_array_equal(part[name], values[:173], err_msg=name)


def test_a_window_of_bars_gives_what_the_whole_history_does(market):
    bars = market.bars[0]
    whole = alpha158(bars)
    for begin in (1, 7, 101):
        for name, values in alpha158(bars.take(slice(begin, None))).items():
            scale = 1e-12 * np.nanmax(np.abs(whole[name]))
            np.testing.assert_allclose(values[61:], whole[name][begin + 61 :], rtol=1e-11, atol=scale, err_msg=name)


def test_a_block_is_taken_over_as_its_columns_would_be(market):
    assert isinstance(alpha158(market.bars[0]), Block) and not isinstance(alpha20(market.bars[0]), Block)
    huge = Bars("H", *(getattr(market.bars[0], n) for n in ("time", "open", "high", "low", "close")), np.zeros(300))
    bars = [*market.bars, huge]  # its VMA is 0 / 1e-12, and 1e39 and more where volume was
    alone = build(bars, {"alpha": alpha158})
    beside = build(bars, {"price": price, "alpha": alpha158})
    columns = [beside.names.index(name) for name in alone.names]
    for i, b in enumerate(alone.bars):
        at = [k.symbol for k in beside.bars].index(b.symbol) if b.symbol in {k.symbol for k in beside.bars} else None
        if at is not None:
            mine = alone.X[alone.offsets[i] : alone.offsets[i + 1]]
            other = beside.X[beside.offsets[at] : beside.offsets[at + 1]][:, columns]
            np.testing.assert_array_equal(mine, other)


def test_what_overflows_float32_is_nan_in_the_matrix(market):
    bars = market.bars[0]
    still = Bars("S", *(getattr(bars, n) for n in ("time", "open", "high", "low", "close")), bars.volume.copy())
    still.volume[200:] = 0.0
    still.volume[:200] *= 1e30  # VMA over a volume of 0 is beyond float32
    matrix = build([still], {"alpha": alpha158})
    assert not np.isinf(matrix.X).any() and np.isnan(matrix.X[210, matrix.names.index("VMA60")])


def test_an_edited_kernel_is_another_matrix(market, monkeypatch):
    from barwise.features import kernels

    before = fingerprint("data", {"alpha": alpha158}, market.bars)
    assert before.key and not before.reasons and before == fingerprint("data", {"alpha": alpha158}, market.bars)
    monkeypatch.setattr(kernels, "_TINY", 1e-11)  # read by all of them, however deep
    assert fingerprint("data", {"alpha": alpha158}, market.bars).key not in (None, before.key)


def small():
    def doubled(x, out):
        for i in range(len(x)):
            out[i] = 2.0 * x[i]

    return numba.njit(doubled)


def doubles(kernel) -> bool:
    out = np.zeros(3)
    kernel(np.arange(3.0), out)
    return out.tolist() == [0.0, 2.0, 4.0]


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("BARWISE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_what_was_compiled_is_kept_for_its_user_alone_and_opened_again(cache, capsys):
    kernels = [small() for _ in range(3)]
    ready(kernels[0], SIGNATURE, __file__, "a test")
    (folder,) = (cache / "compiled").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700 and str(folder) != numba.config.CACHE_DIR
    ready(kernels[1], SIGNATURE, __file__, "a test")
    assert [sum(k.stats.cache_hits.values()) for k in kernels[:2]] == [0, 1] and all(map(doubles, kernels[:2]))
    for file in folder.rglob("*.nb*"):
        file.write_bytes(b"damaged")
    ready(kernels[2], SIGNATURE, __file__, "a test")
    assert doubles(kernels[2]) and not capsys.readouterr().err
    with pytest.raises(TypeError):
        kernels[2](np.arange(3), np.zeros(3))


@pytest.mark.parametrize("fault", ["others may write", "cannot be made"])
def test_where_it_cannot_be_kept_it_is_compiled_all_the_same(cache, capsys, fault):
    if fault == "cannot be made":
        cache.write_text("a file")
    else:
        ready(small(), SIGNATURE, __file__, "a test")
        (folder,) = (cache / "compiled").iterdir()
        folder.chmod(0o770)
    kernel = small()
    ready(kernel, SIGNATURE, __file__, "a test")
    assert doubles(kernel) and not kernel.stats.cache_hits
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and fault in said and "not kept" in said


def test_no_other_set_imports_numba():
    code = (
        "import sys; from barwise.data import synthetic; from barwise.features.normalized import normalized;"
        "from barwise.features.alpha158 import alpha158; from barwise.features.matrix import build;"
        "bars = synthetic.load(n_symbols=1, n_bars=300).bars; build(bars, {'n': normalized});"
        "print('numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ})
    assert done.stdout.split() == ["False"]
