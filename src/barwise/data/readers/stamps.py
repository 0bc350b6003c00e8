"""The times of a file as written: typed, ISO, in words, or numbers since 1970, since 1899 or as digits of a date."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from barwise.data.readers import dates, epochs
from barwise.data.readers.time_of_day import clock_ns
from barwise.data.readers.zones import all_zulu, offset, per_word, zones

_NAT = np.datetime64("NaT", "ns")
_ZONE = r"(?P<zone>[Zz]|[A-Za-z]{2,5}[+-]\d{1,2}(?::?\d\d)?|[+-]\d\d(?::?\d\d)?|[A-Z]{2,5}|[A-Z][A-Za-z]+/[A-Za-z_/]+)?"
_AMPM = r"(?P<half>[AaPp]\.?\s?[Mm]\.?|上午|下午|午前|午後)?"
_SHAPES = (
    rf"^(?P<date>.*?)[T ,_:日-]+(?P<clock>\d{{1,2}}:\d\d(?::\d\d(?:[.,:]\d{{1,9}})?)?)\s*{_AMPM}\s*\[?{_ZONE}\]?$",
    rf"^(?P<date>\d{{8}}|\d{{4}}[-/.]\d\d[-/.]\d\d)[T _-]+(?P<clock>\d{{3,6}}(?:[.,]?\d{{3,9}})?)\s*{_AMPM}\s*{_ZONE}$",
    rf"^(?P<date>.*?)[T ,]+(?P<clock>\d{{1,2}})[- ]*{_AMPM.rstrip('?')}\s*{_ZONE}$",
    r"^(?P<date>.+)(?P<clock>x{0})(?P<half>x{0})(?P<zone>x{0})$",
)
_NUMBER = r"^-?\d+(\.\d+)?([eE]\+?\d+)?$"


@dataclass(frozen=True)
class Stamps:
    """`wall`: datetime64[ns] on the clock of the time's own zone, NaT where unreadable.

    `ahead`: ns before UTC, per row; None for times without a zone. `instants`: in UTC as computers count, so
    that the local date is not told. `zone`: one zone that is named in the file. `order`: day or month first, where
    the dates had to tell.
    """

    wall: np.ndarray
    ahead: np.ndarray | None = None
    instants: bool = False
    zone: str | None = None
    order: str | None = None


def read(columns: list[pa.ChunkedArray], day_first: bool | None, groups: np.ndarray | None, where: str) -> Stamps:
    """The stamps in one column, or in a date and a clock, or in year, month, day (and clock).

    `groups`: the symbol of each row. DataError where zones are mixed with none, or day and month cannot be told apart.
    """
    first = columns[0]
    if len(columns) >= 3:
        joined = pc.binary_join_element_wise(*(_text(c) for c in columns[:3]), "-")
        return _clocked(joined, columns[3:], True, groups, where)
    if len(columns) == 2:
        return _clocked(_text(first), columns[1:], day_first, groups, where)
    kind = first.type
    if pa.types.is_timestamp(kind):
        return _typed(first)
    if pa.types.is_date(kind):
        return Stamps(_wall(first.cast(pa.date32()).cast(pa.timestamp("s"))))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _counted(first)
    text = _text(first)
    return _iso(text) or _numeric(text) or _written(text, False, day_first, groups, where)


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    text = column.cast(pa.string())
    text = pc.utf8_trim_whitespace(text)
    gone = pc.or_(pc.equal(text, ""), pc.is_in(text, pa.array(["NaT", "nan", "NaN", "null", "None", "NA"])))
    return pc.if_else(gone, pa.scalar(None, pa.string()), text)


def _wall(column: pa.ChunkedArray) -> np.ndarray:
    """datetime64[ns]; NaT where it is too early or too late for that."""
    seconds = column.cast(pa.timestamp("s"), safe=False).to_numpy(zero_copy_only=False)
    fits = (seconds > np.datetime64("1678-01-01")) & (seconds < np.datetime64("2262-01-01"))
    if fits.all():
        found: np.ndarray = column.cast(pa.timestamp("ns")).to_numpy(zero_copy_only=False).astype("datetime64[ns]")
        return found
    kept = pc.if_else(pa.array(fits), column, pa.scalar(None, column.type))
    found = kept.cast(pa.timestamp("ns")).to_numpy(zero_copy_only=False).astype("datetime64[ns]")
    return found


def _typed(column: pa.ChunkedArray) -> Stamps:
    zone = column.type.tz
    utc = _wall(column.cast(pa.timestamp(column.type.unit)))
    if zone is None:
        return Stamps(utc)
    if zone.upper() in ("UTC", "GMT", "Z", "ETC/UTC", "+00:00"):
        return Stamps(utc, np.zeros(len(utc), np.int64), True)
    wall = _wall(pc.local_timestamp(column))
    return Stamps(wall, (wall - utc).astype(np.int64))


def _counted(column: pa.ChunkedArray) -> Stamps:
    known = column.is_valid().to_numpy(zero_copy_only=False)
    if pa.types.is_integer(column.type):
        whole = pc.fill_null(column.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
        return _from_epochs(epochs.read(whole, None, known))
    part = column.cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)
    known &= np.isfinite(part)
    part = np.where(known, part, 0.0)
    return _from_epochs(epochs.read(np.floor(part).astype(np.int64), part - np.floor(part), known))


def _from_epochs(found: epochs.Epochs) -> Stamps:
    ahead = np.zeros(len(found.time), np.int64) if found.instants else None
    return Stamps(found.time, ahead, found.instants)


def _iso(text: pa.ChunkedArray) -> Stamps | None:
    try:
        return Stamps(_wall(text.cast(pa.timestamp("us" if not _fine(text) else "ns"))))
    except pa.ArrowInvalid:
        pass
    try:
        utc = _wall(text.cast(pa.timestamp("ns", tz="UTC")).cast(pa.timestamp("ns")))
    except pa.ArrowInvalid:
        return None
    words = pc.struct_field(pc.extract_regex(text, r"(?P<z>Z|[+-]\d\d:?\d\d|[+-]\d\d)$"), "z")
    ahead = per_word(words, offset)
    return Stamps(utc + ahead.astype("timedelta64[ns]"), ahead, not ahead.any() and all_zulu(words))


def _fine(text: pa.ChunkedArray) -> bool:
    longest = pc.max(pc.utf8_length(text)).as_py() or 0
    return longest > 26


def _numeric(text: pa.ChunkedArray) -> Stamps | None:
    """Digits alone: dates, serials or counts since 1970; None where most cells are something else."""
    good = pc.fill_null(pc.match_substring_regex(text, _NUMBER), False)
    known = len(text) - text.null_count
    if not known or (pc.sum(good).as_py() or 0) * 2 <= known:
        return None
    digits = pc.if_else(good, text, pa.scalar(None, pa.string()))
    six = (pc.sum(pc.match_substring_regex(digits, r"^\d{6}$")).as_py() or 0) == pc.count(digits).as_py()
    if six and (short := _six(digits)) is not None:
        return short
    try:
        whole = digits.cast(pa.int64())
        return _counted(whole)
    except pa.ArrowInvalid:
        pass
    if not pc.any(pc.match_substring_regex(digits, "[eE]")).as_py():
        whole = pc.replace_substring_regex(digits, r"\..*$", "")
        part = pc.replace_substring_regex(digits, r"^-?\d+", "0").cast(pa.float64())
        try:
            ints = pc.fill_null(whole.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
        except pa.ArrowInvalid:
            return None
        fraction = pc.fill_null(part, 0.0).to_numpy(zero_copy_only=False)
        minus = pc.fill_null(pc.starts_with(digits, "-"), False).to_numpy(zero_copy_only=False)
        fraction = np.where(minus, -fraction, fraction)
        return _from_epochs(epochs.read(ints, fraction, good.to_numpy(zero_copy_only=False)))
    return _counted(digits.cast(pa.float64()))


def _six(digits: pa.ChunkedArray) -> Stamps | None:
    """YYYYMM, or YYMMDD; None where six digits are neither."""
    ints = pc.fill_null(digits.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    known = digits.is_valid().to_numpy(zero_copy_only=False)
    months = epochs.read(ints, None, known)
    if not months.instants and (ints[known] >= 170_001).all():
        return _from_epochs(months)
    year = ints // 10_000
    full = ints + np.where(year >= dates.PIVOT, 19_000_000, 20_000_000)
    days = epochs.read(np.where(known, full, 0), None, known)
    return None if days.instants else _from_epochs(days)


def _written(
    text: pa.ChunkedArray, clocks: bool, day_first: bool | None, groups: np.ndarray | None, where: str
) -> Stamps:
    """The times of text in any other form; `clocks`: the times of day stand elsewhere."""
    text = pc.replace_substring_regex(text, r"\s*\([^)]*\)$", "")
    text = pc.replace_substring_regex(text, r"(\d+)\s*[时時点시]\s*(\d+)\s*[分분](?:(\d+)[秒초])?$", r"\1:\2")
    text = pc.replace_substring_regex(text, r"(\d{4})\s*[년]\s*(\d{1,2})\s*월\s*(\d{1,2})\s*일", r"\1-\2-\3")
    fields: dict[str, pa.ChunkedArray] = {}
    for shape in _SHAPES:
        found = pc.extract_regex(text, shape)
        for name in ("date", "clock", "half", "zone"):
            part = pc.struct_field(found, name)
            fields[name] = pc.coalesce(fields[name], part) if name in fields else part
        if fields["date"].null_count == text.null_count:
            break
    none = pa.scalar(None, pa.string())
    parts = {name: pc.if_else(pc.equal(part, ""), none, part) for name, part in fields.items()}
    ns = clock_ns(parts["clock"], parts["half"])
    coded = pc.dictionary_encode(parts["date"]).combine_chunks()
    codes = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)
    texts = [str(t) for t in coded.dictionary.to_pylist()]
    found = dates.read(texts, codes, clocks or len(np.unique(ns)) > 1, groups, day_first, where)
    days = np.append(found.days, dates.NAT)[codes].astype("datetime64[ns]")
    wall = np.where(ns < 0, _NAT, days + ns.astype("timedelta64[ns]"))
    ahead, named = zones(parts["zone"], wall, where)
    instants = ahead is not None and not ahead.any() and all_zulu(parts["zone"])
    return Stamps(wall, ahead, instants, named, found.order)


def _clocked(date: pa.ChunkedArray, clock: list[pa.ChunkedArray], day_first: bool | None, groups: np.ndarray | None,
             where: str) -> Stamps:  # fmt: skip
    """A date in one column and a clock in another."""
    base = _iso(date) or _numeric(date) or _written(date, bool(clock), day_first, groups, where)
    if not clock:
        return base
    text = _text(clock[0])
    found = pc.extract_regex(text, rf"^(?P<clock>[\d:.,]+)\s*{_AMPM}\s*{_ZONE}$")
    none = pa.scalar(None, pa.string())
    parts = [pc.struct_field(found, name) for name in ("clock", "half", "zone")]
    clocks, half, zone = (pc.if_else(pc.equal(part, ""), none, part) for part in parts)
    ns = clock_ns(clocks, half)
    bad = clocks.is_null().to_numpy(zero_copy_only=False)
    wall = np.where(
        bad, _NAT, base.wall.astype("datetime64[D]").astype("datetime64[ns]") + ns.astype("timedelta64[ns]")
    )
    ahead, named = zones(zone, wall, where)
    return replace(base, wall=wall, ahead=ahead, zone=named, instants=False)
