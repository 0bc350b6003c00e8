"""The page and the figure of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from barwise.errors import DataError
from barwise.report.difference import Difference
from barwise.report.draw import dates, multiples, wealth
from barwise.report.figures import NARROW, WIDE
from barwise.report.markup import Markup, joined, page, table, tag
from barwise.report.svg import CYCLE, STYLE, svg, thin
from barwise.runs.run import RunFiles


class Compared(Protocol):
    """What a page of a comparison is drawn from."""

    @property
    def runs(self) -> Sequence[RunFiles]: ...
    @property
    def names(self) -> Sequence[str]: ...
    @property
    def differences(self) -> Sequence[Difference]: ...
    def tables(self) -> list[tuple[str, tuple[str, ...], list[list[str]]]]: ...
    def equity(self, narrow: bool = False) -> Figure: ...


_DASHES = ("-", "--", ":", "-.")  # told apart by dash where there are more runs than colours


def overlaid(time: np.ndarray, returns: Mapping[str, np.ndarray], narrow: bool = False) -> Figure:
    """Net equity of each run from 1 on a log axis; `returns` are net, on `time`. DataError under two bars."""
    if len(time) < 2:
        raise DataError("the runs have fewer than two bars in common")
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(NARROW if narrow else WIDE, 4.0), layout="constrained")
        axes = figure.subplots()
        for i, (name, net) in enumerate(returns.items()):
            dash = _DASHES[i // len(CYCLE) % len(_DASHES)]
            axes.plot(*thin(time, wealth(net)), color=CYCLE[i % len(CYCLE)], linestyle=dash, label=name)
        multiples(axes)
        axes.set_ylabel("equity, net (start = 1×, log)")
        dates(axes)
        if len(returns) <= 24:
            figure.legend(loc="outside upper left", ncols=1 if narrow else 3)
    return figure


def document(comparison: Compared) -> str:
    """The whole page of a comparison."""
    metrics, config, origins, differences = (
        joined((tag("h2", title[:1].upper() + title[1:]), tag("div", table(head, rows), class_=form)))
        for (title, head, rows), form in zip(comparison.tables(), (None, "settings", "settings", None), strict=True)
    )
    try:
        drawn = joined(
            tag("div", Markup(svg(comparison.equity(narrow), f"equity-{form}", "Net equity of each run")), class_=form)
            for form, narrow in (("full", False), ("narrow", True))
        )
    except DataError as error:
        drawn = tag("p", f"Not shown: {error}.", class_="missing")
    names = joined(tag("li", f"{n}: {r.folder}") for n, r in zip(comparison.names, comparison.runs, strict=True))
    first = tag(
        "header", joined((tag("p", "barwise · comparison"), tag("h1", _headline(comparison)), tag("ul", names)))
    )
    figure = joined((tag("h2", "Equity on the bars they share"), tag("figure", drawn)))
    return page("barwise: comparison", joined((first, differences, figure, metrics, config, origins)))


def _headline(comparison: Compared) -> str:
    """What the bootstrap says, in one sentence."""
    known = [d for d in comparison.differences if d.p is not None]
    if not known:
        return "The runs cannot be compared bar by bar."
    apart = [d for d in known if d.p is not None and d.p < 0.05]
    if not apart:
        return f"No run's net Sharpe differs from {comparison.names[0]}'s by more than chance would make."
    words = ", ".join(f"{d.run} ({d.value:+.2f})" for d in apart)
    return f"Net Sharpe differs from {comparison.names[0]}'s by more than chance would make: {words}."
