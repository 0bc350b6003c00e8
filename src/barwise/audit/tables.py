"""What a part of the user's keeps that no bar gave: arrays and tables among the names that its code uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from types import CodeType, FunctionType
from typing import Any

LONG = 200  # rows of a table that could hold a value for each bar; a matrix of weights has fewer
DEEP = 3  # functions that call functions


def tables_of(parts: Mapping[str, Any], bars: int) -> list[str]:
    """`name (where)` of each table of half as many rows as the shortest symbol has bars, or more."""
    least = max(LONG, bars // 2)
    found = []
    for name, one in parts.items():
        for where, value in _kept(one, DEEP):
            rows = _length(value)
            if rows >= least:
                found.append(f"{name} keeps a table of {rows:,} rows ({where})")
                break
    return found


def _length(value: Any) -> int:
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return max(shape, default=0) if all(isinstance(n, int) for n in shape) else 0
    return len(value) if isinstance(value, dict | list | tuple | set | frozenset) else 0


def _names(code: CodeType) -> list[str]:
    """Names that a function looks up, in its comprehensions and inner functions too."""
    inner = [one for one in code.co_consts if isinstance(one, CodeType)]
    return [*code.co_names, *(name for one in inner for name in _names(one))]


def _kept(one: Any, deep: int) -> Iterator[tuple[str, Any]]:
    while isinstance(one, partial):
        yield from ((str(key), value) for key, value in [*enumerate(one.args), *one.keywords.items()])
        one = one.func
    owner = getattr(one, "__self__", None if isinstance(one, FunctionType | type) else one)
    if owner is not None and not isinstance(owner, type):
        yield from (getattr(owner, "__dict__", None) or {}).items()
    method = getattr(one, "__func__", None) or vars(type(one)).get("__call__")
    function = one if isinstance(one, FunctionType) else method
    while isinstance(function, FunctionType):
        names = _names(function.__code__)
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=False)
        closed = [(name, cell.cell_contents) for name, cell in cells]
        for name, value in [*((n, function.__globals__.get(n)) for n in names), *closed]:
            yield f"{function.__module__}.{name}", value
            if deep and isinstance(value, FunctionType) and value.__module__ == function.__module__:
                yield from _kept(value, deep - 1)
        yield from ((f"{function.__module__}.{function.__name__}", v) for v in function.__defaults__ or ())
        function = getattr(function, "__wrapped__", None)
