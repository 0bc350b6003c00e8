"""Qlib's Alpha158: 158 factors of open, high, low, close, volume and vwap, own code from the definitions.

Source of the formulas: qlib's Alpha158 (MIT), in words. A window ends at the bar itself and is NaN until it is full;
qlib's start short. Where a window has no variance a correlation and R² are NaN, as qlib has them. The windows are
`kernels`'.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import numpy as np

from barwise.console.settings import Whole, checked
from barwise.data.bars import Bars
from barwise.features import Block, rolling

_WINDOWS = (5, 10, 20, 30, 60)
_ALPHA20 = (  # what qlib's sequence models read
    "RESI5", "WVMA5", "RSQR5", "KLEN", "RSQR10", "CORR5", "CORD5", "CORR10", "ROC60", "RESI10", "VSTD5", "RSQR60",
    "CORR60", "WVMA60", "STD5", "RSQR20", "CORD60", "CORD10", "CORR20", "KLOW",
)  # fmt: skip
_PLAIN = (
    "KMID", "KLEN", "KMID2", "KUP", "KUP2", "KLOW", "KLOW2", "KSFT", "KSFT2", "OPEN0", "HIGH0", "LOW0", "VWAP0",
)  # fmt: skip
_FAMILIES = (  # in the order of the kernel's columns, each over all windows
    ("ROC", "MA", "STD", "BETA", "RSQR", "RESI"), ("MAX", "MIN", "RSV", "IMAX", "IMIN", "IMXD"),
    ("QTLU", "QTLD", "RANK"), ("CORR",), ("CORD",),
    ("CNTP", "CNTN", "CNTD", "SUMP", "SUMN", "SUMD", "VSUMP", "VSUMN", "VSUMD"), ("VMA", "VSTD"), ("WVMA",),
)  # fmt: skip


@checked("features.alpha158")
def alpha158(bars: Bars, windows: Sequence[Annotated[int, Whole(2, 1000)]] = _WINDOWS) -> dict[str, np.ndarray]:
    """The candle, price and rolling families over `windows`; `vwap` is the source's, else (high + low + close) / 3.

    The first call in a process imports numba and opens what it compiled; the first of all compiles it, some seconds.
    """
    return _factors(bars, sorted(set(windows)))


def alpha20(bars: Bars) -> dict[str, np.ndarray]:
    """The twenty that qlib's sequence models read."""
    found = _factors(bars, [5, 10, 20, 60])
    return {name: found[name].copy() for name in _ALPHA20}


def _factors(bars: Bars, sizes: list[int]) -> Block:
    from barwise.features.kernels import factors

    names = [*_PLAIN, *_names(sizes)]
    out = np.empty((len(bars), len(names)))
    factors(_inputs(bars), np.array(sizes, dtype=np.int64), out)
    return Block(out, names)


def _names(sizes: Sequence[int]) -> Iterator[str]:
    return (f"{name}{d}" for family in _FAMILIES for d in sizes for name in family)


def _inputs(b: Bars) -> np.ndarray:
    """What the kernel reads, (bar, input): see `kernels.factors`."""
    vwap = b.extra["vwap"] if "vwap" in b.extra else (b.high + b.low + b.close) / 3.0
    quotient = rolling.quotient(b.close)
    change, flow = b.close - rolling.before(b.close), b.volume - rolling.before(b.volume)
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.log(b.volume + 1.0), np.log(rolling.quotient(b.volume) + 1.0)
    rose, fell = (np.where(np.isfinite(change), side, np.nan) for side in (change > 0, change < 0))
    columns = (
        b.close, logs[0], quotient, logs[1], b.volume, np.abs(quotient - 1.0) * b.volume, rose, fell,
        np.maximum(change, 0), np.maximum(-change, 0), np.maximum(flow, 0), np.maximum(-flow, 0),
        b.high, b.low, b.open, vwap,
    )  # fmt: skip
    out = np.empty((len(b), len(columns)))
    for k, values in enumerate(columns):
        out[:, k] = values
    return out
