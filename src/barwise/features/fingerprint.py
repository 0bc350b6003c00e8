"""What a feature matrix was made by, as one name: bars, sets as they stand in memory, libraries."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from barwise.data.bars import Bars
from barwise.features import FeatureSet
from barwise.features.aligned import AlignedBars
from barwise.features.every import Every
from barwise.features.purity import LIBRARIES
from barwise.features.walk import Walk

_FORMAT = 4  # of what is kept
_REASONS = 3  # a set, that are told
_IMPORTED = time.time()


@dataclass(frozen=True)
class Fingerprint:
    """`key`: the name of a matrix; None where something that it depends on cannot be followed: `reasons` say what.
    `sets`: everything in it but the bars."""

    key: str | None
    reasons: tuple[str, ...] = ()
    sets: str = ""


def fingerprint(
    data: str, sets: Mapping[str, FeatureSet], bars: Sequence[Bars] = (), make: Callable[..., Any] | None = None
) -> Fingerprint:
    """The name of the matrix of `sets` on the bars whose hash is `data`; `make` is barwise's code that builds it."""
    digest, reasons, libraries = hashlib.sha256(), [], {"numpy"}
    digest.update(json.dumps([_FORMAT, sys.version, platform.machine(), _extras(bars)]).encode())
    for name, one in sets.items():
        walk = Walk()
        size, own = _apart(one)
        digest.update(json.dumps([name, *size, walk.digest(own)]).encode())
        libraries |= {"pandas"} if size else set()  # whose clock hours and days are told by
        libraries |= walk.libraries
        reasons += [f"features.{name}: {reason}" for reason in walk.reasons[:_REASONS]]
    if make is not None:
        walk = Walk(lenient=True)
        walk.read(make)  # what it encloses is the bars, told by their hash
        digest.update(walk.digest([Bars, AlignedBars]).encode())
    for top in sorted(libraries):
        digest.update(json.dumps([top, *_stamp(top)]).encode())
        reasons += [f"{LIBRARIES[top]} was installed anew since it was imported"] if _renewed(top) else []
    digest.update(json.dumps(_settings(libraries)).encode())
    made_by = digest.hexdigest()
    key = hashlib.sha256(json.dumps([data, made_by]).encode()).hexdigest()[:32]
    return Fingerprint(None if reasons else key, tuple(reasons), made_by)


def _apart(one: FeatureSet) -> tuple[list[str], FeatureSet]:
    """The size of the bars of a set on larger ones, which the code that builds the matrix makes, and the set itself."""
    if not isinstance(one, Every):
        return [], one
    return [str(one.size.every), one.size.stamp, str(one.size.timezone)], one.one


def _extras(bars: Sequence[Bars]) -> list[list[str]]:
    """The orders in which the extra columns stand, which the bars' hash does not tell and columns may follow."""
    return [list(order) for order in dict.fromkeys(tuple(b.extra) for b in bars)]


def _stamp(top: str) -> list[str]:
    """A library as it was imported and as it is installed."""
    dist = _found(top)
    record = (dist.read_text("RECORD") or "") if dist else ""
    return [
        str(getattr(sys.modules.get(top), "__version__", "")),
        dist.version if dist else "",
        hashlib.sha256(record.encode()).hexdigest(),
    ]


def _renewed(top: str) -> bool:
    """Whether the library's files are later than this process, whose code is then not what a new process reads."""
    import psutil

    folder = getattr(_found(top), "_path", None)
    try:
        began = min(_IMPORTED, psutil.Process().create_time())
        result: bool = (Path(str(folder)) / "RECORD").stat().st_ctime > began
        return result
    except (OSError, psutil.Error):
        return False


def _found(top: str) -> Distribution | None:
    """The installed distribution of a library."""
    try:
        return distribution(LIBRARIES[top])
    except PackageNotFoundError:
        return None


def _settings(libraries: set[str]) -> list[Any]:
    """What was set in libraries for the whole process and changes what they compute."""
    given: list[Any] = []
    if "talib" in libraries and "talib" in sys.modules:
        talib = sys.modules["talib"]
        given += [talib.get_compatibility(), [talib.get_unstable_period(name) for name in _UNSTABLE]]
    if "pandas" in libraries and "pandas" in sys.modules:
        pandas = sys.modules["pandas"]
        names = ("compute.use_bottleneck", "compute.use_numexpr", "compute.use_numba")
        given += [str(pandas.get_option(name)) for name in names]
    if "pandas" in libraries or "zoneinfo" in sys.modules:
        given.append(_zones())
    return given


_UNSTABLE = (
    "ADX", "ATR", "CMO", "DX", "EMA", "HT_DCPERIOD", "HT_DCPHASE", "HT_PHASOR", "HT_SINE", "HT_TRENDLINE",
    "HT_TRENDMODE", "KAMA", "MAMA", "MINUS_DI", "MINUS_DM", "NATR", "PLUS_DI", "PLUS_DM", "RSI", "T3",
)  # fmt: skip
"""TA-Lib's functions whose first values depend on a setting of the process."""


def _zones() -> str:
    """The time zone database, as far as can be told: its package, or when the system's was installed."""
    import zoneinfo

    try:
        return distribution("tzdata").version
    except PackageNotFoundError:
        places = [Path(path) for path in zoneinfo.TZPATH if Path(path).is_dir()]
        return str(places[0].stat().st_mtime_ns) if places else ""
