"""What the JSON of a run holds: the kind of value under each name that is read, checked where it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from barwise.errors import DataError

Kind = Callable[[Any], bool]


def text(value: Any) -> bool:
    return isinstance(value, str)


def figure(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def above_0(value: Any) -> bool:
    return figure(value) and 0 < value < 1e9


def items(kind: Kind) -> Kind:
    return lambda value: isinstance(value, list) and all(map(kind, value))


def each(kind: Kind) -> Kind:
    return lambda value: isinstance(value, dict) and all(map(kind, value.values()))


def anything(_: Any) -> bool:
    return True


MAPPING, TEXTS, FIGURES = each(anything), items(text), each(figure)
RUN: dict[str, Kind] = {
    "status": text, "reason": text, "started": text, "finished": text, "command": items(anything), "versions": MAPPING,
    "git": MAPPING, "machine": MAPPING, "seconds": FIGURES, "peak_memory_mb": FIGURES, "warnings": TEXTS,
    "alerts": TEXTS, "overrides": TEXTS, "data": MAPPING, "data.periods_per_year": above_0, "data.symbols": TEXTS,
    "data.first": text, "data.last": text, "data.name": text, "data.note": text, "data.sealed": MAPPING,
    "data.sealed.from": text, "data.sealed.to": text, "data.sealed.behind": TEXTS, "data.bars": figure,
    "data_hash": text, "device": MAPPING, "device.used": text, "device.requested": text, "device.reason": text,
    "rows": MAPPING, "features": TEXTS, "folds": items(MAPPING), "audit": MAPPING, "audit.checks": MAPPING,
    "audit.findings": items(MAPPING), "monitor": MAPPING, "start_up": MAPPING, "reasons": MAPPING,
    "contribution": FIGURES, "resumed": TEXTS, "market": text, "problem": text, "trial": text,
}  # fmt: skip
METRICS: dict[str, Kind] = {
    "baselines": MAPPING, "folds": items(MAPPING), "paths": MAPPING, "sharpe": figure, "sharpe_gross": figure,
    "sharpe_delayed": figure, "t_stat": figure, "turnover": figure, "rank_ic": figure, "annual_return": figure,
}  # fmt: skip
VERDICT: dict[str, Kind] = {"sentence": text, "n_trials": figure, "dsr": figure, "trials": MAPPING}
FILES = {"run.json": RUN, "metrics.json": METRICS, "verdict.json": VERDICT, "curves.json": {}}


def checked(found: Any, path: str, name: str) -> dict[str, Any]:
    """The JSON of a run's file `name` if it holds what is read from it; null stands for nothing. DataError if not."""
    if not isinstance(found, dict):
        raise DataError(f"{path}: holds {type(found).__name__}, not an object; run the experiment again")
    for dotted, kind in FILES.get(name, {}).items():
        value = at(found, dotted)
        if value is not None and not kind(value):
            shown = repr(value)[:60]
            raise DataError(f"{path}: {dotted} is {shown}, which it cannot be; the file is damaged")
    return found


def at(found: Mapping[str, Any], dotted: str) -> Any:
    """The value under a dotted name, None where there is none."""
    value: Any = found
    for part in dotted.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value
