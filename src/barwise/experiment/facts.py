"""What run.json says of data, warm-up, features and labels."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np

from barwise.backtest.costs import Spread
from barwise.backtest.ledger import Backtest
from barwise.data.bars import Market
from barwise.data.calendar import bar_size, spacing_warning
from barwise.data.groups import names_of, shared
from barwise.data.hash import data_hash
from barwise.data.members import described
from barwise.experiment.checkpoint import same_data
from barwise.experiment.parts import Parts
from barwise.features.aligned import sees_all
from barwise.features.drift import StartUp
from barwise.features.store import Report
from barwise.runs.directory import RunDirectory
from barwise.samples import Panel


def note_data(out: RunDirectory, market: Market, per_year: float) -> None:
    """What run.json says of the bars."""
    for warning in market.facts.get("warnings", ()):
        out.warn(warning)
    spacing = None if market.periods_per_year else spacing_warning(market.times())
    if spacing:
        out.warn(spacing)
    facts = {k: v for k, v in described(market.facts).items() if k != "warnings"}
    same_data(out.manifest, market)
    out.update(
        data={
            **facts,
            "symbols": list(market.symbols),
            "extra": sorted({name for b in market.bars for name in b.extra}),
            "groups": {name: len(shared(name, market.bars)[1]) for name in names_of(market.bars)},
            "bars": sum(map(len, market.bars)),
            "first": str(min(b.time[0] for b in market.bars)),
            "last": str(max(b.time[-1] for b in market.bars)),
            "bar_size": bar_size(max((b.time for b in market.bars), key=len)),
            "periods_per_year": per_year,
        },
        data_hash=data_hash(market),
    )


def note_costs(out: RunDirectory, backtest: Any, market: Market) -> None:
    """A warning where costs are to be half of a spread that the bars do not have."""
    spread = isinstance(backtest, Backtest) and isinstance(backtest.costs, Spread)
    if spread and not all({"bid", "ask"} <= b.extra.keys() for b in market.bars):
        out.warn(f"costs=spread: the bars have no bid and ask, so that backtest.slippage_bps={backtest.slippage_bps:g}"
                 " stands in for half of the spread")  # fmt: skip


def note_start_up(out: RunDirectory, found: StartUp) -> None:
    """What run.json says of the warm-up, and of features that no warm-up settles."""
    for warning in found.warnings:
        out.warn(warning)
    out.update(start_up=found.report())


def note_store(out: RunDirectory, report: Report) -> None:
    """What run.json says of the kept feature matrix: opened, built, or not kept and why."""
    if report.warning:
        out.warn(report.warning)
    if report.alert:
        out.alert(report.alert)
    out.update(cache=report.facts())


def note_features(out: RunDirectory, panel: Panel, left_out: tuple[tuple[str, str], ...], inside: np.ndarray) -> None:
    """What run.json says of the features, warm-up and labels."""
    for line in _left_out_lines(left_out):
        out.warn(line)
    out.update(
        rows={
            "all": len(panel),
            "warm_up": int((~panel.warm & inside).sum()),
            "outside_universe": int((~inside).sum()),
            "undefined_after_warm_up": int((panel.warm & ~panel.finite).sum()),
            "labelled": int(np.isfinite(panel.ret).sum()),
        },
        features=list(panel.features),
    )


def _left_out_lines(left_out: tuple[tuple[str, str], ...], most: int = 3) -> list[str]:
    """One line for each symbol left out; one for all that are left out for the same feature where they are many."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for symbol, reason in left_out:
        groups.setdefault(reason.partition(", and ")[2] or reason, []).append((symbol, reason))
    lines = []
    for what, of in groups.items():
        if len(of) <= most:
            lines += [f"{symbol} is left out: {reason}" for symbol, reason in of]
            continue
        names = ", ".join(symbol for symbol, _ in of[:most])
        lines.append(f"{len(of)} symbols are left out ({names} and {len(of) - most} more): {what}")
    return lines


@runtime_checkable
class _Objective(Protocol):
    """Learns by an objective; None: by the labels as they are."""

    objective: str | None


def ranking(parts: Parts) -> bool:
    """Whether signals order a bar's symbols: by the labels, the strategy's objective, the rule or the portfolio."""
    portfolio = parts.backtest.portfolio if isinstance(parts.backtest, Backtest) else None
    objective = parts.strategy.objective if isinstance(parts.strategy, _Objective) else None
    by_scores = portfolio is not None and portfolio.reads_scores
    return sees_all(parts.labels) or sees_all(parts.signals) or objective is not None or by_scores
