"""Drawings of the factor tables: decay, quantiles, and what each quantile grew to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from barwise.errors import DataError
from barwise.report.draw import dates
from barwise.report.svg import BLUE, INK, MUTED, ORANGE, RED, thin

if TYPE_CHECKING:
    import pandas as pd

_MOST = 20  # quantiles that are drawn
Tables = Mapping[str, "pd.DataFrame"]


def decay(figure: Figure, tables: Tables) -> None:
    """Mean rank correlation at each horizon with its interval, and the plain correlation beside it."""
    found = table(tables, "decay")
    found = found[np.isfinite(found["rank_ic"])]
    if not len(found):
        raise DataError("no bar has scores and returns enough for a correlation")
    axes = figure.subplots()
    middle, horizon = found["rank_ic"].to_numpy(), found["horizon"].to_numpy()
    below, above = middle - found["low"].to_numpy(), found["high"].to_numpy() - middle
    axes.axhline(0.0, color=INK, linewidth=0.8)
    axes.errorbar(horizon, middle, yerr=np.nan_to_num([below, above]), fmt="o-", markersize=4, color=BLUE, capsize=2,
                  linewidth=1.0, label="rank correlation, 95 % interval")  # fmt: skip
    axes.plot(horizon, found["ic"].to_numpy(), color=ORANGE, linewidth=1.0, label="correlation")
    axes.set_xlabel("bars held")
    axes.set_ylabel("mean correlation")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=2)


def quantiles(figure: Figure, tables: Tables) -> None:
    """Mean return of each quantile less that of all, at the holding horizon, with its interval."""
    horizon = int(table(tables, "about")["horizon"].iloc[0])
    found = table(tables, "quantiles")
    found = found[(found["horizon"] == horizon) & np.isfinite(found["excess"])]
    if not len(found):
        raise DataError("no quantile has returns")
    axes = figure.subplots()
    middle = 1e4 * found["excess"].to_numpy()
    error = np.nan_to_num([middle - 1e4 * found["low"].to_numpy(), 1e4 * found["high"].to_numpy() - middle])
    place = found["quantile"].to_numpy()
    axes.axhline(0.0, color=INK, linewidth=0.8)
    axes.bar(place, middle, color=[BLUE if v >= 0 else RED for v in middle], alpha=0.6, width=0.7)
    axes.errorbar(place, middle, yerr=error, fmt="none", ecolor=INK, elinewidth=0.9, capsize=3)
    axes.set_xticks(place, [str(k) for k in place])
    axes.grid(axis="x", visible=False)
    axes.set_xlabel("quantile of the scores (1 = lowest)")
    axes.set_ylabel(f"return over {horizon} bar{'s' if horizon > 1 else ''}\nless that of all (bp)")


def growth(figure: Figure, tables: Tables) -> None:
    """Sum of the one-bar returns of each quantile less those of all, before costs."""
    series = table(tables, "series")
    names = [name for name in series if name[:1] == "q" and name[1:].isdigit()][:_MOST]
    if len(series) < 2 or not names:
        raise DataError("fewer than two bars have quantiles")
    pool = int(table(tables, "about")["pool"].iloc[0])
    time, every = series["time"].to_numpy(), series["market"].to_numpy()
    axes = figure.subplots()
    axes.axhline(0.0, color=INK, linewidth=0.8)
    for k, name in enumerate(names):
        total = 100.0 * pool * np.cumsum(np.nan_to_num(series[name].to_numpy() - every))
        outer = k in (0, len(names) - 1)
        colour = RED if k == 0 else BLUE if outer else MUTED
        label = {0: "lowest", len(names) - 1: "highest", 1: "between"}.get(k)
        axes.plot(*thin(time, total), color=colour, linewidth=1.5 if outer else 0.7, label=label)
    axes.set_ylabel("sum of returns less\nthose of all (%)")
    dates(axes)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=3)


def table(tables: Tables, name: str) -> pd.DataFrame:
    """The table `name` with a row or more; DataError where there is none."""
    found = tables.get(name)
    if found is None or not len(found):
        raise DataError(f"there is no factor table {name}")
    return found
