"""The figures of a run, made once for the report, TensorBoard and notebooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

import matplotlib
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from barwise.errors import DataError
from barwise.report import draw, draw_capacity, draw_factor, draw_scores
from barwise.report.svg import STYLE, svg

if TYPE_CHECKING:
    from barwise.runs.run import RunFiles

NARROW, WIDE = 5.0, 10.0  # inches: half the page, or a phone's; the whole page


class Drawing(NamedTuple):
    """How one figure is made: what it is called, what it says, who draws it, how high (inches), over the whole page?"""

    title: str
    caption: str
    draw: Callable[[Figure, RunFiles], None]
    height: float = 3.0
    wide: bool = False


DRAWINGS: dict[str, Drawing] = {
    "equity": Drawing(
        "Equity and drawdown",
        "Out of sample, after costs, compounded; folds shaded in turn. Buy and hold pays the same costs.",
        draw.equity, 4.4, wide=True,
    ),
    "rolling_sharpe": Drawing("Rolling Sharpe", "One year of bars, annualised.", draw.rolling_sharpe),
    "distribution": Drawing("Distribution of returns", "Bars that moved.", draw.distribution),
    "monthly": Drawing("Month by month", "Blue gained, vermilion lost.", draw.monthly, 3.0, wide=True),
    "calibration": Drawing(
        "Score calibration",
        "What a trade decided at each score could have earned. Rising from left to right is what a model should do.",
        draw_scores.calibration,
    ),
    "correlation": Drawing(
        "Information coefficient over time",
        "Spearman, score against the return that could be earned, all symbols pooled.",
        draw_scores.correlation,
    ),
    "decay": Drawing(
        "Correlation by holding period", "Mean over bars, of score and the return from the next execution price on.",
        lambda figure, run: draw_factor.decay(figure, run.factor()),
    ),
    "quantiles": Drawing(
        "Return by quantile", "Before costs. Rising from left to right is what a score should do.",
        lambda figure, run: draw_factor.quantiles(figure, run.factor()),
    ),
    "growth": Drawing(
        "Quantiles over time", "Before costs, each bar anew.",
        lambda figure, run: draw_factor.growth(figure, run.factor()),
    ),
    "turnover": Drawing("Turnover and cost", "Rolling month of bars above, costs added up below.", draw.turnover),
    "contribution": Drawing("Contribution by symbol", "Before costs.", draw.contribution),
    "capacity": Drawing(
        "Net by capital", "The same positions, after what each capital pays to trade them.", draw_capacity.capacity, 3.4
    ),
    "importance": Drawing("Feature importance", "Measured within each fold.", draw_scores.importance, 3.4),
    "training": Drawing("Training curves", "One colour a fold; solid: validation.", draw_scores.training),
}  # fmt: skip


def _make(run: RunFiles, name: str, narrow: bool = False, titled: bool = True) -> Figure:
    """The figure `name` of `run`; DataError with one line why it cannot be drawn."""
    if name not in DRAWINGS:
        raise DataError(f"figures: there is no {name}; there are {', '.join(DRAWINGS)}")
    drawing = DRAWINGS[name]
    height = drawing.height
    if name == "monthly" and "time" in run.ledger:
        years = min(len(set(run.ledger["time"].dt.year)), draw.MOST_YEARS)
        height = 0.75 + 0.24 * years
    with matplotlib.rc_context(STYLE):
        size = (WIDE if drawing.wide and not narrow else NARROW, height)
        figure = Figure(figsize=size, layout="constrained")
        drawing.draw(figure, run)
        if titled:
            _entitle(figure, drawing.title)
    return figure


class Figures(Mapping[str, Figure]):
    """The figures of one run by name; each is drawn when asked for and shows itself in a notebook."""

    def __init__(self, run: RunFiles) -> None:
        self.run = run

    def __getitem__(self, name: str) -> Figure:
        if name not in DRAWINGS:
            raise KeyError(name)
        return _make(self.run, name)

    def __iter__(self) -> Iterator[str]:
        return iter(DRAWINGS)

    def __len__(self) -> int:
        return len(DRAWINGS)

    def available(self) -> dict[str, Figure]:
        """Those that can be drawn from what the run kept."""
        found = {}
        for name in self:
            try:
                found[name] = self[name]
            except DataError:
                continue
        return found

    def svg(self, name: str, narrow: bool = False) -> str:
        """One figure as an <svg> element for a page that has style.CSS."""
        unique = f"{name}-narrow" if narrow else name
        return svg(_make(self.run, name, narrow, titled=False), unique, DRAWINGS[name].title)

    def _repr_html_(self) -> str:
        from barwise.report.style import CSS

        drawn = "".join(svg(figure, name, DRAWINGS[name].title) for name, figure in self.available().items())
        return f"<style>{CSS}</style><div class='barwise'>{drawn}</div>"


def _entitle(figure: Figure, title: str) -> None:
    """Name a figure that stands by itself: above its legend, which would lie over a title of the figure's."""
    if not figure.legends:
        figure.suptitle(title)
        return
    figure.legends[0].set_title(title, prop=FontProperties(size="large"))
    figure.legends[0].set_alignment("left")
