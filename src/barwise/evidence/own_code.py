"""The source of the user's own parts, as one hash: an edited feature function is another trial."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from barwise.console.installed import installed

_STDLIB = str(Path(sysconfig.get_path("stdlib")).resolve())


def code_of(config: Any) -> str | None:
    """A hash of the modules that `_target_`s of `config` name and of those they import, where they are the user's own:
    neither barwise's nor an installed library's. None where there are none. Comments and layout do not count.

    Nothing is imported or run. Files that the code reads are not followed.
    """
    found: dict[str, str] = {}
    waiting = sorted(set(_targets(config)))
    while waiting:
        name = waiting.pop()
        path = _source_of(name)
        if path is None or path.as_posix() in found:
            continue
        tree = parsed(path)
        found[path.as_posix()] = "unreadable" if tree is None else ast.dump(tree)
        waiting += _imports(tree, _package_of(name, path)) if tree is not None else []
    if not found:
        return None
    return hashlib.sha256("\n".join(sorted(found.values())).encode()).hexdigest()[:16]


def _targets(node: Any) -> Iterator[str]:
    """Every `_target_`, and every `path` beside one, in a configuration."""
    if isinstance(node, Mapping):
        yield from (str(node[key]) for key in ("_target_", "path") if "_target_" in node and key in node)
        for value in node.values():
            yield from _targets(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _targets(value)


def _source_of(name: str) -> Path | None:
    """The file of the deepest module in a dotted name, if it is the user's own."""
    top, *rest = name.split(".")
    if not top.isidentifier() or top in ("barwise", "__main__") or top in sys.stdlib_module_names:
        return None
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None:
        return None
    place = Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    folders = [Path(p) for p in spec.submodule_search_locations or ()]
    for part in rest:
        inner = [f / part for f in folders]
        module = next((p.with_suffix(".py") for p in inner if p.with_suffix(".py").is_file()), None)
        packed = next((p / "__init__.py" for p in inner if (p / "__init__.py").is_file()), None)
        folders = [p for p in inner if p.is_dir()]
        if module is None and packed is None and not folders:
            break
        place = packed or module or place
    if place is None or str(place.resolve()).startswith(_STDLIB) or installed(str(place)):
        return None
    return place


def _package_of(name: str, path: Path) -> str:
    """The package that relative imports of the module in `path` start from."""
    parts = name.split(".")
    depth = next((i for i, part in enumerate(parts) if part == path.stem), len(parts))
    return ".".join(parts[:depth]) if path.stem != "__init__" else ".".join(parts[: parts.index(path.parent.name) + 1])


def parsed(path: Path) -> ast.Module | None:
    """The module without its comments; None where it is no Python that can be read."""
    try:
        return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None


def _imports(tree: ast.Module, package: str) -> list[str]:
    """The dotted names that a module imports, wherever in it."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".") if node.level else []
            base = ".".join([*parts[: len(parts) - node.level + 1], *([node.module] if node.module else [])])
            found += [f"{base}.{alias.name}".lstrip(".") for alias in node.names]
    return found
