"""What the JSON of a run holds: the kind of value under each name that is read, checked where it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from barwise.errors import DataError

_Kind = Callable[[Any], bool]


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _figure(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _above_0(value: Any) -> bool:
    return _figure(value) and 0 < value < 1e9


def _items(kind: _Kind) -> _Kind:
    return lambda value: isinstance(value, list) and all(map(kind, value))


def _each(kind: _Kind) -> _Kind:
    return lambda value: isinstance(value, dict) and all(map(kind, value.values()))


def _anything(_: Any) -> bool:
    return True


_MAPPING, _TEXTS, _FIGURES = _each(_anything), _items(_text), _each(_figure)
_RUN: dict[str, _Kind] = {
    "status": _text, "reason": _text, "started": _text, "finished": _text, "command": _items(_anything),
    "versions": _MAPPING,
    "git": _MAPPING, "machine": _MAPPING, "seconds": _FIGURES, "peak_memory_mb": _FIGURES, "warnings": _TEXTS,
    "alerts": _TEXTS, "overrides": _TEXTS, "data": _MAPPING, "data.periods_per_year": _above_0, "data.symbols": _TEXTS,
    "data.first": _text, "data.last": _text, "data.name": _text, "data.note": _text, "data.sealed": _MAPPING,
    "data.sealed.from": _text, "data.sealed.to": _text, "data.sealed.behind": _TEXTS, "data.bars": _figure,
    "data_hash": _text, "device": _MAPPING, "device.used": _text, "device.requested": _text, "device.reason": _text,
    "rows": _MAPPING, "features": _TEXTS, "folds": _items(_MAPPING), "audit": _MAPPING, "audit.checks": _MAPPING,
    "audit.findings": _items(_MAPPING), "monitor": _MAPPING, "start_up": _MAPPING, "reasons": _MAPPING,
    "contribution": _FIGURES, "resumed": _TEXTS, "market": _text, "problem": _text, "trial": _text,
}  # fmt: skip
_METRICS: dict[str, _Kind] = {
    "baselines": _MAPPING, "folds": _items(_MAPPING), "paths": _MAPPING, "sharpe": _figure, "sharpe_gross": _figure,
    "sharpe_delayed": _figure, "t_stat": _figure, "turnover": _figure, "rank_ic": _figure, "annual_return": _figure,
}  # fmt: skip
_VERDICT: dict[str, _Kind] = {"sentence": _text, "n_trials": _figure, "dsr": _figure, "trials": _MAPPING}
_FILES = {"run.json": _RUN, "metrics.json": _METRICS, "verdict.json": _VERDICT, "curves.json": {}}


def checked(found: Any, path: str, name: str) -> dict[str, Any]:
    """The JSON of a run's file `name` if it holds what is read from it; null stands for nothing. DataError if not."""
    if not isinstance(found, dict):
        raise DataError(f"{path}: holds {type(found).__name__}, not an object; run the experiment again")
    for dotted, kind in _FILES.get(name, {}).items():
        value = _at(found, dotted)
        if value is not None and not kind(value):
            shown = repr(value)[:60]
            raise DataError(f"{path}: {dotted} is {shown}, which it cannot be; the file is damaged")
    return found


def _at(found: Mapping[str, Any], dotted: str) -> Any:
    """The value under a dotted name, None where there is none."""
    value: Any = found
    for part in dotted.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value
