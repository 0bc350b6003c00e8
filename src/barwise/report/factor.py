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

_Column = tuple[str, str, str]  # of the table, heading, form
_PERCENT, _RATIO, _FOUR, _WHOLE, _T = "{:.2%}", "{:.2f}", "{:.4f}", "{:,.0f}", "{:.1f}"
_MOST = 200  # rows of a table
_DECAY: tuple[_Column, ...] = (
    ("horizon", "bars held", _WHOLE), ("rank_ic", "rank correlation", _FOUR), ("t", "t", _T), ("low", "from", _FOUR),
    ("high", "to", _FOUR), ("block_low", "by blocks, from", _FOUR), ("block_high", "to", _FOUR),
    ("icir", "ICIR", _RATIO), ("positive", "above 0", "{:.0%}"), ("ic", "correlation", _FOUR),
    ("ic_t", "t", _T), ("n", "observations", _WHOLE),
)  # fmt: skip
_SPREAD: tuple[_Column, ...] = (
    ("horizon", "bars held", _WHOLE), ("spread", "highest less lowest", _PERCENT), ("t", "t", _T),
    ("low", "from", _PERCENT), ("high", "to", _PERCENT), ("block_low", "by blocks, from", _PERCENT),
    ("block_high", "to", _PERCENT), ("sharpe", "Sharpe, gross", _RATIO),
    ("long", "long side", _PERCENT), ("long_t", "t", _T), ("short", "short side", _PERCENT), ("short_t", "t", _T),
    ("monotonicity", "monotonicity", _RATIO),
)  # fmt: skip
_QUANTILES: tuple[_Column, ...] = (
    ("horizon", "bars held", _WHOLE), ("quantile", "quantile", _WHOLE), ("mean", "mean return", _PERCENT),
    ("excess", "less that of all", _PERCENT), ("t", "t", _T), ("positive", "above 0", "{:.0%}"),
    ("symbols", "symbols a bar", "{:.1f}"),
)  # fmt: skip
_TURNOVER: tuple[_Column, ...] = (
    ("lag", "bars later", _WHOLE), ("rank_autocorrelation", "rank autocorrelation", _RATIO),
    ("lowest", "new in the lowest", "{:.0%}"), ("highest", "new in the highest", "{:.0%}"),
)  # fmt: skip
_BY: tuple[_Column, ...] = (
    ("kind", "by", "{}"), ("value", "", "{}"), ("rank_ic", "rank correlation", _FOUR), ("t", "t", _T),
    ("spread", "spread a bar", _PERCENT), ("spread_t", "t", _T), ("lowest", "new in the lowest", "{:.0%}"),
    ("highest", "new in the highest", "{:.0%}"), ("bars", "bars", _WHOLE),
)  # fmt: skip
_EXPOSURES: tuple[_Column, ...] = (
    ("exposure", "score against", "{}"), ("rank_correlation", "rank correlation", _FOUR), ("t", "t", _T),
    ("n", "bars", _WHOLE),
)  # fmt: skip
_ALPHAS: tuple[_Column, ...] = (
    ("series", "returns of", "{}"), ("factors", "on", "{}"), ("factor", "", "{}"),
    ("coefficient", "coefficient", _FOUR), ("t", "t", _T), ("n", "periods", _WHOLE),
)  # fmt: skip
_DRAWDOWNS: tuple[_Column, ...] = (
    ("depth", "net drawdown", "{:.1%}"), ("peak", "from", "{}"), ("trough", "lowest", "{}"), ("end", "over", "{}"),
    ("down", "bars down", _WHOLE), ("recover", "bars to recover", _WHOLE),
)  # fmt: skip


def chapter(tables: Tables, which: str = "out of sample, ") -> Markup:
    """All tables that are there, those that few read folded away; `which` bars they are of, where that needs a word."""
    parts: list[Markup] = [tag("p", _made_of(table(tables, "about").iloc[0], which))]
    for name, title, columns, words in (
        ("spread", "Quantile spread", _SPREAD, 1), ("decay", "Correlation by horizon", _DECAY, 1),
        ("turnover", "Turnover of the scores", _TURNOVER, 1), ("by", "By year, market and group", _BY, 2),
        ("exposures", "Exposure of the scores", _EXPOSURES, 1), ("alphas", "Alpha", _ALPHAS, 3),
        ("drawdowns", "Drawdowns", _DRAWDOWNS, 0), ("quantiles", "Quantiles", _QUANTILES, 2),
        ("quantiles_by", "Quantiles by year, market and group", (), 2),
    ):  # fmt: skip
        found = tables.get(name)
        if found is None or not len(found):
            continue
        content = _listing(found, columns, words) if columns else _by_quantile(found)
        if name in ("quantiles", "quantiles_by", "decay"):
            parts.append(tag("details", joined((tag("summary", title), content))))
        else:
            parts.append(joined((tag("h3", title), content)))
    return joined(parts)


def _by_quantile(found: pd.DataFrame) -> Markup:
    """A row a part of bars or symbols, a column a quantile: mean one-bar return less that of all."""
    wide = found.pivot_table("excess", ["kind", "value"], "quantile", sort=False, dropna=False)
    wide = wide[wide.notna().any(axis=1)]
    rows = [[*names, *(_cell(float(value), _PERCENT) for value in row)]
            for names, row in zip(wide.index, wide.to_numpy(), strict=True)][:_MOST]  # fmt: skip
    last = len(wide.columns)
    heads = [f"{k}, {'lowest' if k == 1 else 'highest'}" if k in (1, last) else str(k) for k in wide.columns]
    return rows_of(["by", "", *heads], rows, left=2)


def _made_of(about: Mapping[str, Any] | pd.Series[Any], which: str) -> str:
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
        f"{how}; {which}{about['bars']:,} bars, before costs, held for {about['horizon']}."
        " Intervals and t by Newey and West; by blocks: of bars drawn again in blocks."
    )


def _listing(found: pd.DataFrame, columns: Sequence[_Column], words: int) -> Markup:
    """A table's columns in their forms."""
    there = [column for column in columns if column[0] in found]
    rows = [[_cell(value, form) for value, (_, _, form) in zip(row, there, strict=True)]
            for row in found[[name for name, _, _ in there]].head(_MOST).itertuples(index=False)]  # fmt: skip
    return rows_of([heading for _, heading, _ in there], rows, left=words)


def _cell(value: Any, form: str) -> str:
    """One value; a dash where it is undefined, the day of a time."""
    if isinstance(value, float) and not np.isfinite(value):
        return "–"
    if hasattr(value, "strftime") or value is None or value != value:
        return "–" if value is None or value != value else str(value)[:10]
    return "–" if form == _WHOLE and value == -1 else shown(value, form)
