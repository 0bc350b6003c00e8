"""One name for a part, whichever of the places it can be imported from a configuration names; nothing is imported."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from barwise._moved import MOVED
from barwise.evidence.own_code import parsed

_STEPS = 20  # re-exports that are followed


def _canonical(target: str) -> str:
    """The dotted name of the function or class that `target` names, where it is defined.

    Old names of barwise's modules and re-exports (`from .trend import Trend`, `Trend = Other`, `import *`) are followed
    in the source. Where that ends in a private module, it is the shortest public name that leads there:
    sklearn.linear_model.Ridge, not sklearn.linear_model._ridge.Ridge. What cannot be followed is returned as it is.
    """
    found = _defined(target, _STEPS)
    if found is None:
        return target
    module, name = found
    parts = module.split(".")
    if not any(part.startswith("_") for part in parts):
        return f"{module}.{name}"
    packages = (".".join(parts[:depth]) for depth in range(1, len(parts)))
    public = (p for p in packages if "._" not in p and _defined(f"{p}.{name}", _STEPS) == found)
    return f"{next(public, module)}.{name}"


def renamed(node: Any) -> Any:
    """A configuration in which each `_target_` has its one name."""
    if isinstance(node, Mapping):
        return {k: _canonical(v) if k == "_target_" and isinstance(v, str) else renamed(v) for k, v in node.items()}
    return [renamed(v) for v in node] if isinstance(node, list | tuple) else node


def _defined(target: str, steps: int) -> tuple[str, str] | None:
    """Module and name of the definition that a dotted name leads to."""
    module, names = _split(_moved(target))
    tree = _tree(module) if names and steps else None
    if tree is None:
        return None
    head, rest = names[0], names[1:]
    if any(isinstance(x, ast.ClassDef | ast.FunctionDef) and x.name == head for x in _statements(tree.body)):
        return module, ".".join(names)
    for other in _leads(tree, module, head):
        found = _defined(".".join((other, *rest)), steps - 1)
        if found is not None:
            return found
    return None


def _leads(tree: ast.Module, module: str, name: str) -> Iterator[str]:
    """Where a module has a name from: what it imports or assigns under that name."""
    path = _file(module)
    package = module.split(".") if path and path.stem == "__init__" else module.split(".")[:-1]
    for node in _statements(tree.body):
        if isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1], *([node.module] if node.module else [])]
            source = ".".join(base if node.level else [node.module or ""])
            for alias in node.names:
                if alias.name == "*":
                    yield f"{source}.{name}"
                elif (alias.asname or alias.name) == name:
                    yield f"{source}.{alias.name}"
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.asname == name)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
            if any(isinstance(x, ast.Name) and x.id == name for x in node.targets):
                yield f"{module}.{node.value.id}"
        elif isinstance(node, ast.FunctionDef) and node.name == "__getattr__":  # a package that was one module
            calls = (x for x in ast.walk(node) if isinstance(x, ast.Call) and isinstance(x.func, ast.Name))
            for call in (x for x in calls if x.func.id == "of_module" and len(x.args) == 3):  # type: ignore[attr-defined]
                yield f"{module}.{ast.literal_eval(call.args[1])}.{name}"


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """What a module says at its top level, within try and if too."""
    for node in body:
        yield node
        for part in ("body", "orelse", "handlers", "finalbody") if isinstance(node, ast.Try | ast.If) else ():
            for inner in getattr(node, part, ()):
                yield from _statements(inner.body if isinstance(inner, ast.ExceptHandler) else [inner])


def _moved(target: str) -> str:
    """The name with the module of an earlier version replaced by the one that took its place."""
    parts = target.split(".")
    if parts[0] == "barwise":
        for end in range(len(parts) - 1, 1, -1):
            new = MOVED.get(".".join(parts[1:end]))
            if new is not None:
                return ".".join(("barwise", new, *parts[end:]))
    return target


def _split(target: str) -> tuple[str, list[str]]:
    """The deepest module of a dotted name, and the names that follow it."""
    parts = target.split(".")
    depth = next((n for n in range(len(parts), 0, -1) if _file(".".join(parts[:n]))), 0)
    return ".".join(parts[:depth]), parts[depth:]


def _file(module: str) -> Path | None:
    """The source of a module, found below its top package without importing any."""
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top) if top.isidentifier() and top != "__main__" else None
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None or not all(part.isidentifier() for part in rest):
        return None
    if not rest:
        return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    for place in (Path(p).joinpath(*rest) for p in spec.submodule_search_locations or ()):
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if path.is_file():
                return path
    return None


def _tree(module: str) -> ast.Module | None:
    path = _file(module)
    return _parsed(path, path.stat().st_mtime_ns) if path else None


@cache
def _parsed(path: Path, _: int) -> ast.Module | None:
    return parsed(path)
