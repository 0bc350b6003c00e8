"""A digest of live values and of the code that they lead to: functions, classes, objects, modules, plain data.

Whatever a function reads is followed as it stands in memory. What cannot be followed is a reason not to trust the
digest.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from barwise.features.code_digest import add_code, add_function, add_module, add_names
from barwise.features.digest import Digest, home_of
from barwise.features.object_digest import add_array, add_class, add_compiled, add_instance, add_ufunc

_COMPILED = (
    types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType, types.MethodWrapperType,
    types.ClassMethodDescriptorType, types.GetSetDescriptorType, types.MemberDescriptorType,
)  # fmt: skip


class Walk(Digest):
    """A digest that knows what each type of value leads to."""

    def exactly(self, kind: type, base: type) -> bool:
        """Whether a handler for `base` is one for `kind`: a subclass may hold more, unless it is a known one."""
        if base is functools.partial:  # Hydra's asks its policy at each call, and gives the same
            return kind is base or home_of(kind).startswith("hydra.")
        return kind is base or base in (type, types.ModuleType) or (base is np.ndarray and kind is np.memmap)

    def read(self, function: Callable[..., Any]) -> None:
        """All that the names in the function's code stand for, but for what it encloses."""
        add_names(self, function.__code__, function.__globals__, {})


def _partial(digest: Digest, one: functools.partial[Any]) -> None:
    digest.put("partial")
    digest.all([one.func, one.args, one.keywords, dict(one.__dict__) if type(one) is functools.partial else None])


def _wrapping(*names: str) -> Any:
    def handle(digest: Digest, one: Any) -> None:
        digest.put(type(one).__name__)
        digest.all(getattr(one, name) for name in names)

    return handle


def _iterator(digest: Digest, one: Iterator[Any]) -> None:
    digest.refuse(f"holds a {type(one).__name__}, which is used up as it is read")


Walk.handlers = {
    tuple: lambda d, v: (d.put("tuple", len(v)), d.all(v)),
    list: lambda d, v: (d.put("list", len(v)), d.all(v)),
    dict: lambda d, v: d.pairs(v),
    types.MappingProxyType: lambda d, v: d.pairs(v),
    set: lambda d, v: d.unordered(v),
    frozenset: lambda d, v: d.unordered(v),
    types.FunctionType: add_function,
    types.CodeType: add_code,
    types.ModuleType: add_module,
    types.MethodType: _wrapping("__func__", "__self__"),
    types.GeneratorType: _iterator,
    functools.partial: _partial,
    functools._lru_cache_wrapper: _wrapping("__wrapped__"),
    functools.cached_property: _wrapping("func"),
    property: _wrapping("fget", "fset", "fdel"),
    classmethod: _wrapping("__func__"),
    staticmethod: _wrapping("__func__"),
    type: add_class,
    np.ndarray: add_array,
    np.ufunc: add_ufunc,
    object: add_instance,
} | dict.fromkeys(_COMPILED, add_compiled)
