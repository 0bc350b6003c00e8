"""What a part may offer beyond what it must: one small Protocol each, known by its names alone, and names that miss."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any


def unwrapped(part: Any) -> Any:
    """The function or the object itself, where settings were given to it by `partial`."""
    while isinstance(part, partial):
        part = part.func
    return part


def direct(part: Any) -> Any:
    """The same function with the same settings, without what Hydra looks at in each call of what it made."""
    return partial(part.func, *part.args, **part.keywords) if isinstance(part, partial) else part


def names_of(hook: type) -> set[str]:
    """The names that make a part one of `hook`."""
    own = {name for name in vars(hook) if not name.startswith("_")}
    return own | set(hook.__annotations__)


def mistakes(
    part: Any, hooks: Sequence[type], required: Sequence[str] = (), kinds: Mapping[str, type] | None = None
) -> Iterator[str]:
    """What looks like one of `hooks` and is none: a name nearly right, half of a pair, or a value of another kind."""
    part = unwrapped(part)
    known = set(required).union(*map(names_of, hooks))
    public = {name for name in {*dir(type(part)), *vars(part)} if name.strip("_") == name}
    settings = _settings(part)
    for name in sorted(public - known - settings):
        candidates = (known - public) | (_inherited(part, name) & known - set(required))
        near = difflib.get_close_matches(name, candidates, n=1, cutoff=0.8)
        if near:
            yield f"{name} is no hook; did you mean {near[0]}?"
    for hook in hooks:
        given = names_of(hook) & public
        if given != names_of(hook):  # a setting's value under the name of a method is not half of the hook
            given -= {
                name
                for name in given & settings
                if callable(vars(hook).get(name)) and not callable(getattr(part, name))
            }
        if given and given != names_of(hook):
            there, lacking = ", ".join(sorted(given)), ", ".join(sorted(names_of(hook) - given))
            yield f"{there} without {lacking} has no effect; {hook.__name__} needs both"
        for name in sorted(given):
            value, kind = getattr(part, name), (kinds or {}).get(name)
            if kind is not None and not isinstance(value, kind):
                yield f"{name} is {value!r:.40}, not {kind.__name__}"
            if callable(vars(hook).get(name)) and not callable(value):
                yield f"{name} is {value!r:.40}, not a method"


def _inherited(part: Any, name: str) -> set[str]:
    """What the class that defines `name` has from its bases alone: `name` may be meant to replace a hook among it."""
    owner = next((kind for kind in type(part).__mro__ if name in vars(kind)), None)
    return set() if owner is None else {other for base in owner.__mro__[1:] for other in vars(base)} - set(vars(owner))


def _settings(part: Any) -> set[str]:
    try:
        return set(inspect.signature(part if inspect.isfunction(part) else type(part)).parameters)
    except (TypeError, ValueError):  # a class of C says nothing
        return set()
