"""Extra columns of the source as features: an index, a volatility index, fundamentals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import bottleneck as bn
import numpy as np

from barwise.console.settings import Window, checked
from barwise.data import contracts, sessions
from barwise.data.bars import Bars
from barwise.errors import ConfigError
from barwise.features import rolling

_OWN = ("bid", "ask", "adj_close", *sessions.COLUMNS, *contracts.COLUMNS)  # extra columns that are about the bar itself
_PERIODS = (1, 20)
_TRANSFORMS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "change": rolling.move,
    "difference": lambda values, period: values - rolling.before(values, period),
}
_SHAPES = ("level", *_TRANSFORMS)


@checked("features.context")
def context(
    bars: Bars,
    columns: Sequence[str] | str | None = None,
    transforms: Sequence[str] | str = ("level", "change"),
    periods: Sequence[Window] = _PERIODS,
) -> dict[str, np.ndarray]:
    """Each of `columns` (None: every extra one but bid, ask, adj_close and a
    calendar's) as `<column>`, and its change over `periods`
    bars as `<column>_change_n` (relative; 0 from 0 to 0) or `<column>_difference_n`.

    A bar without a value has the last that an earlier bar had, never a later one. ConfigError for a column that the
    bars lack, or a transform that there is not.
    """
    chosen = [columns] if isinstance(columns, str) else columns
    names = [name for name in bars.extra if name not in _OWN] if chosen is None else list(chosen)
    missing = [name for name in names if name not in bars.extra]
    if missing or not names:
        given = f"features.context.columns={'null' if chosen is None else names}: "
        what = f"{bars.symbol} has no column {missing[0]}" if missing else "there is no column to make features of"
        there = f"; there are {', '.join(bars.extra)}" if bars.extra else ""
        raise ConfigError(
            f"{given}{what}{there}; data.context=<file> adds some, as does a column of the bars' own file"
        )
    kinds = [transforms] if isinstance(transforms, str) else list(transforms)
    unknown = [kind for kind in kinds if kind not in _SHAPES]
    if unknown or not kinds:
        raise ConfigError(f"features.context.transforms={kinds}: must be some of {', '.join(_SHAPES)}")
    out: dict[str, np.ndarray] = {}
    for name in names:
        values = bn.push(np.asarray(bars.extra[name], dtype=np.float64))
        out |= {name: values} if "level" in kinds else {}
        out |= {
            f"{name}_{kind}_{n}": _TRANSFORMS[kind](values, n) for kind in kinds if kind != "level" for n in periods
        }
    return out
