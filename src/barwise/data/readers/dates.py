"""Dates as people write them, day or month first; which of the two is told by all of them, their order and spacing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from barwise.data.settings import setting
from barwise.errors import DataError

_STEMS = {
    1: "jan ene gen janv stycz sty янв ocak oca tammi", 2: "feb fev févr fevr lut фев şub sub helmi",
    3: "mar mär mrz maa mars maart märz мар maalis", 4: "apr abr avr kwi апр nis huhti", 
    5: "may mai maj mag mei май touko",
    6: "jun juin giu cze июн haz kesä kesa", 7: "jul juil lug lip июл tem heinä heina", 
    8: "aug ago aoû aou août sie авг ağu agu elo",
    9: "sep set sept wrz сен eyl syys", 10: "oct okt out ott paź paz окт eki loka", 11: "nov lis kas ноя marras",
    12: "dec dez déc dic gru дек ara des joulu",
}  # fmt: skip
_MONTHS = {stem: month for month, stems in _STEMS.items() for stem in stems.split()}
_DAYS = re.compile(
    r"\b(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\b|\b(?:mo|di|mi|do|fr|sa|so)\b\.?,?|[月火水木金土日][曜]日?|星期.|周."
)
NAT = np.datetime64("NaT", "D")
_ORDERS = {"year first": (0, 1, 2), "day first": (2, 1, 0), "month first": (2, 0, 1)}  # places of year, month, day
PIVOT = 69  # two digits from here on are of the last century, as POSIX has it


class AmbiguousDates(DataError):
    """Day and month could change places; other files of the same source may tell."""


@dataclass(frozen=True)
class Dates:
    """`days`: datetime64[D], NaT where unreadable; `order`: day, month or year first, None where the text says it."""

    days: np.ndarray
    order: str | None = None


def read(texts: Sequence[str], codes: np.ndarray, clocks: bool, groups: np.ndarray | None, day_first: bool | None,
         where: str) -> Dates:  # fmt: skip
    """The day of each of `texts`, which differ; `codes`: the text of each row, -1 for none.

    `clocks`: there are times of day. `groups`: the symbol of each row. DataError where day and month could change
    places and nothing tells.
    """
    parts = [_parts(text) for text in texts]
    triples = [p if isinstance(p, tuple) else (0, 0, 0) for p in parts]
    table = np.array(triples, np.int64).reshape(-1, 3)
    days = np.array([NAT if isinstance(p, tuple) else p for p in parts], "datetime64[D]")
    open_ = np.array([isinstance(p, tuple) for p in parts])
    if not open_.any():
        return Dates(days)
    digits = np.array([_year_place(text) if o else "" for text, o in zip(texts, open_, strict=True)])
    for kind in ("first", "last", ""):
        some = open_ & (digits == kind)
        if some.any():
            chosen = table[some]
            if kind == "first":
                days[some] = _days(chosen, _ORDERS["year first"])
                continue
            names = ["day first", "month first"] + ([] if kind == "last" else ["year first"])
            readings = {name: np.full(len(texts), NAT) for name in names}
            for name in names:
                readings[name][some] = _days(chosen, _ORDERS[name])
            name = _order(readings, some, codes, clocks, groups, day_first, texts, where)
            days[some] = readings[name][some]
            return Dates(days, name)
    return Dates(days, "year first" if (digits[open_] == "first").all() else None)


def _parts(text: str) -> tuple[int, int, int] | np.datetime64:
    """Three numbers in their order, or the day where a word or the shape tells it; NaT for no date."""
    text = unicodedata.normalize("NFKC", text).strip().lower()
    text = re.sub(r"^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*[ ,]+(?=\d)", "", text)
    found = re.fullmatch(
        r"(\d{1,4})\s*[-/.年 ]\s*(\d{1,2})\s*[-/.月 ]\s*(\d{1,4})\s*[日.]?(?:\s*[(（].{1,4}[)）])?", text
    )
    if found:
        return int(found[1]), int(found[2]), int(found[3])
    if re.fullmatch(r"\d{8}", text):
        return _day(int(text[:4]), int(text[4:6]), int(text[6:]))
    return _period(text) or _worded(text)


def _period(text: str) -> np.datetime64 | None:
    """The first day of a month, a quarter or a week; the year alone is left to numbers."""
    for pattern, of in (
        (r"(\d{4})[-/. ]?(\d{1,2})", lambda y, m: _day(int(y), int(m), 1)),
        (r"(\d{4})年(\d{1,2})月", lambda y, m: _day(int(y), int(m), 1)),
        (r"(\d{4})m(\d{1,2})", lambda y, m: _day(int(y), int(m), 1)),
        (r"(\d{1,2})[-/.](\d{4})", lambda m, y: _day(int(y), int(m), 1)),
        (r"(\d{4})[- ]?q([1-4])", lambda y, q: _day(int(y), 3 * int(q) - 2, 1)),
        (r"q([1-4])[-/ ]?(\d{4})", lambda q, y: _day(int(y), 3 * int(q) - 2, 1)),
        (r"([1-4])q[-/ ]?(\d{4})", lambda q, y: _day(int(y), 3 * int(q) - 2, 1)),
        (r"(\d{4})-?w(\d{2})", lambda y, w: _week(int(y), int(w))),
    ):
        if found := re.fullmatch(pattern, text):
            return of(found[1], found[2])
    return None


def _week(year: int, week: int) -> np.datetime64:
    """The Monday of an ISO week."""
    fourth = np.datetime64(f"{year:04}-01-04", "D")
    monday = fourth - np.timedelta64((fourth.astype(int) + 3) % 7, "D")
    return monday + np.timedelta64(7 * (week - 1), "D") if 1 <= week <= 53 else NAT


def _worded(text: str) -> np.datetime64:
    """`Jan 2, 2024`, `02-jan-19`, `2. März 2024`, `Tue 2nd January 2024`, `Jan 2024`."""
    rest = _DAYS.sub(" ", text) if not re.fullmatch(r"[a-zéûä.]+[- ]\d{2,4}", text) else text
    words = re.findall(r"[^\W\d_]{3,}", rest)
    months = [m for m in map(_month, words) if m]
    numbers = re.findall(r"\d+", re.sub(r"(\d)(st|nd|rd|th)\b", r"\1", rest))
    if len(months) != 1 or not numbers or len(numbers) > 2:
        return NAT
    if len(numbers) == 1:
        return _day(_year(int(numbers[0]), len(numbers[0])), months[0], 1)
    first, second = numbers
    if len(first) == 4:
        first, second = second, first
    return _day(_year(int(second), len(second)), months[0], int(first))


def _month(word: str) -> int:
    for size in (6, 5, 4, 3):
        if word[:size] in _MONTHS and len(word) >= 3:
            return _MONTHS[word[:size]]
    return 0


def _year(value: int, digits: int) -> int:
    return value if digits > 2 else value + (1900 if value >= PIVOT else 2000)


def _day(year: int, month: int, day: int) -> np.datetime64:
    found: np.datetime64 = _days(np.array([[year, month, day]]), (0, 1, 2))[0]
    return found


def _year_place(text: str) -> str:
    """Where four digits stand in a date of three numbers: first, last, or nowhere."""
    return "first" if re.match(r"\D*\d{4}\D", text) else "last" if re.search(r"\D\d{4}\b", text) else ""


def _days(table: np.ndarray, places: tuple[int, int, int]) -> np.ndarray:
    """datetime64[D] of rows of three numbers; NaT where there is no such day. A year below 100 has two digits."""
    year, month, day = (table[:, i] for i in places)
    year = np.where(year < 100, year + np.where(year >= PIVOT, 1900, 2000), year)
    ok = (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31) & (year >= 1600) & (year <= 2262)
    months = ((np.where(ok, year, 1970) - 1970) * 12 + np.where(ok, month, 1) - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + np.where(ok, day - 1, 0)
    ok &= days < (months + 1).astype("datetime64[D]")
    return np.where(ok, days, NAT)


def _order(
    readings: dict[str, np.ndarray], some: np.ndarray, codes: np.ndarray, clocks: bool, groups: np.ndarray | None,
    day_first: bool | None, texts: Sequence[str], where: str,
) -> str:  # fmt: skip
    """Which reading the dates can only have. `day_first` decides where it is not None."""
    if day_first is not None:
        return "day first" if day_first else "month first"
    sound = {name: float((~np.isnat(days[some])).mean()) for name, days in readings.items()}
    best = max(sound.values())
    names = [name for name in readings if sound[name] > best - 0.02 and best > 0]
    names = names or ["day first"]
    if "day first" in names and all("." in t for t, s in zip(texts, some, strict=True) if s):
        return "day first"  # what is written with dots is written so
    if len({readings[name].tobytes() for name in names}) == 1:
        return names[0]
    rows = codes >= 0
    sorted_ = {
        name: _sortedness(readings[name][codes[rows]], None if groups is None else groups[rows]) for name in names
    }
    names = [name for name in names if sorted_[name] > max(sorted_.values()) - 0.02]
    fitting = [name for name in names if _plausible(np.unique(readings[name][some]), clocks)]
    names = fitting or names
    if len(names) == 1:
        return names[0]
    differ = next(t for t, a, b in zip(texts, *(readings[n] for n in names[:2]), strict=True) if a != b)
    place = list(texts).index(differ)
    both = " or ".join(str(readings[name][place]) for name in names)
    long = "; years that come first need four digits" if "year first" in names else ""
    raise AmbiguousDates(
        f"{where}: {differ} could be {both}, and neither the order nor the spacing of the dates tells; "
        f"{setting('day_first', 'true')} or "
        f"{setting('day_first', 'false')} says which{long}"
    )


def _sortedness(days: np.ndarray, groups: np.ndarray | None) -> float:
    """The share of steps that go one way, the better one; steps from one symbol to the next do not count."""
    if groups is not None:
        order = np.argsort(groups, kind="stable")
        days, groups = days[order], groups[order]
    step = np.diff(days.astype("datetime64[D]").astype(np.int64))
    real = step != 0 if groups is None else (step != 0) & (groups[1:] == groups[:-1])
    step = step[real & ~np.isnat(days[1:]) & ~np.isnat(days[:-1])]
    return float(max((step > 0).mean(), (step < 0).mean())) if len(step) else 1.0


def _plausible(days: np.ndarray, clocks: bool) -> bool:
    """Whether sorted days look like those of bars: of days, weeks, months, quarters or years.

    With times of day only days in a row do; months must begin or end where the months of a calendar do, and be few
    between.
    """
    days = days[~np.isnat(days)]
    gaps: np.ndarray = np.diff(days.astype(np.int64))
    if not len(gaps):
        return True
    usual = float(np.median(gaps))
    if usual <= 4:  # of days: no long holes one after another, and no bar of a holiday's length in most
        return bool((gaps > 12).mean() <= 0.05)
    if clocks:
        return False
    if usual == 7:
        return bool((gaps % 7 == 0).mean() > 0.8)
    if 27 <= usual <= 32 or 88 <= usual <= 93 or 364 <= usual <= 367:
        regular = float((np.abs(gaps - usual) <= 0.12 * usual + 1).mean())
        return regular >= 0.95
    return False
