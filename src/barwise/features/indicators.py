"""Any of TA-Lib's functions as features, from YAML alone."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from barwise.data.bars import COLUMNS, Bars
from barwise.errors import ConfigError
from barwise.features import rolling

_DEFAULT = ("RSI", "MACD", "ADX", "OBV", "CDLENGULFING")


def talib_functions(
    bars: Bars, functions: Sequence[str | Mapping[str, Any]] = _DEFAULT, relative: bool = True
) -> dict[str, np.ndarray]:
    """One column for each output of each of `functions`: a name, or {name: RSI, timeperiod: 14}.

    Columns are the name in small letters, the parameters given, and the output's name where there are several.
    Candlestick patterns are -1, 0 or 1 (TA-Lib's 100s; a confirmed one is 2). `relative`: outputs in units of price
    (TA-Lib says which: those drawn over the prices) are divided by close, less 1, so that symbols can share a model.
    What a function reads can be chosen by TA-Lib's name of the input, {name: BETA, price0: close, price1: volume}, from
    the bars' columns and the source's extra ones. ConfigError for a name or parameter that TA-Lib has not.
    """
    given = [{"name": one} if isinstance(one, str) else dict(one) for one in functions]
    if not given:
        raise ConfigError("features.functions=[]: must name at least one function of TA-Lib, such as RSI")
    out: dict[str, np.ndarray] = {}
    for settings in given:
        for column, values in _columns(bars, settings, relative).items():
            if column in out:
                raise ConfigError(f"features.functions: {column} is there twice; leave one out")
            out[column] = values
    return out


def _columns(bars: Bars, settings: dict[str, Any], relative: bool) -> dict[str, np.ndarray]:
    import talib
    from talib import abstract

    name = str(settings.pop("name", "")).upper()
    if name not in talib.get_functions():
        close = difflib.get_close_matches(name, talib.get_functions(), 5)
        hint = f"; there are {', '.join(close)}" if close and name else ""
        raise ConfigError(f"features.functions={name or settings}: is none of TA-Lib's functions{hint}")
    function = abstract.Function(name)  # type: ignore[attr-defined]  # made at run time
    inputs = {kind: settings.pop(kind, columns) for kind, columns in function.input_names.items()}
    chosen = [str(c) for kind, c in inputs.items() if c != function.input_names[kind]]
    unknown = sorted(set(settings) - set(function.parameters))
    if unknown:
        known = ", ".join(function.parameters) or "none"
        raise ConfigError(f"features.functions.{name}.{unknown[0]}: no such parameter; there are {known}")
    try:
        found = getattr(talib, name)(*_series(bars, inputs, name), **settings)
    except ConfigError:
        raise
    except Exception as error:  # TA-Lib raises plain Exceptions, with its own error numbers
        raise ConfigError(f"features.functions.{name}: {settings} is refused by TA-Lib: {error}") from error
    arrays = found if isinstance(found, tuple) else (found,)
    stem = "_".join(
        [
            name.lower(),
            *(f"{value:g}" if isinstance(value, float) else str(value) for value in settings.values()),
            *chosen,
        ]
    )
    over_prices = relative and "Output scale same as input" in (function.function_flags or [])
    columns = {}
    for output, values in zip(function.output_names, arrays, strict=True):
        column = stem if len(arrays) == 1 else f"{stem}_{output.lower()}"
        values = values / 100.0 if values.dtype.kind == "i" and name.startswith("CDL") else values.astype(float)
        columns[column] = rolling.ratio(values, bars.close) - 1.0 if over_prices else values
    return columns


def _series(bars: Bars, inputs: Mapping[str, Any], name: str) -> list[np.ndarray]:
    """The arrays that a function reads, contiguous float64."""
    arrays = []
    for kind, columns in inputs.items():
        for column in columns if kind == "prices" else [columns]:
            values = getattr(bars, column) if column in COLUMNS else bars.extra.get(column)
            if values is None:
                there = ", ".join((*COLUMNS, *bars.extra))
                raise ConfigError(
                    f"features.functions.{name}.{kind}={column}: {bars.symbol} has no such column; it has {there}"
                )
            arrays.append(np.ascontiguousarray(values, dtype=np.float64))
    return arrays
