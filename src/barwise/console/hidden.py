"""Imports without the heavy packages that a library takes if it can and that barwise does not need of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hidden(*names: str) -> Iterator[None]:
    """Within it, importing one of `names` fails as if it were not installed, unless it is imported already."""
    absent = [name for name in names if name not in sys.modules]
    for name in absent:
        sys.modules[name] = None  # type: ignore[assignment]  # an import raises ImportError
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]
