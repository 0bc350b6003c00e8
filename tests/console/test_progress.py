"""Progress on a terminal: every stage that takes its time is shown, on one line that is gone afterwards."""

from __future__ import annotations

import threading

import pytest

from barwise.console import progress
from barwise.console.progress import Progress


class Line:
    """What rich's bar is asked to show."""

    def __init__(self, *columns, console, transient):
        assert transient
        self.shown, self.ended, self.opened = [], False, []

    def add_task(self, what, total, note):
        self.opened.append((what, total))
        return 0

    def start(self):
        LINES.append(self)
        SHOWN.set()

    def update(self, task, **fields):
        self.shown.append(fields)

    def stop(self):
        self.ended = True


LINES: list[Line] = []
SHOWN = threading.Event()


@pytest.fixture
def shown(monkeypatch):
    import rich.progress

    LINES.clear()
    SHOWN.clear()
    monkeypatch.setattr(progress, "_PATIENCE", 0.01)
    monkeypatch.setattr(rich.progress, "Progress", Line)
    found = Progress()
    found.quiet = False
    return found


def test_a_stage_is_shown_after_a_while_and_gone_when_it_is_over(shown):
    shown.stage("audit")
    assert SHOWN.wait(20)
    with shown._lock:
        assert LINES[0].opened == [("audit", None)] and not LINES[0].ended
    shown.stage(None)
    assert LINES[0].ended


def test_a_bar_over_folds_takes_the_place_of_its_stage(shown):
    shown.stage("fit")
    assert SHOWN.wait(20)
    for done in range(3):
        shown.progress("folds", done, 3)
    shown.note("epoch 2")
    assert [line.opened[0] for line in LINES] == [("fit", None), ("folds", 3)]
    assert LINES[0].ended and LINES[1].shown[-1] == {"note": "epoch 2"}
    shown.progress("folds", 3, 3)
    shown.stage(None)
    assert LINES[1].ended


def test_a_short_stage_is_not_shown(shown, monkeypatch):
    monkeypatch.setattr(progress, "_PATIENCE", 3600.0)
    for name in ("data", None, "labels", None):
        shown.stage(name)
    assert not LINES and threading.active_count() < 50
