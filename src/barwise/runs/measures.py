"""What each metric is called, how it is printed and what it means, for every reader-facing table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from barwise.errors import ConfigError


class Measure(NamedTuple):
    """One key of metrics.json, or of verdict.json: every table and check of metrics is read off it.

    `better`: what a sweep that compares trials by it looks for, more or less; empty where it is no objective. `places`:
    which short tables show it: terminal, notebook, dashboard; pages show all. Its formula stands under its name in
    `barwise.backtest.metrics.compute`.
    """

    name: str
    label: str
    form: str
    means: str
    better: str = ""
    places: tuple[str, ...] = ()


_ALL, _SHORT, _TERMINAL = ("terminal", "notebook", "dashboard"), ("terminal", "notebook"), ("terminal",)
MEASURES = tuple(Measure(*row) for row in (
    ("sharpe", "Sharpe, net", "{:.2f}", "mean over standard deviation of net returns, a year", "more", _ALL),
    ("sharpe_gross", "Sharpe, gross", "{:.2f}", "before costs", "more", _ALL),
    ("sharpe_delayed", "Sharpe, one bar later", "{:.2f}", "net, every signal traded one bar later", "more", _SHORT),
    ("annual_return", "return a year", "{:.1%}", "net, compounded", "more", _SHORT),
    ("annual_volatility", "volatility a year", "{:.1%}", "net", "less", _TERMINAL),
    ("max_drawdown", "worst drawdown", "{:.1%}", "net, from peak to trough", "more", _ALL),
    ("sortino", "Sortino", "{:.2f}", "mean over downside deviation, a year", "more"),
    ("calmar", "Calmar", "{:.2f}", "return a year over worst drawdown", "more"),
    ("alpha", "alpha a year", "{:.1%}", "of net returns on buy-and-hold", "more"),
    ("beta", "beta", "{:.2f}", "of net returns on buy-and-hold", "more"),
    ("t_stat", "t of alpha", "{:.2f}",
     "from 1.645 on it is more than buy-and-hold; after several trials the verdict asks for more", "more", _TERMINAL),
    ("turnover", "turnover a year", "{:.1f}×", "sum of changes of weight, from drifted weights", "less", _ALL),
    ("breakeven_cost_bps", "break-even cost a side", "{:.1f} bp",
     "cost at which the net mean is zero", "more", _TERMINAL),
    ("n_trades", "trades", "{:,.0f}", "changes of a symbol's position", "", _SHORT),
    ("hit_rate", "bars won", "{:.1%}", "of the bars that moved, net", "more"),
    ("ic", "correlation", "{:.4f}", "Pearson, of score and the return that could be earned", "more"),
    ("rank_ic", "rank correlation", "{:.4f}", "Spearman, of score and the return that could be earned", "more", _ALL),
    ("rank_ic_cross", "rank correlation across symbols", "{:.4f}", "mean over bars with 20 symbols or more"),
    ("accuracy", "accuracy", "{:.1%}", "sign of score equals sign of return, ties left out", "more", _TERMINAL),
    ("psr", "probabilistic Sharpe", "{:.2f}", "probability that the true Sharpe is above zero, in one trial", "more"),
    ("n_bars", "bars", "{:,.0f}", "out of sample"),
))  # fmt: skip
__MINUS_ZERO = re.compile(r"^-(0(?:\.0*)?(?:\D*))$")
_MINUS_ZERO = re.compile(r"[-+](0(?:\.0*)?\D*)")  # of what rounds to nothing
_ACROSS = "rank_ic_cross"
OBJECTIVES = tuple(m.name for m in MEASURES if m.better)  # what a sweep may compare
LEAST_IS_BEST = tuple(m.name for m in MEASURES if m.better == "less")


def measures(ranks: bool = False) -> tuple[Measure, ...]:
    """All measures in their order; where signals rank, the correlation across symbols before those of pooled rows."""
    if not ranks:
        return MEASURES
    (across,) = (m._replace(places=_ALL) for m in MEASURES if m.name == _ACROSS)
    others = [m for m in MEASURES if m.name != _ACROSS]
    place = next(i for i, m in enumerate(others) if m.name == "ic")
    return (*others[:place], across, *others[place:])


RESERVED = frozenset(
    (*(m.name for m in MEASURES), "baselines", "folds", "paths", "seeds", "sharpe_delayed", "dsr", "p_value")
)


def check_objective(name: str, own: Iterable[str] = ()) -> None:
    """ConfigError unless a sweep may compare trials by that metric; `own`: those of the user's own."""
    known = [*OBJECTIVES, *map(str, own)]
    if name not in known:
        raise ConfigError(f"objective={name}: must be one of {', '.join(known)}")


def shown_in(place: str, ranks: bool = False) -> tuple[Measure, ...]:
    """The measures of one short table: terminal, notebook or dashboard."""
    return tuple(m for m in measures(ranks) if place in m.places)


def fold_correlation(ranks: bool) -> tuple[str, str]:
    """Which correlation a table of folds shows, and its heading."""
    return (_ACROSS, "rank corr. across") if ranks else ("rank_ic", "rank corr.")


VERDICT = tuple(  # of verdict.json
    Measure(*row)
    for row in (
        ("p_value", "p", "{:.3f}", "how often the best of so many trials without skill shows as much"),
        (
            "p_alpha",
            "p beyond the market",
            "{:.3f}",
            "the same of its t of alpha, on buy-and-hold and steady weights",
        ),
        ("n_trials", "trials", "{:,}", "tried on these symbols and times, whatever they varied, failed ones too"),
        ("n_effective", "independent trials", "{:.1f}", "that they are worth, by the correlation of what they earned"),
        ("n_seeds", "seeds", "{:,}", "of this configuration on record; the median one is judged"),
        ("critical_sharpe", "critical Sharpe", "{:.2f}", "from which it is evidence after so many bars and trials"),
        ("detectable_sharpe", "detectable Sharpe", "{:.2f}", "that so many bars and trials find with 80 % probability"),
        ("bars_needed", "more bars needed", "{:,.0f}", "to find a Sharpe such as this one with 80 % probability"),
        (
            "observed_fdr",
            "observed false discovery rate",
            "{:.2f}",
            "of such results, were one idea in ten to have skill",
        ),
        ("dsr", "deflated Sharpe", "{:.2f}", "probability that it exceeds the Sharpe of luck"),
        ("sharpe_of_luck", "Sharpe of luck", "{:.2f}", "that the best of so many trials is expected to show"),
        ("sharpe_low", "Sharpe, net, from", "{:.2f}", "lower end of 95 % of block bootstrap draws, a year"),
        ("sharpe_high", "Sharpe, net, to", "{:.2f}", "upper end"),
        ("min_track_record", "minimum track record", "{:,.0f}", "bars that such a Sharpe needs to be above 0"),
        ("sealed_openings", "openings of sealed bars", "{:,}", "on these symbols"),
        ("sealed_traded", "trials on sealed bars", "{:,}", "that had no seal, or a later one"),
    )
)
BASELINES = {
    "buy_and_hold": "buy and hold",
    "persistence": "persistence (sign of the last return)",
    "random": "random signals of the same turnover",
    "linear": "linear model on the same features",
}


def detectable_line(verdict: Mapping[str, Any]) -> str:
    """What could have been found, and how many more bars a doubtful result needs; empty where that is undefined."""
    least = verdict.get("detectable_sharpe")
    if least is None:
        return ""
    line = f"so many bars and trials find a Sharpe of {least:.2f} with 80 % probability"
    more = verdict.get("bars_needed")
    return f"{line}; one such as this takes {more:,.0f} more bars" if more else line


def capacity_line(found: Mapping[str, Any]) -> str:
    """The capital at which costs eat half, and how long positions take to sell."""
    shares = [share for share in found.get("cost_share") or () if share is not None]
    half, (least, *_, most) = found.get("half"), map(short_number, found["capital"])
    if half is not None:
        line = f"costs eat half of the gross return at a capital of {short_number(half)}"
    elif not shares:
        line = "there is no gross return for costs to eat"
    elif shares[0] >= 0.5:
        line = f"costs eat more than half of the gross return at any capital from {least} on"
    else:
        line = f"costs eat less than half of the gross return up to a capital of {most}"
    days, worst = found.get("days_to_liquidate"), found.get("days_to_liquidate_worst")
    sold = "" if days is None else f"; 95 % of the positions are sold in {days:.2g} days, {worst:.2g} at worst"
    return line + sold


def short_number(value: float) -> str:
    """A sum of money in two figures: 32 million."""
    for size, word in ((1e12, " trillion"), (1e9, " billion"), (1e6, " million"), (1e3, " thousand")):
        if value >= size:
            return f"{value / size:.3g}{word}"
    return f"{value:.3g}"


def paths_line(paths: Mapping[str, Any]) -> str:
    """How far the histories of combinatorial splits lie apart."""
    low, mean, high = (shown(paths.get(f"sharpe_{name}"), "{:.2f}") for name in ("min", "mean", "max"))
    return f"{paths['n']} paths, Sharpe net from {low} to {high}, mean {mean}; the middle one is shown"


def shown(value: Any, form: str = "{}") -> str:
    """`value` in `form`; an en dash where it is undefined."""
    if value is None:
        return "–"
    try:
        text = form.format(value)
        nothing = _MINUS_ZERO.fullmatch(text)
        return nothing[1] if nothing else text
    except (ValueError, TypeError):
        return str(value)
