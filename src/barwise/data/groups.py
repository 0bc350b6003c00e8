"""Groups of symbols, such as sectors: columns of words as codes, fixed or changing in time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from barwise.data.bars import Bars
from barwise.data.notes import Notes
from barwise.errors import ConfigError

_MOST = 10_000  # different words of one column; more are no groups
NONE = -1  # the code of a bar without a group

Codes = tuple[np.ndarray, tuple[str, ...]]


def encoded(column: pa.ChunkedArray) -> Codes | None:
    """The codes of a column's cells and their words, in order; None where they are too many to be groups."""
    try:
        coded = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column.cast(pa.string()))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # lists and the like
        return None
    coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    if isinstance(coded, pa.ChunkedArray):
        coded = pa.concat_arrays(coded.unify_dictionaries().chunks)
    if len(coded.dictionary) > _MOST:
        return None
    words = [" ".join(str(word).split()) if word is not None else "" for word in coded.dictionary.to_pylist()]
    names = tuple(sorted(set(words) - {""}))
    place = {word: i for i, word in enumerate(names)}
    codes = np.array([*(place.get(word, NONE) for word in words), NONE], np.int32)
    return codes[pc.fill_null(coded.indices, len(words)).to_numpy(zero_copy_only=False).astype(np.int64)], names


def shared(name: str, bars: Sequence[Bars]) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """Each symbol's codes of one group by the words of all, in order; bars without that group have none."""
    known = [b.group_names.get(name, ()) for b in bars]
    names = known[0] if len(set(known)) == 1 else tuple(sorted({word for words in known for word in words}))
    place = {word: i for i, word in enumerate(names)}
    found = []
    for b, words in zip(bars, known, strict=True):
        codes = b.groups.get(name)
        if codes is None:
            found.append(np.full(len(b), NONE, np.int32))
        elif words == names:
            found.append(codes)
        else:
            found.append(np.array([*(place[word] for word in words), NONE], np.int32)[codes])
    return found, names


def names_of(bars: Iterable[Bars]) -> list[str]:
    """The groups that some symbol has."""
    return list(dict.fromkeys(name for b in bars for name in b.groups))


def together(bars: Sequence[Bars]) -> dict[str, Codes]:
    """The groups of bars that follow each other, as of one stretch."""
    parts = {name: shared(name, bars) for name in names_of(bars)}
    return {name: (np.concatenate(codes), names) for name, (codes, names) in parts.items()}


def put(bars: Bars, groups: Mapping[str, Codes]) -> Bars:
    """The bars with these groups and no others."""
    return replace(
        bars,
        groups={name: codes for name, (codes, _) in groups.items()},
        group_names={name: names for name, (_, names) in groups.items()},
    )


def chosen(
    bars: Sequence[Bars], asked: Any, path: str, notes: Notes, keep: Sequence[str] = ()
) -> tuple[tuple[Bars, ...], list[str]]:
    """The bars with the groups of `data.groups`, by the words of all symbols, and the names of these groups.

    null: every column of words by which symbols can be grouped: two or more words, and fewer than symbols. A column
    of numbers that is asked for is one of codes, and no longer extra. What is left out is told, but for what there is
    another use to `keep` it for. ConfigError for a column that is not there.
    """
    there = names_of(bars)
    wanted = _asked(asked, there, bars, path)
    found: dict[str, tuple[list[np.ndarray], tuple[str, ...]]] = {}
    kept = [name for name in keep if name in there]
    for name in there if wanted is None else [*wanted, *(name for name in kept if name not in wanted)]:
        codes, names = shared(name, bars) if name in there else _numbered(name, bars)
        if wanted is not None or name in kept or 2 <= len(names) < len(bars):
            found[name] = codes, names
            notes.columns[name] = "group"
    if wanted is not None:
        for name in there:
            if name not in (*wanted, *kept) and 2 <= len(shared(name, bars)[1]) < len(bars):
                why = f"left out: data.groups=[{','.join(wanted)}] does not name it"
                notes.warn(path, f"column {name} is {why}")
                notes.columns[name] = why
    if not there and not found:
        return tuple(bars), []
    made = []
    for i, b in enumerate(bars):
        one = put(b, {name: (codes[i], names) for name, (codes, names) in found.items()})
        made.append(replace(one, extra={name: values for name, values in b.extra.items() if name not in found}))
    return tuple(made), list(found)


def _asked(asked: Any, there: Sequence[str], bars: Sequence[Bars], path: str) -> list[str] | None:
    if asked is None:
        return None
    names = [asked] if isinstance(asked, str) else list(asked) if isinstance(asked, list | tuple) else [str(asked)]
    numbers = set.intersection(*(set(b.extra) for b in bars))
    for name in map(str, names):
        if name not in there and name not in numbers:
            known = ", ".join([*there, *sorted(numbers)]) or "none"
            raise ConfigError(f"data.groups={name}: {path} has no such column of words or codes; it has {known}")
    return list(dict.fromkeys(map(str, names)))


def _numbered(name: str, bars: Sequence[Bars]) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """A column of numbers as codes."""
    values = np.unique(np.concatenate([b.extra[name] for b in bars]))
    values = values[np.isfinite(values)]
    if len(values) > _MOST:
        raise ConfigError(f"data.groups={name}: has {len(values):,} different numbers; codes of groups are fewer")
    codes = [
        np.where(np.isfinite(b.extra[name]), np.searchsorted(values, b.extra[name]), NONE).astype(np.int32)
        for b in bars
    ]
    return codes, tuple(f"{value:g}" for value in values)
