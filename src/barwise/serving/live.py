"""Live: one bar at a time in, score and signal out, equal to the batch on the same bars."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from barwise.data.bars import Bars, Market, Universe
from barwise.data.checks import check_market
from barwise.data.groups import put
from barwise.errors import ConfigError, DataError
from barwise.evidence.looks import UNRECORDED, SealWatch
from barwise.features import FeatureSet
from barwise.features.aligned import bound, sees_all
from barwise.features.every import Every
from barwise.hooks import direct
from barwise.neutral import NEEDED, Exposures
from barwise.safety.files import ledger_folder
from barwise.serving.bar import one_bar, panel_of, utc
from barwise.serving.history import History
from barwise.serving.model import Served, serve
from barwise.serving.net_state import carry
from barwise.serving.terms import Terms
from barwise.serving.window import reach

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger("barwise")

LONGEST_LOOKBACK = 100_000
LONGEST_SESSION = 86_400  # seconds


@dataclass(frozen=True)
class Answer:
    """What the model says of one bar; NaN and 0 until its features are defined.

    `unusual`: features that lie outside what training saw.
    """

    time: np.datetime64
    symbol: str
    score: float
    signal: float
    unusual: tuple[str, ...] = ()


def live(
    run: str | Path,
    history: Market | pd.DataFrame | str | Path | None = None,
    model: str = "auto",
    allow: Iterable[str] = (),
    state: str | Path | None = None,
    contracts: str | Path | None = None,
) -> Live:
    """The model of the run in directory `run`, ready for bars.

    `history`: past bars, so that features are defined from the first new bar on; a frame, a path as `data.path` takes
    it, or a market. `model` and `allow` as for `barwise.serving.model.serve`. `state`: a file that `save` wrote, to go
    on from there. `contracts`: the file of a run's data.contracts, where it lies elsewhere now; bars are given as the
    exchange has them, with the columns of rates and the name of the contract.
    """
    found = Live(serve(run, model, allow), contracts)
    if history is not None:
        found.warm(market_of(history))
    if state is not None:
        from barwise.serving.state import restore

        restore(found, Path(state))
    return found


def market_of(history: Market | pd.DataFrame | str | Path) -> Market:
    """Bars from a frame or a path; ConfigError for anything else."""
    if isinstance(history, Market):
        return history
    if isinstance(history, str | Path):
        from barwise.data import files

        return files.load(str(history))
    from barwise.data import frame

    return frame.load(history)


class Live:
    """Keeps, per symbol, the bars and feature rows that the next score needs.

    Features are computed on the last `window` bars, as many as `reach` found them to need (on all bars if no window
    will do), so that a bar costs the same however long the history is.
    """

    def __init__(self, served: Served, contracts: str | Path | None = None) -> None:
        if not 1 <= served.lookback <= LONGEST_LOOKBACK:
            raise DataError(f"lookback={served.lookback}: must lie between 1 and {LONGEST_LOOKBACK} bars")
        self.terms = Terms.of(served, contracts)
        self.served = served
        self.sets = {name: s.direct() if isinstance(s, Every) else direct(s) for name, s in served.sets.items()}
        window = reach(served.sets, served.features, served.extra, served.bar_seconds)
        if window and served.clock and served.bar_seconds:
            window = max(window, LONGEST_SESSION // served.bar_seconds + 2)  # and the close of the session before
        self.window = window and max(window, served.warmup + 1)  # a symbol's age is counted in the bars that are kept
        self.symbols: dict[str, History] = {}
        self._pools: Any = None
        self.universe: Universe | None = None
        home = ledger_folder(served.run.folder, served.run.manifest.get("trials_folder"))
        self.watch = SealWatch(home, "live", str(served.run.folder))
        self.panels = any(map(sees_all, served.sets.values()))
        if self.window is not None and served.neutral is not None:
            self.window = max(self.window, NEEDED)
        compares = self.panels or served.neutral is not None
        self.has_members = compares and bool(served.data.get("universe"))

    @property
    def across(self) -> bool:
        """Whether a score or signal depends on the other symbols of its bar."""
        return self.panels or self.served.neutral is not None or any(sees_all(m.rule) for m in self.served.members)

    def update(self, symbol: str, time: Any, **columns: Any) -> Answer:
        """The answer to one bar of one symbol: prices, volume, bid and ask if the run had them, and groups.

        `time`: the bar's stamp; without a zone it is UTC. DataError, with nothing changed, for what is no bar.
        """
        if self.across:
            raise ConfigError("this run compares the symbols of one bar: give all of them at once, to `step`")
        return self.step(time, {symbol: columns})[symbol]

    def step(self, time: Any, bars: Mapping[str, Mapping[str, Any]]) -> dict[str, Answer]:
        """Answers to one bar each of several symbols, all of one time.

        Where the run compares symbols: all that have a bar at this time, and times in order, else DataError. A bar
        outside the run's session is let go of, with no score.
        """
        stamp = utc(time)
        given = {name: self._one_bar(name, stamp, columns) for name, columns in bars.items()}
        new = {name: self.history_of(name).checked(bar) for name, bar in given.items() if self.served.trades_at(bar)}
        last = max((h.bars.time[-1] for h in self.symbols.values()), default=None) if self.across else None
        if last is not None and new and last >= stamp:
            raise DataError(
                f"the bars of {stamp} come after some of {last}: this run compares the symbols of one bar, so give all "
                "of a time at once, in the order of time"
            )
        with self._one_thread():
            self._take(new)
        if self.watch.seals and not self.watch.look(new, stamp, stamp):
            log.warning(UNRECORDED)
        none = {name: Answer(stamp, name, float("nan"), 0.0) for name in given if name not in new}
        with self._one_thread():
            return none | (self._answers(stamp, list(new)) if new else {})

    def _one_thread(self) -> AbstractContextManager[Any]:
        """So few rows are scored sooner by one thread than by several that wait for each other."""
        if self._pools is None:
            from threadpoolctl import ThreadpoolController

            self._pools = ThreadpoolController()
        limited: AbstractContextManager[Any] = self._pools.limit(limits=1)
        return limited

    def _one_bar(self, symbol: str, stamp: np.datetime64, columns: Mapping[str, Any]) -> Bars:
        """One bar; a group that is not given is still the symbol's last."""
        before = self.history_of(symbol).bars
        self.terms.check(symbol)
        known = {name: before.group_names[name][codes[-1]] for name, codes in before.groups.items()
                 if len(codes) and codes[-1] >= 0}  # fmt: skip
        names = self.groups
        given = {name: str(value).strip() for name, value in columns.items() if name in names and value is not None}
        words = {name: word for name, word in (known | given).items() if word}
        bar = one_bar(symbol, stamp, {name: value for name, value in columns.items() if name not in names})
        bar = self.served.clock.beside(bar) if self.served.clock else bar
        return self.terms.bar(
            before, put(bar, {name: (np.zeros(1, np.int32), (word,)) for name, word in words.items()})
        )

    @property
    def groups(self) -> frozenset[str]:
        """The columns of words that bars may have: the groups of the run, and of the history."""
        there = (name for history in self.symbols.values() for name in history.bars.groups)
        return frozenset({*self.served.groups, *there, *self.terms.groups})

    def warm(self, market: Market) -> None:
        """Take past bars without an answer."""
        market = self.served.beside(self.terms.market(check_market(market)))
        histories = {b.symbol: self.history_of(b.symbol) for b in market.bars}
        for b in market.bars:
            histories[b.symbol].checked(b)
        self.universe = market.universe or self.universe
        self._take({b.symbol: b for b in market.bars})

    def refused(self, time: Any, symbol: str, columns: Mapping[str, Any]) -> str | None:
        """Why one bar of one symbol is none, or cannot be taken now; None where it can."""
        try:
            self.history_of(symbol).checked(self._one_bar(symbol, utc(time), columns))
        except DataError as error:
            return str(error)
        return None

    def swap(self, served: Served) -> None:
        """Score with other models of the same features from the next bar on; DataError where they need other ones.

        What a stream net carries begins anew from the rows that are kept.
        """
        if served.features != self.served.features or served.lookback != self.served.lookback:
            raise DataError("it has other features, or needs more bars of them: start a session of its own")
        self.served = served
        for history in self.symbols.values():
            members = enumerate(served.members)
            history.carried = {i: carry(m, None, history.rows, history.warm) for i, m in members if m.carries}

    def save(self, path: str | Path) -> None:
        """Write all that the next bar needs, whole or not at all, as safetensors."""
        from barwise.serving.state import save

        save(self, Path(path))

    def taken(self, answers: Mapping[str, Answer]) -> dict[str, Bars]:
        """The bars that were answered, in the terms that they are scored in; not those outside the run's session."""
        found = {name: self.symbols[name].bars for name in answers if name in self.symbols}
        return {name: b.take(slice(-1, None)) for name, b in found.items() if b.time[-1] == answers[name].time}

    def whole(self, names: Collection[str]) -> bool:
        """Whether these are all the symbols that had a bar at the last time."""
        last = {name: h.bars.time[-1] for name, h in self.symbols.items() if len(h.bars)}
        return bool(last) and {name for name, time in last.items() if time == max(last.values())} <= set(names)

    def history_of(self, symbol: str) -> History:
        known = self.symbols.get(symbol)
        return known or History.begin(symbol, self.window, self.served.lookback, len(self.served.features))

    def _take(self, new: Mapping[str, Bars]) -> None:
        """Compute the new rows of features, and lead the nets that carry a state over them."""
        sets: Mapping[str, FeatureSet] = self.sets
        since = None
        if self.panels or self.served.neutral is not None:
            if self.has_members and self.universe is None:
                raise DataError("this run compares the members of a universe: begin with history and its data.universe")
            beside = {name: h.bars for name, h in self.symbols.items()}
            beside |= {name: self.history_of(name).then(bars) for name, bars in new.items()}
            sets, since = bound(sets, list(beside.values()), self.universe), self._since(list(beside.values()))
        for name, bars in new.items():
            history = self.symbols.setdefault(name, self.history_of(name))
            rows, warm = history.add(bars, sets, self.served.features, self.served.warmup, since)
            for i, member in enumerate(self.served.members):
                if member.carries:
                    history.carried[i] = carry(member, history.carried.get(i), rows, warm)

    def _since(self, bars: list[Bars]) -> np.datetime64 | None:
        """Where the longest window begins, of the symbols that had a bar in the last `window` times."""
        if self.window is None:
            return None
        recent = np.unique(np.concatenate([b.time[-self.window :] for b in bars]))[-self.window :][0]
        found: np.datetime64 | None = min(b.time[-self.window :][0] for b in bars if b.time[-1] >= recent)
        return found

    def _exposures(self, stamp: np.datetime64) -> Exposures:
        """What the symbols of this bar are exposed to, by the bars that this needs."""
        assert self.served.neutral is not None
        histories = [h.bars for h in self.symbols.values()]
        since = min(b.time[-NEEDED:][0] for b in histories if b.time[-1] == stamp)
        parts = [b.take(slice(int(np.searchsorted(b.time, since)), None)) for b in histories]
        return self.served.neutral.on([b for b in parts if len(b)], self.universe)

    def _answers(self, stamp: np.datetime64, names: list[str]) -> dict[str, Answer]:
        panel, rows = panel_of([self.symbols[name] for name in names], stamp, self.served.features)
        scores = [
            np.array([self.symbols[name].carried[i].score for name in names]) if member.carries
            else member.scores(panel, rows)
            for i, member in enumerate(self.served.members)
        ]  # fmt: skip
        if self.served.neutral is not None:
            left = self._exposures(stamp)
            scores = [left(panel.symbols, panel.symbol[rows], panel.time[rows], score) for score in scores]
        score, signal = self.served.combined(scores, panel.time[rows])
        ranges = self.served.members[-1].ranges
        odd = (panel.X[rows] < ranges.low) | (panel.X[rows] > ranges.high)
        return {
            name: Answer(stamp, name, float(score[i]), float(signal[i]),
                         tuple(np.array(self.served.features)[odd[i]].tolist()))
            for i, name in enumerate(names)
        }  # fmt: skip
