"""A live session as a service: bars in, answers out; what is no bar is skipped, and a restart goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from barwise.console.stopping import Asked
from barwise.errors import BarwiseError, DataError
from barwise.serving.bar import utc
from barwise.serving.live import Answer, Live
from barwise.serving.model import REFIT, serve
from barwise.serving.paper import Paper
from barwise.serving.tail import Line

_EVERY = 1.0  # seconds between saves of the state, at least
_SHARE = 20  # of the time: a save is no more of it than one in so many


@dataclass
class Service:
    """`session`, fed with lines; each bar is taken as a whole, whatever signal asks the process to end.

    `after`: hears all answers to one time.
    `answer`, `alert`: what is told of each bar, and of what goes wrong. `state`: written as it goes and at the end; the
    bars of a state that the session is `resumed` from are passed over. `strict`: what is no bar ends it. `watch`: a
    newer refit of the run takes the place of the model, between two bars. `paper`: a ledger kept beside.
    """

    session: Live
    answer: Callable[[Answer], None]
    alert: Callable[[str], None]
    where: str = "standard input"
    state: Path | None = None
    paper: Paper | None = None
    strict: bool = False
    watch: bool = False
    allow: tuple[str, ...] = ()
    resumed: bool = False
    after: Callable[[Iterable[Answer]], None] = lambda answers: None
    skipped: int = 0
    _seen: dict[str, np.datetime64] = field(default_factory=dict)
    _saved: float = 0.0
    _pause: float = _EVERY
    _model: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.resumed:
            self._seen = {name: h.bars.time[-1] for name, h in self.session.symbols.items() if len(h.bars)}
        if self.paper is not None:
            self.paper.universe = self.session.universe
        self._model = self._refit()
        self._saved = time.monotonic()

    def run(self, groups: Iterable[list[Line]]) -> None:
        """Answer each group of lines, all of one time; at the end, or when asked to end, the state is saved."""
        with Asked() as asked:
            try:
                for group in groups:
                    with asked.busy():
                        self.take(group)
            finally:
                self.save()

    def take(self, group: list[Line]) -> None:
        """One time's bars."""
        self._swap()
        group = [line for line in group if not self._known(line)]
        answers = self._answers(group) if group else {}
        for one in answers.values():
            self.answer(one)
        self.after(answers.values())
        if self.paper is not None and answers:
            self.paper.note(self.session.taken(answers), answers)
        if time.monotonic() - self._saved >= self._pause:
            self.save()

    def refuse(self, message: str) -> None:
        """Tell of what is no bar, and go on; DataError where it is to end the service."""
        if self.strict:
            raise DataError(message)
        self.skipped += 1
        self.alert(f"{message}; skipped")

    def save(self) -> None:
        """The state, and the ledger on paper."""
        begin = time.monotonic()
        if self.state is not None:
            self.session.save(self.state)
        if self.paper is not None:
            self.paper.write()
        self._saved = time.monotonic()
        self._pause = max(_EVERY, _SHARE * (self._saved - begin))

    def _answers(self, group: list[Line]) -> dict[str, Answer]:
        place = f"{self.where} line {group[-1].number}"
        try:
            return self.session.step(group[0].time, {line.symbol: line.columns for line in group})
        except DataError as error:
            told = f"{place}: {error}"
        if len(group) == 1:
            self.refuse(told)
            return {}
        sound = []
        for line in group:  # one symbol's bad tick takes no other's bar with it
            reason = self.session.refused(line.time, line.symbol, line.columns)
            if reason is None:
                sound.append(line)
            else:
                self.refuse(f"{self.where} line {line.number}: {reason}")
        if len(sound) == len(group):
            self.refuse(told)
            return {}
        return self._answers(sound) if sound else {}

    def _known(self, line: Line) -> bool:
        """Whether the state of an earlier service has this bar already, which a feed read again begins with."""
        last = self._seen.get(line.symbol)
        if last is None:
            return False
        try:
            known = bool(utc(line.time) <= last)
        except DataError:
            return False
        if not known:
            del self._seen[line.symbol]
        return known

    def _refit(self) -> tuple[int, int] | None:
        """What tells one refit from the next."""
        try:
            found = (self.session.served.run.folder / "model" / REFIT / "refit.json").stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino

    def _swap(self) -> None:
        """Take a newer refit, if there is one and it can be loaded; else go on with the model that there is."""
        if not self.watch or (found := self._refit()) in (None, self._model):
            return
        self._model = found
        try:
            self.session.swap(serve(self.session.served.run.folder, REFIT, self.allow))
            self.alert("the model was refit: the new one scores from here on")
        except (BarwiseError, OSError) as error:
            self.alert(f"the model was refit, and cannot be served ({error}); the one before scores on")
