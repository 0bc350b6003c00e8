"""Neutral scores: what is left is orthogonal, from the past alone; it finds what only sectors hide; live too."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.linear_model import Ridge

from barwise.data.bars import Bars, Market, Universe
from barwise.data.groups import put
from barwise.errors import ConfigError
from barwise.experiment.recipe import parts_of
from barwise.experiment.run import walk
from barwise.experiment.session import FitSession
from barwise.features.context import context
from barwise.features.matrix import build
from barwise.labels import forward_return
from barwise.neutral import Neutral
from barwise.panel import build_panel
from barwise.serving.live import Live
from barwise.serving.model import serve
from barwise.serving.predict import predict
from barwise.strategies.sklearn import SklearnStrategy
from barwise.validation.folds import Validation
from barwise.validation.splits import WalkForward
from tests.serving.conftest import train_here
from tests.serving.test_panels import COLUMNS
from tests.test_settings import plain

SECTORS = tuple(f"sector {i}" for i in range(11))
STEP = 0.01


def universe(symbols: int, bars: int, ic: float, seed: int = 0) -> tuple[Market, np.ndarray]:
    """(a market in eleven sectors, the planted signal (bar, symbol)): members, five delistings and holes.

    A return after a bar correlates by `ic` with the symbol's signal, beside what the sector does. The column `hint`
    is the signal under a part of the sector that is five times as wide and tells nothing.
    """
    random = np.random.default_rng(seed)
    sector = np.arange(symbols) % len(SECTORS)
    signal = random.standard_normal((bars, symbols))
    shock, cover = random.standard_normal((2, bars, len(SECTORS)))
    ret = 0.5 * shock[:, sector] + np.sqrt(1 - ic**2) * random.standard_normal((bars, symbols))
    ret[2:] += ic * signal[:-2]  # decided at t, earned from close(t+1) to close(t+2)
    close = 100 * np.exp(STEP * ret.cumsum(axis=0))
    time = (np.datetime64("2010-01-04") + np.arange(bars) // 5 * 7 + np.arange(bars) % 5).astype("datetime64[ns]")
    found, stays = [], {}
    for i in range(symbols):
        there = random.random(bars) > 0.01
        if i < 5:
            there[bars * 3 // 4 + i :] = False
        rows = np.flatnonzero(there)
        own = close[rows, i]
        hint = signal[rows, i] + 5.0 * cover[rows, sector[i]]
        made = Bars(f"S{i:03d}", time[rows], own, own, own, own, random.lognormal(12, 1, len(rows)), {"hint": hint})
        found.append(put(made, {"sector": (np.full(len(rows), sector[i], np.int32), SECTORS)}))
        stays[made.symbol] = ((time[bars // 8 if i % 10 == 9 else 0], time[-1]),)
    return Market(tuple(found), universe=Universe("made", stays)), signal


def rank_ics(market: Market, signal: np.ndarray, *neutral: str | None) -> tuple[list[float], float]:
    """(mean rank correlation within bars of scores made neutral to each, that of the planted signal within sectors)."""
    labeler = partial(forward_return, horizon=1, execution="next_close")
    matrix = build(
        market.bars, {"hint": partial(context, columns=["hint"], transforms=["level"])}, universe=market.universe
    )
    panel = build_panel(matrix, labeler, market.universe)
    strategy = SklearnStrategy(Ridge())
    folds = Validation(WalkForward(n_splits=2)).folds(panel)
    found = []
    times = np.unique(panel.time)
    for name in neutral:
        one = Neutral.of([name]) if name else None
        part = replace(panel, neutral=one.on(matrix.bars, market.universe) if one else None)
        table = walk(part, folds, strategy, parts_of(plain("signals=none")).signals, FitSession())
        found.append(mean_rank_ic(table.time, table.score, table.ret))
    truth = signal[np.searchsorted(times, table.time), table.symbol]
    assert Neutral.of("sector") is not None
    left = Neutral(("sector",)).on(matrix.bars, market.universe)(panel.symbols, table.symbol, table.time, truth)
    return found, mean_rank_ic(table.time, left, table.ret)


def mean_rank_ic(time: np.ndarray, score: np.ndarray, ret: np.ndarray) -> float:
    known = np.isfinite(score) & np.isfinite(ret)
    time, score, ret = time[known], score[known], ret[known]
    return float(np.mean([spearmanr(score[time == t], ret[time == t])[0] for t in np.unique(time)]))


@pytest.mark.parametrize(
    "size", [(66, 240, 0.3), pytest.param((500, 2500, 0.05), marks=pytest.mark.slow)], ids=["small", "desk"]
)
def test_a_signal_within_sectors_is_lost_by_raw_scores_and_found_by_neutral_ones(size: tuple[int, int, float]):
    market, signal = universe(*size)
    (raw, neutral), planted = rank_ics(market, signal, None, "sector")
    print(f"{size}: raw {raw:.4f}, neutral {neutral:.4f}, planted {planted:.4f}")
    assert neutral > 0.9 * planted and raw < 0.5 * planted  # seeds 0 to 7, small: raw is 0.24 to 0.36 of planted


def exposed(seed: int = 0, symbols: int = 12, bars: int = 150) -> tuple[Market, np.ndarray, np.ndarray, np.ndarray]:
    """(market, symbol index, time and a score of each bar)."""
    market, _ = universe(symbols, bars, 0.1, seed)
    symbol = np.repeat(np.arange(symbols), [len(b) for b in market.bars])
    time = np.concatenate([b.time for b in market.bars])
    score = np.random.default_rng(seed).uniform(-1, 1, len(time))
    score[::17] = np.nan
    return market, symbol, time, score


@pytest.mark.parametrize("names", ["market", "sector", "beta", "size", "hint", "market,sector,beta,size,hint"])
def test_what_is_left_correlates_with_nothing_that_was_taken_out(names: str):
    market, symbol, time, score = exposed(symbols=40)
    neutral = Neutral(tuple(names.split(",")))
    left = neutral.on(market.bars, market.universe)
    out = left(market.symbols, symbol, time, score)
    np.testing.assert_array_equal(np.isnan(out), np.isnan(score))
    assert np.nanmax(np.abs(out)) <= 1
    for t in np.unique(time)[-40:]:
        row = np.searchsorted(left.time, t)
        own = np.flatnonzero((time == t) & np.isfinite(score))
        assert out[own].sum() == pytest.approx(0, abs=1e-9)
        for codes in left.groups:
            for code in np.unique(codes[row, symbol[own]]):
                assert out[own][codes[row, symbol[own]] == code].sum() == pytest.approx(0, abs=1e-9)
        for values in left.columns:
            x = values[row, symbol[own]]
            x = np.where(np.isfinite(x), x, np.nanmean(x))
            assert (out[own] @ (x - x.mean())) / np.abs(x - x.mean()).max() == pytest.approx(0, abs=1e-8)
    assert np.nanstd(out[time > np.unique(time)[80]]) > 0.1


def test_what_is_left_of_a_bar_is_the_same_when_later_bars_are_cut_off():
    market, symbol, time, score = exposed(seed=3)
    neutral = Neutral(("sector", "beta", "size", "hint"))
    whole = neutral.on(market.bars, market.universe)(market.symbols, symbol, time, score)
    for row in (90, 120):
        last = np.unique(time)[row]
        bars = [b.take(b.time <= last) for b in market.bars]
        part = time <= last
        early = neutral.on(bars, market.universe)(market.symbols, symbol[part], time[part], score[part])
        np.testing.assert_allclose(early, whole[part], atol=1e-9)


def test_mistakes_end_in_one_line():
    market, *_ = exposed()
    with pytest.raises(ConfigError, match=r"signals\.neutral=sektor: the bars have no such group or column; there are"):
        Neutral(("sektor",)).on(market.bars)
    with pytest.raises(ConfigError, match="there is one; leave it at null"):
        Neutral(("market",)).on(market.bars[:1])
    for wrong in (3, [], [1], {}, True, ""):
        with pytest.raises(ConfigError, match=r"signals\.neutral=.*: must be null or a list of market, beta, size"):
            Neutral.of(wrong)
    assert parts_of(plain("signals.neutral=[market,beta]")).neutral == Neutral(("market", "beta"))
    assert parts_of(plain("signals=rank")).neutral is None


def test_live_equals_the_batch_with_groups_that_bars_may_leave_out(tmp_path: Path):
    market, _ = universe(12, 420, 0.3, seed=5)
    rows = ["time,symbol,open,high,low,close,volume,sector"]
    for i, b in enumerate(market.bars):
        word = SECTORS[i % 2]
        columns = [b.open, b.high, b.low, b.close, b.volume]
        rows += [f"{t},{b.symbol}," + ",".join(repr(float(c[k])) for c in columns) + f",{word}"
                 for k, t in enumerate(b.time.astype("datetime64[D]"))]  # fmt: skip
    (tmp_path / "bars.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "run").mkdir()
    run = train_here(tmp_path / "run", f"data.path={tmp_path / 'bars.csv'}", "signals.neutral=[sector,beta,size]")
    served = serve(run)
    bars = [
        put(replace(b, extra={}), {"sector": (np.full(len(b), i % 2, np.int32), SECTORS[:2])})
        for i, b in enumerate(market.bars)
    ]
    first = np.unique(np.concatenate([b.time for b in bars]))[405]
    session = Live(served)
    assert session.across
    session.warm(Market(tuple(b.take(b.time < first) for b in bars)))
    found = {}
    for k, time in enumerate(np.unique(np.concatenate([b.time[b.time >= first] for b in bars]))):
        given = {}
        for i, b in enumerate(bars):
            at = np.flatnonzero(b.time == time)
            if len(at):
                given[b.symbol] = {c: getattr(b, c)[at[0]] for c in COLUMNS}
                given[b.symbol] |= {"sector": SECTORS[i % 2]} if k % 2 else {}
        for name, answer in session.step(time, given).items():
            found[name, time] = answer.score
    batch = predict(served, Market(tuple(bars)), seen_too=True)
    places = {(s, t): i for i, (s, t) in enumerate(zip(batch.symbol, batch.time, strict=True))}
    np.testing.assert_allclose(list(found.values()), batch.score[[places[key] for key in found]], atol=1e-6, rtol=0)
    sums = [sum(v for (_, t), v in found.items() if t == time) for time in {t for _, t in found}]
    assert np.abs(sums).max() < 1e-9 and np.isfinite(list(found.values())).sum() > 50
