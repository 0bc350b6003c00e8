"""Rows that are no bars, and rows that are bad: what is left out and said, what is refused, and which remedy helps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from barwise.data.bars import PRICES
from barwise.data.checks import BarFinding, complain
from barwise.data.notes import Notes
from barwise.data.readers.rows import Rows
from barwise.data.readers.table import RawTable, Skipped
from barwise.errors import DataError

_FEW = 0.25  # of the rows: beyond it leaving them out is no remedy
_TWICE = 0.1  # of the rows: beyond it something tells the bars of one time apart
_LITTLE = 0.02
_ALONE = 0.01  # of the rows: more closes without other prices are another kind of file
_COMMENT = ("#", "//", "--", "%", "*")
_MEND = "mend the rows, or data.on_bad=drop leaves them out"


def of_rows(table: RawTable, rows: Rows) -> list[BarFinding]:
    """Cells of kept rows that are no number, no time or no symbol."""
    found = []
    for f in rows.unread:
        kept = rows.keep[f.rows]
        if kept.any():
            found.append(BarFinding(f.what, f.rows[kept], f.values[kept]))
    for what, bad, value in (
        ("time cannot be read", np.isnat(rows.time) & rows.keep, rows.raw_times),
        ("symbol is missing", (rows.groups < 0) & rows.keep, lambda _: ""),
    ):
        some = np.flatnonzero(bad)
        if len(some):
            shown = np.array([value(int(row)) for row in some[:3]] + [""] * (len(some) - 3), object)[: len(some)]
            found.append(BarFinding(what, some, shown))
    return found


def tell_no_bars(table: RawTable, times: pa.ChunkedArray, rows: np.ndarray, notes: Notes) -> None:
    """Rows without a time and without a price are no bars: the names once more, a note at the end."""
    shown = str(times[int(rows[0])].as_py())[:40]
    number = int(table.rows[rows[0]] if table.rows is not None else rows[0] + 1)
    more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
    notes.warn(table.where, f"row {number} ({shown!r}){more} {'is' if not more else 'are'} no bar: left out")


def tell_closes_alone(table: RawTable, rows: Rows, notes: Notes) -> None:
    """A few rows that have a close and no other price are no bars, and no number in them is doubted: left out, said."""
    alone = np.logical_and.reduce([np.isnan(rows.values[name]) for name in ("open", "high", "low")])
    alone &= np.isfinite(rows.values["close"]) & ~np.isnat(rows.time) & rows.keep
    some = np.flatnonzero(alone)
    if len(some) and len(some) <= max(1, _ALONE * table.length):
        number = int(table.rows[some[0]] if table.rows is not None else some[0] + 1)
        symbol = rows.symbols[rows.groups[some[0]]]
        more = f" and {len(some) - 1} more have" if len(some) > 1 else " has"
        notes.warn(table.where, f"{symbol} row {number}{more} a close and no other price, which is no bar: left out")
        rows.keep &= ~alone


def skipped(table: RawTable, notes: Notes | None) -> Skipped:
    """Rows of another length that are faults; comments, notes and a last row that was cut are left out and said."""
    odd: Skipped = []
    width = len(table.header.names)
    trailing = {number for number, _, _ in table.skipped}
    total = table.length + len(table.skipped)
    last = next((n for n in range(total, 0, -1) if n not in trailing), 0)  # the last row of the usual length
    for number, cells, text in table.skipped:
        comment = text.lstrip(' "').startswith(_COMMENT) or not any(letter.isdigit() for letter in text)
        if not comment and (number < last or cells > width):
            odd.append((number, cells, text))
        elif notes is not None:
            cut = number == total and 1 < cells < width
            what = "the last row is cut" if cut else f"row {number} is no bar"
            notes.warn(table.where, f"{what} ({text[:40]!r}): left out")
    return odd


def decide(table: RawTable, rows: Rows, found: Sequence[BarFinding], odd: Skipped, lost: int, total: int, drop: bool,
           doubled: Callable[[np.ndarray], str | None]) -> None:  # fmt: skip
    """DataError where rows are bad and `drop` does not leave them out, or must not."""
    if not found and not odd:
        return
    names = {code: name for code, name in enumerate(rows.symbols)}
    lines = [BarFinding(f"has {cells} cells for {len(table.header.names)} columns", np.array([number - 1]),
                     np.array([text[:40]], object)) for number, cells, text in odd]  # fmt: skip
    numbered = [*lines, *(_numbered(f, table.rows) for f in found)]
    places = {int(table.rows[r]) - 1 if table.rows is not None else int(r): names.get(int(rows.groups[r]), "")
              for f in found for r in f.rows[:3]}  # fmt: skip
    only = rows.symbols[0] if len(rows.symbols) == 1 else ""

    def name_of(row: int) -> str:
        return places.get(row, only) or only

    hollow = np.logical_and.reduce([np.isnan(rows.values[name]) for name in PRICES])
    for f in rows.unread:
        hollow[f.rows] = False  # these hold something
    bad = np.unique(np.concatenate([f.rows for f in found])) if found else np.zeros(0, np.int64)
    odd_share = (int((~hollow[bad]).sum()) + len(odd)) / max(total + len(odd), 1)
    twice = sum(len(f.rows) for f in found if f.what == "time comes twice")
    if drop and (odd_share > 0.5 or twice > max(_TWICE * total, 3)):
        much = "more than half" if odd_share > 0.5 else "bars of a time that others have too"
        left = f"data.on_bad=drop would leave out {lost + len(odd)} of {total + len(odd)} rows, {much}: mend the file"
        raise DataError(complain(table.where, numbered, name_of, left))
    if not drop:
        raise DataError(
            complain(table.where, numbered, name_of, _remedy(rows, found, odd_share, twice, total, doubled))
        )


def _remedy(rows: Rows, found: Sequence[BarFinding], odd_share: float, twice: int, total: int,
           doubled: Callable[[np.ndarray], str | None]) -> str:  # fmt: skip
    """What helps: a setting where one does, and the file's own mending where none does."""
    kinds = {f.what for f in found}
    if twice and kinds <= {"time comes twice", "time runs backwards"}:
        repeated = np.concatenate([f.values for f in found]).astype("datetime64[ns]")
        zone = doubled(repeated) if rows.naive else None
        if zone:
            return f"so a clock does in autumn: data.timezone={zone}, if that is whose times these are"
        if twice > max(_TWICE * total, 3):
            return "something must tell bars of one time apart: data.columns.symbol names a column that does"
    if kinds and all(kind.endswith("is not above 0") for kind in kinds):
        return _negative(rows, found, total)
    if odd_share > _FEW:
        return "so many that the file is not what it seems: mend it, or name its columns by data.columns"
    return _MEND


def _negative(rows: Rows, found: Sequence[BarFinding], total: int) -> str:
    """Why prices must be above 0, and what helps."""
    why, others_have = "a return needs prices above 0", "futures adjusted by differences have others"
    bad = np.unique(np.concatenate([f.rows for f in found]))
    close = rows.values["close"]
    others = {f.what for f in found} == {"close is not above 0"}
    inside = (np.abs(close[bad]) <= rows.values["high"][bad]) & (np.abs(close[bad]) >= rows.values["low"][bad])
    if others and (close[bad] < 0).all() and inside.all():
        return f"{why}; CRSP marks a mid of bid and ask so: data.negative=midpoint reads it"
    if len(bad) <= max(1, _LITTLE * total):
        return f"{why}; data.on_bad=drop leaves out {'this bar' if len(bad) == 1 else f'these {len(bad)} bars'}"
    last = rows.time[bad].max()
    after = int((rows.time[rows.keep] > last).sum())
    if after >= total / 4:
        date = str(last.astype("datetime64[D]") + np.timedelta64(1, "D"))
        return f"{why}, and {others_have}; take those adjusted by ratios, or data.start={date}"
    return f"{why}, and {others_have}: take those adjusted by ratios"


def _numbered(finding: BarFinding, rows: np.ndarray | None) -> BarFinding:
    return finding if rows is None else finding.at(rows - 1)
