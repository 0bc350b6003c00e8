"""Folds of one run trained side by side, in processes that are forked before anything is learned.

A fork beside the threads that torch and XGBoost keep once they have trained would hang, so the processes wait from the
start. What a fold's process finds is kept in the fold's folder, as for a run that is cut off, and read from there; its
events are heard when the fold's turn comes, in the order of one after the other.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from barwise.console.fork import fork
from barwise.experiment.fold_process import EVENTS, Order, Work, raised, serve
from barwise.listener import Listener
from barwise.validation.folds import Fold


@dataclass
class Worker:
    """One process, the fold that it trains, and what it has said but not yet in whole lines."""

    pid: int
    orders: int
    answers: int
    printed: IO[bytes]
    fold: int | None = None
    buffer: bytes = b""
    read: int = 0  # of what was printed

    def order(self, one: Order) -> None:
        self.fold = int(one["fold"])
        with contextlib.suppress(BrokenPipeError):  # that it is gone is heard from its answers
            os.write(self.orders, json.dumps(one).encode() + b"\n")

    def lines(self) -> list[list[Any]] | None:
        """Whole lines that have come; None when the process is gone."""
        got = os.read(self.answers, 1 << 16)
        if not got:
            return None
        *lines, self.buffer = (self.buffer + got).split(b"\n")
        return [json.loads(line) for line in lines]

    def said(self) -> str:
        """What libraries have printed since this was last asked."""
        size = os.fstat(self.printed.fileno()).st_size
        text = os.pread(self.printed.fileno(), size - self.read, self.read)
        self.read = size
        return text.decode("utf-8", "replace")


@dataclass
class FoldEvents:
    """What a fold's process has told of it: events, what was printed, and how it ended: done, error or died."""

    events: list[list[Any]] = field(default_factory=list)
    printed: str = ""
    end: str = ""
    found: Any = None


class FoldPool:
    """Up to `n` folds at once, each by `work` in a process of its own; `threads` for each.

    Empty with n = 1: then nothing is forked and all is done in line. Leaving it as a context kills what still runs.
    """

    def __init__(self, n: int, threads: int, work: Work) -> None:
        self.threads = threads
        self.workers: list[Worker] = []
        self.waiting: deque[Order] = deque()
        self.folds: dict[int, FoldEvents] = {}
        self.tell = Listener()
        self.began = 0  # processes that trained
        self.ended = 0
        self.peaks: dict[int, float] = {}
        try:
            for _ in range(n if n > 1 else 0):
                self.workers.append(self._forked(work))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> FoldPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self.workers)

    def begin(self, orders: Sequence[Order], tell: Listener) -> None:
        """Start with `orders`, in this order; `tell` hears of them."""
        self.tell, self.waiting = tell, deque(orders)
        self.folds = {int(order["fold"]): FoldEvents() for order in orders}
        self.began = len(self.workers)
        self._progress()
        for worker in self.workers:
            self._next(worker)

    def over(self, folds: Sequence[Fold]) -> Iterator[Fold]:
        """Iterate over `folds`; the bar says how many are done, by whichever process."""
        try:
            yield from folds
        finally:
            self.tell.progress("folds", len(folds), len(folds))

    def result(self, number: int) -> Mapping[str, Any] | None:
        """Wait for a fold, and let its events be heard; what `work` returned, or None where its process died.

        Raises what the fold raised.
        """
        one = self.folds[number]
        while not one.end:
            self._hear()
        if one.end == "died":
            self.tell.alert("fallback", f"the process that trained fold {number} {one.found}; it is trained here again")
            return None
        if one.printed:
            print(one.printed, end="", file=sys.stderr, flush=True)
        for name, *values in one.events:
            if name in EVENTS:
                getattr(self.tell, name)(*values)
        one.events.clear()
        if one.end == "error":
            raise raised(one.found)
        found: Mapping[str, Any] = one.found
        return found

    def close(self) -> None:
        """End the processes, whatever they do."""
        for worker in self.workers:
            os.kill(worker.pid, signal.SIGKILL)
        while self.workers:
            self._gone(self.workers[-1])

    def _forked(self, work: Work) -> Worker:
        orders, to = os.pipe()
        answers, back = os.pipe()
        printed = tempfile.TemporaryFile(prefix="barwise-fold-")  # noqa: SIM115 - the worker's, until it is gone
        pid = fork()
        if pid == 0:
            for number in (to, answers, *(n for one in self.workers for n in (one.orders, one.answers))):
                os.close(number)
            serve(orders, back, printed.fileno(), work)
        os.close(orders)
        os.close(back)
        return Worker(pid, to, answers, printed)

    def _next(self, worker: Worker) -> None:
        worker.fold = None
        if self.waiting:
            worker.order(self.waiting.popleft())

    def _hear(self) -> None:
        """Wait until one of the processes says something."""
        busy = {worker.answers: worker for worker in self.workers if worker.fold is not None}
        if not busy:  # all have died: the rest is done in line
            for one in self.folds.values():
                one.end, one.found = one.end or "died", one.found or "had ended before"
            return
        for number in select.select(list(busy), [], [])[0]:
            worker = busy[number]
            lines = worker.lines()
            if lines is None:
                self._lost(worker)
                continue
            for name, *values in lines:
                self._heard(worker, name, values)

    def _heard(self, worker: Worker, name: str, values: list[Any]) -> None:
        assert worker.fold is not None
        one = self.folds[worker.fold]
        if name == "note":
            self.tell.note(f"fold {worker.fold}: {values[0]}")
        elif name in ("done", "error"):
            one.printed, one.end, one.found = worker.said(), name, values[0]
            if name == "done":
                self.peaks[worker.pid] = max(self.peaks.get(worker.pid, 0.0), one.found.get("peak_memory_mb", 0.0))
            else:  # in line nothing after it would be trained
                self.waiting = deque(order for order in self.waiting if order["fold"] < worker.fold)
            self.ended += 1
            self._progress()
            self._next(worker)
        else:
            one.events.append([name, *values])

    def _lost(self, worker: Worker) -> None:
        one, status = self.folds[worker.fold or 0], self._gone(worker)
        code = os.waitstatus_to_exitcode(status)
        one.found = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended by itself, with {code}"
        one.end, one.events = "died", []

    def _gone(self, worker: Worker) -> int:
        self.workers.remove(worker)
        os.close(worker.orders)
        os.close(worker.answers)
        worker.printed.close()
        return os.waitpid(worker.pid, 0)[1]

    def _progress(self) -> None:
        if self.ended < len(self.folds):
            self.tell.progress("folds", self.ended, len(self.folds))
