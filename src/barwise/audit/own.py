"""Whose code a part is made of: barwise's and libraries', or the user's own."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path
from types import BuiltinFunctionType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any

from barwise.console.installed import installed

_OURS = f"{Path(__file__).resolve().parents[1]}{os.sep}"
_STANDARD = tuple(f"{Path(sysconfig.get_path(k)).resolve()}{os.sep}" for k in ("stdlib", "platstdlib"))
_DEEP = 6  # parts of parts


@lru_cache(maxsize=8192)
def origin(path: str) -> str:
    """`ours`, `standard` (Python's own), `library` or `users`, by where a file of code lies."""
    if path.startswith("<"):
        return "standard" if path.startswith("<frozen") else "users"
    real = os.path.realpath(path)
    if installed(real):
        return "library"
    if real.startswith(_OURS):
        return "ours"
    return "standard" if real.startswith(_STANDARD) else "users"


def of_frame(frame: FrameType) -> str:
    """Whose code a frame runs; of code without a file, that of the module it runs in."""
    path = frame.f_code.co_filename
    if path.startswith("<") and not path.startswith("<frozen"):
        path = str(frame.f_globals.get("__file__") or path)
    return origin(path)


def is_users(part: Any) -> bool:
    """Whether any code of `part`, or of what it is made of, is the user's own."""
    return next(users(part), None) is not None


def users(part: Any) -> Iterator[str]:
    """The names of what is the user's own in a part: functions and classes, deep in its settings too."""
    seen: set[int] = set()
    yield from _users(part, _DEEP, seen)


def _users(one: Any, deep: int, seen: set[int]) -> Iterator[str]:
    if deep < 0 or id(one) in seen or one is None or isinstance(one, str | bytes | int | float | complex | ModuleType):
        return
    seen.add(id(one))
    if isinstance(one, Mapping):
        for value in one.values():
            yield from _users(value, deep, seen)
    elif isinstance(one, list | tuple | set | frozenset):
        for value in one:
            yield from _users(value, deep, seen)
    elif isinstance(one, partial):
        yield from _users([one.func, one.args, one.keywords], deep, seen)
    elif isinstance(one, FunctionType):
        if origin(one.__code__.co_filename) == "users":
            yield one.__qualname__
        cells = [cell.cell_contents for cell in one.__closure__ or () if _filled(cell)]
        yield from _users([cells, getattr(one, "__wrapped__", None)], deep - 1, seen)
    elif isinstance(one, MethodType):
        yield from _users([one.__func__, one.__self__], deep, seen)
    elif isinstance(one, BuiltinFunctionType):
        return
    elif isinstance(one, type):
        yield from (base.__qualname__ for base in one.__mro__ if class_is_users(base))
    else:
        yield from _users(type(one), deep, seen)
        wrapped = getattr(one, "__wrapped__", None) if callable(one) else None
        yield from _users([wrapped, list(attributes(one).values())], deep - 1, seen)


def attributes(one: Any) -> dict[str, Any]:
    """What an instance holds, in its dictionary and its slots."""
    found = dict(getattr(one, "__dict__", None) or {})
    for base in type(one).__mro__:
        slots = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(one, name):
                found[str(name)] = getattr(one, name)
    return found


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def class_is_users(one: type) -> bool:
    """By the files of its functions; by its module where it has none. What it says of itself does not count."""
    made = [v for v in vars(one).values() for v in _functions(v)]
    homes = {origin(f.__code__.co_filename) for f in made if not f.__code__.co_filename.startswith("<")}
    if "users" in homes:
        return True
    module = sys.modules.get(one.__module__)
    found: Any = module
    for name in one.__qualname__.split("."):
        found = getattr(found, name, None)
    if homes:
        return False
    path = getattr(module, "__file__", None)
    if found is not one and "<locals>" not in one.__qualname__ and one.__module__ != "builtins":
        return one.__module__.partition(".")[0] == "barwise" or (bool(path) and origin(str(path)) == "users")
    return bool(path) and origin(str(path)) == "users"


def _functions(value: Any) -> Iterator[FunctionType]:
    """The functions that an attribute of a class is made of."""
    if isinstance(value, FunctionType):
        yield value
    elif isinstance(value, staticmethod | classmethod):
        yield from _functions(value.__func__)
    elif isinstance(value, property):
        for one in (value.fget, value.fset, value.fdel):
            yield from _functions(one)
