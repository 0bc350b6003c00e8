"""What each metric is called, how it is printed and what it means, for every reader-facing table."""

from __future__ import annotations

from typing import Any, NamedTuple


class Measure(NamedTuple):
    """One key of metrics.json."""

    name: str
    label: str
    form: str
    means: str


MEASURES = tuple(
    Measure(*row)
    for row in (
        ("sharpe", "Sharpe, net", "{:.2f}", "mean over standard deviation of net returns, a year"),
        ("sharpe_gross", "Sharpe, gross", "{:.2f}", "before costs"),
        ("sharpe_delayed", "Sharpe, one bar later", "{:.2f}", "net, every signal traded one bar later"),
        ("annual_return", "return a year", "{:.1%}", "net, compounded"),
        ("annual_volatility", "volatility a year", "{:.1%}", "net"),
        ("max_drawdown", "worst drawdown", "{:.1%}", "net, from peak to trough"),
        ("sortino", "Sortino", "{:.2f}", "mean over downside deviation, a year"),
        ("calmar", "Calmar", "{:.2f}", "return a year over worst drawdown"),
        ("alpha", "alpha a year", "{:.1%}", "of net returns on buy-and-hold"),
        ("beta", "beta", "{:.2f}", "of net returns on buy-and-hold"),
        ("t_stat", "t of alpha", "{:.2f}", "above 2 is unlikely to be luck, in a single trial"),
        ("turnover", "turnover a year", "{:.1f}×", "sum of changes of weight, from drifted weights"),
        ("breakeven_cost_bps", "break-even cost a side", "{:.1f} bp", "cost at which the net mean is zero"),
        ("n_trades", "trades", "{:,.0f}", "changes of a symbol's position"),
        ("hit_rate", "bars won", "{:.1%}", "of the bars that moved, net"),
        ("ic", "correlation", "{:.4f}", "Pearson, of score and the return that could be earned"),
        ("rank_ic", "rank correlation", "{:.4f}", "Spearman, of score and the return that could be earned"),
        ("rank_ic_cross", "rank correlation across symbols", "{:.4f}", "mean over bars with 20 symbols or more"),
        ("accuracy", "accuracy", "{:.1%}", "sign of score equals sign of return, ties left out"),
        ("psr", "probabilistic Sharpe", "{:.2f}", "probability that the true Sharpe is above zero, in one trial"),
        ("n_bars", "bars", "{:,.0f}", "out of sample"),
    )
)
BASELINES = {
    "buy_and_hold": "buy and hold",
    "persistence": "persistence (sign of the last return)",
    "random": "random signals of the same turnover",
    "linear": "linear model on the same features",
}


def shown(value: Any, form: str = "{}") -> str:
    """`value` in `form`; an en dash where it is undefined."""
    if value is None:
        return "–"
    try:
        return form.format(value)
    except (ValueError, TypeError):
        return str(value)
