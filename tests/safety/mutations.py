"""Model files damaged at random, by a seed: bytes turned, cut, repeated, or numbers and words replaced by odd ones."""

from __future__ import annotations

import re
import zipfile
from io import BytesIO
from random import Random

NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
ODD = (b"-1", b"0", b"1", b"2147483647", b"-2147483648", b"99999999999999999999", b"1e999", b"nan", b"NaN", b"x", b"",
       b"1.5", b"null", b"true", b"[]", b"{}", b'"x"', b"3 4", b"\0", b"65536", b"1000000", b"inf")  # fmt: skip


def mutated(raw: bytes, random: Random) -> bytes:
    """One to three damages of one kind each."""
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        raw = random.choice(KINDS)(raw, random)
    return raw


def repacked(raw: bytes, random: Random) -> bytes:
    """A zip archive whose entries, not its own bytes, are damaged; half of the time only its bytes are."""
    if random.random() < 0.3:
        return mutated(raw, random)
    out = BytesIO()
    with zipfile.ZipFile(BytesIO(raw)) as archive, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        victim = random.choice(archive.namelist())
        for name in archive.namelist():
            data = archive.read(name)
            made.writestr(name, mutated(data, random) if name == victim else data)
    return out.getvalue()


def flipped(raw: bytes, random: Random) -> bytes:
    at = random.randrange(max(len(raw), 1))
    return raw[:at] + bytes([random.randrange(256)]) + raw[at + 1 :]


def cut(raw: bytes, random: Random) -> bytes:
    return raw[: random.randrange(len(raw) + 1)]


def without(raw: bytes, random: Random) -> bytes:
    at = random.randrange(len(raw) + 1)
    return raw[:at] + raw[at + random.choice((1, 4, 30, 200)) :]


def twice(raw: bytes, random: Random) -> bytes:
    at, n = random.randrange(len(raw) + 1), random.choice((1, 8, 100))
    return raw[: at + n] + raw[at : at + n] * random.choice((1, 3)) + raw[at + n :]


def other_number(raw: bytes, random: Random) -> bytes:
    found = list(NUMBER.finditer(raw))
    if not found:
        return flipped(raw, random)
    one = random.choice(found)
    return raw[: one.start()] + random.choice(ODD) + raw[one.end() :]


def other_integer(raw: bytes, random: Random) -> bytes:
    """Four bytes that look like a number in binary files."""
    at = random.randrange(max(len(raw) - 4, 1))
    value = random.choice((0, 1, 2, 7, 255, 2**16, 2**31 - 1, 2**32 - 1, 2**30))
    return raw[:at] + value.to_bytes(4, random.choice(("big", "little"))) + raw[at + 4 :]


def swapped(raw: bytes, random: Random) -> bytes:
    """Two lines, or two stretches, change places."""
    a, b = sorted(random.randrange(len(raw) + 1) for _ in range(2))
    n = min(random.choice((4, 40)), b - a)
    return raw[:a] + raw[b : b + n] + raw[a + n : b] + raw[a : a + n] + raw[b + n :]


def zeros(raw: bytes, random: Random) -> bytes:
    at = random.randrange(len(raw) + 1)
    return raw[:at] + b"\0" * random.choice((1, 8, 300)) + raw[at:]


KINDS = (flipped, cut, without, twice, other_number, other_number, other_number, other_integer, swapped, zeros)
