"""Small cases with expected values from other people's suites, asked of our own interfaces.

The figures are theirs: vectorbt (tests/test_returns.py), alphalens (tests/test_performance.py), skfolio
(tests/test_model_selection) and mlfinpy (tests/test_labeling_raw_return.py); docs/parity.md says which.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from barwise.backtest.grid import Grid, Signals
from barwise.backtest.ledger import Backtest, Ledger
from barwise.backtest.metrics import compute, drawdown, sharpe_ratio
from barwise.data.bars import Bars
from barwise.errors import ConfigError
from barwise.factor.bars import correlation, information, new_share, quantile_of, ranked
from barwise.labels import forward_return, next_return_sign
from barwise.validation.splits import CombinatorialPurged, WalkForward

DAYS = np.datetime64("2018-01-01", "ns") + np.arange(20) * np.timedelta64(1, "D")
CLOSES = {"a": [1, 2, 3, 4, 5], "b": [5, 4, 3, 2, 1], "c": [1, 2, 3, 2, 1]}


def bars_of(closes: list[float]) -> Bars:
    """Bars of one price each."""
    x = np.array(closes, float)
    return Bars("S", DAYS[: len(x)], x, x, x, x, np.ones(len(x)))


@functools.cache
def held(name: str) -> tuple[Ledger, dict[str, Any]]:
    """A long position bought at the first close, and what metrics.json would say of it; costs are left out."""
    closes = [CLOSES[name][0], *CLOSES[name]]  # decided a bar before it is bought
    bars = bars_of(closes)
    grid = Grid.build([bars])
    signals = Signals(np.zeros(len(bars), int), bars.time, np.ones(len(bars)))
    ledger = Backtest("next_close", 0.0, 0.0, 0.0).run(grid, signals, 252.0)
    cut = Ledger(**{k: v[2:] if isinstance(v, np.ndarray) and v.ndim == 1 and len(v) == 6 else v
                    for k, v in vars(ledger).items()})  # fmt: skip
    nothing = np.zeros(1)
    return cut, compute(cut, cut, nothing, nothing, DAYS[:1], 252.0)[0]


VECTORBT = [
    *(("a", "drawdown", k, 0.0) for k in range(4)),
    *(("b", "drawdown", k, value) for k, value in enumerate((-0.2, -0.4, -0.6, -0.8))),
    *(("c", "drawdown", k, value) for k, value in enumerate((0.0, 0.0, -0.33333333, -0.66666667))),
    ("a", "total", 0, 4.0), ("b", "total", 0, -0.8), ("c", "total", 0, 0.0),
    ("a", "max_drawdown", 0, 0.0), ("b", "max_drawdown", 0, -0.8), ("c", "max_drawdown", 0, -0.6666666666666667),
    ("b", "annual_volatility", 0, 2.0874625745148103), ("b", "annual_return", 0, -1.0), ("c", "annual_return", 0, 0.0),
    ("b", "calmar", 0, -1.25), ("c", "calmar", 0, 0.0),
    ("a", "sharpe", 0.0, 24.612379624271007), ("b", "sharpe", 0.01, -39.93844058228336),
    ("c", "sharpe", 0.02, 3.292658500361067),
]  # fmt: skip


@pytest.mark.parametrize(("series", "figure", "at", "expected"), VECTORBT)
def test_vectorbt_returns(series, figure, at, expected):
    ledger, metrics = held(series)
    found = {
        "drawdown": lambda: drawdown(ledger.equity)[at],
        "total": lambda: ledger.equity[-1] - 1.0,
        "sharpe": lambda: sharpe_ratio(ledger.net - at, 252.0),
    }.get(figure, lambda: metrics[figure])()
    assert found == pytest.approx(expected, rel=1e-8, abs=1e-8)


FACTOR = np.array([[1.0, 2, 3, 4], [4.0, 3, 2, 1]])
IC = [
    ([[4, 3, 2, 1], [1, 2, 3, 4]], slice(None), [-1.0, -1.0]),
    ([[1, 2, 3, 4], [4, 3, 2, 1]], slice(None), [1.0, 1.0]),
    ([[1, 2, 3, 4], [4, 3, 2, 1]], slice(0, 2), [1.0, 1.0]),  # by group
    ([[1, 2, 3, 4], [4, 3, 2, 1]], slice(2, 4), [1.0, 1.0]),
]


@pytest.mark.parametrize("row", [0, 1])
@pytest.mark.parametrize(("after", "group", "expected"), IC)
def test_alphalens_information_coefficient(after, group, expected, row):
    found = information(FACTOR[:, group], np.array(after, float)[:, group], 2)[1]
    assert found[row] == pytest.approx(expected[row])


@pytest.mark.parametrize("row", [0, 1])
@pytest.mark.parametrize(
    ("quantiles", "columns", "expected"),
    [
        (4, [0, 1, 2, 3], [[1, 2, 3, 4], [4, 3, 2, 1]]),
        (2, [0, 1, 2, 3], [[1, 1, 2, 2], [2, 2, 1, 1]]),
        (2, [0, 1], [[1, 2], [2, 1]]),  # by group
        (2, [2, 3], [[1, 2], [2, 1]]),
        (1, [0, 1, 2, 3], [[1, 1, 1, 1], [1, 1, 1, 1]]),
    ],
)
def test_alphalens_quantize_factor(quantiles, columns, expected, row):
    assert quantile_of(FACTOR[:, columns], quantiles)[row].tolist() == expected[row]


UP, DOWN = [1, 2, 3, 4], [4, 3, 2, 1]
TURNOVER = [([UP, DOWN, UP, UP], 4, [1.0, 1.0, 0.0]), ([UP, UP, UP, UP], 3, [0.0, 0.0, 0.0]),
            ([UP, DOWN, UP, DOWN], 2, [1.0, 1.0, 1.0])]  # fmt: skip


@pytest.mark.parametrize("bar", [0, 1, 2])
@pytest.mark.parametrize(("quantiles", "part", "expected"), TURNOVER)
def test_alphalens_quantile_turnover(quantiles, part, expected, bar):
    assert new_share(np.array(quantiles), part)[bar] == expected[bar]


MIXED = [2, 1, 4, 3]
AUTOCORRELATION = [
    ([UP] * 4, 1, [1.0, 1.0, 1.0]),
    ([DOWN, UP, DOWN, UP], 1, [-1.0, -1.0, -1.0]),
    ([UP, MIXED, DOWN, UP, MIXED, DOWN, MIXED, DOWN, UP, MIXED, MIXED, DOWN], 3,
     [1.0, 1.0, 1.0, 0.6, -0.6, -1.0, 1.0, -0.6, -1.0]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("scores", "lag", "bar", "expected"),
    [(scores, lag, bar, value) for scores, lag, values in AUTOCORRELATION for bar, value in enumerate(values)],
)
def test_alphalens_factor_rank_autocorrelation(scores, lag, bar, expected):
    ranks = ranked(np.array(scores, float))
    assert correlation(ranks[lag:], ranks[:-lag])[bar] == pytest.approx(expected)


COMBINED = [([8, 9, 10, 11], [0, 1, 2, 3, 4, 5, 6, 7]), ([4, 5, 6, 7], [0, 1, 2, 3, 8, 9, 10, 11]),
            ([0, 1, 2, 3], [4, 5, 6, 7, 8, 9, 10, 11])]  # fmt: skip


@pytest.mark.parametrize("number", [0, 1, 2])
def test_skfolio_combinatorial_splits(number):
    train, test = list(CombinatorialPurged(3, 2).split(np.arange(12)))[number]
    assert (train.tolist(), test.tolist()) == COMBINED[number]


@pytest.mark.parametrize(("groups", "tested", "splits", "paths"), [(3, 2, 3, 2), (5, 2, 10, 4), (15, 2, 105, 14)])
def test_skfolio_combinatorial_counts(groups, tested, splits, paths):
    splitter = CombinatorialPurged(groups, tested)
    assert splitter.get_n_splits() == splits == len(list(splitter.split(np.arange(60)))) and splitter.n_paths == paths


@pytest.mark.parametrize(("n", "groups", "tested"), [(13, 5, 2), (89, 10, 2), (19, 5, 2), (37, 7, 3)])
def test_skfolio_trailing_observations_are_tested(n, groups, tested):
    found = {int(i) for _, test in CombinatorialPurged(groups, tested).split(np.arange(n)) for i in test}
    assert found == set(range(n))


@pytest.mark.parametrize(("groups", "tested"), [(3.5, 2), (2, 2), (3, 3), (20, 10), (50, 25)])
def test_skfolio_combinatorial_refusals(groups, tested):
    with pytest.raises(ConfigError):
        CombinatorialPurged(groups, tested)


QUARTERS = [("2021-03-31", "2021-04-01", "2021-06-30"), ("2021-06-30", "2021-07-01", "2021-09-30"),
            ("2021-09-30", "2021-10-01", "2021-12-31"), ("2021-12-31", "2022-01-03", "2022-03-31"),
            ("2022-03-31", "2022-04-01", "2022-06-30"), ("2022-06-30", "2022-07-01", "2022-09-30")]  # fmt: skip


@functools.cache
def quarters() -> list[tuple[str, str, str]]:
    """Last training day, first and last day of each test block, on New York's days of 2020 to 2022."""
    import exchange_calendars

    days = exchange_calendars.get_calendar("XNYS").sessions_in_range("2020-01-02", "2022-12-28")
    days = days.to_numpy().astype("datetime64[ns]")
    found = WalkForward(every="1Q", first_train="14M", window="1Y").split(days)
    return [tuple(str(days[i])[:10] for i in (train[-1], test[0], test[-1])) for train, test in found]


@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("number", range(6))
def test_skfolio_walk_forward_by_quarters(number, part):
    assert quarters()[number][part] == QUARTERS[number][part]


PRICES = [100.0, 101, 102, 102, 102, 99, 19, 2000, 100, 105]
RAW = [0.01, 0.009901, 0.0, 0.0, -0.029412, -0.808081, 104.263158, -0.95, 0.05]


@pytest.mark.parametrize("bar", range(8))
def test_mlfinpy_raw_return(bar):
    found = forward_return(bars_of(PRICES), 1, "next_close")
    assert found.ret[bar] == pytest.approx(RAW[bar + 1], abs=1e-6)  # ours trades at the next close


@pytest.mark.parametrize("bar", range(8))
def test_mlfinpy_binary_return(bar):
    assert next_return_sign(bars_of(PRICES), "next_close").y[bar] == np.sign(RAW[bar + 1])
