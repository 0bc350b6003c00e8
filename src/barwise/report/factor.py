"""The factor chapter of a page: tables of what a score knows, and in one line how they were made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from barwise.report.draw_factor import Tables, table
from barwise.report.markup import Markup, joined, tag
from barwise.report.markup import table as rows_of
from barwise.runs.measures import shown

if TYPE_CHECKING:
    import pandas as pd

Column = tuple[str, str, str]  # of the table, heading, form
PERCENT, RATIO, FOUR, WHOLE, T = "{:.2%}", "{:.2f}", "{:.4f}", "{:,.0f}", "{:.1f}"
MOST = 200  # rows of a table
DECAY: tuple[Column, ...] = (
    ("horizon", "bars held", WHOLE), ("rank_ic", "rank correlation", FOUR), ("t", "t", T), ("low", "from", FOUR),
    ("high", "to", FOUR), ("icir", "ICIR", RATIO), ("positive", "above 0", "{:.0%}"), ("ic", "correlation", FOUR),
    ("ic_t", "t", T), ("n", "observations", WHOLE),
)  # fmt: skip
SPREAD: tuple[Column, ...] = (
    ("horizon", "bars held", WHOLE), ("spread", "highest less lowest", PERCENT), ("t", "t", T),
    ("low", "from", PERCENT), ("high", "to", PERCENT), ("sharpe", "Sharpe, gross", RATIO),
    ("long", "long side", PERCENT), ("long_t", "t", T), ("short", "short side", PERCENT), ("short_t", "t", T),
    ("monotonicity", "monotonicity", RATIO),
)  # fmt: skip
QUANTILES: tuple[Column, ...] = (
    ("horizon", "bars held", WHOLE), ("quantile", "quantile", WHOLE), ("mean", "mean return", PERCENT),
    ("excess", "less that of all", PERCENT), ("t", "t", T), ("positive", "above 0", "{:.0%}"),
    ("symbols", "symbols a bar", "{:.1f}"),
)  # fmt: skip
TURNOVER: tuple[Column, ...] = (
    ("lag", "bars later", WHOLE), ("rank_autocorrelation", "rank autocorrelation", RATIO),
    ("lowest", "new in the lowest", "{:.0%}"), ("highest", "new in the highest", "{:.0%}"),
)  # fmt: skip
BY: tuple[Column, ...] = (
    ("kind", "by", "{}"), ("value", "", "{}"), ("rank_ic", "rank correlation", FOUR), ("t", "t", T),
    ("spread", "spread a bar", PERCENT), ("spread_t", "t", T), ("bars", "bars", WHOLE),
)  # fmt: skip
EXPOSURES: tuple[Column, ...] = (
    ("exposure", "score against", "{}"), ("rank_correlation", "rank correlation", FOUR), ("t", "t", T),
    ("n", "bars", WHOLE),
)  # fmt: skip
ALPHAS: tuple[Column, ...] = (
    ("series", "returns of", "{}"), ("factors", "on", "{}"), ("factor", "", "{}"), ("coefficient", "coefficient", FOUR),
    ("t", "t", T), ("n", "periods", WHOLE),
)  # fmt: skip
DRAWDOWNS: tuple[Column, ...] = (
    ("depth", "net drawdown", "{:.1%}"), ("peak", "from", "{}"), ("trough", "lowest", "{}"), ("end", "over", "{}"),
    ("down", "bars down", WHOLE), ("recover", "bars to recover", WHOLE),
)  # fmt: skip


def chapter(tables: Tables) -> Markup:
    """All tables that are there, those that few read folded away."""
    parts: list[Markup] = [tag("p", made_of(table(tables, "about").iloc[0]))]
    for name, title, columns, words in (
        ("spread", "Quantile spread", SPREAD, 1), ("decay", "Correlation by horizon", DECAY, 1),
        ("turnover", "Turnover of the scores", TURNOVER, 1), ("by", "By year, market and group", BY, 2),
        ("exposures", "Exposure of the scores", EXPOSURES, 1), ("alphas", "Alpha", ALPHAS, 3),
        ("drawdowns", "Drawdowns", DRAWDOWNS, 0), ("quantiles", "Quantiles", QUANTILES, 2),
    ):  # fmt: skip
        found = tables.get(name)
        if found is None or not len(found):
            continue
        content = listing(found, columns, words)
        if name in ("quantiles", "decay"):
            parts.append(tag("details", joined((tag("summary", title), content))))
        else:
            parts.append(joined((tag("h3", title), content)))
    return joined(parts)


def made_of(about: Mapping[str, Any] | pd.Series[Any]) -> str:
    """How the tables were made, in a sentence or two."""
    if about["across"]:
        how = f"Symbols are compared within each bar ({about['symbols']:.0f} of them, {about['quantiles']} quantiles)"
    else:
        how = (
            f"With {about['symbols']:.0f} symbol{'s' if about['symbols'] > 1 else ''} a bar, fewer than 20, scores are"
            f" pooled in time: correlations are those of stretches of {about['pool']} bars, and the"
            f" {about['quantiles']} quantiles compare a score with the symbol's own last 250"
        )
    return (
        f"{how}; out of sample, {about['bars']:,} bars, before costs, held for {about['horizon']}."
        " Intervals and t by Newey and West."
    )


def listing(found: pd.DataFrame, columns: Sequence[Column], words: int) -> Markup:
    """A table's columns in their forms."""
    there = [column for column in columns if column[0] in found]
    rows = [[cell(value, form) for value, (_, _, form) in zip(row, there, strict=True)]
            for row in found[[name for name, _, _ in there]].head(MOST).itertuples(index=False)]  # fmt: skip
    return rows_of([heading for _, heading, _ in there], rows, left=words)


def cell(value: Any, form: str) -> str:
    """One value; a dash where it is undefined, the day of a time."""
    if isinstance(value, float) and not np.isfinite(value):
        return "–"
    if hasattr(value, "strftime") or value is None or value != value:
        return "–" if value is None or value != value else str(value)[:10]
    return "–" if form == WHOLE and value == -1 else shown(value, form)
