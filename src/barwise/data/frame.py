"""Bars from a frame of one's own: pandas, Polars (lazy too), Arrow, or whatever hands out Arrow's stream of batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from barwise.data.assemble import Asked, Read, completed, market
from barwise.data.bars import Market
from barwise.data.notes import Notes, listed
from barwise.data.readers import series, table
from barwise.data.readers.sources import Source
from barwise.data.selection import bounds
from barwise.errors import BarwiseError, ConfigError, DataError, require

KINDS = "a frame of pandas or Polars, a table of Arrow, or a function that returns one"


def load(
    frame: Any = None,
    name: str = "bars",
    columns: Mapping[str, str | None] | None = None,
    adjusted: bool = False,
    timezone: str | None = None,
    periods_per_year: float | None = None,
    on_bad: str = "error",
    on_jump: str = "warn",
    symbols: str | Sequence[str] | None = None,
    start: str | None = None,
    end: str | None = None,
    universe: str | None = None,
    context: str | None = None,
    groups: str | Sequence[str] | None = None,
    as_of: str | Sequence[str] | None = None,
    actions: str | None = None,
    contracts: str | None = None,
) -> Market:
    """The bars in `frame`, or in what the function `frame` returns when called without arguments.

    A frame is long (time, perhaps symbol, open, high, low, close, volume and more), or of one symbol, which is then
    called `name`; its index counts as a column unless it numbers the rows; pandas' two rows of names (fields and
    tickers) are a symbol side by side each. Of a LazyFrame only the symbols and the stretch asked for are collected.
    Everything else is as for `barwise.data.files.load`.
    ConfigError for a setting, DataError for what is in the frame.

    >>> import pandas as pd
    >>> days = pd.date_range("2024-01-01", periods=3, name="time")
    >>> prices = pd.DataFrame({n: [10.0, 11.0, 12.0] for n in ("open", "high", "low", "close")}, index=days)
    >>> load(prices, name="ABC").symbols
    ('ABC',)
    """
    require(
        frame is not None,
        f"data.frame=null: must be {KINDS}; 'data.frame={{_target_: my_module.my_function, _partial_: true}}'",
    )
    require(
        isinstance(name, str) and bool(name.strip()), f"data.name={name}: must be the name of a symbol; data.name=ABC"
    )
    asked = Asked(
        columns, adjusted, timezone, periods_per_year=periods_per_year, on_bad=on_bad, on_jump=on_jump,
        symbols=symbols, start=start, end=end, universe=universe, context=context, groups=groups, as_of=as_of,
        actions=actions, contracts=contracts,
    )  # fmt: skip
    where = "data.frame"
    found = arrow_of(_collected(_called(frame), asked), where)
    return completed(market("frame", where, read(found, where, name, asked), asked, {}), asked)


def read(found: pa.Table, where: str, name: str, asked: Asked) -> Read:
    """The series in an Arrow table; `name` is the symbol where no column names it."""
    notes = Notes()
    source = Source(where, name, ".arrow", name, (), bytes, None, False)
    nested = [field.name for field in found.schema if pa.types.is_nested(field.type)]
    if nested:
        notes.note(where, f"{listed(nested)} left out: of nested values")
    try:
        raw = table.typed(found.drop_columns(nested), asked.columns or {}, where, notes)
    except BarwiseError:
        raise
    except (pa.ArrowException, ValueError) as error:
        raise DataError(f"{where}: cannot be read: {' '.join(str(error).split())[:120]}") from None
    made, dropped, words = series.read(raw, name, False, asked.reading, notes)
    if not made:
        raise DataError(f"{where}: no bar is left of its {found.num_rows:,} rows")
    ignored = sorted({str(column) for column in (*words, *raw.roles.left_out) if column})
    return Read(made, [source], dropped, ignored, notes)


def _called(frame: Any) -> Any:
    """What the function gives; the frame itself where it is one."""
    if _is_frame(frame) or not callable(frame):
        return frame
    function: Callable[[], Any] = frame
    try:
        return function()
    except BarwiseError:
        raise
    except Exception as error:  # the user's own code raises whatever it likes
        named = getattr(function, "__qualname__", None) or getattr(getattr(function, "func", None), "__qualname__", "?")
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
        raise DataError(f"data.frame: {named}() raised {reason}") from error


def _is_frame(found: Any) -> bool:
    return hasattr(found, "__arrow_c_stream__") or hasattr(found, "collect") or hasattr(found, "to_records")


def _collected(found: Any, asked: Asked) -> Any:
    """A LazyFrame's rows of the symbols and the stretch asked for; anything else as it is."""
    if not (hasattr(found, "collect_schema") and hasattr(found, "filter")):
        return found
    import polars as pl

    if not isinstance(found, pl.LazyFrame):
        return found
    head = arrow_of(found.head(table.SAMPLED).collect(), "data.frame")
    roles = table.typed(head, asked.columns or {}, "data.frame", Notes()).roles
    if roles.symbol is not None and asked.symbols is not None:
        wanted = [asked.symbols] if isinstance(asked.symbols, str | int | float) else list(asked.symbols)
        found = found.filter(pl.col(roles.symbol).cast(pl.String).is_in([str(symbol) for symbol in wanted]))
    if len(roles.time) == 1 and (asked.start is not None or asked.end is not None):
        kind = found.collect_schema()[roles.time[0]]
        if kind == pl.Date or isinstance(kind, pl.Datetime):
            first, last = bounds(asked.start, asked.end, asked.timezone)
            day = pl.duration(days=1)  # what is exact is asked again of the bars: zones move a day at most
            time = pl.col(roles.time[0]).cast(pl.Datetime("ns")) if kind == pl.Date else (
                pl.col(roles.time[0]).dt.replace_time_zone(None).dt.cast_time_unit("ns")
            )  # fmt: skip
            found = found.filter((time >= pl.lit(first) - day) & (time <= pl.lit(last) + day))
    return found.collect()


def arrow_of(found: Any, where: str) -> pa.Table:
    """Any frame as a table of Arrow. ConfigError for what is none, DataError for columns that Arrow cannot hold."""
    import pandas as pd

    if isinstance(found, str):
        remedy = f"'data.frame={{_target_: {found}, _partial_: true}}' names a function"
        raise ConfigError(f"{where}={found}: is text; it must be {KINDS}; {remedy}")
    if isinstance(found, pd.Series) or not _is_frame(found):
        raise ConfigError(f"{where}: is {type(found).__name__}; it must be {KINDS}")
    try:
        if isinstance(found, pd.DataFrame):
            return _of_pandas(found)
        return pa.table(found) if hasattr(found, "__arrow_c_stream__") else pa.Table.from_pandas(found)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{where}: cannot be read: {' '.join(str(error).split())[:160]}") from None


def _of_pandas(frame: Any) -> pa.Table:
    import pandas as pd

    if not (isinstance(frame.index, pd.RangeIndex) and frame.index.name is None):
        taken = {str(column) for column in frame.columns}
        names = [
            name if name is not None and str(name) not in taken else f"__index_level_{i}__"
            for i, name in enumerate(frame.index.names)
        ]
        index = frame.index.set_names(names).to_frame(index=False)
        frame = pd.concat([index, frame.set_axis(index.index, axis=0)], axis=1)
    # of pandas' levels of names (fields and tickers) the readers make symbols side by side
    frame = frame.set_axis([str(column) for column in frame.columns], axis=1)
    return pa.Table.from_pandas(frame, preserve_index=False)
