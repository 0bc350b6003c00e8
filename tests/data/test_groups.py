"""Columns of words become groups: chosen, told, hashed, aligned, traded within, and carried on live."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from barwise.audit.bars import altered
from barwise.backtest.grid import Grid, Signals
from barwise.backtest.ledger import Backtest
from barwise.data.bars import Market
from barwise.data.files import load
from barwise.data.groups import shared
from barwise.data.hash import data_hash
from barwise.errors import ConfigError
from barwise.features.aligned import align
from barwise.portfolio.portfolio import Portfolio
from barwise.portfolio.rules import proportional

SECTORS = ("Tech", "Energy", "Bank")


def rows(symbols: int = 6, bars: int = 60) -> pd.DataFrame:
    random = np.random.default_rng(0)
    parts = []
    for i in range(symbols):
        close = 100 * np.exp(random.normal(0, 0.02, bars).cumsum())
        parts.append(pd.DataFrame({
            "date": pd.bdate_range("2020-01-01", periods=bars), "symbol": f"S{i}", "open": close, "high": close * 1.01,
            "low": close * 0.99, "close": close, "volume": 1e6 + i, "sector": SECTORS[i % 3],
            "country": ["US", "DE"][i % 2], "name": f"Firm {i}", "currency": "USD", "gics": 10 * (i % 2),
        }))  # fmt: skip
    parts[1].loc[30:, "sector"] = "Tech"  # moves
    parts[2].loc[:9, "sector"] = ""
    return pd.concat(parts)


@pytest.fixture
def file(tmp_path: Path) -> str:
    rows().to_csv(tmp_path / "u.csv", index=False)
    return str(tmp_path / "u.csv")


def test_words_that_group_symbols_are_groups_and_others_are_left_out(file: str):
    market = load(file)
    first, moves, later = market.bars[:3]
    assert first.group_names == {"sector": ("Bank", "Energy", "Tech"), "country": ("DE", "US")}
    assert [moves.group_names["sector"][i] for i in moves.groups["sector"][[29, 30]]] == ["Energy", "Tech"]
    assert later.groups["sector"][[9, 10]].tolist() == [-1, 0]
    assert market.facts["columns"]["sector"] == "group"
    assert market.facts["columns"]["name"] == market.facts["columns"]["currency"] == "left out: no numbers"
    assert list(first.extra) == ["gics"]


def test_a_choice_leaves_the_others_out_by_name_and_takes_codes(file: str):
    market = load(file, groups=["sector", "gics"])
    assert market.bars[0].group_names["gics"] == ("0", "10") and not market.bars[0].extra
    assert any("country is left out: data.groups=[sector,gics]" in text for text in market.facts["warnings"])
    with pytest.raises(ConfigError, match=r"data.groups=sektor: .* it has sector, country, name, currency, gics"):
        load(file, groups="sektor")


def test_files_of_their_own_words_share_codes(tmp_path: Path):
    for name, part in rows().groupby("symbol"):
        part.drop(columns="symbol").to_csv(tmp_path / f"{name}.csv", index=False)
    apart = load(str(tmp_path))
    codes, names = shared("sector", apart.bars)
    assert names == ("Bank", "Energy", "Tech") and {int(c[-1]) for c in codes} == {0, 1, 2}


def test_the_hash_knows_groups(file: str):
    whole, one = load(file), load(file, groups=["sector"])
    assert data_hash(whole) != data_hash(one)
    assert data_hash(one) == data_hash(load(file, groups="sector"))


def test_sets_across_symbols_see_groups_and_the_audit_alters_them(file: str):
    market = load(file)
    found = align(market.bars)
    assert found.groups["sector"].shape == found.has.shape
    assert found.group_names["sector"][found.groups["sector"][-1, 1]] == "Tech"
    other = altered(market.bars[0], 20)
    assert (other.groups["sector"][:20] == market.bars[0].groups["sector"][:20]).all()
    assert (other.groups["sector"][20:] != market.bars[0].groups["sector"][20:]).any()


def test_no_group_holds_more_than_its_limit(file: str):
    market: Market = load(file)
    grid = Grid.build(market.bars)
    random = np.random.default_rng(1)
    time = np.tile(grid.time, len(grid.symbols))
    symbol = np.repeat(np.arange(len(grid.symbols)), len(grid.time))
    signals = Signals(symbol, time, random.choice([-1.0, 0.0, 1.0], len(time)))
    limited = Portfolio(proportional, hold=1, max_group=0.25, group="sector")
    for portfolio, within in ((limited, True), (Portfolio(proportional, hold=1), False)):
        held = Backtest(portfolio=portfolio, keep_positions=True).run(grid, signals, 252.0).held
        assert held is not None
        size = np.nan_to_num(np.abs(held.decided))
        most = max(np.where(grid.groups["sector"] == code, size, 0.0).sum(axis=1).max() for code in range(3))
        assert (most <= 0.25 + 1e-9) == within
    with pytest.raises(ConfigError, match=r"portfolio.group=sektor: the bars have sector, country"):
        Backtest(portfolio=Portfolio(max_group=0.2, group="sektor")).run(grid, signals, 252.0)
