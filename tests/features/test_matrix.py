"""The matrix: one float32 array, warm-up counted, symbols left out with a reason, mistakes in one line."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from barwise.data.bars import Bars
from barwise.errors import ConfigError, DataError
from barwise.features.matrix import build
from barwise.features.microstructure import microstructure
from barwise.features.normalized import normalized
from barwise.features.price import price
from barwise.features.technical import technical
from barwise.features.volume import volume
from tests.features.cases import market

SEED_SETS = {"price": price, "volume": volume, "technical": technical, "microstructure": microstructure}


def momentum(bars: Bars) -> dict[str, np.ndarray]:
    return {"momentum": bars.close - bars.open}


def three(quotes: bool = True) -> list[Bars]:
    return [market(n, seed=n, symbol=symbol, quotes=quotes) for symbol, n in (("A", 260), ("B", 300), ("C", 230))]


def test_rows_lie_symbol_after_symbol_as_the_sets_gave_them() -> None:
    bars = three()
    matrix = build(bars, SEED_SETS)
    assert matrix.X.dtype == np.float32 and matrix.X.flags.c_contiguous
    assert matrix.offsets.tolist() == [0, 260, 560, 790] and matrix.offsets.dtype == np.int64
    assert matrix.warmup.tolist() == [199, 199, 199] and matrix.warmup.dtype == np.int64
    assert matrix.left_out == () and [b.symbol for b in matrix.bars] == ["A", "B", "C"]
    for i, b in enumerate(bars):
        block = matrix.X[matrix.offsets[i] : matrix.offsets[i + 1]]
        columns = {name: values for feature_set in SEED_SETS.values() for name, values in feature_set(b).items()}
        assert tuple(columns) == matrix.names
        for place, values in enumerate(columns.values()):
            np.testing.assert_array_equal(block[:, place], values.astype(np.float32))


def test_threads_change_nothing() -> None:
    bars = [market(250, seed=i, symbol=f"S{i}") for i in range(7)]
    one, four = build(bars, {"normalized": normalized}), build(bars, {"normalized": normalized}, threads=4)
    np.testing.assert_array_equal(one.X, four.X)


def test_each_symbol_is_computed_once() -> None:
    seen = []

    def counted(bars: Bars) -> dict[str, np.ndarray]:
        seen.append(bars.symbol)
        return momentum(bars)

    build(three(), {"counted": counted})
    assert sorted(seen) == ["A", "B", "C"]


def test_a_symbol_shorter_than_the_warm_up_is_left_out_and_the_rest_moves_up() -> None:
    bars = three()
    bars.insert(1, market(150, seed=9, symbol="SHORT"))
    bars.insert(0, market(40, seed=8, symbol="NEW"))
    matrix, wanted = build(bars, {"price": price}), build(three(), {"price": price})
    np.testing.assert_array_equal(matrix.X, wanted.X)
    assert matrix.offsets.tolist() == wanted.offsets.tolist() and [b.symbol for b in matrix.bars] == ["A", "B", "C"]
    assert [symbol for symbol, _ in matrix.left_out] == ["NEW", "SHORT"]
    assert "150 bars, and ma_200 is defined on none of them" in matrix.left_out[1][1]
    assert "199 bars" in matrix.left_out[1][1]


def test_a_symbol_without_quotes_is_left_out_where_others_have_them() -> None:
    bars = [market(60, seed=1, symbol="A", quotes=False), market(60, seed=2, symbol="B")]
    bars.append(replace(market(60, seed=3, symbol="C", quotes=False), extra={"open_interest": np.ones(60)}))
    matrix = build(bars, {"microstructure": microstructure})
    assert matrix.names[:3] == ("spread", "spread_pct", "spread_ma")
    assert [b.symbol for b in matrix.bars] == ["B"] and len(matrix.X) == 60
    assert [symbol for symbol, _ in matrix.left_out] == ["A", "C"] and "spread" in matrix.left_out[0][1]


def test_what_float32_cannot_hold_is_undefined() -> None:
    def wide(bars: Bars) -> dict[str, np.ndarray]:
        out = bars.close.copy()
        out[3], out[4], out[5] = 1e39, np.inf, -1e39
        return {"wide": out}

    X = build([market(10)], {"wide": wide}).X
    assert np.flatnonzero(np.isnan(X[:, 0])).tolist() == [3, 4, 5]


def test_nan_after_the_warm_up_stays_and_is_no_warm_up() -> None:
    def holed(bars: Bars) -> dict[str, np.ndarray]:
        out = bars.close.copy()
        out[:2] = out[7] = np.nan
        return {"holed": out, "close": bars.close}

    matrix = build([market(10)], {"holed": holed})
    assert matrix.warmup.tolist() == [2] and np.isnan(matrix.X[7, 0])


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ({"volume": volume, "again": volume}, r"features: volume and again both give the column volume_ma_20"),
        ({"mine": lambda b: b.close}, r"features\.mine: gave ndarray; a feature set returns \{column: array\}"),
        ({"mine": lambda b: {}}, r"features\.mine: gave an empty dict"),
        ({"mine": lambda b: {"x": b.close[1:]}}, r"features\.mine: x of A has shape \(259,\).*260 numbers"),
        ({"mine": lambda b: {"x": 1.0}}, r"features\.mine: x of A has shape \(\)"),
        ({"mine": lambda b: {"x": b.time}}, r"features\.mine: x of A .*datetime64"),
        ({"mine": lambda b: {"x": b.close * np.nan}}, r"features: x is NaN on every bar of every symbol"),
        ({"mine": lambda b: momentum(b) if b.symbol == "A" else {"odd": b.close}}, r"features: odd of B"),
    ],
)
def test_a_wrong_set_is_one_line(sets, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(three(), sets)


def test_a_market_without_volume_names_the_column() -> None:
    silent = [replace(b, volume=np.zeros(len(b))) for b in three()]
    with pytest.raises(ConfigError, match="volume_ratio is NaN on every bar of every symbol"):
        build(silent, {"normalized": normalized})


def test_no_symbol_longer_than_the_warm_up_says_how_many_bars_are_needed() -> None:
    with pytest.raises(DataError, match=r"the longest, B, has 120 bars, and ma_200 needs 200; use more bars"):
        build([market(80, symbol="A"), market(120, symbol="B")], {"price": price})
    with pytest.raises(DataError, match="no bars"):
        build([], {"price": price})
    with pytest.raises(DataError, match="has 0 bars"):
        build([market(5).take(slice(0, 0))], {"price": price})


def test_an_error_inside_a_set_names_set_and_symbol() -> None:
    def broken(bars: Bars) -> dict[str, np.ndarray]:
        raise ZeroDivisionError("oops")

    with pytest.raises(ZeroDivisionError) as caught:
        build(three(), {"broken": broken})
    assert caught.value.__notes__ == ["in features.broken on A"]
