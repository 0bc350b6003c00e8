"""What a training step frees serves the next one, and the system has it back afterwards."""

from __future__ import annotations

import resource
import sys

import numpy as np
import psutil
import pytest
import torch

from barwise.devices import heap
from barwise.devices.heap import kept_heap
from barwise.strategies.nets import LSTMNet

MB = 2**20
glibc = pytest.mark.skipif(heap._glibc() is None, reason="the C library is not glibc")


def faults(net: LSTMNet, x: torch.Tensor, steps: int) -> int:
    """Page faults of so many training steps."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(steps):
        net(x).square().mean().backward()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@glibc
def test_the_kernel_clears_a_steps_memory_once_and_not_at_each_step():
    net, x = LSTMNet(8, hidden_size=32), torch.randn(30, 1024, 8).transpose(0, 1)
    with kept_heap():
        faults(net, x, 6)
        kept = faults(net, x, 4)
    given_back = faults(net, x, 4)
    assert kept < given_back / 10 and given_back > 4 * 1000


@glibc
def test_the_system_has_it_back_after():
    process = psutil.Process()
    with kept_heap():
        blocks = [np.ones(30 * MB, np.uint8) for _ in range(4)]
        del blocks
        kept = process.memory_info().rss
    assert process.memory_info().rss < kept - 100 * MB


def test_elsewhere_nothing_is_asked_of_the_library(monkeypatch):
    heap._glibc.cache_clear()
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(heap.ctypes, "CDLL", lambda name: pytest.fail("asked"))
    with kept_heap():
        pass
    heap._glibc.cache_clear()
