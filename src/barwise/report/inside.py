"""What each fold chose on its own training rows, for the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from barwise.report.markup import Markup, table, tag, words
from barwise.report.run import Run
from barwise.runs.measures import shown


def inside_folds(run: Run) -> list[Markup]:
    """Parameters with how far the folds agree, features with how often they were chosen, the weights of a blend, and
    what each seed of an average earned alone; empty where nothing was chosen inside the folds."""
    kept = run.manifest.get("folds") or []
    return [*_searched(kept), *_selected(kept), *_weights(kept), *_seeds(run.metrics.get("seeds") or {})]


def _weights(kept: list[dict[str, Any]]) -> list[Markup]:
    """The weights of a blend's members by fold."""
    found = {f.get("fold"): f["weights"] for f in kept if isinstance(f.get("weights"), dict)}
    names = sorted({name for one in found.values() for name in one})
    rows = [[str(k), *(shown(one.get(name), "{:.2f}") for name in names)] for k, one in found.items()]
    return [tag("h3", "Weights of the members"), table(("fold", *names), rows, left=1)] if found else []


def _searched(kept: list[dict[str, Any]]) -> list[Markup]:
    """Chosen parameters by fold; `agree`: the share of folds that chose the most frequent value, or the deviation
    over the mean."""
    found = {f.get("fold"): f["search"] for f in kept if isinstance(f.get("search"), dict)}
    if not found:
        return []
    names = sorted({name for one in found.values() for name in one.get("chosen") or {}})
    rows = [
        [str(k), *(words((one.get("chosen") or {}).get(n, "as configured")) for n in names),
         *(shown(one.get(n), "{:.4f}") for n in ("configured", "value")),
         *(str(one.get(n)) for n in ("trials", "pruned"))]
        for k, one in found.items()
    ]  # fmt: skip
    values = [[one["chosen"].get(n) for one in found.values() if n in (one.get("chosen") or {})] for n in names]
    rows.append(["agree", *(_agreement(v, len(found)) for v in values), "", "", "", ""])
    head = ("fold", *names, "inner, configured", "inner, chosen", "trials", "pruned")
    note = tag("p", "The inner value is the best of what was tried, and so too good; the outer result is not.",
               class_="missing")  # fmt: skip
    return [tag("h3", "Parameters chosen"), table(head, rows, left=1), note]


def _agreement(values: list[Any], n: int) -> str:
    """How far the folds' choices of one parameter agree, in words."""
    if not values:
        return "–"
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values) and len(set(values)) > 1:
        mean = float(np.mean(values))
        return f"± {float(np.std(values)) / abs(mean):.0%}" if mean else "–"
    most = max(set(map(str, values)), key=list(map(str, values)).count)
    return f"{most} in {list(map(str, values)).count(most)} of {n}"


def _selected(kept: list[dict[str, Any]]) -> list[Markup]:
    """In how many folds each feature was chosen."""
    found = [f["selected"] for f in kept if isinstance(f.get("selected"), list)]
    if not found:
        return []
    count = {name: sum(name in one for one in found) for one in found for name in one}
    rows = [[name, f"{n} of {len(found)}"] for name, n in sorted(count.items(), key=lambda item: (-item[1], item[0]))]
    return [tag("h3", "Features chosen"), table(("feature", "folds"), rows, left=1)]


def _seeds(found: Mapping[str, Any]) -> list[Markup]:
    """What each model of an average would have earned alone."""
    if not found:
        return []
    sharpe = found.get("sharpe") or [None] * len(found.get("rank_ic") or [])
    rows = [[str(i), shown(s, "{:.2f}"), shown(r, "{:.4f}")]
            for i, (s, r) in enumerate(zip(sharpe, found.get("rank_ic") or [], strict=False))]  # fmt: skip
    rows.append(["deviation", shown(found.get("sharpe_std"), "{:.2f}"), shown(found.get("rank_ic_std"), "{:.4f}")])
    return [tag("h3", "Each seed alone"), table(("seed", "Sharpe net", "rank corr."), rows, strong=[len(rows) - 1])]
