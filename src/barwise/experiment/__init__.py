"""One experiment, from bars to a filed result: `barwise.experiment.run` is the program in one page."""

from typing import Any


def __getattr__(name: str) -> Any:
    """`barwise.experiment.run.Parts` and the like, from when this package was one module."""
    from barwise._moved import of_module

    return of_module(__name__, "run", name)
