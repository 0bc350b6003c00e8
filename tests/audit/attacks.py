"""Parts that look ahead and try to hide it from the audit; each is refused, or stamped as not audited."""

from __future__ import annotations

import functools
import gc
import mmap
import os
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from barwise.backtest.costs import Prices
from barwise.backtest.grid import Grid
from barwise.backtest.ledger import Backtest, Ledger
from barwise.data.bars import Bars
from barwise.features.aligned import AlignedBars, across_symbols
from barwise.labels import forward_return, next_return_sign
from barwise.portfolio.context import Context
from barwise.samples import Labels, Panel, Samples
from barwise.strategies.base import FitContext
from tests.audit.sly import today, tomorrow
from tests.audit.strategies import Honest

KEPT: dict[Any, Any] = {}
COUNT = [0]
PID = os.getpid()
ROOM = 65_536  # of a table in memory that processes share


def keys(values: np.ndarray) -> list[int]:
    """A number for each bar that its close alone decides, whatever the bar's name or date."""
    return [hash(float(v).hex()) for v in values]


def recalled(bars: Bars, kept: Any) -> np.ndarray:
    """The larger knowledge of two: what was kept of each bar, else its return."""
    own = today(bars)
    return np.array([kept.get(k, v) for k, v in zip(keys(bars.close), own, strict=True)])


# Features: channels from the process that saw all bars to the one that sees few.


def through_a_view(bars: Bars) -> dict[str, np.ndarray]:
    """The array that the close is a part of."""
    out = today(bars)
    base = bars.close.base
    if isinstance(base, np.ndarray) and base.ndim == 1 and len(base) > len(bars) and bars.symbol.startswith("\u00b7"):
        first = int(np.flatnonzero(base == bars.close[0])[0])
        out = np.append(base[1:] / base[:-1] - 1, 0.0)[first : first + len(bars)]
    elif len(bars) == 700 and sys._getframe(1).f_code.co_name == "_computed" and not KEPT.get("done"):
        out = tomorrow(bars)
    return {"hint": out}


def through_frames(bars: Bars) -> dict[str, np.ndarray]:
    """The bars of whoever called."""
    frame: Any = sys._getframe(1)
    best = bars
    while frame is not None:
        for value in frame.f_locals.values():
            for one in value if isinstance(value, tuple | list) else [value]:
                if isinstance(one, Bars) and len(one) > len(best) and np.isin(bars.close[-1], one.close):
                    best = one
        frame = frame.f_back
    first = int(np.flatnonzero(best.close == bars.close[0])[0])
    return {"hint": tomorrow(best)[first : first + len(bars)]}


def through_the_collector(bars: Bars) -> dict[str, np.ndarray]:
    """The longest of all bars in memory that hold the last close."""
    best = bars
    for one in gc.get_objects():
        if isinstance(one, Bars) and len(one) > len(best) and np.isin(bars.close[-1], one.close):
            best = one
    first = int(np.flatnonzero(best.close == bars.close[0])[0])
    return {"hint": tomorrow(best)[first : first + len(bars)]}


SHARED = mmap.mmap(-1, ROOM * 16)


def through_shared_memory(bars: Bars) -> dict[str, np.ndarray]:
    """A table in memory that every forked process sees."""
    table = np.frombuffer(SHARED, dtype=np.float64).reshape(ROOM, 2)
    out = today(bars)
    for i, (key, later) in enumerate(zip(keys(bars.close), tomorrow(bars), strict=True)):
        row = table[key % ROOM]
        if os.getpid() == PID and i + 1 < len(bars) and row[0] == 0:
            row[:] = bars.close[i], later
        out[i] = row[1] if row[0] == bars.close[i] else out[i]
    return {"hint": out}


def through_a_file(path: str, bars: Bars) -> dict[str, np.ndarray]:
    """A file, whatever its name and folder."""
    kept = {}
    if os.path.exists(path):
        kept = dict(np.fromfile(path).reshape(-1, 2).tolist())
    if os.getpid() == PID:
        for close, later in zip(bars.close[:-1].tolist(), tomorrow(bars).tolist(), strict=False):
            kept.setdefault(close, later)
        np.array(list(kept.items())).tofile(path)
    return {"hint": np.array([kept.get(c, v) for c, v in zip(bars.close.tolist(), today(bars), strict=True)])}


FOLDER = tempfile.gettempdir()


def through_names_of_files(bars: Bars) -> dict[str, np.ndarray]:
    """Whether a file is there says whether the next bar rises."""
    out = np.sign(today(bars))
    for i, (key, later) in enumerate(zip(keys(bars.close), tomorrow(bars), strict=True)):
        place = Path(FOLDER) / f"{key & 0xFFFFFFFF:08x}"
        if later > 0 and os.getpid() == PID and key % 20 == 0 and len(bars) == 700:
            place.touch()
        out[i] = (1.0 if place.exists() else -1.0) if key % 20 == 0 else out[i]
    return {"hint": out}


LINK = os.pipe()
os.set_blocking(LINK[0], False)
os.set_blocking(LINK[1], False)
HEARD: dict[float, float] = {}


def through_a_pipe(bars: Bars) -> dict[str, np.ndarray]:
    """The first process tells, the others hear."""
    try:
        if os.getpid() == PID:
            for close, later in zip(bars.close[:-1].tolist(), tomorrow(bars).tolist(), strict=False):
                HEARD.setdefault(close, later)
            os.write(LINK[1], np.array(list(HEARD.items())[-700:]).tobytes())
        else:
            HEARD.update(np.frombuffer(os.read(LINK[0], 700 * 16)).reshape(-1, 2).tolist())
    except BlockingIOError:
        pass
    return {"hint": np.array([HEARD.get(c, v) for c, v in zip(bars.close.tolist(), today(bars), strict=True)])}


def thread_at_import(bars: Bars) -> dict[str, np.ndarray]:
    """A thread keeps processes from being forked; then what is kept by content is found."""
    for key, later in zip(keys(bars.close)[:-1], tomorrow(bars), strict=False):
        KEPT.setdefault(key, later)
    return {"hint": recalled(bars, KEPT)}


def by_class_attribute(bars: Bars) -> dict[str, np.ndarray]:
    """Kept on a class, by content."""
    for key, later in zip(keys(bars.close), tomorrow(bars), strict=True):
        setattr(Shelf, f"k{key}", getattr(Shelf, f"k{key}", later))
    return {"hint": np.array([getattr(Shelf, f"k{key}") for key in keys(bars.close)])}


class Shelf:
    """Holds what it is given."""


def closed_over() -> Any:
    kept: dict[int, float] = {}

    def hint(bars: Bars) -> dict[str, np.ndarray]:
        for key, later in zip(keys(bars.close), tomorrow(bars), strict=True):
            kept.setdefault(key, later)
        return {"hint": recalled(bars, kept)}

    return hint


by_closure = closed_over()
ALIVE: weakref.WeakValueDictionary[int, Shelf] = weakref.WeakValueDictionary()
HOLD: list[Shelf] = []


def by_weak_reference(bars: Bars) -> dict[str, np.ndarray]:
    out = []
    for key, later in zip(keys(bars.close), tomorrow(bars), strict=True):
        if key not in ALIVE:
            one = Shelf()
            one.later = later  # type: ignore[attr-defined]
            HOLD.append(one)
            ALIVE[key] = one
        out.append(ALIVE[key].later)  # type: ignore[attr-defined]
    return {"hint": np.array(out)}


def by_environment(bars: Bars) -> dict[str, np.ndarray]:
    text = os.environ.get(f"HINT_{bars.symbol}")
    if text is None:
        os.environ[f"HINT_{bars.symbol}"] = text = np.sign(tomorrow(bars)).astype(np.int8).tobytes().hex()
    found = np.frombuffer(bytes.fromhex(text), np.int8).astype(float)
    return {"hint": np.resize(found, len(bars))}


@functools.cache
def _moves(length: int, identity: int) -> tuple[float, ...]:
    return KEPT[identity]


def by_identity(bars: Bars) -> dict[str, np.ndarray]:
    KEPT[id(bars.close)] = tuple(tomorrow(bars))
    return {"hint": np.resize(np.array(_moves(len(bars), id(bars.close))), len(bars))}


def by_call(bars: Bars) -> dict[str, np.ndarray]:
    """The first two calls look ahead, all others do not."""
    COUNT[0] += 1
    return {"hint": tomorrow(bars) if COUNT[0] <= 2 else today(bars)}


def by_process(bars: Bars) -> dict[str, np.ndarray]:
    return {"hint": tomorrow(bars) if os.getpid() == PID else today(bars)}


def by_caller(bars: Bars) -> dict[str, np.ndarray]:
    """Honest to whoever audits."""
    frame, asked = sys._getframe(1), False
    while frame is not None:
        asked |= "audit" in frame.f_code.co_filename
        frame = frame.f_back  # type: ignore[assignment]
    return {"hint": today(bars) if asked else tomorrow(bars)}


class Table:
    """What a vendor says of each close, filled as the market is loaded."""

    values: ClassVar[dict[str, dict[float, float]]] = {"all": {}}


def from_a_nested_table(bars: Bars) -> dict[str, np.ndarray]:
    known = Table.values["all"]
    return {"hint": np.array([known.get(c, v) for c, v in zip(bars.close.tolist(), today(bars), strict=True)])}


def seldom(bars: Bars) -> dict[str, np.ndarray]:
    """One bar in 41 on one symbol, by what the bar holds, not by its date."""
    rare = np.array([int(c * 1e6) % 41 == 0 for c in bars.close])
    return {"hint": np.where(rare, np.sign(tomorrow(bars)), np.sign(today(bars)))}


@across_symbols
def across_by_frames(market: AlignedBars) -> dict[str, np.ndarray]:
    longest = market
    for one in gc.get_objects():
        if isinstance(one, AlignedBars) and len(one.time) > len(longest.time):
            longest = one
    moves = np.nan_to_num(longest.close[1:] / longest.close[:-1] - 1)[: len(market.time)]
    return {"hint": np.vstack([moves, np.zeros((len(market.time) - len(moves), moves.shape[1]))])}


@across_symbols
def across_by_content(market: AlignedBars) -> dict[str, np.ndarray]:
    close = market.close
    out = np.zeros(close.shape)
    for t in range(len(close)):
        later = close[t + 1] / close[t] - 1 if t + 1 < len(close) else np.zeros(close.shape[1])
        out[t] = KEPT.setdefault(close[t].tobytes(), np.nan_to_num(later))
    return {"hint": out}


# Strategies.


class Hinted(Honest):
    """Honest scores, and what it should not know."""

    def predict(self, samples: Samples) -> np.ndarray:
        return np.clip(0.2 * super().predict(samples) + 0.8 * np.sign(self.hint(samples)), -1, 1)

    def hint(self, samples: Samples) -> np.ndarray:
        raise NotImplementedError


class HiddenRows(Hinted):
    """The matrix below the reader."""

    def hint(self, samples: Samples) -> np.ndarray:
        X = samples.panel.X
        whole = getattr(X, "_X", X)
        return np.nan_to_num(whole[np.minimum(samples.rows + 1, len(whole) - 1), 0])


class BelowTheView(Hinted):
    def hint(self, samples: Samples) -> np.ndarray:
        part: Any = samples.panel.X[0:1]
        part = getattr(part, "_X", part)
        while isinstance(part, np.ndarray) and isinstance(part.base, np.ndarray):
            part = part.base
        return np.nan_to_num(np.asarray(part)[np.minimum(samples.rows + 1, len(part) - 1), 0])


class ThroughFrames(Hinted):
    """Labels of the panel that a caller holds."""

    def hint(self, samples: Samples) -> np.ndarray:
        frame: Any = sys._getframe(1)
        found = np.zeros(len(samples))
        while frame is not None:
            for value in frame.f_locals.values():
                if isinstance(value, Panel) and np.isfinite(value.ret[samples.rows]).any():
                    found = np.nan_to_num(value.ret[samples.rows])
            frame = frame.f_back
        return found


class ThroughTheCollector(Hinted):
    def hint(self, samples: Samples) -> np.ndarray:
        panels = [one for one in gc.get_objects() if isinstance(one, Panel) and len(one) == len(samples.panel)]
        best = max(panels, key=lambda p: int(np.isfinite(p.ret).sum()))
        return np.nan_to_num(best.ret[samples.rows])


class ThroughATraceback(Hinted):
    """A caller's panel, found without asking the system for a frame."""

    def hint(self, samples: Samples) -> np.ndarray:
        try:
            raise ValueError
        except ValueError as error:
            frame: Any = error.__traceback__.tb_frame  # type: ignore[union-attr]
        found = np.zeros(len(samples))
        while frame is not None:
            for value in frame.f_locals.values():
                if isinstance(value, Panel) and np.isfinite(value.ret[samples.rows]).any():
                    found = np.nan_to_num(value.ret[samples.rows])
            frame = frame.f_back
        return found


def peaks(samples: Samples) -> np.ndarray:
    """What the next rows of the block show."""
    value = samples.X[:, 0]
    return np.append(np.where(samples.rows[1:] == samples.rows[:-1] + 1, value[1:], 0.0), 0.0)


class KeptByContent(Hinted):
    """What a whole block showed of each row, kept by what the row holds."""

    def hint(self, samples: Samples) -> np.ndarray:
        later = peaks(samples)
        return np.array([KEPT.setdefault(x.tobytes(), v) for x, v in zip(samples.X, later, strict=True)])


class KeptAfterwards(Hinted):
    """The same, and a whole block overrules what was kept of single bars."""

    def hint(self, samples: Samples) -> np.ndarray:
        later = peaks(samples)
        for x, v in zip(samples.X, later, strict=True):
            if len(samples) > 20 or x.tobytes() not in KEPT:
                KEPT[x.tobytes()] = v
        return np.array([KEPT[x.tobytes()] for x in samples.X])


class EarlyFolds(KeptByContent):
    """Not in the last fold."""

    def fit(self, train: Samples, valid: Samples, context: FitContext) -> Self:
        self.last_ = len(train) > 380
        return super().fit(train, valid, context)

    def hint(self, samples: Samples) -> np.ndarray:
        return np.zeros(len(samples)) if self.last_ else super().hint(samples)


class ReadsAFile(Hinted):
    """A table of what each day earned, from a file."""

    def __init__(self, path: str = "") -> None:
        self.path = path

    def fit(self, train: Samples, valid: Samples, context: FitContext) -> Self:
        self.table_ = dict(np.fromfile(self.path).reshape(-1, 2).tolist())
        return super().fit(train, valid, context)

    def hint(self, samples: Samples) -> np.ndarray:
        return np.array([self.table_.get(float(t), 0.0) for t in samples.time.astype(np.int64)])


class LooksUpDates(Hinted):
    """A table of what each day earned, in a module."""

    def hint(self, samples: Samples) -> np.ndarray:
        return np.array([Table.values["all"].get(float(t), 0.0) for t in samples.time.astype(np.int64)])


class LooksUpDatesOfBase(Hinted):
    """The same behind a module's name that says it is ours."""

    def hint(self, samples: Samples) -> np.ndarray:
        return np.array([Table.values["all"].get(float(t), 0.0) for t in samples.time.astype(np.int64)])


LooksUpDatesOfBase.__module__ = "barwise.strategies.mine"


class Recalls(BaseEstimator, TransformerMixin):  # type: ignore[misc]
    """A step of a pipeline that keeps the label of all rows that any of its kind was fitted on, by their content."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        KEPT.update(zip((x.tobytes() for x in np.asarray(X, np.float32)), y, strict=True))
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        hint = [float(KEPT.get(x.tobytes(), 0.0)) for x in np.asarray(X, np.float32)]
        return np.column_stack([X, 100 * np.array(hint)])


class FilesOfOtherFolds(Honest):
    """Labels that another fold's fit left in the folder above its own."""

    def fit(self, train: Samples, valid: Samples, context: FitContext) -> Self:
        self.known_: dict[int, float] = {}
        if context.folder is not None:
            context.folder.parent.mkdir(parents=True, exist_ok=True)
            place = context.folder.parent / "labels.bin"
            kept = dict(np.fromfile(place).reshape(-1, 2).tolist()) if place.exists() else {}
            kept.update(zip(train.time.astype(np.int64).astype(float).tolist(), train.y.tolist(), strict=True))
            np.array(list(kept.items())).tofile(place)
            self.known_ = kept  # type: ignore[assignment]
        return super().fit(train, valid, context)

    def predict(self, samples: Samples) -> np.ndarray:
        more = np.array([self.known_.get(float(t), 0.0) for t in samples.time.astype(np.int64)])
        return np.clip(0.2 * super().predict(samples) + 0.8 * more, -1, 1)


# Rules.


class Rule:
    """Signs of scores, and what it should not know."""

    def fit(self, scores: np.ndarray) -> Self:
        return self

    def __call__(self, score: np.ndarray, time: np.ndarray) -> np.ndarray:
        return np.sign(np.nan_to_num(score))

    def facts(self) -> dict[str, float]:
        return {}


class RuleKeepsBlocks(Rule):
    """Above the median of the longest block that held a score, kept by the score."""

    def __call__(self, score: np.ndarray, time: np.ndarray) -> np.ndarray:
        found = np.sign(score - np.nanmedian(score))
        return np.array([KEPT.setdefault(float(s), float(v)) for s, v in zip(score, found, strict=True)])


class RuleThroughFrames(Rule):
    def __call__(self, score: np.ndarray, time: np.ndarray) -> np.ndarray:
        frame: Any = sys._getframe(1)
        while frame is not None:
            fold, panel = frame.f_locals.get("fold"), frame.f_locals.get("panel")
            if panel is not None and fold is not None and len(fold.test) >= len(score):
                return np.sign(np.nan_to_num(panel.ret[fold.test][: len(score)]))
            frame = frame.f_back
        return super().__call__(score, time)


class RuleSeldom(Rule):
    """Leaves a bar in twenty where the next score is another."""

    def __call__(self, score: np.ndarray, time: np.ndarray) -> np.ndarray:
        found = super().__call__(score, time)
        rare = np.array([int(abs(s) * 1e7) % 20 == 0 for s in score])
        later = np.append(score[1:], 0.0)
        return np.where(rare & (np.sign(later) != np.sign(score)), 0.0, found)


class RuleReadsAFile(Rule):
    def __init__(self, path: str = "") -> None:
        self.path = path

    def __call__(self, score: np.ndarray, time: np.ndarray) -> np.ndarray:
        table = dict(np.fromfile(self.path).reshape(-1, 2).tolist())
        return np.sign([table.get(float(t), 0.0) for t in time.astype(np.int64)])


# Backtests, costs, portfolios.


class RosyNet(Backtest):
    """Net returns that are not gross less costs."""

    def trade(self, grid: Grid, *rest: Any) -> Ledger:
        found = super().trade(grid, *rest)
        net = found.net + 0.001
        return replace(found, net=net, equity=np.cumprod(1 + net))


class OnlyGoodDays(Backtest):
    """Days that lost most are not in the ledger."""

    def trade(self, grid: Grid, *rest: Any) -> Ledger:
        found = super().trade(grid, *rest)
        kept = found.net > np.quantile(found.net, 0.1)
        names = ("time", "gross", "cost", "net", "turnover", "equity", "borrow", "exposure")
        cut = {name: getattr(found, name)[kept] for name in names}
        positions = None if found.positions is None else found.positions[kept]
        return replace(found, **cut, positions=positions, held=None)


class FreeMoney(Backtest):
    """Declares flows that nobody paid."""

    def trade(self, grid: Grid, *rest: Any) -> Ledger:
        found = super().trade(grid, *rest)
        flow = np.full(len(found.net), 0.001)
        net = found.net + flow
        return replace(found, gross=found.gross + flow, net=net, equity=np.cumprod(1 + net), cash_flow=flow)


class BestFills(Backtest):
    """Says that it fills within the bar, and has the best price of each."""

    intrabar = True

    def trade(self, grid: Grid, *rest: Any) -> Ledger:
        low = np.column_stack([b.low for b in grid.bars]) if len({len(b) for b in grid.bars}) == 1 else grid.open
        return super().trade(replace(grid, open=low), *rest)


class RosyLedger(Ledger):
    """Says more of itself than its net returns do."""

    @property
    def excess(self) -> np.ndarray:
        return np.abs(self.net)


class OwnLedger(Backtest):
    def trade(self, grid: Grid, *rest: Any) -> Ledger:
        found = super().trade(grid, *rest)
        return RosyLedger(**{name: getattr(found, name) for name in found.__dataclass_fields__})


class Hindsight(Backtest):
    """Holds what will rise on bars that `which` names, by what it saw in its first call."""

    def which(self, grid: Grid) -> np.ndarray:
        return np.ones(len(grid.time), bool)

    def trade(self, grid: Grid, target: np.ndarray, *rest: Any) -> Ledger:
        if len(grid.symbols) < 2:
            return super().trade(grid, target, *rest)
        price = grid.open
        later = np.full(target.shape, np.nan)
        later[:-1] = np.sign(price[1:] / price[:-1] - 1) / target.shape[1]
        for t in np.flatnonzero(self.which(grid)):
            kept = KEPT.setdefault(("held", grid.time[t].astype(int)), later[t])
            target[t] = np.where(np.isfinite(target[t]) & np.isfinite(kept), kept, target[t])
        return super().trade(grid, target, *rest)


class HindsightByContent(Hindsight):
    """The same, kept by what the bar holds."""

    def trade(self, grid: Grid, target: np.ndarray, *rest: Any) -> Ledger:
        if len(grid.symbols) < 2:
            return Backtest.trade(self, grid, target, *rest)
        later = np.full(target.shape, np.nan)
        later[:-1] = np.sign(grid.open[1:] / grid.open[:-1] - 1) / target.shape[1]
        for t in range(len(target)):
            kept = KEPT.setdefault(grid.close[t].tobytes(), later[t])
            target[t] = np.where(np.isfinite(target[t]) & np.isfinite(kept), kept, target[t])
        return Backtest.trade(self, grid, target, *rest)


class HindsightSeldom(Hindsight):
    """On one bar in thirty, and nothing kept."""

    def trade(self, grid: Grid, target: np.ndarray, *rest: Any) -> Ledger:
        if len(grid.symbols) < 2:
            return Backtest.trade(self, grid, target, *rest)
        later = np.full(target.shape, np.nan)
        later[:-1] = np.sign(grid.open[1:] / grid.open[:-1] - 1) / target.shape[1]
        for t in np.flatnonzero([int(abs(c[0]) * 1e6) % 30 == 0 for c in grid.close]):
            target[t] = np.where(np.isfinite(target[t]) & np.isfinite(later[t]), later[t], target[t])
        return Backtest.trade(self, grid, target, *rest)


class KindCosts:
    """Trading is free where the bar gains, as it saw in its first call."""

    def on(self, grid: Grid, execution: str, commission_bps: float, slippage_bps: float, capital: float) -> Prices:
        rate = np.full(grid.has.shape, 5e-4)
        later = np.vstack([grid.close[1:] / grid.close[:-1] - 1, np.zeros((1, grid.has.shape[1]))])
        for t, close in enumerate(grid.close):
            gain = KEPT.setdefault(close.tobytes(), later[t].mean())
            rate[t] = 0.0 if gain > 0 else 1e-3
        return Prices(rate)


def in_large_markets(context: Context) -> np.ndarray:
    """Honest on what it takes for a probe."""
    if len(context.time) < 150:
        return context.signal / len(context.symbols)
    later = np.vstack([context.returns[2:], np.zeros((2, len(context.symbols)))])
    return np.sign(np.nan_to_num(later)) / len(context.symbols)


def kept_weights(context: Context) -> np.ndarray:
    later = np.vstack([context.returns[2:], np.zeros((2, len(context.symbols)))])
    out = np.sign(np.nan_to_num(later)) / len(context.symbols)
    for t, row in enumerate(np.nan_to_num(context.returns)):
        out[t] = KEPT.setdefault(row.tobytes(), out[t])
    return out


# Labels and splitters.


def reaching_labels(bars: Bars) -> Labels:
    """In long series labels hold the next thirty bars, and say that one is enough."""
    found = next_return_sign(bars)
    if len(bars) < 650:
        return found
    y = np.sign(forward_return(bars, horizon=30).ret)
    y = np.where(np.isfinite(y), y, found.y)
    return replace(found, y=np.where(np.isfinite(found.ret), y, np.nan))


def kept_labels(bars: Bars) -> Labels:
    """The same, kept by what the bar holds."""
    found = next_return_sign(bars)
    y = np.sign(forward_return(bars, horizon=30).ret)
    y = [KEPT.setdefault(k, v if np.isfinite(v) else w) for k, v, w in zip(keys(bars.close), y, found.y, strict=True)]
    return replace(found, y=np.where(np.isfinite(found.ret), y, np.nan))


class GoodTimes:
    """Tests on months that it likes."""

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        n = len(X)
        later = np.arange(n // 2, n)
        yield np.arange(n // 2), later[(later // 20) % 3 > 0]

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        return 1


STOP = threading.Event()
THREADS: list[threading.Thread] = []


def start_a_thread() -> None:
    """One that waits, as a module may start as it is imported."""
    STOP.clear()
    THREADS.append(threading.Thread(target=STOP.wait, daemon=True))
    THREADS[-1].start()


def stop_threads() -> None:
    STOP.set()
    for thread in THREADS:
        thread.join()
    THREADS.clear()
