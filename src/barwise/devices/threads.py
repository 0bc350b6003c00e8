"""How many threads train a net fastest: its own steps, timed; measured once per net, batch and machine."""

from __future__ import annotations

import hashlib
import os
import platform
from typing import Any

import torch

from barwise.devices.backend import backend
from barwise.devices.choice import Probe
from barwise.devices.race import memory_of_races, read_times, shape_and_code, step_seconds
from barwise.runs.directory import write_json

_GAIN = 1.2  # more threads must be so much faster: they are taken from others, and times are noisy


def fastest(probe: Probe) -> tuple[int, dict[str, Any]]:
    """The number of threads to train the probe's net with on the CPU, and the facts for run.json."""
    net, x, y = probe()
    share = os.environ.get("OMP_NUM_THREADS", "")
    most = max(1, int(share) if share.isdigit() else os.cpu_count() or 1)
    candidates = sorted({1, most, *(2**i for i in range(1, 10) if 2**i < most)})
    path = memory_of_races().with_name("threads.json")
    facts = [shape_and_code(net), tuple(x.shape), candidates, torch.__version__, platform.node()]
    key = hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
    known = read_times(path)
    numbers = {name: t for name, t in known.get(key, {}).items() if isinstance(t, float)}
    remembered = set(numbers) == {str(n) for n in candidates}
    before = torch.get_num_threads()
    try:
        seconds = numbers if remembered else {str(n): _timed(n, net, x, y) for n in candidates}
    finally:
        torch.set_num_threads(before)
    if not remembered:
        write_json(path, {**known, key: seconds})
    best = 1
    for n in candidates:
        if seconds[str(n)] * _GAIN < seconds[str(best)]:
            best = n
    return best, {"step_seconds": seconds, "measured": "before, on this machine" if remembered else "now"}


def _timed(threads: int, net: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    torch.set_num_threads(threads)
    return step_seconds(net, x, y, backend("cpu"))
