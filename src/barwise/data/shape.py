"""What becomes of the bars of any source before a run sees them: sessions kept, larger bars made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from barwise.data.bars import Market
from barwise.data.durations import Duration, duration
from barwise.data.resample import STAMPS, Size, resampled
from barwise.data.settings import choice
from barwise.errors import ConfigError

DEFAULTS: Mapping[str, Any] = {"resample": None, "stamp": "open"}
"""Settings of `data` that go for every source, and are taken out before the source is called."""


@dataclass(frozen=True)
class Shape:
    """`resample`: the size of the larger bars, such as 1h; None: the bars as they are. `stamp`: whether `time` is when
    a bar opens or when it closes. `timezone`: on whose clock days begin; None: UTC."""

    resample: Duration | None = None
    stamp: str = "open"
    timezone: str | None = None

    @classmethod
    def of(cls, node: Mapping[str, Any]) -> Shape:
        """What the settings of `data` say; ConfigError for one that is out of range."""
        given = {name: node.get(name, usual) for name, usual in DEFAULTS.items()}
        choice("stamp", given["stamp"], STAMPS, "open")
        every = None if given["resample"] is None else duration("data.resample", given["resample"])
        zone = node.get("timezone")
        return cls(every, given["stamp"], zone if isinstance(zone, str) else None)

    def size(self, every: Duration) -> Size:
        """A larger bar of these bars."""
        return Size(every, self.stamp, self.timezone)

    def shaped(self, load: Callable[[], Market]) -> Callable[[], Market]:
        """`load` with the bars as they are asked for."""
        if self.resample is None:
            return load
        size = self.size(self.resample)
        return lambda: resampled(load(), size)

    def check_stamp(self, larger: bool) -> None:
        """ConfigError for a stamp that has no effect; `larger`: whether a feature set is on larger bars."""
        if self.stamp != DEFAULTS["stamp"] and self.resample is None and not larger:
            raise ConfigError(
                f"data.stamp={self.stamp}: has no effect without larger bars; set data.resample=1h, or leave it at open"
            )
