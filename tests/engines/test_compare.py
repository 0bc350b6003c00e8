"""The ledger beside other people's engines: positions, fills, costs and equity, strategy by strategy."""

from __future__ import annotations

import pytest

from tests.conftest import ROOT
from tests.engines.compare import ENGINES, compared

QUICK = frozenset({"stops and targets", "borrow on shorts", "costs by volume", "delisting"})
HERE = tuple(one for one in ENGINES if one.name in ("vectorbt", "backtrader"))


def test_a_few_strategies_are_worth_the_same_elsewhere():
    found = list(compared(HERE, QUICK))
    assert {one.engine for one in found} == {"vectorbt", "backtrader"} and len(found) == 6
    assert max(one.most for one in found) < 1e-9, found


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("engine", [pytest.param(one, id=one.name) for one in ENGINES])
def test_every_strategy_is_worth_the_same_elsewhere(engine):
    """Engines with pins of their own are asked where ZIPLINE and NAUTILUS name a Python that has them."""
    if not engine.runs_on:
        pytest.skip(f"{engine.name} is not at hand")
    page = (ROOT / "docs" / "parity.md").read_text(encoding="utf-8")
    for one in compared((engine,)):
        assert one.most <= engine.tolerance, one
        assert f"| {one.scenario} |" in page
