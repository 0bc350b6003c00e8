"""The run directory, and a finished run."""

from typing import Any


def __getattr__(name: str) -> Any:
    """`barwise.runs.directory.RunDirectory` and the like, from when this package was one module."""
    from barwise._moved import of_module

    return of_module(__name__, "directory", name)
