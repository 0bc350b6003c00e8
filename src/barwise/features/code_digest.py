"""What code leads to: bytecode, closure, defaults, globals by the names that it holds, attributes of own modules."""

from __future__ import annotations

import builtins
import functools
import importlib
import importlib.util
import types
from collections.abc import Mapping
from typing import Any

from barwise.features import purity
from barwise.features.code_scan import Imported, Read, Scan, scan
from barwise.features.digest import ABSENT, Digest, home_of


def add_function(digest: Digest, function: types.FunctionType) -> None:
    """Its code, and all that this reads; of a library's function the name and what of one's own it encloses."""
    marked = function.__dict__
    if "__checks__" in marked:  # what stands around it refuses arguments and computes nothing
        digest.value({k: v for k, v in marked.items() if k not in ("__checks__", "__wrapped__")})
        function = marked["__checks__"]
    module = str(function.__globals__.get("__name__", ""))
    kind = purity.kind_of(module)
    before, digest.place = digest.place, f"{module}.{function.__qualname__}" if kind == "own" else digest.place
    digest.put("function", kind)
    if kind == "own":
        add_code(digest, function.__code__)
        digest.all([function.__defaults__, function.__kwdefaults__, dict(function.__dict__)])
        closure = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        add_names(digest, function.__code__, function.__globals__, {k: _content(cell) for k, cell in closure.items()})
    else:
        digest.named(kind, module, function.__qualname__)
        cells = [_content(cell) for cell in function.__closure__ or ()]
        digest.all(x for x in (*cells, function.__dict__.get("__wrapped__")) if _leads(x))
    digest.place = before


def add_code(digest: Digest, code: types.CodeType) -> None:
    """The instructions and constants; neither lines nor files."""
    digest.put("code", code.co_code, code.co_exceptiontable, code.co_flags, code.co_argcount,
             code.co_posonlyargcount, code.co_kwonlyargcount)  # fmt: skip
    for names in (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars):
        digest.put("names", len(names), *names)
    digest.put("constants", len(code.co_consts))
    for constant in code.co_consts:
        add_code(digest, constant) if isinstance(constant, types.CodeType) else digest.value(constant)


def add_names(digest: Digest, code: types.CodeType, scope: Mapping[str, Any], closure: Mapping[str, Any]) -> None:
    """All that the names in the code stand for."""
    found = scan(code)
    _check(digest, found, closure)
    local: dict[str, list[Any]] = {}
    for one in found.imports:
        local.setdefault(one.bound, []).extend(_imported(digest, one, scope))
    for read in found.reads:
        for root in _roots(digest, read, scope, closure, local):
            digest.put("name", read.name)
            _add_chain(digest, root, read.chain)


def _roots(
    digest: Digest, read: Read, scope: Mapping[str, Any], closure: Mapping[str, Any], local: Mapping[str, list[Any]]
) -> list[Any]:
    """What a name may stand for: an import of the function's own, a variable around it, a global or a builtin."""
    if read.free:
        return local.get(read.name, []) + ([closure[read.name]] if read.name in closure else [])
    if read.name in scope and read.name != "__builtins__":
        return [scope[read.name], *local.get(read.name, [])]
    if read.name in purity.BUILTINS:
        digest.refuse(f"uses {read.name}()")
    return [getattr(builtins, read.name, ABSENT)]


def _check(digest: Digest, found: Scan, closure: Mapping[str, Any]) -> None:
    """Refuse code that reads a clock, a frame or the like, or keeps a state of its own from call to call."""
    attributes = set(found.attributes)
    if {"getattr", "attrgetter", "methodcaller"} & {r.name for r in found.reads} | attributes:
        attributes |= found.texts
    for name in sorted(attributes & purity.ATTRIBUTES):
        digest.refuse(f"uses .{name}")
    used = {x for r in found.reads for x in (r.name, *r.chain)}
    for word in sorted({t.lower() for t in found.texts} & {"now", "today"}):
        if used & purity.CLOCKS:
            digest.refuse(f'uses "{word}"')
    for name in sorted(found.written):
        digest.refuse(f"keeps a state in the global {name}")


def _imported(digest: Digest, one: Imported, scope: Mapping[str, Any]) -> list[Any]:
    """What an import in a function's body binds, now; nothing where it would fail."""
    try:
        name = importlib.util.resolve_name("." * one.level + one.module, str(scope.get("__package__") or ""))
        if purity.kind_of(name) == "standard" and not purity.allowed_standard(name):
            digest.refuse(f"imports {name}")
            return []
        module = importlib.import_module(name)
        if one.attribute == "":
            return [importlib.import_module(name.partition(".")[0])]
        if one.attribute is None:
            return [module]
        digest.put("from", name)
        if not hasattr(module, one.attribute):
            return [importlib.import_module(f"{name}.{one.attribute}")]
        return [_Attribute(module, one.attribute)]
    except ImportError:
        digest.put("import", one.module, "fails")
        return []
    except Exception as error:  # the user's module, which may raise anything
        digest.refuse(f"imports {one.module}, which raises {type(error).__name__}")
        return []


def _add_chain(digest: Digest, root: Any, chain: tuple[str, ...]) -> None:
    """A value and the attributes that are taken from it at once."""
    if isinstance(root, _Attribute):
        root, chain = root.module, (root.name, *chain)
    if not isinstance(root, types.ModuleType):
        digest.value(root)
        return
    name, kind = root.__name__, purity.kind_of(root.__name__)
    if not chain:
        add_module(digest, root)
    elif kind == "standard" and not purity.allowed_standard(name):
        digest.refuse(f"uses {'.'.join((name, *chain))}")
    elif kind == "library":
        _add_from_library(digest, root, chain)
    elif chain[0] in vars(root) or kind == "standard":
        digest.put("attribute", chain[0])
        _add_chain(digest, getattr(root, chain[0], ABSENT), chain[1:])
    else:
        digest.value(vars(root).get("__getattr__"))
        digest.put("attribute", chain[0])
        _add_chain(digest, getattr(root, chain[0], ABSENT), chain[1:])


def _add_from_library(digest: Digest, module: types.ModuleType, chain: tuple[str, ...]) -> None:
    """A name in a library, which its version stands for; what is put in its place by own code is followed."""
    name = module.__name__
    digest.put("library", name, *chain)
    digest.libraries.add(name.partition(".")[0])
    found = purity.denied_in_library((*name.split(".")[1:], *chain))
    if found and name.partition(".")[0] not in purity.WITHOUT_FILES:
        digest.refuse(f"uses {'.'.join((name, *chain))}")
    value: Any = module
    for attribute in chain:
        value = getattr(value, attribute, None)
        if _leads(value):
            digest.value(value)
            return


def add_module(digest: Digest, module: types.ModuleType) -> None:
    """A module as a value, which any name of it may be taken from."""
    name, kind = module.__name__, purity.kind_of(module.__name__)
    digest.put("module", name)
    if kind == "own":
        if digest.first(module):
            names = {k: v for k, v in vars(module).items() if not k.startswith("__") or k == "__getattr__"}
            digest.pairs({k: v for k, v in names.items() if not _annotation(v)})
    elif kind == "library" and name.partition(".")[0] in purity.WITHOUT_FILES:
        digest.libraries.add(name.partition(".")[0])
    elif kind == "library" or not purity.allowed_standard(name):
        digest.refuse(f"hands on the module {name}")


class _Attribute:
    """A name of a module that a function imports."""

    def __init__(self, module: types.ModuleType, name: str) -> None:
        self.module, self.name = module, name


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return ABSENT


def _leads(value: Any) -> bool:
    """Whether a value in a library's hands is the user's own code or leads to it."""
    if isinstance(value, types.MethodType | functools.partial):
        return True
    if isinstance(value, types.FunctionType):
        kind = purity.kind_of(str(value.__globals__.get("__name__", "")))
        return kind == "own" or bool(value.__closure__ or "__wrapped__" in value.__dict__)
    return purity.kind_of(home_of(value if isinstance(value, type) else type(value))) == "own"


def _annotation(value: Any) -> bool:
    return type(value).__module__ == "typing"
