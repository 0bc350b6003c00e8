"""The tables of a report, one function a chapter."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from barwise.backtest.metrics import drawdown
from barwise.errors import DataError
from barwise.evidence.sentence import capital as sentence
from barwise.report.draw import wealth
from barwise.report.factor import chapter
from barwise.report.inside import inside_folds
from barwise.report.markup import Markup, joined, table, tag, words
from barwise.report.provenance import about, again, configuration, machine
from barwise.report.run import Run
from barwise.runs.measures import (
    BASELINES,
    VERDICT,
    capacity_line,
    fold_correlation,
    measures,
    paths_line,
    short_number,
    shown,
)
from barwise.safety.files import inside

_MOST_NAMED = 5  # symbols in a sentence


def attempt(read: Callable[[], Any]) -> Any:
    """What `read` returns, or None where the file cannot be read."""
    try:
        return read()
    except DataError:
        return None


def period(run: Run) -> str:
    """First and last date of the ledger, ready to be followed by more."""
    ledger = attempt(lambda: run.ledger)
    if ledger is None or not len(ledger):
        return ""
    return f"{str(ledger['time'].iloc[0])[:10]} to {str(ledger['time'].iloc[-1])[:10]} · "


def _number(value: Any, form: str, metric: str) -> Markup:
    """A cell with the metric's name and full value in it, so that a test or a reader can check the print."""
    return tag("td", shown(value, form), class_="n", data_metric=metric, title=None if value is None else repr(value))


def _results(run: Run) -> Markup:
    """Net, gross, delayed and baselines side by side."""
    metrics = run.metrics
    if not metrics:
        raise DataError(run.why("metrics.json"))
    dash = _number(None, "{}", "")
    net = [_number(metrics.get(n), f, n) for n, f in (
        ("sharpe", "{:.2f}"), ("annual_return", "{:.1%}"), ("annual_volatility", "{:.1%}"), ("max_drawdown", "{:.1%}"),
    )]  # fmt: skip
    rows: list[list[Any]] = [
        ["strategy, net of costs", *net],
        ["strategy, gross", _number(metrics.get("sharpe_gross"), "{:.2f}", "sharpe_gross"), *_measured(run, "gross")],
        [
            "strategy, net, one bar later",
            _number(metrics.get("sharpe_delayed"), "{:.2f}", "sharpe_delayed"),
            *[dash] * 3,
        ],
    ]
    for name, sharpe in (metrics.get("baselines") or {}).items():
        rest = _measured(run, "market") if name == "buy_and_hold" else [dash] * 3
        label = BASELINES.get(name, name.replace("_", " "))
        rows.append([label, _number(sharpe, "{:.2f}", f"baselines.{name}"), *rest])
    head = ("out of sample", "Sharpe", "return a year", "volatility a year", "worst drawdown")
    note = "Baselines trade the same bars at the same costs. A dash: undefined, or a path that the run does not keep."
    parts = [table(head, rows, strong=[0]), tag("p", note, class_="missing")]
    return joined((*parts, *(tag("p", line) for line in (_funding(run), _delisted(run)) if line)))


def _funding(run: Run) -> str:
    """What funding took and gave, apart from costs; empty where positions pay none."""
    found = run.manifest.get("funding")
    ledger = attempt(lambda: run.ledger)
    if not isinstance(found, Mapping) or ledger is None or not len(ledger):
        return ""
    years = len(ledger) / run.periods_per_year
    paid, received = (float(found.get(name) or 0.0) / years for name in ("paid", "received"))
    column = (run.config.get("backtest") or {}).get("funding")
    return (f"Funding ({column}): {paid:.2%} of the equity a year paid, {received:.2%} received,"
            f" {shown(received - paid, '{:+.2%}')} in all. It is part of gross and net, and no cost.")  # fmt: skip


def _delisted(run: Run) -> str:
    """Whose bars ended while a position was held, and what that was taken to cost; empty where nobody's did."""
    trades = attempt(lambda: run.trades)
    if trades is None or "ended" not in trades:
        return ""
    found = trades[trades["ended"] == "delisted"]
    if not len(found):
        return ""
    names = [f"{symbol} ({str(time)[:10]})" for symbol, time in zip(found["symbol"], found["exit"], strict=True)]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    lost = float((run.config.get("backtest") or {}).get("delisting_return") or 0.0)
    further = f"at a further return of {lost:+.1%}" if lost else "without a further loss"
    return (
        f"Held when their bars ended: {', '.join(names[:_MOST_NAMED])}{more}. They were closed at the last price,"
        f" {further} (backtest.delisting_return={lost:g})."
    )


def _measured(run: Run, name: str) -> list[Markup]:
    """Return a year (compounded), volatility a year, worst drawdown of one column of the ledger."""
    ledger = attempt(lambda: run.ledger)
    if ledger is None or name not in ledger or len(ledger) < 2:
        return [_number(None, "{}", "")] * 3
    values, years = ledger[name].to_numpy(np.float64), len(ledger) / run.periods_per_year
    grown = float(np.prod(1.0 + values))
    found = (
        ("annual_return", grown ** (1.0 / years) - 1.0 if grown > 0 else -1.0),
        ("annual_volatility", float(values.std(ddof=1)) * math.sqrt(run.periods_per_year)),
        ("max_drawdown", float(drawdown(wealth(values)).min())),
    )
    return [_number(value, "{:.1%}", f"{name}.{metric}") for metric, value in found]


def _every(run: Run) -> Markup:
    """All metrics, each with what it means; an undefined one says why."""
    if not run.metrics:
        raise DataError(run.why("metrics.json"))
    reasons = run.manifest.get("reasons") or {}
    rows = []
    for m in measures(run.ranks):
        if m.name in run.metrics:
            value = run.metrics[m.name]
            why = m.means if value is not None else f"undefined: {reasons.get(m.name, 'no reason was kept')}"
            rows.append([m.label, _number(value, m.form, m.name), tag("td", why, class_="why")])
    verdict = attempt(lambda: run.verdict) or {}
    for m in VERDICT:
        if m.name in verdict:
            rows.append([m.label, _number(verdict[m.name], m.form, m.name), tag("td", m.means, class_="why")])
    paths = run.metrics.get("paths")
    return joined((table((), rows), tag("p", f"{paths_line(paths)}.", class_="missing"))) if paths else table((), rows)


def _capacity(run: Run) -> Markup:
    """Net Sharpe ratio, return and costs by capital; why there is none where costs know no volume."""
    found = run.metrics.get("capacity")
    if not found:
        costs = str((run.config.get("costs") or {}).get("_target_") or "").rpartition(".")[2].lower() or "flat"
        return tag("p", f"Costs ({costs}) know no volume, so that nothing says what a larger account would pay;"
                   " costs=impact does.", class_="missing")  # fmt: skip
    forms = ("{:.2f}", "{:.1%}", "{:.0%}")
    columns = zip(*(found[name] for name in ("sharpe", "annual_return", "cost_share")), strict=True)
    rows: list[list[Any]] = [
        [short_number(capital), *(shown(value, form) for value, form in zip(values, forms, strict=True))]
        for capital, values in zip(found["capital"], columns, strict=True)
    ]
    own = (run.config.get("backtest") or {}).get("capital")
    strong = [i for i, capital in enumerate(found["capital"]) if capital == own]
    head = ("capital", "Sharpe net", "return a year", "costs of gross")
    return joined((tag("p", f"{sentence(capacity_line(found))}."), table(head, rows, strong=strong)))


def _folds(run: Run) -> Markup:
    """One line a fold: test period, rows, what it earned, thresholds."""
    kept = {f.get("fold"): f for f in run.manifest.get("folds") or []}
    scored = run.metrics.get("folds") or []
    if not scored and not kept:
        raise DataError(run.why("metrics.json"))
    scored = scored or [{"fold": k} for k in kept]
    correlation, heading = fold_correlation(run.ranks)
    numbers = [(correlation if k == "rank_ic" else k, f) for k, f in _FOLD_NUMBERS]
    rows = []
    for fold in scored:
        fact: Mapping[str, Any] = kept.get(fold.get("fold"), {})
        best = next((fact[k] for k in ("best_iteration", "rounds", "best_epoch", "epochs") if k in fact), None)
        rows.append(
            [
                words(fold.get("fold")),
                tag("td", f"{str(fold.get('first', '–'))[:10]} to {str(fold.get('last', '–'))[:10]}", class_="one"),
                *(shown(fact.get(k), "{:,}") for k in ("train_rows", "valid_rows", "test_rows")),
                *(shown(fold.get(k), f) for k, f in numbers),
                shown(best, "{:,}"),
                tag("td", words(_rounded(fact.get("signals") or {})), class_="rule"),
            ]
        )
    head = ("fold", "test period", "train rows", "valid rows", "test rows", "Sharpe net", "gross", heading,
            "accuracy", "best step", tag("th", "signal rule"))  # fmt: skip
    return joined((table(head, rows, left=2), *inside_folds(run)))


def _rounded(found: Mapping[str, Any]) -> dict[str, Any]:
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in found.items()}


_FOLD_NUMBERS = (("sharpe", "{:.2f}"), ("sharpe_gross", "{:.2f}"), ("rank_ic", "{:.4f}"), ("accuracy", "{:.1%}"))


_MOST_FEATURES, _MOST_POSITIONS = 6, 10  # of the largest contributions


def _why(run: Run) -> Markup:
    """The largest positions at the last bar, each with the features that moved its margin most."""
    if not inside(run.folder, "contributions.parquet").is_file():
        none = "No contributions by feature: xgboost and lightgbm have them, for the last bar with a position."
        return tag("p", none, class_="missing")
    found, rows = run.contributions, []
    for symbol, own in list(found.groupby("symbol", sort=False))[:_MOST_POSITIONS]:
        one = own.iloc[0]
        strongest = own.reindex(own["contribution"].abs().sort_values(ascending=False, kind="stable").index)
        parts = [f"{f} {c:+.3f}" for f, c in zip(strongest["feature"], strongest["contribution"], strict=True)]
        reasons = ", ".join(parts[:_MOST_FEATURES])
        numbers = [shown(float(one[k]), f) for k, f in (("weight", "{:.2%}"), ("score", "{:.3f}"), ("margin", "{:.3f}"),
                                                        ("base", "{:.3f}"))]  # fmt: skip
        rows.append([symbol, *numbers, tag("td", reasons, class_="why")])
    head = ("symbol", "weight", "score", "margin", "base", tag("th", "what moved the margin most"))
    line = f"Decided at {str(found['time'].iloc[0])[:10]}; base and all contributions sum to the margin."
    return joined((tag("p", line), table(head, rows)))


TABLES: dict[str, Callable[[Run], Markup]] = {  # by the anchor of the chapter
    "results": _results,
    "factor": lambda run: chapter(run.factor()),
    "capacity": _capacity,
    "why": _why,
    "metrics": _every,
    "folds": _folds,
    "facts": about,
    "machine": machine,
    "config": configuration,
    "again": again,
}
