"""What objects lead to: classes, instances as they lie there or as they are copied, arrays, compiled functions."""

from __future__ import annotations

import copyreg
import importlib
import sys
import types
from typing import Any

import numpy as np

from barwise.features import purity
from barwise.features.digest import Digest, home_of

_CONTAINERS: dict[type, Any] = {  # what an instance of a subclass holds, whatever that class makes of it
    dict: lambda v: dict(dict.items(v)), list: lambda v: list(list.__iter__(v)), tuple: lambda v: (*tuple.__iter__(v),),
    set: lambda v: set(set.__iter__(v)), frozenset: lambda v: frozenset(frozenset.__iter__(v)), int: int.__int__,
    float: float.__float__, str: str.__str__, bytes: lambda v: bytes.__add__(v, b""),
    np.ndarray: lambda v: np.ndarray.view(v, np.ndarray),
}  # fmt: skip
_COMPILERS = ("cython_function_or_method", "fused_cython_function", "_ArrayFunctionDispatcher", "nb_func", "nb_method")
_UNREAD = {  # of a class: words, and what Python itself keeps there
    "__dict__", "__weakref__", "__doc__", "__module__", "__annotations__", "__firstlineno__", "__static_attributes__",
    "__abstractmethods__", "_abc_impl", "__orig_bases__", "__parameters__", "__annotate__", "__annotate_func__",
    "__annotations_cache__", "__slots__", "__type_params__",
}  # fmt: skip
_OWN_DESCRIPTORS = (types.GetSetDescriptorType, types.MemberDescriptorType)


def add_compiled(digest: Digest, one: Any) -> None:
    """A function or method of a compiled module, known by name; what it is bound to is followed."""
    bound = getattr(one, "__self__", None)
    owner = getattr(one, "__objclass__", None)
    home = bound.__name__ if isinstance(bound, types.ModuleType) else getattr(one, "__module__", None)
    home = home_of(owner) if isinstance(owner, type) else home
    home = home_of(type(bound)) if home is None and bound is not None else home
    home = home if isinstance(home, str) else "builtins"
    digest.named(purity.kind_of(home), home, str(one.__qualname__))
    if home == "builtins" and one.__name__ in purity.BUILTINS:
        digest.refuse(f"uses {one.__name__}()")
    if bound is not None and not isinstance(bound, types.ModuleType):
        digest.value(bound)


def add_class(digest: Digest, one: type) -> None:
    """A class: by name if it is a library's, else its bases and all that stands in it."""
    kind = purity.kind_of(home_of(one))
    if kind != "own" and _found(one):
        digest.named(kind, home_of(one), one.__qualname__)
        return
    digest.put("class", one.__qualname__)
    digest.all(one.__bases__)
    digest.value(type(one))
    held = {k: v for k, v in vars(one).items() if k not in _UNREAD and not isinstance(v, _OWN_DESCRIPTORS)}
    before, digest.place = digest.place, f"{home_of(one)}.{one.__qualname__}"
    digest.pairs(held)
    digest.place = before


def add_array(digest: Digest, one: np.ndarray) -> None:
    """A numpy array: type, shape, order and numbers."""
    digest.put("array", one.dtype.str, repr(one.dtype), one.shape, one.flags.c_contiguous)
    if one.dtype.hasobject:
        digest.value(one.tolist())
    else:
        digest.put(np.ascontiguousarray(one).tobytes())
    if isinstance(one, np.memmap):
        digest.refuse(f"holds an array that is mapped from {one.filename}")


def add_ufunc(digest: Digest, one: np.ufunc) -> None:
    """numpy's and scipy's by name; one that was made of a Python function hides it."""
    digest.put("ufunc", one.__name__)
    special = importlib.import_module("scipy.special") if "scipy" in digest.libraries else None
    if one not in (getattr(np, one.__name__, None), getattr(special, one.__name__, None)):
        digest.refuse(f"holds {one.__name__}, a ufunc of numpy's that hides its function")


def add_instance(digest: Digest, one: Any) -> None:
    """Any other object: its class and its state, an own one's as it lies there, a library's as it is copied."""
    cls, home = type(one), home_of(type(one))
    kind = purity.kind_of(home)
    digest.put("object")
    if (home, cls.__qualname__) in purity.STATELESS:
        digest.put(cls.__qualname__)
    elif cls.__name__ in _COMPILERS:
        add_compiled(digest, one)
    elif kind == "library" and _compiles(one):
        digest.named(kind, home, cls.__qualname__)
        _add_jitted(digest, one)
    elif kind != "own" or not _add_state(digest, one):
        _add_copied(digest, one)


def _compiles(one: Any) -> bool:
    """Whether a library's object is a function that numba compiles when it is called."""
    return all(name in dir(one) for name in ("py_func", "targetoptions", "locals", "signatures", "_can_compile"))


def _add_jitted(digest: Digest, one: Any) -> None:
    """A function that numba compiles: its Python, and what numba was told to make of it."""
    digest.value(one.py_func)
    digest.value(dict(one.targetoptions))
    digest.put("types", *(f"{name}: {kind}" for name, kind in one.locals.items()))
    if not one._can_compile:  # for the signatures that were given, and no other
        digest.put("signatures", *one.signatures)


def _add_state(digest: Digest, one: Any) -> bool:
    """The state of an own class's instance: attributes, slots, what it has as a container; False: there is more."""
    cls = type(one)
    foreign = [c for c in cls.__mro__ if purity.kind_of(home_of(c)) != "own" and c is not object]
    if any(c not in _CONTAINERS and _holds(c) for c in foreign):
        return False
    digest.value(cls)
    digest.pairs(dict(getattr(one, "__dict__", {})))
    slots = [name for c in cls.__mro__ for name, v in vars(c).items() if isinstance(v, types.MemberDescriptorType)]
    digest.pairs({name: getattr(one, name) for name in slots if hasattr(one, name)})
    digest.all(_CONTAINERS[c](one) for c in foreign if c in _CONTAINERS)
    return True


def _add_copied(digest: Digest, one: Any) -> None:
    """What it would be copied from: the protocol that `copy` and `pickle` use; nothing is written or read."""
    cls, home = type(one), home_of(type(one))
    kind = purity.kind_of(home)
    if kind == "standard" and not purity.allowed_standard(home):
        digest.refuse(f"holds a {cls.__qualname__} of {home}")
        return
    try:
        known = copyreg.dispatch_table.get(cls)
        found = known(one) if known else one.__reduce_ex__(4)
    except Exception:  # each library refuses in its own way
        digest.refuse(f"holds a {home}.{cls.__qualname__}")
        return
    if isinstance(found, str):
        digest.named(kind, home, found)
        return
    make, arguments, *more = found
    digest.value(make)
    digest.all(arguments)
    state, items, entries = (more + [None] * 3)[:3]
    digest.value(state)
    digest.all(items or ())
    digest.all(x for pair in entries or () for x in pair)


def _found(one: type) -> bool:
    """Whether a class is what its module and name say."""
    found: Any = sys.modules.get(home_of(one))
    for name in one.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is one


def _holds(one: type) -> bool:
    """Whether instances of a library's class have a state of their own beside attributes."""
    return bool(one.__basicsize__ > object.__basicsize__ + 2 * 8 or one.__itemsize__)
