"""What other tests of this process left running is no part of what is audited here."""

from __future__ import annotations

import threading

import pytest

from barwise.features import parallel


@pytest.fixture(autouse=True)
def idle_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that were there before a test began (of loggers, pools, event loops) are idle while it runs."""
    here = threading.current_thread()
    left = tuple(thread.name for thread in threading.enumerate() if thread is not here)
    monkeypatch.setattr(parallel, "_IDLE", (*parallel._IDLE, *left))
