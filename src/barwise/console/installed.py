"""Where installers put libraries: what lies there is not the user's own code."""

from __future__ import annotations

import os
import sys
from functools import cache

_NAMES = ("site-packages", "dist-packages")  # in whichever environment


def installed(path: str) -> bool:
    """Whether a file lies in an environment's folder of libraries, or in a folder of `sys.path` that `pip install
    --target` filled (one that holds *.dist-info), as clusters have them; the folder one works in is never such."""
    real = os.path.realpath(path)
    return any(f"{os.sep}{name}{os.sep}" in real for name in _NAMES) or real.startswith(_targets(tuple(sys.path)))


def library_folders() -> tuple[str, ...]:
    """The folders of `sys.path` that hold libraries."""
    named = {path for path in sys.path if path.endswith(_NAMES)}
    return (*sorted(named), *_targets(tuple(sys.path)))


@cache
def _targets(paths: tuple[str, ...]) -> tuple[str, ...]:
    found = []
    here = {os.path.realpath(one or ".") for one in ("", *paths[:1])}
    for path in {os.path.realpath(one) for one in paths[1:] if one and not one.endswith(_NAMES)} - here:
        try:
            with os.scandir(path) as there:
                filled = any(entry.name.endswith(".dist-info") for entry in there)
        except OSError:  # a zip file, or a folder that is not there
            continue
        found += [path + os.sep] if filled else []
    return tuple(sorted(found))
