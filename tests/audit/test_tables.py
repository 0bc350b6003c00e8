"""What a feature knows of its own is told, whatever it is written in; what every module holds is no table."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from barwise.audit.tables import tables_of

BARS = 700
SIGNS = np.random.default_rng(0).integers(0, 2, BARS)
RAW = np.packbits(SIGNS).tobytes()  # a bit says which way a bar goes
X = np.random.default_rng(1).normal(size=(BARS, 2))


class Slots:
    """Holds what it is given."""

    __slots__ = ("raw",)


def held(value: Any) -> Any:
    def hint(bars: Any) -> Any:
        return value

    return hint


def in_slots() -> Any:
    one = Slots()
    one.raw = RAW
    return held(one)


def documented(text: str) -> Any:
    def hint(bars: Any) -> Any:
        return bars

    hint.__doc__ = text
    return hint


TABLES = {
    "bytes": lambda: held(RAW),
    "bytes in a list": lambda: held([RAW[:40], RAW[40:]]),
    "bytes in an object": in_slots,
    "a default": lambda: partial(held(None), RAW),
    "a number": lambda: held(int.from_bytes(RAW, "little")),
    "numbers in a dict": lambda: held({k: int.from_bytes(RAW, "little") for k in "ab"}),
    "hexadecimal": lambda: held(RAW.hex()),
    "a pattern": lambda: held(re.compile(RAW.hex())),
    "its own text": lambda: documented(f"Honest.\n\n{RAW.hex()}"),
    "a fitted tree": lambda: held(DecisionTreeRegressor().fit(X, SIGNS)),
}  # fmt: skip
NONE = {
    "words": held("a moving average, " * 100),
    "an address": held("https://example.org/" + "/".join(["bars", "of", "a", "day"] * 12)),
    "a long text on itself": documented("Moves of the last bars, over their deviation. " * 50),
    "a number of a machine": held(2**64),
    "a digest": held(RAW[:32]),
    "a generator": held(np.random.RandomState(0)),
    "what is not fitted": held((StandardScaler(), DecisionTreeRegressor())),
    "what is fitted on little": held(StandardScaler().fit(X)),
    "a list of names": held([f"column_{k}" for k in range(40)]),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_told_whatever_it_is_written_in(name):
    (found,) = tables_of({"features.mine": TABLES[name]()}, BARS)
    assert found.startswith("features.mine keeps a table of ")


@pytest.mark.parametrize("name", NONE)
def test_what_every_module_holds_is_none(name):
    assert tables_of({"features.mine": NONE[name]}, BARS) == []
