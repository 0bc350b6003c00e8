"""A digest of live values, each once, with all that it leads to; handlers by type say what a value consists of."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from barwise.features import purity

ABSENT = "a name that stands for nothing yet"
_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented))
_MOST = 200_000  # values: no feature set holds so many, a library that is not known does
Handler = Callable[..., Any]  # of a digest and a value


class Digest:
    """One digest on its way. `reasons`: what could not be followed. `libraries`: those that were met.

    `lenient`: what gives anything but its arguments is passed over: for barwise's own code that builds the matrix.
    """

    handlers: ClassVar[Mapping[type, Handler]]  # those of `object` are for what no other is for

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
        self.first(value)
        kinds = (base for base in kind.__mro__ if base in self.handlers and self.exactly(kind, base))
        self.handlers[next(kinds, object)](self, value)

    def first(self, value: Any) -> bool:
        """Whether the value is met for the first time; it counts as met from now on."""
        if id(value) in self._seen:
            return False
        self._seen[id(value)] = len(self._seen)
        self._alive.append(value)
        return True

    def exactly(self, kind: type, base: type) -> bool:
        """Whether a handler for `base` is one for `kind`: a subclass may hold more."""
        return kind is base

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
            other = type(self)(self.lenient)
            other.place, other.reasons, other.libraries = self.place, self.reasons, self.libraries
            found.append(other.digest(value))
        self.put("unordered", *sorted(found))

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


def home_of(one: type) -> str:
    """The module that a class says it is of."""
    home = one.__module__
    return home if isinstance(home, str) else "builtins"
