"""Numbers as people write them: currencies, thousands, decimal commas, per cent, 1.12M; told from the whole file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from barwise.data.bars import PRICES
from barwise.data.notes import Notes
from barwise.data.readers.layout import CURRENCY, MISSING
from barwise.data.settings import setting
from barwise.errors import DataError

_NONE = pa.array([*MISSING, "nil", "#DIV/0!"])
_UNITS = {"k": 1e3, "tsd": 1e3, "m": 1e6, "mn": 1e6, "mio": 1e6, "b": 1e9, "bn": 1e9, "mrd": 1e9, "t": 1e12, "万": 1e4,
         "億": 1e8, "亿": 1e8, "百万": 1e6}  # fmt: skip
_UNIT = r"(?i)^(?P<number>.*?)\s*(?P<unit>k|tsd|m|mn|mio|b|bn|mrd|t|万|億|亿|百万)\.?$"
_APART = 50.0  # times that whole numbers exceed those with a fraction, where a mark of thousands was misread
_SMOOTHER = 2.0  # a reading is told by its values where they move half as much as those of the other
_LATIN = {"−": "-", "’": "'", "\u00a0": " ", "\u202f": " ", "\u2009": " "}


@dataclass(frozen=True)
class Numbers:
    """`values` float64, NaN where a cell is missing or no number; `unread`: the rows of the latter."""

    values: np.ndarray
    unread: np.ndarray


def read(
    columns: Mapping[str, pa.ChunkedArray], decimal: str | None, habit: str, where: str, notes: Notes
) -> dict[str, Numbers]:
    """The numbers in columns of text, by our names; `habit`: the mark that files of this kind have, or "".

    DataError where a mark could be of decimals or of thousands.
    """
    cleaned = {name: _clean(column) for name, column in columns.items()}
    mark = decimal or _decimal_mark(cleaned, habit, where)
    if mark == "," or any(_has(text, ",") for text, _ in cleaned.values()):
        other = "dot" if mark == "," else "comma"
        used = any(_has(text, r"\." if mark == "," else ",") for text, _ in cleaned.values())
        marks = "the comma is the decimal mark" if mark == "," else "the dot is the decimal mark"
        notes.note(where, f"{marks}{f', the {other} that of thousands' if used else ''}")
    return {name: _numbers(text, factor, mark) for name, (text, factor) in cleaned.items()}


def _clean(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, np.ndarray | None]:
    """(the cells without currency, blanks and units, null where missing; what each is to be multiplied by)."""
    text = pc.utf8_trim_whitespace(column.cast(pa.string()))
    text = pc.if_else(pc.is_in(text, _NONE), pa.scalar(None, pa.string()), text)
    if not _has(text, r"[^-0-9.,]"):
        return text, None
    for sign, plain in _LATIN.items():
        text = pc.replace_substring(text, sign, plain)
    text = pc.replace_substring_regex(text, rf"{CURRENCY}|[株円]$", "")
    text = pc.utf8_trim_whitespace(pc.replace_substring_regex(text, r"\s*%$", ""))
    text = pc.replace_substring_regex(text, r"^\((.*)\)$", r"-\1")
    text = pc.replace_substring_regex(text, r"(\d)[ '_](\d{3})", r"\1\2")
    text = pc.replace_substring_regex(text, r"(\d)[ '_](\d{3})", r"\1\2")
    text = pc.replace_substring_regex(pc.utf8_trim_whitespace(text), r"^([-+])\s+", r"\1")
    factor = None
    if _has(text, _UNIT):
        parts = pc.extract_regex(text, _UNIT)
        unit = pc.utf8_lower(pc.struct_field(parts, "unit")).to_numpy(zero_copy_only=False)
        factor = np.array([_UNITS.get(str(u), 1.0) for u in unit])
        text = pc.coalesce(pc.struct_field(parts, "number"), text)
    return text, factor


def _has(text: pa.ChunkedArray, pattern: str) -> bool:
    """Whether any cell matches."""
    return bool(pc.any(pc.match_substring_regex(text, pattern)).as_py())


def _count(text: pa.ChunkedArray, pattern: str) -> int:
    """How many cells match."""
    return int(pc.sum(pc.match_substring_regex(text, pattern)).as_py() or 0)


def _decimal_mark(cleaned: Mapping[str, tuple[pa.ChunkedArray, object]], habit: str, where: str) -> str:
    """`.` or `,`: what the cells tell by themselves, prices before others, else what makes the prices move least."""
    prices = [text for name, (text, _) in cleaned.items() if name in PRICES]
    others = [text for name, (text, _) in cleaned.items() if name not in PRICES]
    for group in (prices, others):
        dots, commas = _evidence(group)
        if dots != commas and max(dots, commas) > 10 * min(dots, commas):
            return "." if dots > commas else ","
        found = [told for text in group if (told := _by_values(text))]
        if found:
            return max(set(found), key=found.count)
    some = prices or others
    for mark, other in ((".", ","), (",", ".")):
        example = next((e for text in some if (e := _first(text, rf"^-?[1-9]\d{{0,2}}\{mark}\d{{3}}$"))), None)
        if example and habit == ("," if mark == "." else habit) and not (mark == "," and habit == "."):
            both = f"{example.replace(mark, '.')} or {example.replace(mark, '')}"
            raise DataError(
                f"{where}: {example} could be {both}, and nothing in the file tells: {setting('decimal', mark)} if "
                f"its mark is of decimals, {setting('decimal', other)} if it is of thousands"
            )
    return "."


def _evidence(texts: Sequence[pa.ChunkedArray]) -> tuple[int, int]:
    """Cells that only a decimal dot explains, and those that only a decimal comma does."""

    def of(mark: str, other: str) -> int:
        m, o = re.escape(mark), re.escape(other)
        shapes = (
            rf"{o}.*{m}",
            rf"{o}.*{o}",
            rf"^[^{m}{o}]*{m}(\d{{0,2}}|\d{{4,}})$",
            rf"^-?0*{m}\d",
            rf"^-?\d{{4,}}{m}\d",
        )
        return sum(_count(text, "|".join(f"(?:{s})" for s in shapes)) for text in texts)

    return of(".", ","), of(",", ".")


def _by_values(text: pa.ChunkedArray) -> str:
    """The mark under which a column of `987` and `1.012` moves least, where only such cells stand in it."""
    for mark, other in ((".", ","), (",", ".")):
        pattern = rf"^-?[1-9]\d{{0,2}}(\{mark}\d{{3}})$"
        if _has(text, pattern) and _has(text, r"^-?\d{1,3}$"):
            known = text.drop_null()
            whole = _moves(pc.replace_substring(known, mark, ""))
            part = _moves(pc.replace_substring(known, mark, "."))
            if whole is None or part is None:
                continue
            if whole * _SMOOTHER < part:
                return other
            if part * _SMOOTHER < whole:
                return mark
    return ""


def _moves(text: pa.ChunkedArray) -> float | None:
    try:
        values = np.abs(text.cast(pa.float64()).to_numpy())
    except pa.ArrowInvalid:
        return None
    values = values[values > 0]
    return float(np.abs(np.diff(np.log(values))).sum()) if len(values) > 1 else None


def _first(text: pa.ChunkedArray, pattern: str) -> str | None:
    found = pc.filter(text, pc.fill_null(pc.match_substring_regex(text, pattern), False))
    return found[0].as_py() if len(found) else None


def _numbers(text: pa.ChunkedArray, factor: np.ndarray | None, mark: str) -> Numbers:
    m, t = re.escape(mark), re.escape("," if mark == "." else ".")
    shape = rf"^[-+]?(\d+|\d{{1,3}}({t}\d{{2,3}})*{t}\d{{3}})?({m}\d*)?([eE][-+]?\d+)?$"
    good = pc.and_(pc.match_substring_regex(text, shape), pc.match_substring_regex(text, r"\d"))
    good = pc.or_(good, pc.match_substring_regex(text, r"(?i)^[-+]?inf(inity)?$"))
    kept = pc.if_else(good, text, pa.scalar(None, pa.string()))
    if _has(kept, t):
        kept = pc.replace_substring_regex(kept, t, "")
    if mark == ",":
        kept = pc.replace_substring(kept, ",", ".")
    kept = pc.replace_substring_regex(kept, r"^\+", "")
    values = kept.cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)
    if factor is not None:
        values = values * factor
    unread = pc.and_(pc.is_valid(text), pc.is_null(kept)).to_numpy(zero_copy_only=False)
    return Numbers(values, np.flatnonzero(unread))


def dubious(values: np.ndarray) -> bool:
    """Whether numbers that were read with a decimal dot might have had a mark of thousands: 987 beside 1.012."""
    known = values[np.isfinite(values)]
    if not len(known):
        return False
    whole = known == np.rint(known)
    parts = known[~whole]
    if not len(parts):
        return False
    if (np.abs(parts) >= 1000).any() or (np.abs(parts * 1e3 - np.rint(parts * 1e3)) > 1e-6).any():
        return False
    fine = np.abs(parts * 1e2 - np.rint(parts * 1e2)) > 1e-6
    apart = whole.any() and np.median(np.abs(known[whole])) > _APART * np.median(np.abs(parts))
    return bool(fine.mean() > 0.5 or apart)
