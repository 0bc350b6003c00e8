"""Labels across symbols against plain formulas, on markets with holes, delistings and members; and what they know."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barwise.cross_labels import PATIENCE, bound, cross_rank, excess_return, horizon_of, residual_return
from barwise.data import synthetic
from barwise.data.bars import Bars, Universe
from barwise.data.groups import put
from barwise.errors import ConfigError
from barwise.features.matrix import build
from barwise.features.price import price
from barwise.panel import build_panel
from barwise.validation.folds import Validation, touches
from barwise.validation.splits import PurgedKFold
from tests.backtest.markets import market
from tests.reference.cross_labels import plain

SECTORS = ("A", "B")


def grouped(bars: list[Bars]) -> list[Bars]:
    return [put(b, {"sector": (np.full(len(b), i % 2, np.int32), SECTORS)}) for i, b in enumerate(bars)]


def members(bars: list[Bars]) -> Universe:
    """The first symbol is in for the first half of the times only."""
    first, last = min(b.time[0] for b in bars), max(b.time[-1] for b in bars)
    half = first + (last - first) // 2
    return Universe("m", {b.symbol: ((first, half if i == 0 else last),) for i, b in enumerate(bars)})


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 9999), horizon=st.integers(1, 6), execution=st.sampled_from(("open", "close")))
def test_ranks_excess_and_ends_are_the_plain_ones(seed: int, horizon: int, execution: str):
    bars = grouped(market(seed, 5, 70, 0.1))
    universe = members(bars)
    sector = {b.symbol: SECTORS[i % 2] for i, b in enumerate(bars)}
    cases: list[tuple[Any, int, dict[str, str] | None]] = [
        (cross_rank, 2, None), (excess_return, 3, None), (partial(excess_return, group="sector"), 3, sector),
    ]  # fmt: skip
    for labeler, which, group in cases:
        labels = bound(partial(labeler, horizon=horizon, execution=f"next_{execution}"), bars, universe)
        expected = plain(bars, universe.inside, horizon, execution, group)
        for b in bars:
            found = labels(b)
            for t in range(len(b)):
                wanted = expected.get((b.symbol, t))
                if wanted is None or not np.isfinite(wanted[which]):
                    assert np.isnan(found.ret[t]) and np.isnat(found.end[t])
                    continue
                assert found.ret[t] == pytest.approx(wanted[0], rel=1e-12)
                assert found.end[t] == np.datetime64(wanted[1], "ns")
                assert found.y[t] == pytest.approx(wanted[which], abs=1e-12)


def test_a_label_ends_when_the_last_of_its_members_does_and_training_is_purged_by_that():
    whole = list(synthetic.load(n_symbols=4, n_bars=300).bars)
    holed = whole[3].take(np.delete(np.arange(300), np.arange(150, 160)))  # ten bars are missing
    bars = [*whole[:3], holed]
    labels = bound(partial(cross_rank, horizon=5), bars)
    found = labels(bars[0])
    assert found.end[100] == bars[0].time[106]
    assert found.end[147] == bars[0].time[163]  # the fourth symbol's return ends ten bars later
    panel = build_panel(build(bars, {"price": price}), partial(cross_rank, horizon=5))
    for fold in Validation(PurgedKFold(4)).folds(panel):
        assert not touches(panel, fold.train, fold.test).any()
        inside = (panel.time[fold.train] < panel.time[fold.test].min()) & (
            panel.end[fold.train] >= panel.time[fold.test].min()
        )
        assert not inside.any()


def test_a_symbol_that_is_gone_is_left_out_once_it_is_known_to_be():
    whole = list(synthetic.load(n_symbols=3, n_bars=200).bars)
    gone = whole[2].take(slice(0, 103))
    labels = bound(partial(excess_return, horizon=1), [*whole[:2], gone])
    found = labels(whole[0])
    assert found.end[100] == whole[0].time[102]
    assert found.end[102] == whole[0].time[102 + 2 + PATIENCE]  # its last bar: nobody knows yet that none will come
    assert found.y[102] == pytest.approx(found.ret[102] - (found.ret[102] + labels(whole[1]).ret[102]) / 2)
    assert found.end[103] == whole[0].time[105]
    assert np.isnan(labels(gone).ret[101])


def test_what_beta_and_the_sector_leave():
    random = np.random.default_rng(0)
    n, steps = 600, 0.01
    index, sectors = random.normal(0, steps, n), random.normal(0, steps, (2, n))
    days = np.datetime64("2020-01-01", "ns") + np.arange(n) * np.timedelta64(1, "D")
    bars = []
    for i in range(40):
        own = random.normal(0, steps / 4, n)
        close = 100 * np.exp(np.cumsum((0.5 + i / 40) * index + sectors[i % 2] + own))
        bars.append(Bars(f"S{i:02d}", days, close, close, close, close, np.full(n, 1e6)))
    bars = grouped(bars)
    common = []
    for labeler in (excess_return, residual_return, partial(residual_return, group="sector")):
        labels = bound(partial(labeler, horizon=1, execution="next_close"), bars)
        y = np.column_stack([labels(b).y for b in bars])[200:-5]
        market, sector = index[202:-3], (sectors[0] - sectors[1])[202:-3]
        with_market = np.mean([abs(np.corrcoef(y[:, i], market)[0, 1]) for i in range(40)])
        with_sector = np.mean([abs(np.corrcoef(y[:, i], sector)[0, 1]) for i in range(40)])
        common.append((with_market, with_sector))
    assert common[0][0] > 0.25 > 0.12 > common[1][0]  # betas differ, and are taken out
    assert common[1][1] > 0.8 > 0.15 > common[2][1]


@pytest.mark.parametrize("labeler", [cross_rank, excess_return, residual_return])
def test_mistakes_end_in_one_line(labeler: Any):
    bars = synthetic.load(n_symbols=2, n_bars=50).bars
    with pytest.raises(ConfigError, match="there is one, S0000; use other labels"):
        bound(labeler, bars[:1])
    with pytest.raises(ConfigError, match=r"labels\.horizon=0: must be"):
        bound(partial(labeler, horizon=0), bars)
    if labeler is not cross_rank:
        with pytest.raises(ConfigError, match=r"labels\.group=sector: the bars have no groups"):
            bound(partial(labeler, group="sector"), bars)
    assert horizon_of(partial(labeler, horizon=3)) == 3


def test_labels_of_another_shape_are_refused():
    def flat(market: Any) -> Any:
        found = cross_rank(market)
        return replace(found, y=found.y.ravel())

    flat.across_symbols = True  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match=r"y has shape .* returns arrays of \(bar, symbol\)"):
        bound(flat, synthetic.load(n_symbols=2, n_bars=50).bars)
