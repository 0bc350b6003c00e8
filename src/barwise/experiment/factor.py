"""The factor tables of a run's scores, and where they are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from barwise.backtest.grid import Grid
from barwise.backtest.hooks import execution_of, portfolio_of
from barwise.experiment.results import Result
from barwise.factor.drawdowns import drawdowns
from barwise.factor.exposure import Series, alphas, exposures
from barwise.factor.files import FactorReturns
from barwise.factor.scores import Frame, Scores
from barwise.factor.study import HORIZONS, study
from barwise.portfolio.hooks import HoldsTranches
from barwise.runs.directory import RunDirectory, write_parquet


def factor_tables(
    result: Result, grid: Grid, backtest: Any, per_year: float, returns: FactorReturns | None
) -> dict[str, Frame]:
    """All tables by name, of the scores that were traded and of what they earned."""
    main = result.main or result.table
    portfolio = portfolio_of(backtest)
    held = portfolio.tranches if isinstance(portfolio, HoldsTranches) else 1
    scores = Scores.of(
        grid, main.symbol, main.time, main.score,
        execution=execution_of(backtest), horizon=min(int(held), max(HORIZONS)), per_year=per_year,
    )  # fmt: skip
    tables = study(scores)
    ledger, market = result.ledger, result.market
    net = Series(ledger.time, ledger.excess, free=True)
    factors = [("market", FactorReturns.market(market.time, market.excess))]
    found = [alphas({"strategy, net": net}, factors, per_year)]
    if returns is not None:
        found.append(alphas({"strategy, net": net}, [(returns.note, returns)], per_year))
    if tables:
        spread = Series(_earned(tables["series"]["time"], grid, scores.execution), tables["series"]["spread"])
        market_of_spread = FactorReturns.market(spread.time, tables["series"]["market"])
        found.append(alphas({"quantile spread": spread}, [("market", market_of_spread)], per_year))
        if returns is not None and scores.pool == 1:
            found.append(alphas({"quantile spread": spread}, [(returns.note, returns)], per_year))
        tables["exposures"] = exposures(scores)
    tables["alphas"] = {name: np.concatenate([one[name] for one in found]) for name in found[0]}
    tables["drawdowns"] = drawdowns(ledger.time, ledger.net)
    tables["about"] = about(scores)
    return tables


def _earned(time: np.ndarray, grid: Grid, execution: str) -> np.ndarray:
    """The bar in which most of the return decided at each of `time` is earned: the next, or the one after it."""
    later = 2 if execution == "next_close" else 1
    found: np.ndarray = grid.time[np.minimum(np.searchsorted(grid.time, time) + later, len(grid.time) - 1)]
    return found


def about(scores: Scores) -> Frame:
    """What the tables are made of: one row."""
    counts = np.isfinite(scores.values).sum(axis=1)
    return {
        "across": np.array([scores.across]), "pool": np.array([scores.pool]), "horizon": np.array([scores.horizon]),
        "quantiles": np.array([scores.quantiles]), "bars": np.array([len(scores.rows)]),
        "symbols": np.array([float(np.median(counts)) if len(counts) else np.nan]),
    }  # fmt: skip


def write_tables(out: RunDirectory, tables: Mapping[str, Frame]) -> None:
    """Each table as factor/NAME.parquet."""
    for name, table in tables.items():
        write_parquet(out.path / "factor" / f"{name}.parquet", table)
