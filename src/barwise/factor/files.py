"""Files of factor returns, as Kenneth French's library has them, or a plain CSV of dates and columns."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from barwise.errors import ConfigError

_MOST_BYTES = 50_000_000
_PERCENT = 0.1  # mean size of a period's return from which a file is in percent: 0.5 a day, 3 a month, never 0.1 of one
_DATE = re.compile(r"(\d{4})-?(\d{2})(?:-?(\d{2}))?(?:[T ].*)?")
_FREE = ("rf", "risk_free", "riskfree")
_MISSING = (-99.99, -999.0, -99.0)


@dataclass(frozen=True)
class FactorReturns:
    """Returns of factors by period: `time` (datetime64 of `unit`: D, M, ns), `values` (period, factor), fractions.

    `free`: the risk-free return, 0 where there is none.
    """

    names: tuple[str, ...]
    time: np.ndarray
    values: np.ndarray
    free: np.ndarray
    unit: str = "ns"
    note: str = ""

    @classmethod
    def market(cls, time: np.ndarray, values: np.ndarray) -> FactorReturns:
        """The market alone, bar by bar."""
        known = np.isfinite(values)
        return cls(("market",), time[known], values[known, None], np.zeros(int(known.sum())))


def read(path: str) -> FactorReturns:
    """The factor returns in a CSV file: dates first (2020-01-31, 20200131 or 202001), a column for each factor.

    Lines before the first with names over dates, and from the first without a date on, are passed over, as French's
    files need. Percent is told from fractions by size. `RF` is the risk-free return. ConfigError, in one line, for a
    file that is none.
    """
    file = Path(str(path)).expanduser()
    if not file.is_file():
        raise ConfigError(
            f"factor.returns={path}: there is no such file; name a CSV of dates and factor returns, or null"
        )
    if file.stat().st_size > _MOST_BYTES:
        raise ConfigError(f"factor.returns={path}: is larger than 50 MB; keep the dates of the bars")
    try:
        lines = [[cell.strip() for cell in row] for row in csv.reader(file.read_text("utf-8-sig").splitlines())]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"factor.returns={path}: is no CSV ({error}); save it as CSV in UTF-8") from None
    begin = next((i for i, row in enumerate(lines) if len(row) > 1 and _DATE.fullmatch(row[0])), 0)
    names = lines[begin - 1][1:] if begin else []
    rows = []
    for row in lines[begin:] if begin else ():
        if not row or not _DATE.fullmatch(row[0]) or len(row[0]) != len(lines[begin][0]):
            break
        rows.append(row)
    if not rows or len(names) < 1 or any(len(row) != len(names) + 1 for row in rows) or not all(names):
        raise ConfigError(
            f"factor.returns={path}: has no table of dates and columns; a line of names (date,Mkt-RF,SMB), then"
            " 2020-01-31,0.12,-0.30"
        )
    return _table(path, tuple(names), rows)


def _table(path: str, names: tuple[str, ...], rows: list[list[str]]) -> FactorReturns:
    try:
        values = np.array([[float(cell) if cell else np.nan for cell in row[1:]] for row in rows])
        parts = [_DATE.fullmatch(row[0]).groups() for row in rows]  # type: ignore[union-attr]  # each matched above
        monthly = parts[0][2] is None
        time = np.array(["-".join(part for part in p if part) for p in parts], f"datetime64[{'M' if monthly else 'D'}]")
    except ValueError as error:
        raise ConfigError(f"factor.returns={path}: {error}; dates are 2020-01-31, returns are numbers") from None
    values[np.isin(values, _MISSING)] = np.nan
    if np.any(np.diff(time.astype(np.int64)) <= 0):
        raise ConfigError(f"factor.returns={path}: its dates do not rise; sort them, one line a date")
    if not monthly and len(time) > 2 and np.median(np.diff(time.astype(np.int64))) >= 25:
        time, monthly = time.astype("datetime64[M]"), True
        if np.any(np.diff(time.astype(np.int64)) <= 0):
            raise ConfigError(f"factor.returns={path}: has two lines of one month; give one line a day, or a month")
    free = [i for i, name in enumerate(names) if name.lower() in _FREE]
    kept = [i for i in range(len(names)) if i not in free]
    if not kept:
        raise ConfigError(f"factor.returns={path}: has the risk-free return alone; add a column of a factor's returns")
    size = np.nanmean(np.abs(values[:, kept])) if np.isfinite(values[:, kept]).any() else 0.0
    percent = bool(size > _PERCENT)
    values = values / 100.0 if percent else values
    note = f"{Path(path).name}, {'months' if monthly else 'days'}, read as {'percent' if percent else 'fractions'}"
    own = values[:, free[0]] if free else np.zeros(len(time))
    return FactorReturns(
        tuple(names[i] for i in kept), time, values[:, kept], np.where(np.isfinite(own), own, 0.0),
        "M" if monthly else "D", note,
    )  # fmt: skip
