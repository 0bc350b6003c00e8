"""Folds that learned nothing, or next to it: what tells of them, and the alert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any

import numpy as np

from barwise.backtest.ledger import Backtest
from barwise.experiment.results import OutOfSample
from barwise.hooks import unwrapped
from barwise.portfolio.rules import deciles, topk_dropout
from barwise.runs.directory import RunDirectory

_ROWS = 100  # test rows below which few distinct scores say nothing
_FEWEST = 30  # distinct scores that are few however many rows there are
_FLAT = 0.9  # share of test rows without a position where thresholds leave a fifth on each side


def learned_little(score: np.ndarray, signal: np.ndarray) -> dict[str, Any]:
    """Of a fold's test rows: how many distinct scores there are, and the share without a position."""
    known = score[np.isfinite(score)]
    flat = float(np.mean(signal == 0)) if len(signal) else None
    return {"distinct_scores": len(np.unique(known)), "scored": len(known), "flat": flat}


def _unlearned(facts: Mapping[str, Any]) -> str | None:
    """Why a fold looks as if it had learned nothing, in a few words; None where it does not."""
    rounds, distinct, scored = facts.get("rounds"), facts.get("distinct_scores"), facts.get("scored") or 0
    each = facts.get("rounds_by_seed") or [rounds]
    ones = sum(1 for one in each if isinstance(one, int) and one <= 1)
    reasons = []
    if ones and 2 * ones >= len(each):
        what = (
            "stopped after one boosting round" if len(each) == 1 else f"{ones} of {len(each)} seeds stopped after one"
        )
        reasons.append(what if len(each) == 1 else f"{what} boosting round")
    if isinstance(distinct, int) and scored >= _ROWS and facts.get("learns", True):
        if distinct <= 1:
            reasons.append(f"all {scored:,} test rows have one score")
        elif distinct <= _FEWEST:
            reasons.append(f"{distinct} distinct scores in {scored:,} test rows")
    if reasons and (facts.get("flat") or 0.0) >= _FLAT:
        reasons.append(f"{facts['flat']:.0%} of them without a position")
    return ", ".join(reasons) or None


def alert_unlearned(folds: Sequence[Mapping[str, Any]], out: RunDirectory) -> None:
    """An alert that names the folds that learned next to nothing; the page and the terminal show it."""
    found = {fold["fold"]: why for fold in folds if (why := _unlearned(fold)) is not None}
    if found:
        words = "; ".join(f"fold {number}: {why}" for number, why in found.items())
        out.alert(f"learned next to nothing: {words}. What they trade is luck; the verdict counts it all the same")


def alert_too_few(table: OutOfSample, backtest: Any, out: RunDirectory) -> None:
    """An alert where a bar never has symbols enough for its rule: topk_dropout then sells and buys all in turns, and
    deciles hold nothing."""
    portfolio = backtest.portfolio if isinstance(backtest, Backtest) else None
    rule = unwrapped(portfolio.rule) if portfolio is not None else None
    if portfolio is None or rule not in (topk_dropout, deciles):
        return
    name = "k" if rule is topk_dropout else "quantiles"
    asked = int(signature(portfolio.rule).parameters[name].default)
    most = int(np.unique(table.time[np.isfinite(table.score)], return_counts=True)[1].max(initial=0))
    known = f"portfolio.rule.{name}={asked}: no bar has more than {most} symbols with a score"
    if rule is topk_dropout and most <= asked:
        out.alert(f"{known}, so that all are held or sold in turns whatever the scores; ask for fewer than {most}")
    elif rule is deciles and most < asked:
        out.alert(f"{known}, so that nothing is held; ask for {most} or fewer")
