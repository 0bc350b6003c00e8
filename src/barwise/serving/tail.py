"""Bars as lines of text, CSV with a header or JSON: read from a stream that ends, or a file that grows."""

from __future__ import annotations

import csv
import json
import queue
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from barwise.data.columns import resolve
from barwise.errors import DataError

_PAUSE = 0.2  # seconds between looks at a file that grows
_LONGEST_LINE = 65_536
_LONGEST_SILENCE = 10.0  # seconds that a symbol of the bar before is waited for
_MOST_WAITING = 1_000  # lines that are read ahead
_SILENT = ""  # in place of a line


@dataclass(frozen=True)
class Line:
    """One bar as text: its place in the stream, time and symbol as written, numbers and groups by our names."""

    number: int
    time: str
    symbol: str
    columns: dict[str, Any]


def lines_of(path: Path | None) -> Iterator[str]:
    """Each line of a file, or of standard input, with `""` for each while in which none came."""
    if path is not None:
        with path.open(encoding="utf-8") as file:
            yield from file
    elif _is_stream(sys.stdin):
        yield from _heard(sys.stdin)
    else:
        yield from sys.stdin


def _is_stream(file: Any) -> bool:
    """Whether lines may come late: a pipe or terminal, no file and nothing in memory."""
    try:
        return not Path(f"/dev/fd/{file.fileno()}").is_file()
    except (OSError, ValueError, AttributeError):
        return False


def _heard(file: Iterable[str]) -> Iterator[str]:
    """Each line as it comes, and `""` after each `_PAUSE` without one."""
    lines: queue.Queue[str | None] = queue.Queue(_MOST_WAITING)

    def read() -> None:
        for line in file:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=_PAUSE)
        except queue.Empty:
            yield _SILENT
            continue
        if line is None:
            return
        yield line


def follow(path: Path, idle: float | None) -> Iterator[str]:
    """Each whole line of a file, and those that are added to it, with `""` while there is none; stops after `idle`
    seconds without one."""
    with path.open(encoding="utf-8") as file:
        part, since = "", time.monotonic()
        while True:
            part += file.readline(_LONGEST_LINE)
            if part.endswith("\n"):
                yield part
                part, since = "", time.monotonic()
            elif len(part) >= _LONGEST_LINE:
                raise DataError(f"{path}: a line is longer than {_LONGEST_LINE} characters")
            elif idle is not None and time.monotonic() - since > idle:
                return
            else:
                yield _SILENT
                time.sleep(_PAUSE)


def bars_in(
    lines: Iterable[str], where: str, symbol: str | None, groups: Collection[str] = (),
    refuse: Callable[[str], None] | None = None,
) -> Iterator[Line | None]:  # fmt: skip
    """The bars that the lines hold, None while there is no line; `symbol` names them where no column does, `groups` are
    columns of words.

    DataError names the line; `refuse` is told in its place of a line that is no bar, but for a header.
    """
    names: dict[str, str] | None = None
    header: list[str] = []
    number = 0
    for line in lines:
        if line == _SILENT:
            yield None
            continue
        number += 1
        text = line.strip()
        if not text:
            continue
        place = f"{where} line {number}"
        if names is None and not text.startswith("{"):
            header = next(csv.reader([text]))
            names = resolve(header, {}, where)
            continue
        try:
            row = _json(text, where, number) if text.startswith("{") else _cells(text, header, place)
            own = resolve(list(row), {}, where) if text.startswith("{") else names or {}
            found = _line(row, own, place, number, symbol, groups)
        except DataError as error:
            if refuse is None:
                raise
            refuse(str(error))
            continue
        yield found


def _cells(text: str, header: list[str], place: str) -> dict[str, str]:
    cells = next(csv.reader([text]))
    if len(cells) != len(header):
        raise DataError(f"{place}: has {len(cells)} cells for {len(header)} columns")
    return dict(zip(header, cells, strict=True))


def _json(text: str, where: str, number: int) -> dict[str, str]:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        raise DataError(f"{where} line {number}: is no JSON: {text[:60]}") from None
    return {str(key): "" if value is None else str(value) for key, value in row.items()}


def _line(
    row: dict[str, str], names: dict[str, str], place: str, number: int, symbol: str | None, groups: Collection[str]
) -> Line:
    name = row[names["symbol"]].strip() if "symbol" in names else symbol
    if not name:
        raise DataError(f"{place}: has no symbol; add a column, or --symbol NAME")
    numbers: dict[str, Any] = {}
    for ours, theirs in names.items():
        if ours in ("time", "symbol"):
            continue
        if ours in groups:
            numbers[ours] = row[theirs]
            continue
        try:
            numbers[ours] = float(row[theirs] or "nan")
        except ValueError:
            raise DataError(f"{place}: {theirs} is no number ({row[theirs][:40]!r})") from None
    return Line(number, row[names["time"]], name, numbers)


def by_time(
    lines: Iterable[Line | None], together: bool, whole: Callable[[Collection[str]], bool] = lambda names: False
) -> Iterator[list[Line]]:
    """Lines one by one; `together`: all of one time at once. A time is over when the next one comes, or when no line
    comes and its symbols are `whole`, or none has come for `_LONGEST_SILENCE` seconds."""
    group: list[Line] = []
    since = time.monotonic()
    for line in lines:
        if line is None:
            silent = time.monotonic() - since
            if group and (silent > _LONGEST_SILENCE or whole({one.symbol for one in group})):
                yield group
                group = []
            continue
        since = time.monotonic()
        if not together:
            yield [line]
            continue
        if group and line.time != group[0].time:
            yield group
            group = []
        group.append(line)
    if group:
        yield group
