"""Many symbols at once: by threads or forked processes the matrix is the same, and so is what goes wrong."""

from __future__ import annotations

import os
import threading
from dataclasses import replace

import numpy as np
import pytest

from barwise.data import synthetic
from barwise.errors import ConfigError
from barwise.features import matrix, parallel
from barwise.features.matrix import build
from barwise.features.price import price


@pytest.fixture
def fork(monkeypatch):
    """Small matrices are forked for too, though pytest has threads and libraries of its own."""
    monkeypatch.setattr(matrix, "MUCH", 0)
    monkeypatch.setattr(parallel, "_may_fork", lambda: True)


def bars(n: int = 7):
    return [replace(b, symbol=f"S{i}") for i, b in enumerate(synthetic.load(n_symbols=n, n_bars=300).bars)]


def test_forked_threaded_and_alone_give_the_same(fork, monkeypatch):
    alone = build(bars(), {"price": price}, 1)
    forked = build(bars(), {"price": price}, 3)
    monkeypatch.setattr(parallel, "_may_fork", lambda: False)
    threaded = build(bars(), {"price": price}, 3)
    for other in (forked, threaded):
        assert alone.X.tobytes() == other.X.tobytes() and alone.X.shape == other.X.shape
        np.testing.assert_array_equal(alone.warmup, other.warmup)


def test_it_is_done_in_other_processes(fork):
    found = parallel.shared((7, 1), np.int64)

    def work(i: int) -> None:
        found[i] = os.getpid()

    parallel.each(work, 7, 2, fork=True)
    assert len(set(found[:, 0])) == 2 and os.getpid() not in found
    parallel.each(work, 7, 2, fork=False)
    assert set(found[:, 0]) == {os.getpid()}


def test_an_error_in_a_forked_process_is_the_one_that_is_raised(fork, capfd):
    def breaks(b):
        return {"bad": np.zeros(len(b) - (b.symbol == "S5"))}

    with pytest.raises(ConfigError, match="bad of S5 has shape"):
        build(bars(), {"breaks": breaks}, 2)
    assert "Traceback" not in capfd.readouterr().err


def test_nothing_is_forked_beside_threads(monkeypatch):
    monkeypatch.setattr(parallel, "_KEEP_THREADS", ())
    ended = threading.Event()
    other = threading.Thread(target=ended.wait)
    other.start()
    assert not parallel._may_fork()
    ended.set()
    other.join()
    monkeypatch.setattr(parallel, "_KEEP_THREADS", ("numpy",))
    assert not parallel._may_fork()
