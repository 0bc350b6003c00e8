"""What becomes of the bars of any source before a run sees them: sessions kept, larger bars made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from barwise.data.bars import Bars, Market
from barwise.data.contracts import priced
from barwise.data.durations import Duration, duration
from barwise.data.hours import REGULAR, Hours, hours
from barwise.data.resample import STAMPS, Size, resampled
from barwise.data.schedules import zone_of
from barwise.data.sessions import Clock, inside, kept
from barwise.data.settings import choice
from barwise.errors import ConfigError, require

DEFAULTS: Mapping[str, Any] = {
    "contracts": None, "resample": None, "stamp": "open", "calendar": None, "session": None
}  # fmt: skip
"""Settings of `data` that go for every source, and are taken out before the source is called."""


@dataclass(frozen=True)
class Shape:
    """`resample`: the size of the larger bars, such as 1h; None: the bars as they are. `stamp`: whether `time` is when
    a bar opens or when it closes. `timezone`: on whose clock days begin; None: the exchange's, without one UTC.
    `calendar`: an exchange's, by the name that exchange_calendars has for it. `session`: the hours that are kept, or
    regular, those of the calendar. `contracts`: a file of multipliers, ticks and currencies."""

    resample: Duration | None = None
    stamp: str = "open"
    timezone: str | None = None
    calendar: str | None = None
    session: Hours | str | None = None
    contracts: str | None = None

    @classmethod
    def of(cls, node: Mapping[str, Any]) -> Shape:
        """What the settings of `data` say; ConfigError for one that is out of range."""
        given = {name: node.get(name, usual) for name, usual in DEFAULTS.items()}
        choice("stamp", given["stamp"], STAMPS, "open")
        every = None if given["resample"] is None else duration("data.resample", given["resample"])
        zone, calendar, session = node.get("timezone"), given["calendar"], given["session"]
        require(
            calendar is None or (isinstance(calendar, str) and calendar.strip() != ""),
            f"data.calendar={calendar}: must be the name of a calendar, such as XNYS or 24/7, or null",
        )
        if calendar is not None:
            zone_of(calendar)  # a name that there is not is told before a bar is read
        if session is not None and session != REGULAR:
            session = hours("data.session", session)
        require(
            session != REGULAR or calendar is not None,
            "data.session=regular: which hours are regular the calendar says; set data.calendar=XNYS too",
        )
        zone = zone if isinstance(zone, str) else None
        require(
            session is None or calendar is not None or zone is not None,
            f"data.session={session}: on which clock? set data.timezone=America/New_York, or data.calendar=XNYS",
        )
        listed = given["contracts"]
        require(
            listed is None or (isinstance(listed, str) and listed != ""),
            f"data.contracts={listed}: must be a CSV or Parquet file, or null",
        )
        return cls(every, given["stamp"], zone, calendar, session, listed)

    @property
    def zone(self) -> str | None:
        """On whose clock hours and days begin: the exchange's where there is a calendar."""
        return zone_of(self.calendar) if self.calendar else self.timezone

    def size(self, every: Duration) -> Size:
        """A larger bar of these bars."""
        return Size(every, self.stamp, self.zone)

    def shaped(self, load: Callable[[], Market]) -> Callable[[], Market]:
        """`load` with the bars as they are asked for."""
        if all(one is None for one in (self.resample, self.session, self.calendar, self.contracts)):
            return load

        def found() -> Market:
            market = self.within(load() if self.contracts is None else priced(load(), self.contracts))
            if self.resample is not None:
                market = resampled(market, self.size(self.resample))
            return self.clock.on(market) if self.clock else market

        return found

    @property
    def hours(self) -> Hours | None:
        """The hours that are kept, where they are not the calendar's."""
        return self.session if isinstance(self.session, Hours) else None

    @property
    def clock(self) -> Clock | None:
        """The calendar beside the bars."""
        return Clock(self.calendar, self.stamp, self.hours) if self.calendar else None

    def within(self, market: Market) -> Market:
        """The market without the bars outside `session`."""
        return market if self.session is None else kept(market, str(self.session), self.contain)

    def contain(self, bars: Bars, size: int) -> np.ndarray:
        """Which bars of `size` nanoseconds lie within `session`; a calendar's holidays and half days count."""
        return inside(bars, size, self.clock, self.hours, self.zone or "UTC", self.stamp)

    def again(self, market: Market) -> Market:
        """Other bars, of the size that a run was trained on, within the same session and beside the same calendar."""
        market = self.within(market)
        return self.clock.on(market) if self.clock else market

    def check_stamp(self, larger: bool) -> None:
        """ConfigError for a stamp that has no effect; `larger`: whether a feature set is on larger bars."""
        used = larger or self.resample is not None or self.calendar is not None or self.session is not None
        if self.stamp != DEFAULTS["stamp"] and not used:
            raise ConfigError(
                f"data.stamp={self.stamp}: has no effect without larger bars or a calendar; set data.resample=1h or"
                " data.calendar=24/7, or leave it at open"
            )
