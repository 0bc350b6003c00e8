"""The factor page of one feature: the chapter of a run's page, by itself."""

from __future__ import annotations

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from barwise.errors import DataError
from barwise.report import draw_factor
from barwise.report.draw_factor import Tables
from barwise.report.factor import chapter
from barwise.report.markup import Markup, joined, page, tag
from barwise.report.svg import STYLE, svg

_PICTURES = {
    "decay": "Correlation by holding period",
    "quantiles": "Return by quantile",
    "growth": "Quantiles over time",
}


def document(name: str, note: str, tables: Tables) -> str:
    """The page of the feature `name`; `note`: which bars it is about."""
    head = joined((tag("p", f"barwise · factor · {note}"), tag("h1", name)))
    pictures = tag("div", joined(_picture(which, tables) for which in _PICTURES), class_="grid")
    return page(f"factor: {name}", joined((tag("header", head), pictures, chapter(tables, which=""))))


def _picture(which: str, tables: Tables) -> Markup:
    """One figure, or one line why there is none."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.0, 3.0), layout="constrained")
        try:
            getattr(draw_factor, which)(figure, tables)
            drawn = Markup(svg(figure, which, _PICTURES[which]))
        except DataError as error:
            drawn = tag("p", f"Not shown: {error}.", class_="missing")
    return tag("figure", joined((tag("h3", _PICTURES[which]), drawn)), id=f"figure-{which}")


def frames(tables: dict[str, dict[str, object]]) -> dict[str, pd.DataFrame]:
    """Tables as frames."""
    return {name: pd.DataFrame(table) for name, table in tables.items()}
