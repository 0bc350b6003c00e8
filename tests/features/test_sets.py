"""What each feature set promises: its formulas, the past alone, and no infinity."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from barwise.console.arguments import compose
from barwise.errors import ConfigError
from barwise.experiment.recipe import parts_of
from barwise.features.aligned import bound
from barwise.features.lagged import lagged
from barwise.features.matrix import compute
from barwise.features.microstructure import microstructure
from barwise.features.normalized import normalized
from barwise.features.price import price
from barwise.features.technical import technical
from barwise.features.volume import volume
from tests.features.cases import CASES, market, still
from tests.reference import features as reference

SETS = {
    "price": price,
    "volume": volume,
    "technical": technical,
    "microstructure": microstructure,
    "lagged": lagged,
    "normalized": normalized,
}
SHAPED = {
    "price_weekly": ["data=synthetic", "data.n_bars=2000"],
    "session": ["data=synthetic", "data.calendar=24/7"],
}
CONF = Path(__file__).parents[2] / "conf" / "features"


def same(got: np.ndarray, want: np.ndarray, name: str) -> None:
    scale = np.nanmax(np.abs(want)) if np.isfinite(want).any() else 1.0
    np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9 * max(scale, 1e-12), err_msg=name)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", SETS)
def test_equals_the_plain_formulas(name: str, case: str) -> None:
    bars = CASES[case]
    got, want = SETS[name](bars), getattr(reference, name)(reference.frame(bars))
    assert list(got) == list(want)
    for column in want:
        same(got[column], want[column].to_numpy(), column)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", SETS)
def test_columns_are_float64_as_long_as_the_bars_and_never_infinite(name: str, case: str) -> None:
    bars = CASES[case]
    with np.errstate(all="raise", under="ignore"):
        columns = SETS[name](bars)
    for column, values in columns.items():
        assert values.dtype == np.float64 and values.shape == (len(bars),), column
        assert not np.isinf(values).any(), column


@pytest.mark.parametrize("cut", [5, 33, 150, 260])
@pytest.mark.parametrize("name", SETS)
def test_the_past_does_not_move(name: str, cut: int) -> None:
    """Bit for bit: neither other later bars nor their absence change a row."""
    bars = still(market(300, seed=11), 60, 90)
    whole = SETS[name](bars)
    other = market(300, seed=12, level=7.0)
    bent = {c: np.concatenate([getattr(bars, c)[:cut], getattr(other, c)[cut:]]) for c in
            ("open", "high", "low", "close", "volume")}  # fmt: skip
    extra = {c: np.concatenate([x[:cut], other.extra[c][cut:]]) for c, x in bars.extra.items()}
    later_differ = SETS[name](replace(bars, **bent, extra=extra))
    later_missing = SETS[name](bars.take(slice(0, cut)))
    for column, values in whole.items():
        np.testing.assert_array_equal(later_differ[column][:cut], values[:cut], err_msg=column)
        np.testing.assert_array_equal(later_missing[column], values[:cut], err_msg=column)


@pytest.mark.parametrize("name", SETS)
def test_the_bars_are_left_as_they_were(name: str) -> None:
    bars = market(250, seed=13)
    copy = bars.take(np.arange(250))
    SETS[name](bars)
    for column in ("open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(getattr(bars, column), getattr(copy, column))


@pytest.mark.parametrize("name", SETS)
def test_takes_arrays_that_are_not_contiguous(name: str) -> None:
    bars = market(600, seed=14)
    strided, plain = SETS[name](bars.take(slice(0, None, 2))), SETS[name](bars.take(np.arange(0, 600, 2)))
    for column, values in plain.items():
        np.testing.assert_array_equal(strided[column], values, err_msg=column)


@pytest.mark.parametrize("name", SETS)
def test_without_both_bid_and_ask_no_spread(name: str) -> None:
    bars = market(250)
    half = replace(bars, extra={"bid": bars.extra["bid"], "open_interest": bars.volume})
    assert not [column for column in SETS[name](half) if "spread" in column]


def test_a_missing_quote_undefines_only_its_windows() -> None:
    bars = market(250)
    bid = bars.extra["bid"].copy()
    bid[100] = np.nan
    columns = microstructure(replace(bars, extra={**bars.extra, "bid": bid}))
    assert np.flatnonzero(np.isnan(columns["spread"])).tolist() == [100]
    assert np.flatnonzero(np.isnan(columns["spread_ma"])).tolist() == [*range(19), *range(100, 120)]


def test_bars_of_one_price_have_the_middle_and_no_volume_no_ratio() -> None:
    bars = still(market(300, seed=4), 150, 240)
    assert microstructure(bars)["close_position"][200] == 0.5
    assert price(bars)["price_position_50"][220] == 0.5
    assert price(bars)["volatility_50"][220] == 0.0
    assert technical(bars)["bb_position"][200] == 0.5
    assert technical(still(market(60), 0, 60))["rsi_14"][40] == 50.0
    quiet = volume(bars)
    assert quiet["volume_ma_20"][200] == 0.0
    assert np.isnan(quiet["volume_ratio"][200]) and np.isnan(quiet["volume_price_corr"][200])
    assert np.isfinite(quiet["volume_ratio"][150:168]).all()


def test_normalized_is_the_same_in_any_unit() -> None:
    bars = market(300, seed=15)
    prices = {name: getattr(bars, name) * 1_024.0 for name in ("open", "high", "low", "close")}
    scaled = replace(bars, **prices, volume=bars.volume / 64.0, extra={n: x * 1_024.0 for n, x in bars.extra.items()})
    one, other = normalized(bars), normalized(scaled)
    for column, values in one.items():
        np.testing.assert_allclose(other[column], values, rtol=1e-9, atol=1e-12, err_msg=column)


def test_normalized_has_30_to_40_columns_after_200_bars_on_one_scale() -> None:
    columns = normalized(market(2_000, seed=16, quotes=False))
    assert 30 <= len(columns) <= 40
    for column, values in columns.items():
        assert np.isfinite(values[199:]).all(), column
        assert np.abs(values[199:]).max() < 25, column


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_yaml_makes_a_feature_set_with_the_functions_own_defaults(path: Path) -> None:
    conf = OmegaConf.load(path)
    if "defaults" in conf:
        parts = [part for part in conf.defaults if part != "_self_"]
        assert parts and all((CONF / f"{part}.yaml").exists() for part in parts)
        return
    bars = market(300, seed=17)
    bars = replace(bars, extra={**bars.extra, "vix": bars.close[::-1].copy()})
    assert list(conf) == [path.stem]
    if path.stem in SHAPED:  # sets that the recipe makes, on bars that it prepares
        config = compose([f"features=[{path.stem}]", *SHAPED[path.stem]])
        parts = parts_of(config)
        columns = compute(parts.data().bars[0], parts.features)
        assert columns and all(np.isfinite(values).any() for values in columns.values())
        return
    feature_set = instantiate(conf[path.stem], _convert_="all")
    columns = compute(bars, bound({path.stem: feature_set}, [bars]))
    assert columns and all(values.shape == (300,) and np.isfinite(values).any() for values in columns.values())
    if path.stem in SETS:
        plain = SETS[path.stem](bars)
        assert list(columns) == list(plain)
        for column, values in plain.items():
            np.testing.assert_array_equal(columns[column], values)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda b: price(b, averages=[0]), r"features\.price\.averages=\[0\]: must be whole numbers of 1 or more"),
        (lambda b: price(b, volatilities=[1]), r"features\.price\.volatilities=\[1\].*2 or more.*\[10, 20, 50\]"),
        (lambda b: price(b, returns="5"), r"features\.price\.returns=5"),
        (lambda b: volume(b, window=1), r"features\.volume\.window=1: must be a whole number of 2 or more"),
        (lambda b: volume(b, window=2.5), r"features\.volume\.window=2\.5"),
        (lambda b: microstructure(b, window=True), r"features\.microstructure\.window=true"),
        (lambda b: technical(b, rsi=1), r"features\.technical\.rsi=1.*default is 14"),
        (lambda b: technical(b, fast=30), r"features\.technical\.fast=30: must be below slow=26"),
        (lambda b: technical(b, width=0), r"features\.technical\.width=0"),
        (lambda b: lagged(b, feature_lookback=0), r"features\.lagged\.feature_lookback=0.*default is 20"),
        (lambda b: lagged(b, windows=[2]), r"features\.lagged\.windows=\[2\]"),
    ],
)
def test_a_window_that_cannot_be_is_one_line(call, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        call(market(30))
