"""The drawing of capacity: net Sharpe ratio and return by capital."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator, PercentFormatter

from barwise.errors import DataError
from barwise.report.svg import BLUE, MUTED, ORANGE

if TYPE_CHECKING:
    from barwise.runs.run import RunFiles

_UNITS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))


def capacity(figure: Figure, run: RunFiles) -> None:
    """Sharpe ratio above and return a year below, by the capital at the start; a line where costs eat half."""
    found = run.metrics.get("capacity")
    if not found:
        raise DataError("the costs of this run know no volume; costs=impact does")
    capital = np.array(found["capital"], np.float64)
    top, low = figure.subplots(2, 1, sharex=True)
    top.set_xscale("log")
    for axes, name, color in ((top, "sharpe", BLUE), (low, "annual_return", ORANGE)):
        values = np.array([np.nan if v is None else v for v in found[name]], np.float64)
        axes.plot(capital, values, color=color, marker="o", markersize=3)
        axes.axhline(0.0, color=MUTED, linewidth=0.8)
        axes.yaxis.set_major_locator(MaxNLocator(4))
        if found.get("half") is not None:
            axes.axvline(found["half"], color=MUTED, linewidth=0.8, linestyle="--")
    if found.get("half") is not None:
        top.annotate("costs eat half", (found["half"], 0.98), xycoords=("data", "axes fraction"), xytext=(-3, 0),
                     textcoords="offset points", ha="right", va="top", color=MUTED, fontsize="small")  # fmt: skip
    top.set_ylabel("Sharpe, net")
    low.set_ylabel("return a year")
    low.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    low.set_xlabel("capital at the start")
    low.xaxis.set_minor_locator(NullLocator())
    low.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))


def _short(value: float) -> str:
    """10k, 3M."""
    for size, letter in _UNITS:
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
