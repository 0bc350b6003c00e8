"""Which column of a file is which: known names in any case and many languages, and the user's own mapping."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from barwise.data.bars import PRICES
from barwise.data.names import OTHER_TIMES, RANK, bare, plain
from barwise.data.settings import setting
from barwise.errors import ConfigError, DataError

NUMBERS = (*PRICES, "volume", "tick_volume", "adj_close", "bid", "ask")
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?\s*([AaPp]\.?\s?[Mm]\.?)?")
_UNNAMED = re.compile(r"|unnamed: \d+(_level_\d+)?|index|level_\d+|__index_level_\d+__", re.IGNORECASE)
_NUMBERED = re.compile(r"column \d+")  # of files without names: see header.guess
_VOLUME_OF = re.compile(r"(volume|vol)[a-z]{2,5}")  # Volume BTC, Volume USDT: the first is the base's
_PRICE_IN = re.compile(r"(open|high|low|close)(usdt?|eur|gbp|jpy|inr|krw|cny|chf|btc|brl)")
_WORDS = re.compile(
    r"(?i)(jan|feb|f[eé]v|m[aä]r|mar|apr|avr|may|mai|jun|juin|jul|juil|aug|ao[uû]|sep|oct|okt|nov|dec|d[eé]c|dez)"
)


@dataclass(frozen=True)
class Roles:
    """`time`: one column, a date and a clock, or year, month, day (and clock); `numbers`: {ours: the file's}.

    `left_out`: {the file's: why}. Columns in none of them keep their own name, if they hold numbers.
    """

    time: tuple[str, ...]
    symbol: str | None
    numbers: dict[str, str]
    left_out: dict[str, str]


def roles(
    found: Sequence[str], mapping: Mapping[str, str | None], where: str, sample: Callable[[str], Sequence[str]]
) -> Roles:
    """The part that each column of `found` plays; `sample` gives some cells of a column, as text.

    `mapping` ({ours: the file's}) goes before the known names, where it is not null. DataError for a column that is
    missing, ConfigError where two could be the same thing.
    """
    asked = {name: str(column) for name, column in mapping.items() if column is not None}
    for name, column in asked.items():
        if column not in found:
            raise DataError(
                f"{where}: no column {column}, which data.columns.{name} names; it has {', '.join(map(str, found))}"
            )
    free = [column for column in found if column not in asked.values()]
    time, other_times = _time(free, asked.get("time"), sample, where)
    free = [column for column in free if column not in (*time, *other_times)]
    symbol = asked.get("symbol") or _symbol(free, sample)
    numbers = {name: column for name, column in asked.items() if name not in ("time", "symbol")}
    left_out = dict.fromkeys(other_times, "another time")
    for column, name in _numbers([c for c in free if c != symbol], where):
        if name == column and (_UNNAMED.fullmatch(column) or _NUMBERED.fullmatch(column)):
            left_out[column] = "no name"
        elif name in asked:
            left_out[column] = f"data.columns.{name} names another"
        else:
            numbers[name] = column
    if "volume" not in numbers and "tick_volume" in numbers:
        numbers["volume"] = numbers.pop("tick_volume")
    return Roles(time, symbol, numbers, left_out)


def _time(
    free: Sequence[str], asked: str | None, sample: Callable[[str], Sequence[str]], where: str
) -> tuple[tuple[str, ...], list[str]]:
    """The columns of the time, empty without any, and other times, which are no column of numbers."""
    names = {column: plain(column) for column in free}
    kinds = {
        c: kind_of(sample(c))
        for c, name in names.items()
        if name in RANK["time"] or name in RANK["date"] or name in RANK["clock"] or name in OTHER_TIMES
    }
    others = [c for c, kind in kinds.items() if names[c] in OTHER_TIMES and kind]
    kinds = {c: kind for c, kind in kinds.items() if c not in others and kind}
    ranked = sorted(kinds, key=lambda c: _rank(names[c]))
    clocks = [c for c in ranked if kinds[c] == "clock" or (kinds[c] == "short" and names[c] in RANK["clock"])]
    if asked is not None:
        joins = kind_of(sample(asked)) in ("date", "short") and len(clocks) == 1
        return ((asked, clocks[0]) if joins else (asked,)), [c for c in ranked if not joins or c != clocks[0]] + others
    epochs = [c for c in ranked if kinds[c] == "epoch"]
    full = epochs + [c for c in ranked if kinds[c] == "full"]
    dates = [c for c in ranked if kinds[c] == "date"] or [c for c in ranked if kinds[c] == "short" and c not in clocks]
    if not dates and not full and len(clocks) == 1 and kinds[clocks[0]] == "short":
        dates, clocks = clocks, []  # a column of years that is called Time
    if not full and (split := _split_date(free, names, clocks)):
        return split, [c for c in (*ranked, *others) if c not in split]
    if full and (not dates or epochs or not clocks):
        chosen: tuple[str, ...] = (full[0],)
        _one_of(full[:2] if not epochs else full[:1], sample, where)
    elif dates:
        chosen = (dates[0], *clocks[:1])
        _one_of(dates[:2], sample, where)
    else:
        chosen = _unnamed(free, sample)
    return chosen, [c for c in (*ranked, *others) if c not in chosen]


def _one_of(columns: Sequence[str], sample: Callable[[str], Sequence[str]], where: str) -> None:
    """ConfigError where two columns could be the time and are not the same."""
    if len(columns) == 2 and plain(columns[0]) not in ("opentime", "time", "datetime"):
        first, second = (list(map(_digits, sample(c))) for c in columns)
        if any(a != b and not a.startswith(b) and not b.startswith(a) for a, b in zip(first, second, strict=False)):
            raise ConfigError(
                f"{where}: columns {columns[0]} and {columns[1]} could both be time; "
                f"say which: {setting('columns.time', columns[0])}"
            )


def _digits(text: str) -> str:
    return re.sub(r"\D", "", str(text))


def _rank(name: str) -> tuple[int, int]:
    for place, role in enumerate(("time", "date", "clock")):
        if name in RANK[role]:
            return place, RANK[role][name]
    return 9, 0


def _split_date(free: Sequence[str], names: Mapping[str, str], clocks: Sequence[str]) -> tuple[str, ...]:
    """Year, month and day in columns of their own, and perhaps a clock."""
    parts = [next((c for c in free if names[c] in RANK[role]), None) for role in ("year", "month", "day")]
    return (*(p for p in parts if p is not None), *clocks[:1]) if None not in parts else ()


def _unnamed(free: Sequence[str], sample: Callable[[str], Sequence[str]]) -> tuple[str, ...]:
    """A saved index: a column without a name that holds times."""
    found = [c for c in free if _UNNAMED.fullmatch(str(c)) and kind_of(sample(c)) in ("full", "date", "epoch")]
    return tuple(found[:1])


def kind_of(cells: Sequence[str]) -> str:
    """`full` (a date and a clock), `epoch`, `date`, `clock`, `short` (a few digits), or "" for no time."""
    known = [text for text in (str(cell).strip() for cell in cells) if text and text.lower() not in ("nan", "nat")]
    if not known:
        return ""
    kinds = [_kind(text) for text in known]
    best = max(set(kinds), key=kinds.count)
    return best if kinds.count(best) * 2 > len(kinds) else ("full" if {"full", "date"} <= set(kinds) else "")


def _kind(text: str) -> str:
    if re.fullmatch(r"-?\d+(\.0*)?", text):
        digits = text.lstrip("-").partition(".")[0]
        if text.startswith("-"):
            return "epoch"
        return "date" if len(digits) == 8 else "full" if len(digits) in (12, 14) else (
            "epoch" if len(digits) > 8 else "short"
        )  # fmt: skip
    if re.fullmatch(r"-?\d+\.\d+", text):
        return "epoch" if len(text.partition(".")[0]) > 7 else "full" if 10_000 <= float(text) < 100_000 else ""
    if re.fullmatch(r"-?\d(\.\d+)?[eE]\+?\d+", text):
        return "epoch"
    if _CLOCK.fullmatch(text):
        return "clock"
    if re.search(r"\d:\d\d|\d[T ]\d{4,6}$|\d \d{1,2} ?[AaPp][Mm]", text):
        return "full"
    return "date" if re.search(r"\d", text) and (re.search(r"\d[-/.年 ]\d|Q[1-4]|W\d\d|M\d\d", text)
                                                  or _WORDS.search(text)) else ""  # fmt: skip


def _symbol(free: Sequence[str], sample: Callable[[str], Sequence[str]]) -> str | None:
    ranked = sorted((RANK["symbol"][plain(c)], i, c) for i, c in enumerate(free) if plain(c) in RANK["symbol"])
    return next((c for _, _, c in ranked if any(str(cell).strip() for cell in sample(c)) or len(ranked) == 1), None)


def _numbers(free: Sequence[str], where: str) -> Iterator[tuple[str, str]]:
    """(the file's, ours) for every column; those that are nothing known keep their name."""
    candidates: dict[str, list[tuple[int, int, str]]] = {}
    for place, column in enumerate(free):
        for name, rank in _meanings(column):
            candidates.setdefault(name, []).append((rank, place, column))
    chosen = {}
    for name, some in candidates.items():
        some.sort()
        if len(some) > 1 and some[0][0] == some[1][0] < 500:
            first, second = some[0][2], some[1][2]
            raise ConfigError(
                f"{where}: columns {first} and {second} could both be {name}; "
                f"say which: {setting(f'columns.{name}', first)}"
            )
        chosen[some[0][2]] = name
    for column in free:
        yield column, chosen.get(column, column)


def _meanings(column: str) -> Iterator[tuple[str, int]]:
    """Our name for a column and how good its name is: 0 is best."""
    for text, penalty in ((plain(column), 0), (bare(column), 500)):
        for name in NUMBERS:
            if text in RANK[name]:
                yield name, RANK[name][text] + penalty
                return
    if _VOLUME_OF.fullmatch(plain(column)):
        yield "volume", 600
    elif found := _PRICE_IN.fullmatch(plain(column)):
        yield found[1], 600
