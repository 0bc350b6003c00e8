"""The factor tables: alphalens's and statsmodels' numbers where definitions agree; the past alone; few symbols too."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control, spearmanr

from barwise.backtest.grid import Grid
from barwise.data.bars import Bars, Universe
from barwise.data.groups import put
from barwise.data.synthetic import load
from barwise.errors import ConfigError
from barwise.factor import bars as within
from barwise.factor.drawdowns import drawdowns
from barwise.factor.exposure import Series, alphas, exposures
from barwise.factor.files import FactorReturns, read
from barwise.factor.inference import bootstrap_of, false_discovery, lags_of, mean_of, regression
from barwise.factor.scores import Scores
from barwise.factor.study import study
from barwise.portfolio.rules import past_deviation

SECTORS = ("energy", "health", "tech")
EXACT = {"rtol": 1e-9, "atol": 1e-9}


def market(symbols: int, n: int, holes: bool = False, seed: int = 0) -> tuple[Bars, ...]:
    """A made market with a pattern, and where wanted bars that are missing."""
    random, made = np.random.default_rng(seed), []
    for i, b in enumerate(load(symbols, n, seed, 0.1).bars):
        one = b.take(np.flatnonzero(random.random(n) > 0.1)) if holes else b
        made.append(put(one, {"sector": (np.full(len(one), i % 3, np.int32), SECTORS)}))
    return tuple(made)


def scores_on(bars: tuple[Bars, ...], seed: int = 0, universe: Universe | None = None, **more: object) -> Scores:
    """Minus the return of the last five bars, which the made market follows, and noise."""
    grid = Grid.build(bars, universe)
    score = np.full(grid.has.shape, np.nan)
    random = np.random.default_rng(seed)
    for s, b in enumerate(bars):
        rows = grid.row_of(b.time)
        score[rows[5:], s] = 1 - b.close[5:] / b.close[:-5] + 0.02 * random.standard_normal(len(b) - 5)
    member = np.where(grid.member, score, np.nan)
    return Scores(member, grid, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def wide() -> Scores:
    return scores_on(market(45, 160))


def test_numbers_are_those_of_alphalens(wide: Scores):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from alphalens import performance, utils

        grid, tables = wide.grid, study(wide)
        names = list(grid.symbols)
        prices = pd.DataFrame(grid.open[1:], pd.DatetimeIndex(grid.time[:-1]), names)  # that a score is traded at
        every = pd.DataFrame(wide.score, pd.DatetimeIndex(grid.time), names).stack().dropna()
        every.index.names = ["date", "asset"]
        factor = every[every.index.get_level_values("date") < grid.time[-1]]
        whole = pd.DataFrame({"factor": every})  # with scores that have no later return
        whole["factor_quantile"] = utils.quantize_factor(whole, wide.quantiles)
        for horizon in (1, 5):
            data = utils.get_clean_factor_and_forward_returns(
                factor, prices, quantiles=wide.quantiles, periods=(horizon,), max_loss=1, filter_zscore=None,
                groupby={name: SECTORS[i % 3] for i, name in enumerate(names)},
            )  # fmt: skip
            (column,) = utils.get_forward_returns_columns(data.columns)
            ic = performance.factor_information_coefficient(data)[column].dropna()
            ours = dict(zip(tables["decay"]["horizon"], tables["decay"]["rank_ic"], strict=True))
            np.testing.assert_allclose(wide.information(horizon)[1][: len(ic)], ic, **EXACT)
            np.testing.assert_allclose(ours[horizon], ic.mean(), **EXACT)
            for demeaned, key in ((False, "mean"), (True, "excess")):
                means, _ = performance.mean_return_by_quantile(data, by_date=True, demeaned=demeaned)
                of = tables["quantiles"]["horizon"] == horizon
                theirs = means[column].groupby(level="factor_quantile").mean()
                np.testing.assert_allclose(tables["quantiles"][key][of], theirs, **EXACT)
            means, _ = performance.mean_return_by_quantile(data, by_date=True, demeaned=False)
            spread, _ = performance.compute_mean_returns_spread(means, wide.quantiles, 1)
            mine = tables["spread"]["spread"][tables["spread"]["horizon"] == horizon]
            np.testing.assert_allclose(mine / 2, spread[column].mean(), **EXACT)  # theirs is of a gross exposure of 1
            lag = tables["turnover"]["lag"] == horizon
            stays = performance.factor_rank_autocorrelation(whole, horizon).mean()
            np.testing.assert_allclose(tables["turnover"]["rank_autocorrelation"][lag], stays, **EXACT)
            for name, part in (("lowest", 1), ("highest", wide.quantiles)):
                moved = performance.quantile_turnover(whole["factor_quantile"], part, horizon).mean()
                np.testing.assert_allclose(tables["turnover"][name][lag], moved, **EXACT)
            if horizon == 1:
                by = performance.mean_information_coefficient(data, by_group=True)[column]
                kind = tables["by"]["kind"] == "sector"
                mine = dict(zip(tables["by"]["value"][kind], tables["by"]["rank_ic"][kind], strict=True))
                np.testing.assert_allclose([mine[name] for name in SECTORS], by[list(SECTORS)], **EXACT)


@pytest.mark.parametrize("lags", [0, 3, 9])
def test_errors_are_those_of_statsmodels(lags: int):
    from statsmodels.api import OLS

    random = np.random.default_rng(lags)
    X = np.column_stack([np.ones(200), random.standard_normal((200, 2))])
    y = np.convolve(random.standard_normal(204), np.ones(5), "valid") + 0.3 * X[:, 1]
    fitted = OLS(y, X).fit(cov_type="HAC", cov_kwds={"maxlags": lags})
    coefficients, errors = regression(y, X, lags)
    np.testing.assert_allclose(coefficients, fitted.params, rtol=1e-9)
    np.testing.assert_allclose(errors, fitted.bse, rtol=1e-9)
    alone = OLS(y, np.ones(200)).fit(cov_type="HAC", cov_kwds={"maxlags": lags_of(200, lags + 1)})
    found = mean_of(np.insert(y, 7, np.nan), lags + 1)
    np.testing.assert_allclose([found.mean, found.t], [alone.params[0], alone.tvalues[0]], rtol=1e-9)
    np.testing.assert_allclose([found.low, found.high], alone.conf_int()[0], rtol=1e-9)


def test_false_discovery_is_that_of_benjamini_and_hochberg():
    p = np.random.default_rng(0).uniform(size=40) ** 3
    np.testing.assert_allclose(false_discovery(p), false_discovery_control(p), rtol=1e-12)
    with_gap = np.append(p, np.nan)
    np.testing.assert_array_equal(false_discovery(with_gap)[:-1], false_discovery(p))
    assert np.isnan(false_discovery(with_gap)[-1])


def test_correlations_with_holes_and_ties_are_scipys():
    random = np.random.default_rng(1)
    score, ret = np.round(random.standard_normal((2, 60, 30)), 1)
    score[random.random(score.shape) < 0.2], ret[random.random(ret.shape) < 0.2] = np.nan, np.nan
    plain, rank = within.information(score, ret, 5)
    for t in range(60):
        both = np.isfinite(score[t]) & np.isfinite(ret[t])
        assert plain[t] == pytest.approx(np.corrcoef(score[t][both], ret[t][both])[0, 1], abs=1e-12)
        assert rank[t] == pytest.approx(spearmanr(score[t][both], ret[t][both])[0], abs=1e-12)
        known = np.isfinite(score[t])
        edges = np.quantile(score[t][known], np.linspace(0, 1, 6))[1:-1]
        expected = np.where(known, 1 + (score[t][:, None] > edges + 1e-12).sum(axis=1), 0)
        np.testing.assert_array_equal(within.quantile_of(score[t : t + 1], 5)[0], expected)


def test_returns_are_of_a_symbols_own_bars():
    bars = market(4, 80, holes=True)
    scores = scores_on(bars)
    for execution, column in (("next_open", "open"), ("next_close", "close")):
        found = replace(scores, execution=execution, memory={}).forward.over(3)
        for s, b in enumerate(bars):
            price, rows = getattr(b, column), scores.grid.row_of(b.time)
            np.testing.assert_allclose(found[rows[:-4], s], price[4:] / price[1:-3] - 1, rtol=1e-12)
            assert np.isnan(found[rows[-4:], s]).all() and np.isnan(found[~scores.grid.has[:, s], s]).all()
    own = scores.forward.momentum(20, 5)
    for s, b in enumerate(bars):
        rows = scores.grid.row_of(b.time)
        np.testing.assert_allclose(own[rows[20:], s], b.close[15:-5] / b.close[:-20] - 1, rtol=1e-12)
        assert np.isnan(own[rows[:20], s]).all()


@pytest.mark.parametrize("symbols", [3, 30])
def test_nothing_of_a_bar_changes_with_what_comes_later(symbols: int):
    """Quantiles and states of the market are those of the past: later bars may be others."""
    bars = market(symbols, 400, holes=True)
    scores = scores_on(bars)
    last = scores.grid.time[300]
    early = scores_on(tuple(b.take(b.time <= last) for b in bars))
    some = np.isfinite(scores.score) & (scores.grid.time <= last)[:, None]
    early = replace(early, score=np.where(some, scores.score, np.nan)[: len(early.score)])
    assert early.across == scores.across == (symbols == 30)
    rows = len(early.rows)
    np.testing.assert_array_equal(early.quantile, scores.quantile[:rows])
    whole, part = study(scores)["series"], study(early)["series"]
    for name in ("up", "wild"):
        np.testing.assert_array_equal(part[name], whole[name][: len(part[name])])
        assert np.isfinite(part[name]).any()
    again = study(early)
    if symbols == 30:
        np.testing.assert_allclose(exposures(early)["rank_correlation"], exposures(replace(early))["rank_correlation"])
    assert set(again) == {"decay", "series", "turnover", "quantiles", "spread", "by", "quantiles_by"}


def test_few_symbols_are_pooled_in_time_and_the_pattern_is_found():
    scores = scores_on(market(3, 1500))
    tables = study(scores)
    assert not scores.across and scores.pool == 20
    decay = dict(zip(tables["decay"]["horizon"], tables["decay"]["t"], strict=True))
    assert decay[1] > 3 and abs(decay[60]) < decay[1]
    of_one = tables["quantiles"]["horizon"] == 1
    assert tables["quantiles"]["excess"][of_one][-1] > 0 > tables["quantiles"]["excess"][of_one][0]
    rows = scores.pooled(scores.values)[0], scores.pooled(scores.returns(1))[0]
    assert len(rows[0]) == 60
    assert tables["series"]["rank_ic"][0] == pytest.approx(spearmanr(*rows)[0], abs=1e-12)
    assert {"all", "year", "market", "volatility"} == set(tables["by"]["kind"])


def test_a_universe_leaves_out_who_is_not_in_it(wide: Scores):
    bars = market(45, 160)
    first, last = bars[0].time[0], bars[0].time[-1]
    stays = {b.symbol: ((first, last),) for b in bars[:25]}
    scores = scores_on(bars, universe=Universe("made", stays))
    alone = scores_on(bars[:25])
    np.testing.assert_array_equal(np.isfinite(scores.score[:, 25:]), False)
    kept = replace(alone, score=scores.score[:, :25])
    np.testing.assert_allclose(study(scores)["decay"]["rank_ic"], study(kept)["decay"]["rank_ic"], **EXACT)


def test_no_scores_are_no_tables():
    scores = scores_on(market(3, 60))
    nothing = replace(scores, score=np.full(scores.score.shape, np.nan))
    assert study(nothing) == {} and not len(exposures(nothing)["n"])
    constant = study(replace(scores, score=np.where(np.isfinite(scores.score), 0.5, np.nan)))
    assert np.isnan(constant["decay"]["rank_ic"]).all()


def test_exposures_find_what_a_score_is_made_of():
    bars = market(30, 400)
    scores = scores_on(bars)
    found = exposures(replace(scores, score=scores.forward.momentum(252, 21)))
    assert dict(zip(found["exposure"], found["rank_correlation"], strict=True))["momentum"] == pytest.approx(1)
    assert list(found["exposure"]) == ["beta", "size", "momentum"]


def test_drawdowns_are_those_of_the_wealth():
    time = np.datetime64("2020-01-01", "ns") + np.arange(8) * np.timedelta64(1, "D")
    found = drawdowns(time, np.array([0.1, -0.1, -0.1, 0.3, 0.0, -0.5, 0.1, 0.1]))
    np.testing.assert_allclose(found["depth"], [-0.5, -0.19])
    assert str(found["peak"][1])[:10] == "2020-01-01" and str(found["trough"][1])[:10] == "2020-01-03"
    assert str(found["end"][1])[:10] == "2020-01-04" and np.isnat(found["end"][0])
    assert list(found["down"]) == [1, 2] and list(found["recover"]) == [-1, 1]
    assert not len(drawdowns(time, np.full(8, 0.01))["depth"])


FRENCH = """This file was created by CMPT_ME_BEME_RETS
The 1-month TBill rate

,Mkt-RF,SMB,HML,RF
{rows}

 Annual Factors: January-December
,Mkt-RF,SMB,HML,RF
  2000,   1.00,   2.00,   3.00,   4.00
"""


@pytest.mark.parametrize("monthly", [False, True], ids=["days", "months"])
def test_a_file_of_french_is_read_and_its_alpha_found(tmp_path: Path, monthly: bool):
    random = np.random.default_rng(0)
    days = np.arange("2001-01-01", "2008-01-01", dtype="datetime64[D]")
    days = days[np.is_busday(days)]
    daily = np.column_stack([random.normal(0, 0.01, (len(days), 3)), np.full(len(days), 0.0001)])
    month = days.astype("datetime64[M]")
    begins = np.flatnonzero(np.append(True, month[1:] != month[:-1]))
    table = np.expm1(np.add.reduceat(np.log1p(daily), begins)) if monthly else daily
    dates = month[begins] if monthly else days
    lines = [(str(d).replace("-", ""), row) for d, row in zip(dates, table, strict=True)]
    rows = "\n".join(f"{d}, " + ", ".join(f"{100 * v:.10f}" for v in row) for d, row in lines)
    (tmp_path / "ff.csv").write_text(FRENCH.format(rows=rows))
    factors = read(str(tmp_path / "ff.csv"))
    assert factors.names == ("Mkt-RF", "SMB", "HML") and factors.unit == ("M" if monthly else "D")
    assert "percent" in factors.note
    np.testing.assert_allclose(factors.values, table[:, :3], atol=1e-11)
    net = daily @ [0.5, 0.2, 0.0, 1.0] + 0.0004
    found = alphas({"net": Series(days.astype("datetime64[ns]"), net, free=True)}, [("ff", factors)], 252.0)
    values = dict(zip(found["factor"], found["coefficient"], strict=True))
    exact = {"abs": 1e-9} if not monthly else {"abs": 0.03}
    assert values["alpha"] == pytest.approx(0.0004 * 252, **exact)
    assert values["Mkt-RF"] == pytest.approx(0.5, **exact) and values["SMB"] == pytest.approx(0.2, **exact)


def test_a_plain_file_in_fractions_is_read(tmp_path: Path):
    path = tmp_path / "mine.csv"
    path.write_text("date,value\n2020-01-02,0.01\n2020-01-03,-0.02\n2020-01-06,\n")
    found = read(str(path))
    assert found.names == ("value",) and "fractions" in found.note and found.unit == "D"
    np.testing.assert_allclose(found.values[:, 0], [0.01, -0.02, np.nan])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "there is no such file"),
        ("", "has no table of dates and columns"),
        ("a,b\n1,2\n", "has no table of dates and columns"),
        ("date,x\n2020-01-02,one\n", "could not convert string"),
        ("date,x\n2020-01-03,1\n2020-01-02,1\n", "its dates do not rise"),
        ("date,RF\n2020-01-02,1\n2020-01-03,1\n", "has the risk-free return alone"),
        ("date,x\n2020-13-02,1\n", "dates are 2020-01-31"),
        ("date,x\n2020-01-02,1,2\n", "has no table of dates and columns"),
    ],
)
def test_mistakes_in_a_file_end_in_one_line(tmp_path: Path, text: str | None, words: str):
    path = tmp_path / "f.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=f"factor.returns=.*{words}") as raised:
        read(str(path))
    assert "\n" not in str(raised.value)


def test_the_state_of_the_market_is_that_of_its_past_volatility():
    scores = scores_on(market(30, 400))
    series = study(scores)["series"]
    index = within.row_mean(scores.forward.past, scores.grid.has)
    deviation = past_deviation(index[:, None], np.isfinite(index)[:, None], 20)[:, 0]
    row = 350
    assert series["wild"][row - scores.rows[0]] == (deviation[row] > np.nanmedian(deviation[: row + 1]))
    assert np.isfinite(FactorReturns.market(scores.grid.time, index).values).all()


def test_quantiles_and_turnover_of_a_part_are_those_of_its_bars_alone(wide: Scores):
    """Of a year or a state by the rows of that part; of a group by its cells: plain loops."""
    tables = study(wide)
    parts, series = tables["quantiles_by"], tables["series"]
    of = (parts["kind"] == "market") & (parts["value"] == "up")
    rows = series["up"] == 1
    for k, excess in zip(parts["quantile"][of], parts["excess"][of], strict=True):
        np.testing.assert_allclose(excess, np.nanmean((series[f"q{k}"] - series["market"])[rows]), rtol=1e-9)
    quantile, ret = wide.quantile, wide.returns(1)
    tech = np.array([i % 3 == 2 for i in range(45)])
    lows, new = [], []
    for t in range(len(quantile)):
        there = tech & (quantile[t] > 0) & np.isfinite(ret[t])
        low = there & (quantile[t] == 1)
        if low.any():
            lows.append(ret[t, low].mean() - ret[t, there].mean())
        now = tech & (quantile[t] == 1)
        if t and now.any():
            new.append((now & (quantile[t - 1] != 1)).sum() / now.sum())
    of = (parts["kind"] == "sector") & (parts["value"] == "tech") & (parts["quantile"] == 1)
    np.testing.assert_allclose(parts["excess"][of], np.mean(lows), rtol=1e-9)
    by = tables["by"]
    np.testing.assert_allclose(
        by["lowest"][(by["kind"] == "sector") & (by["value"] == "tech")], np.mean(new), rtol=1e-9
    )
    whole, turnover = by["kind"] == "all", tables["turnover"]
    np.testing.assert_allclose(by["highest"][whole], turnover["highest"][turnover["lag"] == 1], rtol=1e-9)


def test_blocks_drawn_again_say_what_newey_and_west_do_of_a_long_series():
    noise = np.random.default_rng(2).standard_normal(4004)
    series = 0.1 + np.convolve(noise, np.ones(5) / 5, "valid")
    found, (low, high) = mean_of(series, 5), bootstrap_of(series, 5)
    np.testing.assert_allclose([low, high], [found.low, found.high], atol=0.15 * (found.high - found.low))
    assert np.isnan(bootstrap_of(series[:9])).all()
