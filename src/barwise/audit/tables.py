"""What a part of the user's keeps that no bar gave: arrays and tables within reach of its code."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from barwise.audit.own import attributes, class_is_users, origin

_LONG = 200  # rows of a table that could hold a value for each bar; a matrix of weights has fewer
_DEEP = 6  # functions that call functions, parts of parts
_MOST = 200_000  # values that are counted
_LETTERS = 8  # of a text, for a value
_CODED = re.compile(r"[\w+/=-]{128,}")  # as hexadecimal and base64 are
_BITS = 4  # that such a letter holds; a bit is enough for which way a bar goes


def tables_of(parts: Mapping[str, Any], bars: int) -> list[str]:
    """`name (where)` of each table of half as many values as the shortest symbol has bars, or more."""
    least = max(_LONG, bars // 2)
    found = []
    for name, one in parts.items():
        for where, value in _kept(one, name, _DEEP, set()):
            rows = _size(value, _DEEP, set())
            if rows >= least:
                found.append(f"{name} keeps a table of {rows:,} rows ({where})")
                break
    return found


def _size(value: Any, deep: int, seen: set[int]) -> int:
    """How many values there are, one inside the other too; rows of an array; bars."""
    if deep < 0 or id(value) in seen or isinstance(value, type | ModuleType | FunctionType):
        return 0
    seen.add(id(value))
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return max(shape, default=0) if all(isinstance(n, int) for n in shape) else 0
    if isinstance(value, re.Pattern):
        value = value.pattern
    if isinstance(value, str):
        return max(len(value) // _LETTERS, _BITS * len("".join(_coded(value))))
    if isinstance(value, bytes | bytearray | memoryview):
        return 8 * len(value)
    if isinstance(value, int):
        return value.bit_length()
    if isinstance(value, Mapping):
        return max(len(value), _sum(value.values(), deep, seen))
    if isinstance(value, list | tuple | set | frozenset) or type(value).__name__ in ("deque", "array"):
        return max(len(value), _sum(value, deep, seen))
    cache = getattr(value, "cache_info", None)
    if callable(cache):
        return int(cache().currsize)
    if type(value).__module__.startswith("barwise."):
        return _sum(attributes(value).values(), deep, seen)
    return _learned(value)


def _coded(text: str) -> list[str]:
    """The stretches of a text that are no words: long, and with digits among them."""
    return [run for run in _CODED.findall(text) if 20 * sum(map(str.isdigit, run)) >= len(run)]


def _learned(value: Any) -> int:
    """Values that a model of a library holds, once it was fitted; 0 for what is none."""
    names = getattr(value, "__dict__", {})
    fitted = any(name.endswith("_") and not name.startswith("_") for name in names) or type(value).__name__ == "Booster"
    if not fitted or not (callable(getattr(value, "predict", None)) or callable(getattr(value, "transform", None))):
        return 0
    try:
        return len(pickle.dumps(value)) // 8
    except Exception:  # what cannot be written is not known
        return 0


def _sum(values: Iterable[Any], deep: int, seen: set[int]) -> int:
    total = 0
    for value in values:
        plain = isinstance(value, float | bool) or value is None or (isinstance(value, int) and value.bit_length() < 64)
        total += 1 if plain else _size(value, deep - 1, seen)
        if total > _MOST:
            break
    return total


def _names(code: CodeType) -> list[str]:
    """Names that a function looks up, in its comprehensions and inner functions too."""
    inner = [one for one in code.co_consts if isinstance(one, CodeType)]
    return [*code.co_names, *(name for one in inner for name in _names(one))]


def _constants(code: CodeType) -> Iterator[Any]:
    """What is written out in a function, but its text on itself."""
    for i, one in enumerate(code.co_consts):
        if isinstance(one, CodeType):
            yield from _constants(one)
        elif i or not isinstance(one, str):
            yield one


def _kept(one: Any, where: str, deep: int, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """(where, value) of all that the user's code of a part can reach by its names."""
    if deep < 0 or id(one) in seen or one is None or isinstance(one, bool | float | complex):
        return
    seen.add(id(one))
    if isinstance(one, partial):
        for key, value in [*enumerate(one.args), *one.keywords.items(), ("", one.func)]:
            yield from _kept(value, str(key) or where, deep, seen)
    elif isinstance(one, MethodType):
        yield from _kept(one.__self__, where, deep, seen)
        yield from _kept(one.__func__, where, deep, seen)
    elif isinstance(one, FunctionType):
        yield from _of_function(one, where, deep, seen)
    elif isinstance(one, type):
        if class_is_users(one):
            yield from _of_class(one, deep, seen)
    elif isinstance(one, ModuleType):
        return
    else:
        yield where, one
        inside: list[tuple[str, Any]] = []
        if isinstance(one, Mapping):
            inside = [(where, value) for value in list(one.values())[:_LONG]]
        elif isinstance(one, list | tuple | set):
            inside = [(where, value) for value in list(one)[:_LONG]]
        elif not hasattr(one, "dtype"):
            inside = [(f"{where}.{name}", value) for name, value in attributes(one).items()]
            inside.append((where, getattr(one, "__wrapped__", None)))
        for name, value in inside:
            if callable(value) or hasattr(value, "__dict__") or isinstance(value, Mapping | list | tuple):
                yield from _kept(value, name, deep - 1, seen)
            else:
                yield name, value
        for base in type(one).__mro__:
            yield from _kept(base, where, deep - 1, seen)


def _of_class(one: type, deep: int, seen: set[int]) -> Iterator[tuple[str, Any]]:
    for name, value in vars(one).items():
        if name in ("__dict__", "__weakref__", "__doc__", "__module__", "__annotations__"):
            continue
        inner = value.__func__ if isinstance(value, staticmethod | classmethod) else value
        inner = inner.fget if isinstance(inner, property) else inner
        yield from _kept(inner, f"{one.__module__}.{one.__qualname__}.{name}", deep - 1, seen)


def _of_function(one: FunctionType, where: str, deep: int, seen: set[int]) -> Iterator[tuple[str, Any]]:
    home = f"{one.__module__}.{one.__name__}"
    if _is_users(one):
        names = _names(one.__code__)
        for name in names:
            value = one.__globals__.get(name)
            yield from _kept(value, f"{one.__module__}.{name}", deep - 1, seen)
            if isinstance(value, ModuleType) and _is_users(value):
                for inner in names:
                    yield from _kept(getattr(value, inner, None), f"{value.__name__}.{inner}", deep - 1, seen)
        for value in (*_constants(one.__code__), *_coded(one.__doc__ or "")):
            yield home, value
        for value in [one.__defaults__ or (), one.__kwdefaults__ or {}, one.__dict__]:
            yield from _kept(value, home, deep - 1, seen)
    for name, cell in zip(one.__code__.co_freevars, one.__closure__ or (), strict=False):
        try:
            yield from _kept(cell.cell_contents, f"{one.__module__}.{name}", deep - 1, seen)
        except ValueError:
            continue


def _is_users(one: Any) -> bool:
    if isinstance(one, staticmethod | classmethod):
        one = one.__func__
    one = one.fget if isinstance(one, property) else one
    if isinstance(one, FunctionType):
        return origin(one.__code__.co_filename) == "users"
    return isinstance(one, ModuleType) and origin(str(getattr(one, "__file__", None) or "<frozen")) == "users"
