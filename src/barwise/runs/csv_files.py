"""Tables as CSV, the one way in which barwise writes them: no cell is a formula to a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from barwise.runs.directory import write_text

_FORMULA = tuple("=+-@\t\r\n")  # what a formula begins with in a spreadsheet


def _cell(value: Any) -> Any:
    """A cell of a file: text that a spreadsheet would take for a formula stands behind a quote; numbers do not."""
    formula = isinstance(value, str) and value.lstrip(" \u00a0")[:1] in _FORMULA and not _is_number(value)
    return f"'{value}" if formula else value


def as_csv(columns: Mapping[str, Iterable[Any]]) -> str:
    """Columns as a table with a head; what is undefined is empty."""
    import numpy as np
    import pandas as pd

    made = {}
    for name, values in columns.items():
        held = values if isinstance(values, np.ndarray) else np.array([*values, None], dtype=object)[:-1]
        if held.dtype.kind in "OUST":
            quoted = {value: _cell(value) for value in set(held.tolist())}
            held = pd.Series([quoted[value] for value in held.tolist()], dtype=object)
        made[_cell(name)] = held
    return str(pd.DataFrame(made).to_csv(index=False, lineterminator="\n"))


def write_csv(path: Path, columns: Mapping[str, Iterable[Any]]) -> None:
    """Write `columns` as CSV, whole or not at all."""
    write_text(path, as_csv(columns))


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
