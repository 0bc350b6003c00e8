"""A ledger on paper beside a live session: what the run's own backtest makes of the bars and signals so far."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from barwise.backtest.grid import Grid, Signals
from barwise.backtest.ledger import Backtest, Ledger
from barwise.cross_labels import horizon_of
from barwise.data.bars import COLUMNS, Bars, Universe
from barwise.data.calendar import periods_per_year
from barwise.data.groups import NONE, Codes, put
from barwise.errors import ConfigError
from barwise.experiment.recipe import parts_of
from barwise.runs import jsonlines
from barwise.runs.csv_files import write_csv
from barwise.runs.directory import write_json, write_parquet
from barwise.serving.live import Answer
from barwise.serving.model import recorded

_LEAST = 3  # bars of a ledger
_GROUPS = "groups"  # the words of a row


@dataclass
class Paper:
    """Bars and signals of a live session in `folder`, and the ledger that they make: the batch's on the same bars.

    `bars.jsonl` has each bar with its score and signal as it comes; `ledger.parquet`, `positions.parquet`,
    `trades.csv` and `summary.json` are written anew from them.
    """

    folder: Path
    backtest: Backtest
    per_year: float | None
    universe: Universe | None = None
    rows: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    _written: int = -1

    @classmethod
    def of(cls, run: Path, folder: Path, allow: tuple[str, ...] = ()) -> Paper:
        """The paper of a run's backtest in `folder`, with what is there already."""
        found, config, targets = recorded(run, allow)
        parts = parts_of(config, targets)
        backtest = parts.backtest
        if not isinstance(backtest, Backtest):
            raise ConfigError(f"--paper: {type(backtest).__name__} is a backtest of one's own, which is not kept live")
        if backtest.portfolio is not None:
            hold = found.manifest.get("hold") or horizon_of(parts.labels) or 1
            backtest = replace(backtest, portfolio=backtest.portfolio.holding(int(hold)))
        per_year = (found.manifest.get("data") or {}).get("periods_per_year")
        folder.mkdir(parents=True, exist_ok=True)
        paper = cls(folder, replace(backtest, keep_positions=True), float(per_year) if per_year else None)
        for row in jsonlines.read(folder / "bars.jsonl", lambda row: {"time", "symbol", "signal"} <= row.keys()):
            paper.rows.setdefault((row["symbol"], row["time"]), row)
        return paper

    def note(self, bars: Mapping[str, Bars], answers: Mapping[str, Answer]) -> None:
        """Keep a time's bars with what the model said of them; one that is there already stays as it is."""
        for name, bar in bars.items():
            answer, key = answers[name], (name, str(answers[name].time))
            if key in self.rows:
                continue
            numbers = {k: float(getattr(bar, k)[0]) for k in COLUMNS} | {k: float(v[0]) for k, v in bar.extra.items()}
            row = {"time": key[1], "symbol": name, "score": answer.score, "signal": answer.signal, **numbers}
            words = {k: bar.group_names[k][codes[0]] for k, codes in bar.groups.items() if codes[0] >= 0}
            row |= {_GROUPS: words} if words else {}
            self.rows[key] = json.loads(json.dumps(row))
            jsonlines.append(self.folder / "bars.jsonl", row)

    def ledger(self) -> tuple[Grid, Ledger] | None:
        """The grid of the bars and the ledger so far; None while there are too few."""
        by_symbol: dict[str, list[dict[str, Any]]] = {}
        for row in self.rows.values():
            by_symbol.setdefault(row["symbol"], []).append(row)
        bars = tuple(_bars_of(name, rows) for name, rows in sorted(by_symbol.items()))
        times = np.unique(np.concatenate([b.time for b in bars])) if bars else np.zeros(0, "datetime64[ns]")
        if len(times) < _LEAST:
            return None
        ordered = [sorted(by_symbol[b.symbol], key=lambda row: row["time"]) for b in bars]
        symbol = np.repeat(np.arange(len(bars)), [len(b) for b in bars])
        value, score = (np.array([_number(r[k]) for rows in ordered for r in rows]) for k in ("signal", "score"))
        grid = Grid.build(bars, self.universe)
        signals = Signals(symbol, np.concatenate([b.time for b in bars]), value, score)
        return grid, self.backtest.run(grid, signals, self.per_year or periods_per_year(times))

    def write(self) -> None:
        """The ledger into its files, each whole or not at all, if there is a bar more than when it was last written."""
        if len(self.rows) == self._written or (found := self.ledger()) is None:
            return
        self._written = len(self.rows)
        grid, ledger = found
        names = ("time", "gross", "cost", "net", "turnover", "equity")
        flow = {} if ledger.cash_flow is None else {"funding": ledger.cash_flow}
        write_parquet(self.folder / "ledger.parquet", {name: getattr(ledger, name) for name in names} | flow)
        if ledger.held is not None:
            write_parquet(self.folder / "positions.parquet", ledger.held.columns(grid))
            write_csv(self.folder / "trades.csv", ledger.held.trades(grid, self.backtest.execution))
        facts = {"bars": len(self.rows), "last": ledger.time[-1], "equity": ledger.equity[-1]}
        write_json(self.folder / "summary.json", {**facts, "n_trades": ledger.n_trades, "ruined": ledger.ruined})


def _bars_of(symbol: str, rows: list[dict[str, Any]]) -> Bars:
    """The bars of one symbol, from their rows."""
    rows = sorted(rows, key=lambda row: row["time"])
    time = np.array([row["time"] for row in rows], dtype="datetime64[ns]")
    open_, high, low, close, volume = (np.array([_number(row.get(name)) for row in rows]) for name in COLUMNS)
    others = sorted({name for row in rows for name in row} - {*COLUMNS, "time", "symbol", "score", "signal", _GROUPS})
    extra = {name: np.array([_number(row.get(name)) for row in rows]) for name in others}
    return put(Bars(symbol, time, open_, high, low, close, volume, extra), _groups_of(rows))


def _groups_of(rows: list[dict[str, Any]]) -> dict[str, Codes]:
    """The words of the rows as groups."""
    found: dict[str, Codes] = {}
    for name in sorted({name for row in rows for name in row.get(_GROUPS) or ()}):
        words = [str((row.get(_GROUPS) or {}).get(name, "")) for row in rows]
        names = tuple(sorted({*words} - {""}))
        found[name] = np.array([names.index(word) if word else NONE for word in words], np.int32), names
    return found


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
