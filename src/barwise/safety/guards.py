"""What the readers of every library's model files refuse with, and in which words."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from barwise.errors import DataError


def agree(path: Path, ok: bool, otherwise: str) -> None:
    """DataError, saying `otherwise`, unless `ok`."""
    if not ok:
        raise DataError(f"{path}: {otherwise}; it is not loaded")


def keys(path: Path, found: Any, needed: Iterable[str], optional: Iterable[str] = (), *, writer: str) -> None:
    """DataError unless `found` is an object with all of `needed` and nothing beside them but `optional`."""
    needed, known = set(needed), {*needed, *optional}
    ok = isinstance(found, dict) and needed <= set(found) <= known
    agree(path, ok, f"it has other parts than {writer}")


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; ValueError for a key that comes twice, of which two readers may take different ones."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key comes twice")
    return found
