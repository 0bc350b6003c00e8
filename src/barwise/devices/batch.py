"""The largest batch that a device's memory allows, by real training steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from barwise.devices.backend import Backend
from barwise.devices.guards import kind_of
from barwise.devices.parity import squares

_SMALLEST, _LARGEST = 32, 8192
_STEPS_AN_EPOCH = 16  # at least: with fewer steps a net learns less from the same rows


def largest_batch(make: Callable[[int], tuple[Any, Any, Any]], on: Backend, rows: int) -> tuple[int, str]:
    """Batch size for `rows` training rows, and why: a power of two from 32 to 8192, 16 steps an epoch or more.

    `make(n)` gives a fresh net and a batch of n; forward, backward and an optimizer step are tried at each size. Where
    memory ends it, half of the largest that fitted is taken, so that there is headroom. Nothing else is changed.
    """
    most = _SMALLEST
    while most * 2 * _STEPS_AN_EPOCH <= rows and most < _LARGEST:
        most *= 2
    fitted, size = 0, _SMALLEST
    while size <= most:
        try:
            _one_step(*make(size), on)
        except Exception as error:
            if kind_of(error) != "out of memory":
                raise
            on.empty_cache()
            if not fitted:
                return _SMALLEST // 2, f"memory of {on.name} does not hold a batch of {_SMALLEST}"
            return max(
                _SMALLEST // 2, fitted // 2
            ), f"{size} is out of memory on {on.name}; half of {fitted} for headroom"
        fitted, size = size, size * 2
    on.empty_cache()
    return most, f"{_STEPS_AN_EPOCH} steps an epoch of {rows} rows, or {_LARGEST}; memory would allow more"


def _one_step(net: Any, x: Any, y: Any, on: Backend) -> None:
    """Forward, backward and one optimizer step."""
    import torch

    net = on.place(net).train()
    optimizer = torch.optim.AdamW(net.parameters())
    squares(net(x.to(on.device)), y.to(on.device)).backward()
    optimizer.step()
    on.synchronize()
