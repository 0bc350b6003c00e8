"""Formulas are what pandas gives, step by step; nothing else is read, and nothing is ever run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from barwise.data import synthetic
from barwise.data.groups import put
from barwise.errors import ConfigError
from barwise.features.aligned import align, sees_all
from barwise.features.formulas import Formulas
from barwise.safety.targets import Targets
from tests.conftest import ROOT

MARKET = synthetic.load(n_symbols=4, n_bars=260)
BARS = MARKET.bars[0]
P = pd.DataFrame({n: getattr(BARS, n) for n in ("open", "high", "low", "close", "volume")})
R = P.close.pct_change()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("open / delay(close, 1) - 1", P.open / P.close.shift(1) - 1),
        ("delta(close, 5)", P.close.diff(5)),
        ("change(close, 5)", P.close.pct_change(5)),
        ("mean(close, 20) - close", P.close.rolling(20).mean() - P.close),
        ("std(change(close, 1), 10)", R.rolling(10).std()),
        ("sum(volume, 5)", P.volume.rolling(5).sum()),
        ("zscore(close, 20)", (P.close - P.close.rolling(20).mean()) / P.close.rolling(20).std()),
        ("skew(change(close, 1), 30)", R.rolling(30).skew()),
        ("highest(high, 20) / lowest(low, 20)", P.high.rolling(20).max() / P.low.rolling(20).min()),
        ("rank(close, 20)", (P.close.rolling(20).rank() - 1) / 19),
        ("corr(close, volume, 20)", P.close.rolling(20).corr(P.volume)),
        ("slope(volume, close, 20)", P.close.rolling(20).cov(P.volume) / P.volume.rolling(20).var()),
        ("where(close > open, 1, -1)", pd.Series(np.where(P.close > P.open, 1, -1))),
        ("abs(sign(delta(close, 1))) * log(volume) ** 2", np.sign(P.close.diff()).abs() * np.log(P.volume) ** 2),
        ("max(open, close) - min(open, close)", (P.open - P.close).abs()),
        ("-sqrt(high - low)", -np.sqrt(P.high - P.low)),
        ("(close - close) / (close - close)", P.close * np.nan),
        ("2", pd.Series(np.full(len(P), 2.0))),
    ],
)
def test_a_formula_is_what_pandas_gives(text, wanted):
    np.testing.assert_allclose(Formulas(x=text)(BARS)["x"], wanted.astype(float), rtol=1e-7, atol=1e-9)


def test_rsi_and_ema_are_ta_lib_s():
    import talib

    found = Formulas(a="rsi(close, 14)", b="ema(close, 20)")(BARS)
    np.testing.assert_array_equal(found["a"], talib.RSI(BARS.close, 14))
    np.testing.assert_array_equal(found["b"], talib.EMA(BARS.close, 20))


def test_across_symbols_and_in_groups():
    bars = [put(b, {"sector": (np.full(len(b), i % 2, np.int32), ("x", "y"))}) for i, b in enumerate(MARKET.bars)]
    texts = {"r": "rank(change(close, 5))", "d": "demean(change(close, 1))", "g": "group_mean(close, sector)",
             "m": "market_mean(zscore(close, 20)) + 0 * rank(close, 20)"}  # fmt: skip
    made = Formulas(**texts)
    assert sees_all(made) and not sees_all(Formulas(x="rank(close, 20)"))
    found = made(align(bars))
    close = pd.DataFrame({b.symbol: b.close for b in bars})
    moved = close.pct_change(5)
    np.testing.assert_allclose(found["r"], (moved.rank(axis=1) - 1) / 3)
    day = close.pct_change()
    np.testing.assert_allclose(found["d"], day.sub(day.mean(axis=1), axis=0))
    sector = pd.concat([(close.iloc[:, i] + close.iloc[:, (i + 2) % 4]) / 2 for i in range(4)], axis=1)
    np.testing.assert_allclose(found["g"], sector)
    z = (close - close.rolling(20).mean()) / close.rolling(20).std()
    np.testing.assert_allclose(found["m"][:, 0], z.mean(axis=1), rtol=1e-7)
    with pytest.raises(ConfigError, match="country is no group of the source; it has sector"):
        Formulas(g="group_mean(close, country)")(align(bars))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("__import__('os').system('id')", "is no step of a formula"),
        ("close.__class__", "is no step of a formula"),
        ("[x for x in close]", "is no step of a formula"),
        ("(lambda: 1)()", "is no step of a formula"),
        ("close if open else low", "is no step of a formula"),
        ("'text'", "is no step of a formula"),
        ("close[1:]", "is no step of a formula"),
        ("open > low > high", "is no step of a formula"),
        ("exec(close)", "there is no exec; there are abs, change"),
        ("delay(close, -1)", "looks over -1 bars; it must be a whole number from 1"),
        ("delay(close, 0)", "looks over 0 bars"),
        ("mean(close, n)", "looks over n bars"),
        ("mean(close, 20000)", "looks over 20000 bars"),
        ("mean(close)", r"mean is written mean\(close, 20\)"),
        ("rsi(close, n=14)", "takes its values in order"),
        ("demean(close, 5)", r"demean is written demean\(x\)"),
        ("9 ** 9 ** 99e20", "beyond what prices are made of"),
        ("close +", "cannot be read"),
        ("", "must be a formula"),
        ("-" * 100 + "close", "more than 60 steps"),
        ("(" * 5000, "must be a formula of up to 2,000 characters"),
    ],
)
def test_what_is_no_formula_is_one_line(text, said):
    with pytest.raises(ConfigError, match=said) as told:
        Formulas(x=text)
    assert "\n" not in str(told.value)


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match="vix is no column of the bars; they have open, high, low, close, volume"):
        Formulas(x="vix / close")(BARS)
    assert (Formulas(x="vix")(replace(BARS, extra={"vix": BARS.close}))["x"] == BARS.close).all()


def test_huge_powers_end_at_once():
    assert np.isnan(Formulas(x="9 ** 9 ** 9")(BARS)["x"]).all()


def test_a_recorded_formula_may_have_any_name_and_runs_nothing():
    node = {"_target_": "barwise.features.formulas.Formulas", "mine": "change(close, 5)"}
    Targets(ROOT / "conf").check("features", node)
    with pytest.raises(ConfigError):
        Targets(ROOT / "conf").check("features", {**node, "other": {"_target_": "os.system"}})
