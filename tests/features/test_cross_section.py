"""The cross-section equals plain pandas, whatever bars are missing and whoever is a member."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barwise.data import synthetic
from barwise.data.bars import Bars, Market, Universe
from barwise.data.hash import data_hash
from barwise.errors import ConfigError
from barwise.features.aligned import AlignedBars, across_symbols, align, bound, sees_all
from barwise.features.cross_section import cross_section
from barwise.features.drift import start_up
from barwise.features.fingerprint import fingerprint
from barwise.features.matrix import build, compute
from barwise.features.prepare import prepared
from barwise.features.price import price
from barwise.features.store import Store
from tests.reference import cross_section as reference

SETTINGS = {"returns": (1, 3), "window": 8}


def bars_with_gaps(seed: int, n_symbols: int, n: int, share: float) -> list[Bars]:
    """Bars of which each has gone missing with probability `share`; some prices stand still, so that ranks tie."""
    random = np.random.default_rng(seed)
    found = []
    for b in synthetic.load(n_symbols=n_symbols, n_bars=n, seed=seed).bars:
        still = replace(b, close=np.round(b.close, 0), high=b.high + 1, low=b.low - 1)
        rows = np.flatnonzero(random.random(n) >= share)
        found.append((still if seed % 2 else b).take(rows if len(rows) > 1 else np.arange(2)))
    return found


def check(bars: list[Bars], universe: Universe | None = None, **chosen: object) -> None:
    """Equal to 1e-9 relative and 1e-9 of the column's scale, undefined in the same places."""
    inside = None
    if universe is not None:
        rows = [
            pd.Series(universe.inside(b.symbol, b.time), pd.MultiIndex.from_product([[b.symbol], b.time])) for b in bars
        ]
        inside = pd.concat(rows)
    wanted = reference.cross_section(bars, inside, **chosen)  # type: ignore[arg-type]
    sets = bound({"cross_section": partial(cross_section, **chosen)}, bars, universe)
    for b in bars:
        found = compute(b, sets)
        assert list(found) == list(wanted.columns)
        for name, values in found.items():
            want = wanted.loc[b.symbol, name].to_numpy()
            scale = max(1e-3, wanted[name].abs().max())  # a column may be 0 but for rounding
            np.testing.assert_allclose(values, want, rtol=1e-9, atol=1e-9 * scale, err_msg=name)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), n_symbols=st.integers(1, 5), n=st.integers(10, 40), share=st.floats(0, 0.6))
def test_equals_plain_pandas_whatever_is_missing(seed, n_symbols, n, share):
    check(bars_with_gaps(seed, n_symbols, n, share), **SETTINGS)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), first=st.integers(0, 20), length=st.integers(0, 30), share=st.floats(0, 0.4))
def test_only_members_are_the_cross_section_and_others_are_compared_with_them(seed, first, length, share):
    bars = bars_with_gaps(seed, 4, 40, share)
    time = synthetic.load(n_symbols=1, n_bars=60).bars[0].time
    stays = {
        "S0000": ((time[0], time[39]),),
        "S0001": ((time[first], time[first + length]),),
        "S0002": ((time[20], time[59]),),
    }
    check(bars, Universe("members", stays), **SETTINGS)


def test_defaults_equal_plain_pandas():
    check(bars_with_gaps(3, 4, 130, 0.1))


def test_one_symbol_is_its_own_market():
    bars = list(synthetic.load(n_symbols=1, n_bars=100).bars)
    found = compute(bars[0], bound({"cross_section": cross_section}, bars))
    for name, value in {
        "rank_5": 0.5,
        "excess_5": 0.0,
        "dispersion_5": 0.0,
        "beta_60": 1.0,
        "residual_60": 0.0,
    }.items():
        known = found[name][np.isfinite(found[name])]
        assert len(known) and np.allclose(known, value, atol=1e-12), name
    assert np.isfinite(build(bars, {"cross_section": cross_section}).X[60:]).all()


def test_a_list_of_both_kinds_is_one_matrix_and_a_set_is_computed_once():
    calls = []

    @across_symbols
    def counted(market: AlignedBars) -> dict[str, np.ndarray]:
        calls.append(market.symbols)
        return {"others": market.has.sum(axis=1, keepdims=True) - market.has.astype(float)}

    bars = bars_with_gaps(4, 3, 300, 0.1)
    for threads in (1, 3):
        matrix = build(bars, {"price": price, "mine": counted, "cross_section": cross_section}, threads)
        assert (
            matrix.names[-1] == "residual_60" and "returns_1" in matrix.names and calls == [("S0000", "S0001", "S0002")]
        )
        together = align(bars).has.sum(axis=1)
        rows = np.searchsorted(align(bars).time, bars[0].time)
        np.testing.assert_array_equal(matrix.X[: len(bars[0]), matrix.names.index("others")], together[rows] - 1)
        calls.clear()


@pytest.mark.parametrize(
    ("gives", "line"),
    [
        (lambda m: {}, r"features\.mine: gave an empty dict; a set across symbols returns"),
        (lambda m: [1], r"features\.mine: gave list; "),
        (lambda m: {"x": m.close[:, 0]}, r"features\.mine: x has shape \(50,\) .* of shape \(50, 2\): bars, symbols"),
        (lambda m: {"x": m.close.astype(str)}, "x has shape"),
    ],
)
def test_what_is_no_column_of_bars_and_symbols_is_told(gives, line):
    bars = list(synthetic.load(n_symbols=2, n_bars=50).bars)
    with pytest.raises(ConfigError, match=line):
        build(bars, {"mine": across_symbols(gives)})


def test_an_error_inside_names_the_set_and_one_symbol_by_itself_is_refused():
    bars = list(synthetic.load(n_symbols=2, n_bars=50).bars)

    @across_symbols
    def broken(market: AlignedBars) -> dict[str, np.ndarray]:
        raise ZeroDivisionError("oops")

    with pytest.raises(ZeroDivisionError) as caught:
        build(bars, {"broken": broken})
    assert caught.value.__notes__ == ["in features.broken"]
    with pytest.raises(
        ConfigError, match=r"features\.broken: compares the symbols of a bar, and S0000 is given by its"
    ):
        compute(bars[0], {"broken": broken})
    with pytest.raises(ValueError, match="other bars than those that the cross-section was made of"):
        compute(bars[0].take(slice(0, 9)), bound({"cross_section": cross_section}, bars))
    assert sees_all(partial(partial(cross_section), window=5)) and not sees_all(price)


def test_the_store_tells_other_settings_members_and_symbols_apart(tmp_path):
    store = Store(tmp_path)
    market = Market(tuple(bars_with_gaps(5, 3, 200, 0.1)))
    time = market.bars[0].time
    some = Universe(
        "some", {"S0000": ((time[0], time[-1]),), "S0001": ((time[0], time[90]),), "S0002": ((time[0], time[-1]),)}
    )
    sets = {"price": price, "cross_section": cross_section}
    keys = {
        fingerprint(data_hash(one), chosen).key
        for one in (market, replace(market, universe=some), replace(market, bars=market.bars[:2]))
        for chosen in (sets, {**sets, "cross_section": partial(cross_section, window=30)})
    }
    assert len(keys) == 6 and None not in keys
    for one in (market, replace(market, universe=some)):
        made, kept = (prepared(one, data_hash(one), {"cross_section": cross_section}, 1, store) for _ in range(2))
        np.testing.assert_array_equal(made[0].X, kept[0].X)
        wanted = build(one.bars, {"cross_section": cross_section}, universe=one.universe)
        np.testing.assert_array_equal(made[0].X, wanted.X)
        assert made[1] == kept[1] and kept[0].universe is one.universe and kept[1].bars == 60
    assert len(store.entries()) == 2


def test_start_up_drift_sees_what_a_set_across_symbols_remembers():
    @across_symbols
    def totals(market: AlignedBars) -> dict[str, np.ndarray]:
        one = market.each(lambda close: np.diff(np.log(close), prepend=np.nan), market.close)
        mean = np.nan_to_num(one).mean(axis=1)
        slow = pd.Series(mean).ewm(span=40, adjust=False).mean().to_numpy()
        return {
            "slow": np.where(market.has, slow[:, None], np.nan),
            "total": np.where(market.has, mean.cumsum()[:, None], np.nan),
        }

    found = start_up(bars_with_gaps(6, 3, 2_000, 0.05), {"mine": totals, "cross_section": cross_section})
    assert found.never == ["total"] and found.slowest == "slow" and 45 < found.bars < 180
    assert 60 <= found.drift["beta_60"].settled <= 65  # first returns of others, where one lacked the bar before


@pytest.mark.parametrize(
    ("chosen", "line"),
    [
        ({"window": 1}, r"features\.cross_section\.window=1: must be a whole number of 2 or more"),
        ({"returns": [0]}, r"features\.cross_section\.returns=\[0\]: must be whole numbers of 1 or more"),
    ],
)
def test_settings_that_are_none_are_told(chosen, line):
    with pytest.raises(ConfigError, match=line):
        build(list(synthetic.load(n_symbols=1, n_bars=50).bars), {"x": partial(cross_section, **chosen)})
