"""Scores and signals of new bars, by the model of a finished run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from barwise.data.bars import Bars, Market, Universe
from barwise.data.checks import check_market
from barwise.data.memmap import on_disk
from barwise.errors import ConfigError, DataError
from barwise.evidence.looks import UNRECORDED, SealWatch
from barwise.experiment.ranges import ROWS, warnings_of
from barwise.features.aligned import sees_all
from barwise.features.matrix import FeatureMatrix, Room, build
from barwise.features.store import Store
from barwise.features.store_writer import Kept, Made
from barwise.panel import build_panel
from barwise.runs.csv_files import as_csv
from barwise.runs.directory import plain, write_parquet, write_text
from barwise.safety.files import ledger_folder
from barwise.samples import Labels, Panel
from barwise.serving.model import Served
from barwise.serving.orders import Desk, Scored

FORMATS = (".csv", ".jsonl", ".parquet", ".pq")


@dataclass(frozen=True)
class Predictions:
    """One row per scored bar, ordered by symbol and time; `drift`: per feature share outside the range and score."""

    time: np.ndarray
    symbol: np.ndarray
    score: np.ndarray
    signal: np.ndarray
    drift: dict[str, tuple[float, float]]
    warnings: tuple[str, ...]
    why: dict[str, np.ndarray] | None = None
    orders: dict[str, np.ndarray] | None = None

    def columns(self) -> dict[str, np.ndarray]:
        return {"time": self.time, "symbol": self.symbol, "score": self.score, "signal": self.signal}


def predict(
    served: Served, market: Market, seen_too: bool = False, any_scale: bool = False, threads: int = 1,
    explain: bool = False, desk: Desk | None = None,
) -> Predictions:  # fmt: skip
    """Score the bars of `market` that are later than all the model was trained on (`seen_too`: the others as well).

    Bars before those are the history that features need: recursive ones (RSI, MACD, ATR) equal a run's only if
    the history begins where the run's did, and come ever closer the longer it is. DataError for columns, a bar size
    or (unless `any_scale`) a unit that the model was not trained on. `explain`: also `why`, what each feature adds to
    the margin; ConfigError for a strategy that does not know. `desk`: also the `orders` for the bar after the last.
    """
    if explain:
        served.check_explains()
    market = served.beside(check_market(market))
    bars = market.bars

    def make(room: Room, base: Kept | None = None) -> Made:
        return Made(build(bars, served.sets, threads, room, market.universe), {})

    matrix = Store(gb=0).made(make).matrix
    matrix = replace(matrix, warmup=np.maximum(matrix.warmup, served.warmup))
    panel = only(build_panel(matrix, no_labels, market.universe), matrix, served, market.universe)
    panel = replace(panel, neutral=served.neutral.on(matrix.bars, market.universe) if served.neutral else None)
    new = np.flatnonzero((panel.time > served.last) | seen_too)
    if not len(new):
        raise DataError(
            f"no bar is later than {day(served.last)}, the last that the model was trained on; --all scores older ones"
        )
    ranges = served.members[-1].ranges
    seen = new[panel.warm[new]]
    defined = panel.X[seen if not on_disk(panel.X) else seen[:: max(1, len(seen) // ROWS)]]
    ranges.refuse(defined, {b.symbol: b.time for b in matrix.bars}, any_scale)
    score, signal = served.scores(panel, new)
    drift = ranges.drift(defined)
    warnings = [f"{symbol} is left out: {reason}" for symbol, reason in matrix.left_out]
    unknown = sorted({panel.symbols[i] for i in np.unique(panel.symbol[new])} - set(ranges.symbols))
    if unknown:
        warnings.append(f"{', '.join(unknown[:5])}: not among the symbols that the model was trained on")
    missing = sorted(set(ranges.symbols) - set(market.symbols)) if any(map(sees_all, served.sets.values())) else []
    if missing:
        warnings.append(f"{', '.join(missing[:5])}: trained on, not among these bars, and so not in the cross-section")
    if len(defined):
        warnings += warnings_of(drift, len(defined))
    names = np.asarray(panel.symbols, dtype=object)[panel.symbol[new]]
    watch = SealWatch(ledger_folder(served.run.folder, served.run.manifest.get("trials_folder")), "predict",
                      str(served.run.folder))  # fmt: skip
    if not watch.look(set(names), panel.time[new].min(), panel.time[new].max()):
        warnings.append(UNRECORDED)
    why = {"time": panel.time[new], "symbol": names, **served.contributions(panel, new)} if explain else None
    orders = None if desk is None else desk.orders(Market(matrix.bars, universe=market.universe),
                                                   recent(served, panel, desk.past))  # fmt: skip
    return Predictions(panel.time[new], names, score, signal, drift, tuple(warnings), why, orders)


def recent(served: Served, panel: Panel, bars: int) -> Scored:
    """The last `bars` bars of the panel, scored."""
    times = np.unique(panel.time)
    rows = np.flatnonzero(panel.time >= times[max(0, len(times) - bars)])
    score, signal = served.scores(panel, rows)
    names = np.asarray(panel.symbols, dtype=object)[panel.symbol[rows]]
    return Scored(names, panel.time[rows], signal, score)


def only(panel: Panel, matrix: FeatureMatrix, served: Served, universe: Universe | None) -> Panel:
    """The panel with the trained features in their order; DataError where one is missing."""
    features = served.features
    if panel.features == features:
        return panel
    missing = [name for name in features if name not in panel.features]
    if missing:
        raise DataError(
            f"data: the features {', '.join(missing[:5])} cannot be made of these bars; "
            "give them the columns that the run had, such as bid and ask"
        )
    places = [panel.features.index(name) for name in features]
    warmup = np.maximum(_warmup(matrix, places), served.warmup)
    picked = replace(matrix, X=panel.X[:, places], names=features, warmup=warmup)
    return build_panel(picked, no_labels, universe)


def _warmup(matrix: FeatureMatrix, places: list[int]) -> np.ndarray:
    """Rows of each symbol before all columns at `places` have been defined once."""
    blocks = [matrix.X[a:b, places] for a, b in zip(matrix.offsets[:-1], matrix.offsets[1:], strict=True)]
    return np.array([np.isfinite(block).argmax(axis=0).max() for block in blocks])


def no_labels(bars: Bars) -> Labels:
    """New bars have no future to learn from."""
    nan = np.full(len(bars), np.nan)
    return Labels(nan, nan, np.full(len(bars), np.datetime64("NaT", "ns")), np.ones(len(bars)))


def write(found: Predictions, path: Path | None) -> str | None:
    """Write a table to `path` by its ending, whole or not at all; without a path return it as CSV."""
    return write_table(found.columns(), path)


def write_table(columns: Mapping[str, np.ndarray], path: Path | None, option: str = "--out") -> str | None:
    """The same of any columns, `time` among them."""
    kind = check_format(path, option)
    if kind in (".parquet", ".pq"):
        write_parquet(path, columns)  # type: ignore[arg-type]
        return None
    if kind == ".jsonl":
        rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
        text = "".join(json.dumps(plain({**row, "time": day(row["time"])})) + "\n" for row in rows)
    else:
        text = as_csv(columns)
    if path is None:
        return text
    write_text(path, text)
    return None


def check_format(path: Path | None, option: str = "--out") -> str:
    """The ending of `path`, .csv without one; ConfigError for any other."""
    kind = ".csv" if path is None else path.suffix.lower()
    if kind not in FORMATS:
        raise ConfigError(f"{option} {path}: must end in one of {', '.join(FORMATS)}")
    return kind


def json_line(time: np.datetime64, symbol: str, score: float, signal: float, **more: object) -> str:
    """One row as JSON; a score that is not defined is null."""
    row = {"time": day(time), "symbol": symbol, "score": float(score), "signal": float(signal), **more}
    return json.dumps(plain(row))


def day(time: np.datetime64) -> str:
    """A time without the part that is midnight."""
    return str(time.astype("datetime64[s]")).replace("T00:00:00", "")
