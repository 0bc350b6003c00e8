"""Metrics of a ledger and of the scores behind it; what is undefined is None, with the reason."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from barwise.backtest.grid import Grid
from barwise.backtest.ledger import Ledger
from barwise.console.hidden import hidden
from barwise.evidence.deflated import probabilistic_sharpe
from barwise.samples import direction

CROSS_SECTION = 20  # symbols a bar from which a rank correlation per bar means something


@cache
def ratios() -> Any:
    """empyrical, without yfinance: it fetches bars if it can, and importing that costs a run 0.2 s."""
    with hidden("yfinance", "pandas_datareader"):
        import empyrical
    return empyrical


def compute(
    ledger: Ledger, market: Ledger, score: np.ndarray, ret: np.ndarray, time: np.ndarray, per_year: float
) -> tuple[dict[str, Any], dict[str, str]]:
    """All metrics of metrics.json but the baselines and folds, and why those that are None are undefined."""
    empyrical = ratios()
    net, excess = ledger.net, ledger.excess
    moved = bool(np.any(excess != 0.0)) and len(net) > 2
    options = {"annualization": per_year}
    values: dict[str, Any] = {
        "sharpe": net_sharpe(ledger, per_year),
        "sharpe_gross": gross_sharpe(ledger, per_year),
        "annual_return": number(empyrical.annual_return(net, **options)),
        "annual_volatility": number(empyrical.annual_volatility(net, **options)),
        "max_drawdown": number(empyrical.max_drawdown(net)),
        "sortino": number(empyrical.sortino_ratio(excess, **options)) if moved else None,
        "calmar": number(empyrical.calmar_ratio(net, **options)) if moved else None,
        **regression(excess, market.excess, per_year),
        "turnover": number(ledger.turnover.mean() * per_year),
        "hit_rate": number((excess[excess != 0.0] > 0).mean()) if moved else None,
        **correlations(score, ret, time),
        "n_trades": ledger.n_trades,
        "n_bars": len(net),
        "breakeven_cost_bps": breakeven(ledger),
        "psr": number(probabilistic_sharpe(excess)) if moved else None,
    }
    if ledger.ruined:
        reasons = {name: "the account was ruined" for name, value in values.items() if value is None}
    elif ledger.n_trades == 0:
        reasons = {name: "no trades" for name, value in values.items() if value is None}
    else:
        reasons = {name: "no variance, or too few bars" for name, value in values.items() if value is None}
    if values["rank_ic_cross"] is None:
        reasons["rank_ic_cross"] = f"fewer than {CROSS_SECTION} symbols a bar"
    return values, reasons


def sharpe_ratio(returns: np.ndarray, per_year: float) -> float | None:
    """Mean over standard deviation (ddof 1) times √periods per year; None without variance.

    >>> round(sharpe_ratio(np.array([0.01, -0.005, 0.012, 0.002]), 252), 2)
    9.66
    """
    if len(returns) < 2:
        return None
    deviation = float(np.std(returns, ddof=1))
    return number(float(np.mean(returns)) / deviation * math.sqrt(per_year)) if deviation > 1e-15 else None


def net_sharpe(ledger: Ledger, per_year: float, rows: np.ndarray | slice = slice(None)) -> float | None:
    """Sharpe ratio of net returns above what cash earns, over `rows` of the ledger."""
    return sharpe_ratio(ledger.excess[rows], per_year)


def gross_sharpe(ledger: Ledger, per_year: float, rows: np.ndarray | slice = slice(None)) -> float | None:
    """The same before costs."""
    return sharpe_ratio((ledger.gross - ledger.risk_free)[rows], per_year)


def regression(net: np.ndarray, market: np.ndarray, per_year: float) -> dict[str, float | None]:
    """`alpha` (a year), its `t_stat`, and `beta`: returns on the market's, by least squares; both above cash."""
    from scipy.stats import linregress

    if len(net) < 3 or np.ptp(market) == 0 or np.ptp(net) == 0:
        return {"alpha": None, "beta": None, "t_stat": None}
    fit = linregress(market, net)
    t = fit.intercept / fit.intercept_stderr if fit.intercept_stderr > 0 else math.nan
    return {"alpha": number(fit.intercept * per_year), "beta": number(fit.slope), "t_stat": number(t)}


def steady_t(ledger: Ledger, grid: Grid, per_year: float) -> float | None:
    """The t of alpha on a steady exposure: each symbol of the universe at the same weight at every bar, without costs.

    Buy-and-hold comes to hold most of what rose most; a constant exposure has an alpha on it by being spread evenly,
    which is no skill of the signals.
    """
    with np.errstate(invalid="ignore"):
        returns = np.where(grid.has & grid.inside, grid.close / grid.before - 1.0, np.nan)
    known = np.isfinite(returns)
    mean = np.where(known, returns, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    rows = np.searchsorted(grid.time, ledger.time)
    return regression(ledger.excess, mean[rows] - ledger.risk_free, per_year)["t_stat"]


def correlations(score: np.ndarray, ret: np.ndarray, time: np.ndarray) -> dict[str, float | None]:
    """`ic`, `rank_ic` pooled, `rank_ic_cross` (mean per bar), `accuracy` of the sign, over rows with both."""
    known = np.isfinite(score) & np.isfinite(ret)
    score, ret, time = score[known], ret[known], time[known]
    signs = (np.sign(score) != 0) & (direction(ret) != 0)
    accuracy = (np.sign(score) == direction(ret))[signs].mean() if signs.any() else math.nan
    varied = len(score) > 2 and np.ptp(score) > 0 and np.ptp(ret) > 0
    return {
        "ic": number(np.corrcoef(score, ret)[0, 1]) if varied else None,
        "rank_ic": number(np.corrcoef(ranks(score), ranks(ret))[0, 1]) if varied else None,
        "rank_ic_cross": cross_section(score, ret, time) if varied else None,
        "accuracy": number(accuracy),
    }


def cross_section(score: np.ndarray, ret: np.ndarray, time: np.ndarray) -> float | None:
    """Mean over bars of the rank correlation across symbols, over bars with 20 symbols or more."""
    ordered = np.sort(time, kind="stable")
    if not (ordered[CROSS_SECTION - 1 :] == ordered[: 1 - CROSS_SECTION]).any():
        return None
    order = np.argsort(time, kind="stable")
    _, begins, counts = np.unique(time[order], return_index=True, return_counts=True)
    found = []
    for k in np.flatnonzero(counts >= CROSS_SECTION):
        rows = order[begins[k] : begins[k] + counts[k]]
        if np.ptp(score[rows]) > 0 and np.ptp(ret[rows]) > 0:
            found.append(np.corrcoef(ranks(score[rows]), ranks(ret[rows]))[0, 1])
    return number(np.mean(found)) if found else None


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, ties by average.

    >>> ranks(np.array([0.3, 0.1, 0.3])).tolist()
    [2.5, 1.0, 2.5]
    """
    order = np.argsort(values)
    ordered = values[order]
    begin = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))[: len(values)]
    found = np.empty(len(values))
    if len(begin) == len(values):  # no ties
        found[order] = np.arange(1.0, len(values) + 1.0)
        return found
    end = np.append(begin[1:], len(values))
    found[order] = np.repeat((begin + 1 + end) / 2, end - begin)
    return found


def breakeven(ledger: Ledger) -> float | None:
    """Cost per side, in basis points, at which the mean return after borrow is that of cash.

    The mean of gross less borrow less cash over the mean turnover: exact but for what costs change in the account.
    """
    traded = float(ledger.turnover.mean())
    earned = float((ledger.gross - ledger.borrow).mean()) - ledger.risk_free
    return number(earned / traded * 1e4) if traded > 0 else None


def number(value: Any) -> float | None:
    """`value` as a float; None where it is not finite."""
    return float(value) if math.isfinite(value) else None


def drawdown(wealth: np.ndarray, start: float = 1.0) -> np.ndarray:
    """Fraction below the highest wealth so far, the start included.

    >>> drawdown(np.array([1.1, 0.99, 1.21])).round(2).tolist()
    [0.0, -0.1, 0.0]
    """
    known = np.nan_to_num(wealth, nan=0.0)
    found: np.ndarray = known / np.maximum(np.maximum.accumulate(known), start) - 1.0
    return found
