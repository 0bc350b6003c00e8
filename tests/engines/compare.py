"""Each scenario by each engine, in the Python that has it: how far positions, fills, costs and equity lie apart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
LEAST = 2.0  # shares of an order that whole shares may round away


@dataclass(frozen=True)
class Engine:
    """Somebody else's engine: its module, the scenarios' needs that it cannot meet, and how far it may lie apart.

    `python`: the variable that names a Python that has it, where its pins are not ours. `conventions`: what it does
    otherwise, in words.
    """

    name: str
    module: str
    cannot: frozenset[str] = frozenset()
    tolerance: float = 1e-9
    python: str | None = None
    one: bool = False  # symbol alone
    conventions: str = ""

    @property
    def runs_on(self) -> str | None:
        """The Python that has it; None where there is none."""
        if self.python is not None:
            return os.environ.get(self.python)
        return sys.executable if find_spec(self.module) else None

    def made_of(self, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What the engine makes of the cases, in a process of its own."""
        script = HERE / f"by_{self.name}.py"
        given = [{name: value for name, value in case.items() if name != "ours"} for case in cases]
        done = subprocess.run([str(self.runs_on), str(script)], input=json.dumps(given), capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{self.name}: {done.stderr[-3000:]}")
        found: list[dict[str, Any]] = json.loads(done.stdout.strip().splitlines()[-1])
        return found

    def takes(self, case: dict[str, Any], needs: frozenset[str]) -> bool:
        """Whether it can be asked."""
        return not needs & self.cannot and (not self.one or len(case["symbols"]) == 1)


ENGINES = (
    Engine("vectorbt", "vectorbt", frozenset({"cash"}),
           conventions="it knows neither borrowing nor funding; it shrinks orders that cash cannot pay for, so that it"
           " is given ten times the capital"),
    Engine("backtrader", "backtrader", frozenset({"rates"}),
           conventions="an order at the close is booked at the next bar, at the price of this one, and read back there;"
           " what shorts and funding pay is told to it as cash, by its own position and price"),
    Engine("backtesting", "backtesting", frozenset({"rates", "cash", "stops"}), 1e-7, one=True,
           conventions="one symbol alone, whole shares; an order at the close is booked when the next bar begins"),
    Engine("ml4t", "ml4t.backtest", frozenset({"rates", "cash", "stops"}),
           conventions="buying power is not checked, as there is none to run short of"),
    Engine("zipline", "zipline", frozenset({"cash", "stops"}), 1e-7, "ZIPLINE",
           conventions="whole shares; its own slippage models fill at the close, one of three lines at the open; prices"
           " are kept as whole thousandths"),
    Engine("nautilus", "nautilus_trader", frozenset({"rates", "cash", "stops"}), 1e-7, "NAUTILUS",
           conventions="whole shares, money in whole cents; on bars it fills a market order at the close of the bar"
           " that it is submitted at, so that it is given quotes of the open and of the close"),
)  # fmt: skip


@dataclass(frozen=True)
class Apart:
    """Largest differences: of positions over the largest position, fill prices over the price, costs and equity over
    the capital; and how many fills there are, ours and theirs."""

    scenario: str
    engine: str
    fills: tuple[int, int]
    positions: float
    prices: float
    costs: float
    equity: float

    @property
    def most(self) -> float:
        return max(self.positions, self.prices, self.costs, self.equity)

    def row(self) -> str:
        figures = " | ".join(f"{x:.1e}" if x else "0" for x in (self.positions, self.prices, self.costs, self.equity))
        return f"| {self.scenario} | {self.engine} | {self.fills[0]} | {figures} |"


def apart(case: dict[str, Any], theirs: dict[str, Any], engine: str) -> Apart:
    """Ours beside theirs; a symbol counts up to its last bar."""
    ours, first = case["ours"], case["first"]
    last = np.array(ours["last"])
    n = min(len(ours["equity"]), len(theirs["equity"]))  # what is booked a bar later lacks the last one
    rows = first + np.arange(n)
    there = rows[:, None] < np.where(last < len(case["time"]) - 1, last, len(case["time"]))
    one, other = (np.where(there, np.array(x["positions"])[:n], 0.0) for x in (ours, theirs))
    mine, found = ({(row, s): (shares, price) for row, s, shares, price, *_ in fills if row < first + n}
                   for fills in (ours["fills"], theirs["fills"]))  # fmt: skip
    both = mine.keys() & found.keys()
    lost = [key for key in mine.keys() ^ found.keys() if abs((mine.get(key) or found[key])[0]) > LEAST]
    prices = max((abs(mine[key][1] / found[key][1] - 1) for key in both), default=0.0) if not lost else float("inf")
    paid = sum(fill[4] for fill in theirs["fills"] if fill[0] < first + n)
    lent = case["borrow"] > 0
    held = float(np.abs(one - other).max() / np.abs(one).max())
    return Apart(
        case["name"], engine, (len(ours["fills"]), len(theirs["fills"])), held, prices,
        0.0 if lent else abs(paid - sum(ours["cost"][:n])) / case["capital"],
        float(np.abs(np.array(ours["equity"])[:n] - np.array(theirs["equity"])[:n]).max() / case["capital"]),
    )  # fmt: skip


def compared(engines: tuple[Engine, ...] = ENGINES, names: frozenset[str] = frozenset()) -> Iterator[Apart]:
    """Every scenario that an engine at hand can be asked; `names`: these alone."""
    from tests.engines.scenarios import case_of, scenarios

    cases = [(case_of(one), one.needs) for one in scenarios() if not names or one.name in names]
    for engine in engines:
        if engine.runs_on:
            asked = [case for case, needs in cases if engine.takes(case, needs)]
            for case, theirs in zip(asked, engine.made_of(asked), strict=True):
                yield apart(case, theirs, engine.name)


def table() -> str:
    """The rows of docs/parity.md."""
    lines = ["| strategy | engine | fills | positions | prices | costs | equity |",
             "| --- | --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    return "\n".join([*lines, *(found.row() for found in compared())])


if __name__ == "__main__":
    chosen = tuple(one for one in ENGINES if not sys.argv[1:] or one.name in sys.argv[1:])
    for found in compared(chosen):
        print(found.row(), "" if found.fills[0] == found.fills[1] else found.fills, flush=True)
