"""One file to a table of columns with their roles, whatever its format; and how rows that are no bars are told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv

from barwise.data.notes import Notes
from barwise.data.readers import documents, header
from barwise.data.readers.encodings import utf8
from barwise.data.readers.header import Header
from barwise.data.readers.layout import MISSING, SPACES, Layout, layout
from barwise.data.readers.pushdown import Wanted
from barwise.data.readers.roles import NUMBERS, Roles, roles
from barwise.data.readers.sources import BINARY, JSON, Source
from barwise.errors import BarwiseError, DataError

SAMPLED = 40
Skipped = list[tuple[int, int, str]]  # row from 1, cells, text
Known = dict[
    bytes, tuple[Layout, Header, Roles, set[str]]
]  # by the head of a file: a folder of a thousand has one or two


@dataclass
class RawTable:
    """Columns by the file's names, as arrow arrays: numbers where they are plain, else text or typed times.

    `rows`: each row's number in the file (from 1, below the names); None for all of them. `skipped`: rows with other
    than the usual number of cells. `texts` reads the columns of numbers again as text. `habit`: see numbers.read.
    """

    where: str
    header: Header
    roles: Roles
    columns: dict[str, pa.ChunkedArray]
    length: int
    rows: np.ndarray | None = None
    skipped: Skipped = field(default_factory=list)
    texts: Callable[[], RawTable] | None = None
    habit: str = "."
    whole: bool = True  # its last line ends as lines do


class NoRows(DataError):
    """A file that is sound and has none, or none of those asked for."""


def read(source: Source, wanted: Wanted, names: Sequence[str] | None, notes: Notes, known: Known) -> RawTable:
    """The table in a file. NoRows where it has none that is wanted, DataError if it is empty, broken or no bars."""
    columns = wanted.columns
    in_pieces = source.ending in BINARY and (source.path is not None or source.opened is not None)
    data = b"" if in_pieces else source.data()
    if not data and (not in_pieces or (source.path is not None and source.path.stat().st_size == 0)):
        raise DataError(f"{source.where}: the file is empty")
    try:
        if source.ending in BINARY:
            found, rows = documents.binary(source, data, wanted)
            if rows is not None and not len(rows):
                raise NoRows(f"{source.where}: none of its rows is asked for")
            return _chosen(typed(found, columns, source.where, notes, rows), wanted)
        if source.ending in JSON:
            return _chosen(typed(documents.document(data, source, notes), columns, source.where, notes), wanted)
        return _chosen(_text(data, columns, names, source.where, notes, known), wanted)
    except BarwiseError:
        raise
    except (pa.ArrowException, ValueError, OSError, RecursionError) as error:
        kind = source.ending.lstrip(".")
        reason = " ".join(str(error).split())[:120]
        raise DataError(f"{source.where}: cannot be read as {kind}: {reason}") from None


def _chosen(raw: RawTable, wanted: Wanted) -> RawTable:
    """The table without the further columns that are not asked for."""
    if wanted.extra is None or raw.header.wide is not None:
        return raw
    gone = [ours for ours, column in raw.roles.numbers.items() if ours not in NUMBERS and not wanted.keeps(column)]
    left_out = {raw.roles.numbers[ours]: "data.extra does not name it" for ours in gone}
    numbers = {ours: column for ours, column in raw.roles.numbers.items() if ours not in gone}
    return replace(raw, roles=replace(raw.roles, numbers=numbers, left_out={**raw.roles.left_out, **left_out}))


def typed(
    table: pa.Table, columns: Mapping[str, str | None], where: str, notes: Notes, rows: np.ndarray | None = None
) -> RawTable:
    """A table of Arrow with the parts its columns play; `rows`: their numbers in the file, None for all."""
    found = header.of_names([_index(name) for name in table.column_names], where, notes)
    table = table.rename_columns(list(found.names))
    head = table.slice(0, SAMPLED)

    def sample(name: str) -> list[str]:
        try:
            return ["" if cell is None else str(cell) for cell in head.column(name).to_pylist()]
        except LookupError as error:  # of pytz or zoneinfo
            zone = str(error).strip("\"'")[:60]
            raise DataError(f"{where}: column {name} is in the time zone {zone}, which does not exist") from None

    if not table.num_rows:
        raise NoRows(f"{where}: the file has a header and no rows")
    parts = _roles(found, columns, where, sample)
    return RawTable(where, found, parts, dict(zip(found.names, table.columns, strict=True)), table.num_rows, rows)


def _index(name: str) -> str:
    return "" if name.startswith("__index_level_") else name


def _roles(found: Header, columns: Mapping[str, str | None], where: str,
           sample: Callable[[str], Sequence[str]]) -> Roles:  # fmt: skip
    if found.wide is None:
        parts = roles(found.names, columns, where, sample)
        _check_needed(parts, found.names, where, sample)
        return parts
    beside = {column for group in found.wide.values() for column in group.values()}
    parts = roles([name for name in found.names if name not in beside], {}, where, sample)
    if not parts.time:
        first = next((name for name in found.names if name not in beside), None)
        parts = Roles((first,) if first is not None else (), None, {}, {})
    if not parts.time:
        raise DataError(f"{where}: no column for time; it has {', '.join(map(repr, found.names[:8]))}")
    return parts


def _check_needed(parts: Roles, names: Sequence[str], where: str, sample: Callable[[str], Sequence[str]]) -> None:
    needed = [] if parts.time else ["time"]
    needed += [name for name in ("open", "high", "low", "close") if name not in parts.numbers]
    if needed:
        shown = ", ".join(str(name) if name else "(no name)" for name in names[:12])
        more = f" and {len(names) - 12} more" if len(names) > 12 else ""
        raise DataError(
            f"{where}: no column for {', '.join(needed)}; it has {shown}{more}; "
            f"{header.advice(parts, names, needed, sample)}"
        )


def _text(data: bytes, columns: Mapping[str, str | None], names: Sequence[str] | None, where: str, notes: Notes,
          known: Known) -> RawTable:  # fmt: skip
    data = utf8(data, where, notes)
    first = data[: data.find(b"\n") + 1]
    if first in known and header.alike(data, known[first][0]):
        lay, found, parts, plain = known[first]
    else:
        lay = layout(data, where)
        found = header.of_text(lay, names, where, notes)
        place = {name: i for i, name in enumerate(found.names)}
        parts = _roles(found, columns, where, lambda name: [row[place[name]] for row in lay.sample])
        held = set(parts.time) | {parts.symbol}
        plain = {name for i, name in enumerate(found.names) if name not in held and lay.plain(i)}
        if first and lay.heads and not lay.above and len(lay.heads) == 1:
            known[first] = (lay, found, parts, plain)
    if lay.delimiter == SPACES:
        data = b"\n".join(b"\t".join(line.split()) for line in data[lay.start :].splitlines())
        lay = Layout("\t", 0, lay.width, lay.heads, lay.sample, lay.above)
    body = memoryview(data)[lay.start :]
    table = _parsed(body, lay, found, parts, plain, where)
    if plain:
        table.texts = lambda: _parsed(body, lay, found, parts, set(), where)
    return table


def _parsed(body: memoryview, lay: Layout, found: Header, parts: Roles, plain: set[str], where: str) -> RawTable:
    """The rows under a layout; columns in `plain` as float64 where all their cells are numbers, else as text."""
    skipped: Skipped = []

    def other(row: csv.InvalidRow) -> str:
        skipped.append((row.number, row.actual_columns, row.text))
        return "skip"

    def parse(types: dict[str, pa.DataType]) -> pa.Table:
        skipped.clear()
        return csv.read_csv(
            pa.BufferReader(pa.py_buffer(body)),
            csv.ReadOptions(use_threads=False, column_names=list(found.names)),
            csv.ParseOptions(delimiter=lay.delimiter, invalid_row_handler=other),
            csv.ConvertOptions(column_types=types, null_values=MISSING, strings_can_be_null=False),
        )

    texts = dict.fromkeys(found.names, pa.string())
    try:
        table = parse({**texts, **dict.fromkeys(plain, pa.float64())})
    except pa.ArrowInvalid:
        table = parse(texts)
    rows = None
    if skipped:
        rows = np.setdiff1d(np.arange(1, table.num_rows + len(skipped) + 1), [number for number, _, _ in skipped])
    columns = dict(zip(found.names, table.columns, strict=True))
    dotted = any("." in row[0][:3] for row in lay.sample[:1])
    habit = "." if lay.delimiter == "," else "," if lay.delimiter == ";" and dotted else ""
    return RawTable(where, found, parts, columns, table.num_rows, rows, list(skipped), None, habit,
                    bytes(body[-1:]) in (b"\n", b"\r"))  # fmt: skip
