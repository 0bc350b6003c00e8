"""Forking says nothing to the user, of threads that idle in a library least of all."""

from __future__ import annotations

import os
import warnings

import pytest

from barwise.console.fork import fork


def test_pythons_warning_of_threads_is_not_the_users(monkeypatch):
    def warned() -> int:
        warnings.warn("This process (pid=1) is multi-threaded, use of fork() may lead to deadlocks in the child.",
                      DeprecationWarning, stacklevel=2)  # fmt: skip
        return 7

    monkeypatch.setattr(os, "fork", warned)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fork() == 7


def test_another_warning_is_heard(monkeypatch):
    monkeypatch.setattr(os, "fork", lambda: warnings.warn("odd", DeprecationWarning, stacklevel=2) or 7)
    with pytest.warns(DeprecationWarning, match="odd"):
        assert fork() == 7


def test_what_was_printed_before_is_printed_once(tmp_path):
    with open(tmp_path / "out", "w", encoding="utf-8") as file, pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", file)
        print("once", end="")
        pid = fork()
        if pid == 0:
            file.flush()
            os._exit(0)
        os.waitpid(pid, 0)
    assert (tmp_path / "out").read_text() == "once"
