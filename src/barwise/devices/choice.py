"""What is asked of a device, and what was chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from barwise.console.settings import Number, check_fields
from barwise.errors import ConfigError

_NAMES = ("auto", "mps", "cuda", "cpu")
Probe = Callable[[], tuple[Any, Any, Any]]  # a fresh net, and one batch x, y of the size it trains on


@dataclass(frozen=True)
class DeviceChoice:
    """What was asked for, what is used and why; `warning` where the two differ; `facts` of parity and of the race.

    `engine`: the library that trains, where the strategy has a choice of them.
    """

    requested: str
    used: str
    reason: str
    warning: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    engine: str | None = None


@dataclass(frozen=True)
class DeviceSettings:
    """`conf/device/*.yaml`. `memory_fraction`: share of the device's memory that torch may take, null for all."""

    name: str = "auto"
    strict: bool = False
    memory_fraction: Annotated[float, Number(0, 1, above=True)] | None = None
    tf32: bool = False
    deterministic: bool = True
    parity: bool = True

    def __post_init__(self) -> None:
        if self.name not in _NAMES:
            raise ConfigError(f"device={self.name}: must be one of {', '.join(_NAMES)}")
        check_fields(self, "device")
