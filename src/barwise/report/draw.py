"""Drawings of what was earned: equity, rolling Sharpe, months, distribution, turnover, contribution."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator, PercentFormatter

from barwise.backtest.metrics import drawdown
from barwise.errors import DataError
from barwise.report.svg import BLUE, INK, MUTED, ORANGE, RED, thin

if TYPE_CHECKING:
    from barwise.runs.run import RunFiles

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MOST_YEARS, _MOST_SYMBOLS = 30, 20


def _column(run: RunFiles, name: str) -> np.ndarray:
    """One column of the ledger as an array; DataError with the reason where there is none, or no bar."""
    table = run.ledger
    if name not in table:
        raise DataError(f"this run's ledger.parquet has no column {name}")
    if len(table) < 2:
        raise DataError(f"the ledger has {len(table)} bars; a curve needs 2")
    found: np.ndarray = table[name].to_numpy()
    return found


def dates(axes: Axes) -> None:
    """A time axis whose labels do not run into each other."""
    locator = AutoDateLocator(minticks=3, maxticks=7)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def multiples(axes: Axes) -> None:
    """A log axis with a few plain labels, such as 0.5×, 1×, 2×."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    steps = (1, 1.5, 2, 3, 5, 7) if high / low < 30 else (1, 3) if high / low < 1000 else (1,)
    nice = [s * 10.0**k for k in range(-9, 10) for s in steps if low <= s * 10.0**k <= high]
    ticks = nice if len(nice) >= 3 else [t for t in MaxNLocator(5).tick_values(low, high) if low <= t <= high and t > 0]
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))


def _fold_spans(run: RunFiles) -> list[tuple[Any, np.datetime64, np.datetime64]]:
    """Fold, first and last time, in order; empty where folds overlap in time and shading would say nothing."""
    found = [
        (f.get("fold"), np.datetime64(f["first"]), np.datetime64(f["last"]))
        for f in run.metrics.get("folds") or []
        if f.get("first") and f.get("last")
    ]
    found.sort(key=lambda span: span[1])
    apart = all(a[2] < b[1] for a, b in pairwise(found))
    return found if apart else []


def _shade(axes: Axes, run: RunFiles, names: bool = False) -> None:
    """Every other fold behind the curve, its number on top."""
    spans = _fold_spans(run)
    for i, (fold, first, last) in enumerate(spans):
        if i % 2 == 0:
            axes.axvspan(first, last, color=MUTED, alpha=0.13, linewidth=0)  # type: ignore[arg-type]
        if names and len(spans) <= 10:
            middle = first + (last - first) / 2
            word = f"fold {fold}" if len(spans) <= 6 else str(fold)
            place = axes.get_xaxis_transform()
            axes.text(middle, 1.0, word, transform=place, ha="center", va="bottom", fontsize=8, color=MUTED)  # type: ignore[arg-type]


def wealth(net: np.ndarray) -> np.ndarray:
    """Compounded from 1; NaN from the bar on which nothing is left, which a log axis cannot show."""
    grown = np.cumprod(1.0 + net)
    return np.where(grown > 0, grown, np.nan)


def equity(figure: Figure, run: RunFiles) -> None:
    """Net equity on a log axis against gross and buy-and-hold; drawdown below."""
    time, net = _column(run, "time"), _column(run, "net")
    top, low = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1.15])
    curves = [("net of costs", wealth(net), BLUE, 1.6, "-")]
    if "gross" in run.ledger:
        curves.append(("gross", wealth(_column(run, "gross")), BLUE, 0.9, ":"))
    if "market" in run.ledger:
        curves.append(("buy and hold", wealth(_column(run, "market")), ORANGE, 1.2, "-"))
    for label, values, colour, width, dashes in curves:
        top.plot(*thin(time, values), color=colour, linewidth=width, linestyle=dashes, label=label)
    multiples(top)
    _shade(top, run, names=True)
    _shade(low, run)
    below = drawdown(curves[0][1])
    low.fill_between(*thin(time, below), 0.0, color=BLUE, alpha=0.35, linewidth=0)
    if curves[-1][0] == "buy and hold":
        low.plot(*thin(time, drawdown(curves[-1][1])), color=ORANGE, linewidth=0.9)
    low.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    low.yaxis.set_major_locator(MaxNLocator(3))
    top.set_ylabel("equity (start = 1×, log)")
    low.set_ylabel("drawdown (%)")
    dates(low)
    top.margins(x=0.01)
    figure.legend(*top.get_legend_handles_labels(), loc="outside upper left", ncols=3)


def rolling_sharpe(figure: Figure, run: RunFiles) -> None:
    """Sharpe of the last year of bars, net, and of buy-and-hold, both above what cash earns."""
    time, excess = _column(run, "time"), _column(run, "excess")
    cash = _column(run, "net") - excess
    window = max(2, round(run.periods_per_year))
    if len(excess) < window + 20:
        raise DataError(f"a rolling year is {window} bars; the run has {len(excess)}")
    axes = figure.subplots()
    _shade(axes, run)
    for name, colour, label in (("market", ORANGE, "buy and hold"), ("net", BLUE, "net of costs")):
        if name in run.ledger:
            values = _rolling(_column(run, name) - cash, window) * np.sqrt(run.periods_per_year)
            axes.plot(*thin(time[window - 1 :], values), color=colour, label=label)
    axes.axhline(0.0, color=INK, linewidth=0.8)
    axes.set_ylabel("Sharpe of the last year")
    dates(axes)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=2)


def _rolling(values: np.ndarray, window: int) -> np.ndarray:
    """Mean over standard deviation (ddof 1) of each `window` values; NaN without variance."""
    import bottleneck as bn

    values = np.asarray(values, dtype=np.float64)
    mean, deviation = bn.move_mean(values, window), bn.move_std(values, window, ddof=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(deviation > 1e-12, mean / deviation, np.nan)
    return ratio[window - 1 :]


def monthly(figure: Figure, run: RunFiles) -> None:
    """Net return of each month and year, in percent."""
    time, net = _column(run, "time"), _column(run, "net")
    month = time.astype("datetime64[M]").astype(int)
    months, first = np.unique(month, return_index=True)
    if len(months) < 2:
        raise DataError("the run lasts less than two calendar months")
    returns = np.expm1(np.add.reduceat(np.log1p(np.maximum(net, -1 + 1e-12)), first))
    years = sorted({1970 + m // 12 for m in months})[-MOST_YEARS:]
    axes, cells = figure.subplots(), []
    largest = max(0.01, float(np.quantile(np.abs(returns), 0.95)))
    for row, year in enumerate(years):
        inside = months // 12 + 1970 == year
        for m, value in zip(months[inside] % 12, returns[inside], strict=True):
            cells.append((float(m), row, float(value), largest))
        cells.append((12.3, row, float(np.prod(1.0 + returns[inside]) - 1.0), 3 * largest))
    _mosaic(axes, cells)
    axes.set_xlim(-0.5, 12.85)
    axes.set_ylim(len(years) - 0.5, -0.5)
    axes.set_xticks([*range(12), 12.3], [*_MONTHS, "year"])
    axes.set_yticks(range(len(years)), [str(y) for y in years])
    axes.tick_params(length=0)
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlabel("net return, % of equity")


def _mosaic(axes: Axes, cells: list[tuple[float, int, float, float]]) -> None:
    """Cells (x, y, value, value of full strength): blue above zero, vermilion below; the number on each."""
    corners = np.array([(-0.47, -0.46), (0.47, -0.46), (0.47, 0.46), (-0.47, 0.46)])
    colours = [to_rgba(BLUE if v >= 0 else RED, min(1.0, abs(v) / most) * 0.6) for *_, v, most in cells]
    boxes = PolyCollection([corners + np.array([x, y]) for x, y, *_ in cells], facecolors=colours, linewidths=0)
    axes.add_collection(boxes, autolim=False)
    for x, y, value, _ in cells:
        number = f"{100 * value:.1f}" if abs(value) < 0.995 else f"{100 * value:.0f}"
        written = axes.text(x, y, number.replace("-", "−"), ha="center", va="center", fontsize=8)
        written.set_in_layout(False)


def distribution(figure: Figure, run: RunFiles) -> None:
    """Histogram of net returns a bar, beside a normal of the same mean and deviation."""
    net = _column(run, "net")
    moved = net[net != 0.0]
    if len(moved) < 20 or np.ptp(moved) == 0:
        raise DataError(f"{len(moved)} bars with a return other than zero; a histogram needs 20")
    axes = figure.subplots()
    low, high = np.quantile(moved, [0.002, 0.998])
    edges = np.linspace(low, high, 51)
    width = edges[1] - edges[0]
    counts, _ = np.histogram(np.clip(moved, low, high), bins=edges)
    axes.stairs(counts, edges, fill=True, color=BLUE, alpha=0.6, linewidth=0, label="net returns")
    mean, deviation = moved.mean(), moved.std(ddof=1)
    x = np.linspace(low, high, 200)
    normal = np.exp(-0.5 * ((x - mean) / deviation) ** 2) / (deviation * np.sqrt(2 * np.pi)) * len(moved) * width
    axes.plot(x, normal, color=INK, linewidth=1.0, label="normal of the same mean and deviation")
    axes.axvline(mean, color=RED, linewidth=1.0, linestyle="--", label=f"mean {1e4 * mean:.1f} bp")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.set_xlabel("net return a bar (%), outermost 0.4 % at the edges")
    axes.set_ylabel("bars")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=2)


def turnover(figure: Figure, run: RunFiles) -> None:
    """Turnover a year over a rolling stretch of bars, and the costs paid so far."""
    time, traded, cost = (_column(run, name) for name in ("time", "turnover", "cost"))
    if not np.any(traded):
        raise DataError("the strategy did not trade")
    window = int(np.clip(round(run.periods_per_year / 12), 2, max(2, len(traded) // 4)))
    smooth = np.convolve(traded, np.ones(window) / window, mode="valid") * run.periods_per_year
    top, low = figure.subplots(2, 1, sharex=True)
    _shade(top, run)
    _shade(low, run)
    top.plot(*thin(time[window - 1 :], smooth), color=BLUE)
    top.set_ylabel("turnover\n(× a year)")
    low.plot(*thin(time, np.cumsum(cost)), color=RED)
    low.yaxis.set_major_formatter(PercentFormatter(1.0))
    low.set_ylabel("costs so far\n(% of equity)")
    lowest = 0.0
    if "funding" in run.ledger:
        paid = np.cumsum(-_column(run, "funding"))
        lowest = min(lowest, 1.05 * float(paid.min()))
        low.plot(*thin(time, paid), color=ORANGE, label="funding paid, less received")
        low.legend(loc="upper left")
    for axes, bottom in ((top, 0.0), (low, lowest)):
        axes.set_ylim(bottom=bottom)
        axes.yaxis.set_major_locator(MaxNLocator(4))
    dates(low)


def contribution(figure: Figure, run: RunFiles) -> None:
    """Each symbol's sum of gross returns; the largest and smallest where there are many."""
    found = {k: v for k, v in (run.manifest.get("contribution") or {}).items() if v is not None}
    if not found:
        raise DataError(run.why("contribution"))
    ranked = sorted(found.items(), key=lambda item: item[1], reverse=True)
    if len(ranked) > _MOST_SYMBOLS:
        ranked = ranked[: _MOST_SYMBOLS // 2] + ranked[-_MOST_SYMBOLS // 2 :]
    axes = figure.subplots()
    values = np.array([value for _, value in ranked])
    axes.barh(range(len(ranked)), values, color=[BLUE if v >= 0 else RED for v in values], height=0.7)
    axes.set_yticks(range(len(ranked)), [name if len(name) <= 14 else name[:13] + "…" for name, _ in ranked])
    axes.set_ylim(len(ranked) - 0.4, -0.6)
    axes.axvline(0.0, color=INK, linewidth=0.8)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.set_xlabel("sum of gross returns (% of equity)")
