"""What trials of the same parts share: made once in the process that they are forked from, and found there by each.

It is known by the composed settings it is made from and by the hash of the bars that the trial itself has read; the
code is that of the process. A trial changes its own copy alone: the memory of a forked process is its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from barwise.audit.own import is_users
from barwise.experiment.parts import Parts

T = TypeVar("T")
_APART = (  # settings that neither bars, features, labels, folds nor their audit read
    "device", "experiment", "factor", "fold_jobs", "hydra", "importance", "measures", "monitor", "objective",
    "output_dir", "quiet", "resume", "search", "seed", "select", "shuffle_labels", "strategy", "sweep", "threads",
    "tracking",
)  # fmt: skip
_SOURCES = tuple(f"barwise.data.{name}.load" for name in ("files", "sample", "synthetic"))  # read from here alone
_LIBRARIES = ("barwise", "sklearn")  # whose code makes what is shared: never the user's own
_MOST = 8  # sorts of parts that are kept, the last ones

_kept: dict[str, dict[str, Any]] = {}


@dataclass(frozen=True)
class Shared:
    """`key` names the settings and the bars; None: nothing is shared. `keeps`: what is made stays for others."""

    key: str | None = None
    keeps: bool = False

    def on(self, data: str) -> Shared:
        """The same on the bars whose hash is `data`."""
        return self if self.key is None else replace(self, key=f"{self.key}-{data}")

    def has(self, what: str) -> bool:
        """Whether it was made before under this name."""
        return self.key is not None and what in _kept.get(self.key, {})

    def once(self, what: str, make: Callable[[], T]) -> T:
        """What was made before under this name, else what `make` gives."""
        found: dict[str, Any] = _kept.get(self.key or "", {})
        if what in found:
            kept: T = found[what]
            return kept
        made = make()
        if self.keeps and self.key is not None:
            _kept[self.key] = {**found, what: made}
            for key in list(_kept)[:-_MOST]:
                del _kept[key]
        return made


def key_of(config: Mapping[str, Any]) -> str | None:
    """The name of what a configuration, as plain values, shares; None where its bars come from afar, or where code that
    is neither barwise's nor scikit-learn's makes it."""
    made_from = {name: node for name, node in config.items() if name not in _APART}
    data = made_from.get("data")
    if not isinstance(data, Mapping) or data.get("_target_") not in _SOURCES or "://" in json.dumps(data, default=str):
        return None
    if any(target.partition(".")[0] not in _LIBRARIES for target in _targets(made_from)):
        return None
    return hashlib.sha256(json.dumps(made_from, sort_keys=True, default=str).encode()).hexdigest()[:32]


def shared_by(config: Mapping[str, Any], parts: Parts) -> Shared:
    """What a run may take from the process that it was forked from; nothing where any of its code is the user's own,
    which must not find what was made of later bars."""
    named = (
        parts.features,
        parts.strategy,
        parts.labels,
        parts.signals,
        parts.backtest,
        parts.neutral,
        parts.validation,
    )
    return Shared() if any(is_users(one) for one in named) else Shared(key_of(config))


def _targets(node: Any) -> Iterator[str]:
    """Every `_target_` below a node."""
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield str(node["_target_"])
        for value in node.values():
            yield from _targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from _targets(value)
