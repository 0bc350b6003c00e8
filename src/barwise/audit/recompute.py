"""Features of single rows, computed from nothing but their own past: the work of the audit's clean process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from barwise.audit.bars import altered
from barwise.audit.disguise import disguised, disguised_market
from barwise.audit.joined import joined
from barwise.audit.process import Arrays, Work, words_of
from barwise.audit.tables import tables_of
from barwise.data.bars import COLUMNS, Bars, Universe
from barwise.data.times import times_of
from barwise.features import FeatureSet
from barwise.features.aligned import align, between, evaluated, sees_all
from barwise.features.matrix import compute

CUT, WHOLE, ALTERED, TURNED, OTHER = range(5)  # bars up to the row; all; others after it, in two ways; all others
NAMED, DATED = 1, 2  # the disguise: other names, other dates


def work_on(
    bars: Sequence[Bars],
    sets: Mapping[str, FeatureSet],
    universe: Universe | None,
    parts: Mapping[str, Any] | None = None,
) -> dict[str, Work]:
    """What the clean process can be asked for.

    `rows`: the columns of sets that see one symbol, for items (symbol, row, first bar, how, disguise). `dates`: those
    of sets that see all, for items (0, place of the time, place of the first, how, disguise). Both answer `names`,
    `values` (item, column) or (item, symbol, column), and `failed`, a message for each item that raised.
    `tables`: what the sets, and the other `parts`, keep that no bar gave.
    """
    alone = {name: one for name, one in sets.items() if not sees_all(one)}
    across = {name: one for name, one in sets.items() if sees_all(one)}

    def rows(given: Arrays) -> Arrays:
        items = given["items"]
        if len(items) and (items[:, 3] == CUT).all() and (items[:, 2] > 0).any():
            try:
                return _answer_joined(bars, alone, items)
            except Exception:  # a set of the user's may not like what is joined; each row tells for itself
                pass
        return _answer(items, lambda item: _row(bars, alone, item))

    def dates(given: Arrays) -> Arrays:
        return _answer(given["items"], lambda item: _date(bars, across, universe, item), len(bars))

    def tables(given: Arrays) -> Arrays:
        return {
            "found": np.array(
                tables_of(
                    {**(parts or {}), **{f"features.{k}": v for k, v in sets.items()}}, min(len(b) for b in bars)
                ),
                dtype=str,
            )
        }

    return {"rows": rows, "dates": dates, "tables": tables}


def _answer(items: np.ndarray, columns_of: Any, width: int = 0) -> Arrays:
    found: list[dict[str, np.ndarray] | None] = []
    failed = [""] * len(items)
    for i, item in enumerate(items):
        try:
            found.append(columns_of([int(x) for x in item]))
        except Exception as error:  # a set of the user's; on few bars it may raise what it likes
            failed[i] = words_of(error)
            found.append(None)
    names = list(dict.fromkeys(name for one in found if one for name in one))
    messages = np.array(failed, dtype=str)
    if not names:
        shape = (len(items), width, 0) if width else (len(items), 0)
        return {"names": np.array([], dtype=str), "values": np.zeros(shape), "failed": messages}
    blank = next(np.full_like(next(iter(one.values())), np.nan) for one in found if one)
    values = [np.stack([(one or {}).get(name, blank) for name in names], axis=-1) for one in found]
    return {"names": np.array(names, dtype=str), "values": np.array(values), "failed": messages}


def _answer_joined(bars: Sequence[Bars], sets: Mapping[str, FeatureSet], items: np.ndarray) -> Arrays:
    """The last row of each window, many windows computed at once: put one behind the other, each beside bars that are
    not its own. What then equals the value on all of the symbol's bars depends on the window alone, for nothing else is
    the same."""
    names: dict[str, np.ndarray] = {}
    for group, whole in joined(bars, items):
        hidden = int(items[group[0], 4])
        found = compute(disguised(whole, int(items[group[0], 0]), bool(hidden & NAMED), bool(hidden & DATED)), sets)
        last = np.cumsum(items[group, 1] - items[group, 2] + 1) - 1
        for name, column in found.items():
            values = names.setdefault(name, np.full(len(items), np.nan))
            values[group] = np.asarray(column, dtype=np.float64)[last]
    table = np.column_stack(list(names.values()))
    return {"names": np.array(list(names), dtype=str), "values": table, "failed": np.full(len(items), "", dtype="U1")}


def alone(part: Bars) -> Bars:
    """The bars in arrays of their own, which are no part of longer ones."""
    columns: dict[str, Any] = {name: getattr(part, name).copy() for name in ("time", *COLUMNS)}
    extra = {name: values.copy() for name, values in part.extra.items()}
    return replace(part, **columns, extra=extra, groups={name: codes.copy() for name, codes in part.groups.items()})


def _row(bars: Sequence[Bars], sets: Mapping[str, FeatureSet], item: list[int]) -> dict[str, np.ndarray]:
    symbol, row, first, how, hidden = item
    b = bars[symbol]
    if how in (ALTERED, TURNED):
        b = altered(b, row + 1, down_first=how == TURNED) if row + 1 < len(b) else b
    elif how == OTHER:
        b = altered(b, 0)
    part = b.take(slice(first, row + 1)) if how == CUT else b
    part = disguised(alone(part), symbol, bool(hidden & NAMED), bool(hidden & DATED))
    place = row - first if how == CUT else row
    return {name: np.asarray(values, dtype=np.float64)[place] for name, values in compute(part, sets).items()}


def _date(
    bars: Sequence[Bars], sets: Mapping[str, FeatureSet], universe: Universe | None, item: list[int]
) -> dict[str, np.ndarray]:
    _, place, first, how, hidden = item
    time = times_of(bars)
    last = time[place] if how == CUT else time[-1]
    parts = [between(b, time[first], last) for b in bars]
    kept = [i for i, part in enumerate(parts) if len(part)]
    market = align([parts[i] for i in kept], universe)
    row = int(np.searchsorted(market.time, time[place]))
    market = disguised_market(market, bool(hidden & NAMED), bool(hidden & DATED))
    found = {}
    for set_name, one in sets.items():
        for column, values in evaluated(set_name, one, market).items():
            found[column] = np.full(len(bars), np.nan)
            found[column][kept] = values[row]
    return found
