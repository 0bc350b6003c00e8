"""The fastest device for one net: real training steps, timed on each."""

from __future__ import annotations

import copy
import hashlib
import os
import platform
import statistics
import time
from pathlib import Path

import torch
from torch import nn

from barwise.devices.backend import Backend, backend
from barwise.devices.choice import DeviceChoice, Probe
from barwise.devices.guards import describe, expected
from barwise.devices.parity import squares
from barwise.errors import DataError
from barwise.runs.directory import write_json
from barwise.safety.files import read_json

_WARM, _TIMED = 3, 7  # steps; the first ones compile kernels and fill caches


def race(probe: Probe, names: list[str]) -> DeviceChoice:
    """Choose among `names` by the median seconds of a training step; measured once per net, batch and machine."""
    net, x, y = probe()
    path = memory_of_races()
    known = read_times(path)
    key = _key(net, x, names)
    remembered = key in known and set(known[key]) == set(names) and any(map(_is_time, known[key].values()))
    seconds: dict[str, float | str] = known[key] if remembered else {n: _attempt(net, x, y, backend(n)) for n in names}
    if not remembered:
        write_json(path, {**known, key: seconds})
    timed = {n: s for n, s in seconds.items() if not isinstance(s, str)}
    ranked = sorted(timed, key=lambda n: timed[n])
    best = ranked[0]
    words = [f"{best}: {timed[n] / timed[best]:.1f}× faster than {n} on this net and batch" for n in ranked[1:]]
    words += [f"{n} is out: {why}" for n, why in seconds.items() if isinstance(why, str)]
    reason = "; ".join(words) or f"{best} alone could run this net"
    facts = {"step_seconds": seconds, "measured": "before, on this machine" if remembered else "now"}
    return DeviceChoice("auto", best, reason, None, facts)


def _attempt(net: nn.Module, x: torch.Tensor, y: torch.Tensor, on: Backend) -> float | str:
    """Median seconds of one step on a copy of `net`, or why the device cannot do it."""
    try:
        return step_seconds(net, x, y, on)
    except Exception as error:
        if on.name == "cpu" or not expected(error):
            raise
        return describe(error)


def step_seconds(net: nn.Module, x: torch.Tensor, y: torch.Tensor, on: Backend) -> float:
    """Median seconds of forward, backward and optimizer step of a copy of `net` on one batch."""
    placed = on.place(copy.deepcopy(net)).train()
    optimizer = torch.optim.AdamW(placed.parameters())
    x, y = x.to(on.device), y.to(on.device)
    times = []
    for _ in range(_WARM + _TIMED):
        begin = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        squares(placed(x), y).backward()
        optimizer.step()
        on.synchronize()
        times.append(time.perf_counter() - begin)
    on.empty_cache()
    return statistics.median(times[_WARM:])


def memory_of_races() -> Path:
    """Where step times of this machine are kept: $BARWISE_CACHE, else the user's cache folder."""
    base = (
        os.environ.get("BARWISE_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "barwise"
    )
    return Path(base) / "devices.json"


def read_times(path: Path) -> dict[str, dict[str, float | str]]:
    """The step times that are kept in `path`, by what they depend on; what is none is passed over."""
    try:
        found = read_json(path) if path.is_file() else {}
    except (OSError, DataError):
        return {}
    kept = {}
    for key, times in found.items() if isinstance(found, dict) else ():
        if isinstance(times, dict) and all(isinstance(t, str) or _is_time(t) for t in times.values()):
            kept[key] = times
    return kept


def _is_time(value: object) -> bool:
    return isinstance(value, float) and value > 0


def shape_and_code(net: nn.Module) -> list[str]:
    """What a step does, as far as it can be told: the layers, and the code of their forward passes."""
    code = hashlib.sha256()
    for module in net.modules():
        code.update(getattr(getattr(type(module).forward, "__code__", None), "co_code", b""))
    return [str(net), code.hexdigest()]


def _key(net: nn.Module, x: torch.Tensor, names: list[str]) -> str:
    """What the times depend on: the net's shape, the batch, the devices, torch, threads and the machine."""
    facts = [
        shape_and_code(net),
        tuple(x.shape),
        sorted(names),
        torch.__version__,
        torch.get_num_threads(),
        platform.node(),
    ]
    facts += [torch.cuda.get_device_name()] if "cuda" in names and torch.cuda.is_available() else []
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
