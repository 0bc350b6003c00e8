"""Signal rules: thresholds come from validation scores alone, a score that is not there is flat."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from barwise.errors import ConfigError
from barwise.signals import FixedThreshold, Proportional, Quantile, Rank

RULES = (FixedThreshold(), Quantile(), Proportional(), Rank())
SCORES = arrays(float, st.integers(1, 40), elements=st.floats(-1, 1) | st.just(np.nan))


def days(n: int, each: int = 4) -> np.ndarray:
    return np.datetime64("2020-01-01", "ns") + (np.arange(n) // each) * np.timedelta64(1, "D")


@pytest.mark.parametrize("rule", RULES, ids=lambda r: type(r).__name__)
@given(score=SCORES)
def test_signals_lie_in_minus_one_to_one_and_nan_is_flat(rule, score):
    fitted = rule.fit(np.linspace(-0.5, 0.5, 50))
    signal = fitted(score, days(len(score)))
    assert signal.shape == score.shape and (np.abs(signal) <= 1).all()
    assert (signal[np.isnan(score)] == 0).all()


@pytest.mark.parametrize("rule", RULES, ids=lambda r: type(r).__name__)
@given(score=SCORES, other=st.floats(-1, 1))
def test_a_signal_does_not_depend_on_later_scores(rule, score, other):
    fitted = rule.fit(np.linspace(-0.5, 0.5, 50))
    time = days(len(score))
    changed = np.where(time > time[len(time) // 2], other, score)
    early = time <= time[len(time) // 2]
    np.testing.assert_array_equal(fitted(score, time)[early], fitted(changed, time)[early])


def test_fixed_threshold_is_seeds():
    signal = FixedThreshold()(np.array([0.51, 0.5, 0.0, -0.5, -0.51]), days(5))
    assert signal.tolist() == [1, 0, 0, 0, -1]


def test_quantile_takes_its_thresholds_from_validation_scores():
    fitted = Quantile(0.8, 0.2).fit(np.linspace(-1, 1, 101))
    assert fitted.facts() == {"upper": pytest.approx(0.6), "lower": pytest.approx(-0.6)}
    assert fitted(np.array([0.61, 0.59, -0.61]), days(3)).tolist() == [1, 0, -1]


def test_quantile_never_trades_against_the_models_own_direction():
    fitted = Quantile().fit(np.linspace(0.5, 1.0, 50))
    assert fitted(np.array([0.3, 0.99]), days(2)).tolist() == [0, 1]
    assert fitted.facts()["lower"] == 0.0


def test_proportional_is_the_score_over_its_validation_width():
    fitted = Proportional(width=2.0).fit(np.array([-0.1, 0.1]))
    np.testing.assert_allclose(fitted(np.array([0.1, -0.4, np.nan]), days(3)), [0.5, -1, 0])
    assert Proportional().fit(np.zeros(5))(np.array([0.3]), days(1)).tolist() == [0]


def test_rank_is_long_the_top_and_short_the_bottom_of_each_bar():
    score = np.array([0.1, 0.4, 0.2, 0.3, 5.0, 5.0, 5.0, 5.0, np.nan, 0.2, np.nan, np.nan])
    signal = Rank(0.25, 0.25)(score, days(12))
    assert signal.tolist() == [-1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("rule", [Quantile(), Proportional()], ids=lambda r: type(r).__name__)
def test_without_a_validation_score_the_message_says_what_to_do(rule):
    with pytest.raises(ConfigError, match=r"no validation row has a score .* signals=fixed_threshold$"):
        rule.fit(np.array([np.nan]))


@pytest.mark.parametrize(
    "make",
    [
        lambda: FixedThreshold(-1, 1), lambda: Quantile(0.2, 0.8), lambda: Quantile(1.2, 0.1),
        lambda: Proportional(0), lambda: Rank(0.6, 0.6), lambda: Rank(-0.1, 0.1),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_one_line(make):
    with pytest.raises(ConfigError, match=r"^signals\.[^\n]*must[^\n]*$"):
        make()
