"""A digest of live values and of the code that they lead to: functions, classes, objects, modules, plain data.

Whatever a function reads is followed as it stands in memory: bytecode, closure, defaults, globals by the names that its
code holds, attributes of own modules, imports in its body. What cannot be followed is a reason not to trust the digest.
"""

from __future__ import annotations

import builtins
import copyreg
import functools
import hashlib
import importlib
import importlib.util
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from barwise.features import purity
from barwise.features.code_scan import Imported, Read, Scan, scan

_COMPILED = (
    types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType, types.MethodWrapperType,
    types.ClassMethodDescriptorType, types.GetSetDescriptorType, types.MemberDescriptorType,
)  # fmt: skip
_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented))
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
_MOST = 200_000  # values: no feature set holds so many, a library that is not known does


class Walk:
    """One digest on its way. `reasons`: what could not be followed. `libraries`: those that were met.

    `lenient`: what gives anything but its arguments is passed over: for barwise's own code that builds the matrix.
    """

    def __init__(self, lenient: bool = False) -> None:
        self.lenient = lenient
        self.reasons: list[str] = []
        self.libraries: set[str] = set()
        self.place = ""
        self._digest = hashlib.sha256()
        self._seen: dict[int, int] = {}
        self._alive: list[Any] = []  # an address stands for one value as long as that lives

    def digest(self, value: Any) -> str:
        """The digest of one value and of all that it leads to."""
        try:
            self.value(value)
        except RecursionError:
            self.refuse("is nested too deep to be followed")
        return self._digest.hexdigest()

    def refuse(self, what: str) -> None:
        """Note why the digest is not to be trusted."""
        reason = f"{self.place} {what}".strip()
        if not self.lenient and reason not in self.reasons:
            self.reasons.append(reason)

    def put(self, *parts: Any) -> None:
        """Add words to the digest, each with its length, so that no two lists of them are the same."""
        for part in parts:
            data = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
            self._digest.update(b"%d:" % len(data))
            self._digest.update(data)

    def value(self, value: Any) -> None:
        """Add any value."""
        kind = type(value)
        if kind in _PLAIN:
            self.put(kind.__name__, value if kind is bytes else hex(value) if kind is int else repr(value))
            return
        if id(value) in self._seen:
            self.put("again", self._seen[id(value)])
            return
        if len(self._seen) >= _MOST:
            self.refuse("leads to more than can be followed")
            return
        self._seen[id(value)] = len(self._seen)
        self._alive.append(value)
        handler = next((_HANDLERS[base] for base in kind.__mro__ if base in _HANDLERS and _exactly(kind, base)), None)
        (handler or Walk.object)(self, value)

    def all(self, values: Iterable[Any]) -> None:
        """Add several values, in their order."""
        for value in list(values):
            self.value(value)

    def pairs(self, values: Mapping[Any, Any]) -> None:
        """Add keys, with their types, and values, in their order."""
        self.put("pairs", len(values))
        for key, value in list(values.items()):
            self.value(key)
            self.value(value)

    def unordered(self, values: Iterable[Any]) -> None:
        """Add values whose order is another in each process."""
        found = []
        for value in values:
            other = Walk(self.lenient)
            other.place, other.reasons, other.libraries = self.place, self.reasons, self.libraries
            found.append(other.digest(value))
        self.put("unordered", *sorted(found))

    # functions

    def function(self, function: types.FunctionType) -> None:
        """Its code, and all that this reads; of a library's function the name and what of one's own it encloses."""
        marked = function.__dict__
        if "__checks__" in marked:  # what stands around it refuses arguments and computes nothing
            self.value({k: v for k, v in marked.items() if k not in ("__checks__", "__wrapped__")})
            function = marked["__checks__"]
        module = str(function.__globals__.get("__name__", ""))
        kind = purity.kind_of(module)
        before, self.place = self.place, f"{module}.{function.__qualname__}" if kind == "own" else self.place
        self.put("function", kind)
        if kind == "own":
            self.code(function.__code__)
            self.all([function.__defaults__, function.__kwdefaults__, dict(function.__dict__)])
            closure = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
            self.names(function.__code__, function.__globals__, {k: _content(cell) for k, cell in closure.items()})
        else:
            self.named(kind, module, function.__qualname__)
            cells = [_content(cell) for cell in function.__closure__ or ()]
            self.all(x for x in (*cells, function.__dict__.get("__wrapped__")) if _leads(x))
        self.place = before

    def code(self, code: types.CodeType) -> None:
        """The instructions and constants; neither lines nor files."""
        self.put("code", code.co_code, code.co_exceptiontable, code.co_flags, code.co_argcount,
                 code.co_posonlyargcount, code.co_kwonlyargcount)  # fmt: skip
        for names in (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars):
            self.put("names", len(names), *names)
        self.put("constants", len(code.co_consts))
        for constant in code.co_consts:
            self.code(constant) if isinstance(constant, types.CodeType) else self.value(constant)

    def names(self, code: types.CodeType, scope: Mapping[str, Any], closure: Mapping[str, Any]) -> None:
        """All that the names in the code stand for."""
        found = scan(code)
        self.check(found, closure)
        local: dict[str, list[Any]] = {}
        for one in found.imports:
            local.setdefault(one.bound, []).extend(self.imported(one, scope))
        for read in found.reads:
            for root in self.roots(read, scope, closure, local):
                self.put("name", read.name)
                self.chain(root, read.chain)

    def roots(
        self, read: Read, scope: Mapping[str, Any], closure: Mapping[str, Any], local: Mapping[str, list[Any]]
    ) -> list[Any]:
        """What a name may stand for: an import of the function's own, a variable around it, a global or a builtin."""
        if read.free:
            return local.get(read.name, []) + ([closure[read.name]] if read.name in closure else [])
        if read.name in scope and read.name != "__builtins__":
            return [scope[read.name], *local.get(read.name, [])]
        if read.name in purity.BUILTINS:
            self.refuse(f"uses {read.name}()")
        return [getattr(builtins, read.name, _ABSENT)]

    def check(self, found: Scan, closure: Mapping[str, Any]) -> None:
        """Refuse code that reads a clock, a frame or the like, or keeps a state of its own from call to call."""
        attributes = set(found.attributes)
        if {"getattr", "attrgetter", "methodcaller"} & {r.name for r in found.reads} | attributes:
            attributes |= found.texts
        for name in sorted(attributes & purity.ATTRIBUTES):
            self.refuse(f"uses .{name}")
        used = {x for r in found.reads for x in (r.name, *r.chain)}
        for word in sorted({t.lower() for t in found.texts} & {"now", "today"}):
            if used & purity.CLOCKS:
                self.refuse(f'uses "{word}"')
        for name in sorted(found.written):
            self.refuse(f"keeps a state in the global {name}")

    # modules

    def imported(self, one: Imported, scope: Mapping[str, Any]) -> list[Any]:
        """What an import in a function's body binds, now; nothing where it would fail."""
        try:
            name = importlib.util.resolve_name("." * one.level + one.module, str(scope.get("__package__") or ""))
            if purity.kind_of(name) == "standard" and not purity.allowed_standard(name):
                self.refuse(f"imports {name}")
                return []
            module = importlib.import_module(name)
            if one.attribute == "":
                return [importlib.import_module(name.partition(".")[0])]
            if one.attribute is None:
                return [module]
            self.put("from", name)
            if not hasattr(module, one.attribute):
                return [importlib.import_module(f"{name}.{one.attribute}")]
            return [_Attribute(module, one.attribute)]
        except ImportError:
            self.put("import", one.module, "fails")
            return []
        except Exception as error:  # the user's module, which may raise anything
            self.refuse(f"imports {one.module}, which raises {type(error).__name__}")
            return []

    def chain(self, root: Any, chain: tuple[str, ...]) -> None:
        """A value and the attributes that are taken from it at once."""
        if isinstance(root, _Attribute):
            root, chain = root.module, (root.name, *chain)
        if not isinstance(root, types.ModuleType):
            self.value(root)
            return
        name, kind = root.__name__, purity.kind_of(root.__name__)
        if not chain:
            self.module(root)
        elif kind == "standard" and not purity.allowed_standard(name):
            self.refuse(f"uses {'.'.join((name, *chain))}")
        elif kind == "library":
            self.in_library(root, chain)
        elif chain[0] in vars(root) or kind == "standard":
            self.put("attribute", chain[0])
            self.chain(getattr(root, chain[0], _ABSENT), chain[1:])
        else:
            self.value(vars(root).get("__getattr__"))
            self.put("attribute", chain[0])
            self.chain(getattr(root, chain[0], _ABSENT), chain[1:])

    def in_library(self, module: types.ModuleType, chain: tuple[str, ...]) -> None:
        """A name in a library, which its version stands for; what is put in its place by own code is followed."""
        name = module.__name__
        self.put("library", name, *chain)
        self.libraries.add(name.partition(".")[0])
        found = purity.denied_in_library((*name.split(".")[1:], *chain))
        if found and name.partition(".")[0] not in purity.WITHOUT_FILES:
            self.refuse(f"uses {'.'.join((name, *chain))}")
        value: Any = module
        for attribute in chain:
            value = getattr(value, attribute, None)
            if _leads(value):
                self.value(value)
                return

    def module(self, module: types.ModuleType) -> None:
        """A module as a value, which any name of it may be taken from."""
        name, kind = module.__name__, purity.kind_of(module.__name__)
        self.put("module", name)
        if kind == "own":
            if id(module) not in self._seen:
                self._seen[id(module)] = len(self._seen)
                names = {k: v for k, v in vars(module).items() if not k.startswith("__") or k == "__getattr__"}
                self.pairs({k: v for k, v in names.items() if not _annotation(v)})
        elif kind == "library" and name.partition(".")[0] in purity.WITHOUT_FILES:
            self.libraries.add(name.partition(".")[0])
        elif kind == "library" or not purity.allowed_standard(name):
            self.refuse(f"hands on the module {name}")

    # the rest

    def compiled(self, one: Any) -> None:
        """A function or method of a compiled module, known by name; what it is bound to is followed."""
        bound = getattr(one, "__self__", None)
        owner = getattr(one, "__objclass__", None)
        home = bound.__name__ if isinstance(bound, types.ModuleType) else getattr(one, "__module__", None)
        home = _home_of(owner) if isinstance(owner, type) else home
        home = _home_of(type(bound)) if home is None and bound is not None else home
        home = home if isinstance(home, str) else "builtins"
        self.named(purity.kind_of(home), home, str(one.__qualname__))
        if home == "builtins" and one.__name__ in purity.BUILTINS:
            self.refuse(f"uses {one.__name__}()")
        if bound is not None and not isinstance(bound, types.ModuleType):
            self.value(bound)

    def named(self, kind: str, module: str, name: str) -> None:
        """What is known by its name: a thing of a library's or Python's own, never one of the user's."""
        self.put("named", module, name)
        if kind == "library":
            self.libraries.add(module.partition(".")[0])
            parts = (*module.split(".")[1:], *name.split("."))
            if purity.denied_in_library(parts) and module.partition(".")[0] not in purity.WITHOUT_FILES:
                self.refuse(f"uses {module}.{name}")
        elif kind == "own":
            self.refuse(f"uses {module}.{name}, which is compiled")
        elif not purity.allowed_standard(module):
            self.refuse(f"uses {module}.{name}")

    def klass(self, one: type) -> None:
        """A class: by name if it is a library's, else its bases and all that stands in it."""
        kind = purity.kind_of(_home_of(one))
        if kind != "own" and _found(one):
            self.named(kind, _home_of(one), one.__qualname__)
            return
        self.put("class", one.__qualname__)
        self.all(one.__bases__)
        self.value(type(one))
        held = {k: v for k, v in vars(one).items() if k not in _UNREAD and not isinstance(v, _OWN_DESCRIPTORS)}
        before, self.place = self.place, f"{_home_of(one)}.{one.__qualname__}"
        self.pairs(held)
        self.place = before

    def array(self, one: np.ndarray) -> None:
        """A numpy array: type, shape, order and numbers."""
        self.put("array", one.dtype.str, repr(one.dtype), one.shape, one.flags.c_contiguous)
        if one.dtype.hasobject:
            self.value(one.tolist())
        else:
            self.put(np.ascontiguousarray(one).tobytes())
        if isinstance(one, np.memmap):
            self.refuse(f"holds an array that is mapped from {one.filename}")

    def ufunc(self, one: np.ufunc) -> None:
        """numpy's and scipy's by name; one that was made of a Python function hides it."""
        self.put("ufunc", one.__name__)
        special = importlib.import_module("scipy.special") if "scipy" in self.libraries else None
        if one not in (getattr(np, one.__name__, None), getattr(special, one.__name__, None)):
            self.refuse(f"holds {one.__name__}, a ufunc of numpy's that hides its function")

    def object(self, one: Any) -> None:
        """Any other object: its class and its state, an own one's as it lies there, a library's as it is copied."""
        cls, home = type(one), _home_of(type(one))
        kind = purity.kind_of(home)
        self.put("object")
        if (home, cls.__qualname__) in purity.STATELESS:
            self.put(cls.__qualname__)
        elif cls.__name__ in _COMPILERS:
            self.compiled(one)
        elif kind == "library" and _compiles(one):
            self.named(kind, home, cls.__qualname__)
            self.jitted(one)
        elif kind != "own" or not self.state(one):
            self.reduced(one)

    def jitted(self, one: Any) -> None:
        """A function that numba compiles: its Python, and what numba was told to make of it."""
        self.value(one.py_func)
        self.value(dict(one.targetoptions))
        self.put("types", *(f"{name}: {kind}" for name, kind in one.locals.items()))
        if not one._can_compile:  # for the signatures that were given, and no other
            self.put("signatures", *one.signatures)

    def state(self, one: Any) -> bool:
        """The state of an own class's instance: attributes, slots, what it has as a container; False: there is more."""
        cls = type(one)
        foreign = [c for c in cls.__mro__ if purity.kind_of(_home_of(c)) != "own" and c is not object]
        if any(c not in _CONTAINERS and _holds(c) for c in foreign):
            return False
        self.value(cls)
        self.pairs(dict(getattr(one, "__dict__", {})))
        slots = [name for c in cls.__mro__ for name, v in vars(c).items() if isinstance(v, types.MemberDescriptorType)]
        self.pairs({name: getattr(one, name) for name in slots if hasattr(one, name)})
        self.all(_CONTAINERS[c](one) for c in foreign if c in _CONTAINERS)
        return True

    def reduced(self, one: Any) -> None:
        """What it would be copied from: the protocol that `copy` and `pickle` use; nothing is written or read."""
        cls, home = type(one), _home_of(type(one))
        kind = purity.kind_of(home)
        if kind == "standard" and not purity.allowed_standard(home):
            self.refuse(f"holds a {cls.__qualname__} of {home}")
            return
        try:
            known = copyreg.dispatch_table.get(cls)
            found = known(one) if known else one.__reduce_ex__(4)
        except Exception:  # each library refuses in its own way
            self.refuse(f"holds a {home}.{cls.__qualname__}")
            return
        if isinstance(found, str):
            self.named(kind, home, found)
            return
        make, arguments, *more = found
        self.value(make)
        self.all(arguments)
        state, items, entries = (more + [None] * 3)[:3]
        self.value(state)
        self.all(items or ())
        self.all(x for pair in entries or () for x in pair)


class _Attribute:
    """A name of a module that a function imports."""

    def __init__(self, module: types.ModuleType, name: str) -> None:
        self.module, self.name = module, name


_ABSENT = "a name that stands for nothing yet"
_OWN_DESCRIPTORS = (types.GetSetDescriptorType, types.MemberDescriptorType)


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return _ABSENT


def _exactly(kind: type, base: type) -> bool:
    """Whether a handler for `base` is one for `kind`: a subclass may hold more, unless it is a known one."""
    if base is functools.partial:  # Hydra's asks its policy at each call, and gives the same
        return kind is base or _home_of(kind).startswith("hydra.")
    return kind is base or base in (type, types.ModuleType) or (base is np.ndarray and kind is np.memmap)


def _leads(value: Any) -> bool:
    """Whether a value in a library's hands is the user's own code or leads to it."""
    if isinstance(value, types.MethodType | functools.partial):
        return True
    if isinstance(value, types.FunctionType):
        kind = purity.kind_of(str(value.__globals__.get("__name__", "")))
        return kind == "own" or bool(value.__closure__ or "__wrapped__" in value.__dict__)
    return purity.kind_of(_home_of(value if isinstance(value, type) else type(value))) == "own"


def _home_of(one: type) -> str:
    """The module that a class says it is of."""
    home = one.__module__
    return home if isinstance(home, str) else "builtins"


def _found(one: type) -> bool:
    """Whether a class is what its module and name say."""
    found: Any = sys.modules.get(_home_of(one))
    for name in one.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is one


def _holds(one: type) -> bool:
    """Whether instances of a library's class have a state of their own beside attributes."""
    return bool(one.__basicsize__ > object.__basicsize__ + 2 * 8 or one.__itemsize__)


def _compiles(one: Any) -> bool:
    """Whether a library's object is a function that numba compiles when it is called."""
    return all(name in dir(one) for name in ("py_func", "targetoptions", "locals", "signatures", "_can_compile"))


def _annotation(value: Any) -> bool:
    return type(value).__module__ == "typing"


def _partial(walk: Walk, one: functools.partial[Any]) -> None:
    walk.put("partial")
    walk.all([one.func, one.args, one.keywords, dict(one.__dict__) if type(one) is functools.partial else None])


def _wrapping(*names: str) -> Any:
    def handle(walk: Walk, one: Any) -> None:
        walk.put(type(one).__name__)
        walk.all(getattr(one, name) for name in names)

    return handle


def _iterator(walk: Walk, one: Iterator[Any]) -> None:
    walk.refuse(f"holds a {type(one).__name__}, which is used up as it is read")


_HANDLERS: dict[type, Any] = {
    tuple: lambda w, v: (w.put("tuple", len(v)), w.all(v)),
    list: lambda w, v: (w.put("list", len(v)), w.all(v)),
    dict: lambda w, v: w.pairs(v),
    types.MappingProxyType: lambda w, v: w.pairs(v),
    set: lambda w, v: w.unordered(v),
    frozenset: lambda w, v: w.unordered(v),
    types.FunctionType: Walk.function,
    types.CodeType: Walk.code,
    types.ModuleType: Walk.module,
    types.MethodType: _wrapping("__func__", "__self__"),
    types.GeneratorType: _iterator,
    functools.partial: _partial,
    functools._lru_cache_wrapper: _wrapping("__wrapped__"),
    functools.cached_property: _wrapping("func"),
    property: _wrapping("fget", "fset", "fdel"),
    classmethod: _wrapping("__func__"),
    staticmethod: _wrapping("__func__"),
    type: Walk.klass,
    np.ndarray: Walk.array,
    np.ufunc: Walk.ufunc,
} | dict.fromkeys(_COMPILED, Walk.compiled)
