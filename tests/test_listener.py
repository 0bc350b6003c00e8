"""A listener of one's own hears a run through one class, and the shipped ones hear the same events."""

from pathlib import Path

import numpy as np
import pytest

from barwise.errors import BarwiseError
from barwise.experiment.run import run
from barwise.listener import Listener, Listeners
from barwise.runs.directory import RunDirectory
from tests.audit.cases import honest


class Heard(Listener):
    """Keeps every event in order."""

    def __init__(self) -> None:
        self.events: list[tuple] = []

    def started(self, folder, manifest):
        self.events.append(("started", len(manifest["data"]["symbols"])))

    def progress(self, what, done, total):
        self.events.append(("progress", what, done, total))

    def fold_started(self, fold):
        self.events.append(("fold_started", fold))

    def fold_finished(self, fold):
        self.events.append(("fold_finished", fold.number, fold.facts["fold"], fold.so_far()["sharpe"]))

    def finished(self, metrics, equity):
        self.events.append(("finished", metrics["sharpe"], len(equity)))


def started(folder: Path) -> RunDirectory:
    out = RunDirectory(folder)
    out.start(seed=0)
    return out


def test_a_listener_hears_a_run_in_order(tmp_path: Path):
    heard = Heard()
    metrics = run(honest(), started(tmp_path), heard)
    names = [name for name, *_ in heard.events]
    folds = len(metrics["folds"])
    each = ["progress", "fold_started", "fold_finished"] * folds
    assert names == ["started", *each, "progress", "finished"]
    assert [e[1:3] for e in heard.events if e[0] == "fold_finished"] == [(k, k) for k in range(folds)]
    assert heard.events[-2][2:] == (folds, folds) and heard.events[-1][1] == metrics["sharpe"]
    *_, (*_, last) = (e for e in heard.events if e[0] == "fold_finished")
    assert last == pytest.approx(metrics["sharpe"], nan_ok=True)


def test_what_a_listener_raises_ends_the_run_and_its_progress(tmp_path: Path):
    class Full(Heard):
        def fold_finished(self, fold):
            raise BarwiseError("no more")

    heard = Full()
    with pytest.raises(BarwiseError, match="no more"):
        run(honest(), started(tmp_path), heard)
    *_, last = (e for e in heard.events if e[0] == "progress")
    assert last[2] == last[3]


def test_every_event_goes_to_every_listener():
    events = [name for name in vars(Listener) if not name.startswith("_")]

    class Names(Listener):
        def __init__(self) -> None:
            self.seen: list[str] = []

        def __getattribute__(self, name):
            if name in events:
                self.seen.append(name)
            return super().__getattribute__(name)

    first, second = Names(), Names()
    both = Listeners((first, second))
    given = {"started": (Path(), {}), "ended": (Path(), {}), "progress": ("x", 0, 1), "fold_started": (0,),
             "stage": ("audit",),
             "note": ("x",), "step": (0.1, 0.0), "epoch": (0,), "memory": ({}, 0),
             "validated": (0, 0.1, 0), "scalar": ("x", 0.1, 0),
             "alert": ("nan", "x"), "fold_finished": (None,), "finished": ({}, np.zeros(1))}  # fmt: skip
    assert set(given) == set(events)
    for name in events:
        getattr(both, name)(*given[name])
    assert first.seen == second.seen == events
