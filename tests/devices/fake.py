"""A device that computes on the CPU and fails as it is told: it goes through the seam the real ones use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import nn

from barwise.devices import backend
from barwise.devices.backend import Backend


@dataclass
class Fake(Backend):
    """`wrong`: gradient of this parameter is a tenth too large. `lacks`: this layer has no kernel.

    `most_rows`: a training batch with more rows is out of memory. `breaks_at`: the driver dies at this training step.
    Like CUDA's, its driver does not outlive a fork: a process forked after its first use cannot use it.
    """

    name: str = "mps"
    accelerator: str = "cpu"
    device: str = "cpu"
    there: bool = True
    wrong: str | None = None
    lacks: str | None = None
    most_rows: int | None = None
    breaks_at: int | None = None
    used_mb: float = 10.0
    total_mb: float = 1000.0
    steps: int = 0
    emptied: int = 0
    placed: int = 0
    process: int | None = None
    rows: list[int] = field(default_factory=list)

    def missing(self) -> str | None:
        return None if self.there else "torch finds no MPS device"

    def memory(self) -> dict[str, float]:
        return {"allocated_mb": self.used_mb, "driver_mb": self.used_mb, "total_mb": self.total_mb}

    def empty_cache(self) -> None:
        self.emptied += 1

    def settings(self, memory_fraction: float | None, tf32: bool) -> None:
        self.set = (memory_fraction, tf32)

    def place(self, net: nn.Module) -> nn.Module:
        self.process = self.process or os.getpid()
        if self.process != os.getpid():
            raise RuntimeError("Cannot re-initialize CUDA in forked subprocess; the 'spawn' start method would do")
        self.placed += 1
        if self.wrong:
            dict(net.named_parameters())[self.wrong].register_hook(lambda gradient: gradient * 1.1)
        if self.lacks:
            dict(net.named_modules())[self.lacks].register_forward_pre_hook(self._no_kernel)
        net.register_forward_pre_hook(self._step)
        return net

    def _no_kernel(self, module: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        raise NotImplementedError("The operator 'aten::fake' is not currently implemented for the MPS device.")

    def _step(self, module: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        if not module.training:
            return
        self.steps += 1
        self.rows.append(len(given[0]))
        if self.most_rows and len(given[0]) > self.most_rows:
            raise torch.OutOfMemoryError("MPS backend out of memory (MPS allocated: 9 GB)")
        if self.breaks_at and self.steps == self.breaks_at:
            raise RuntimeError("Internal error: command buffer exited with error status")


@contextmanager
def faked(**switches: object) -> Iterator[Fake]:
    """The fake in the place of MPS."""
    fake = Fake(**switches)  # type: ignore[arg-type]
    real = backend.BACKENDS["mps"]
    backend.BACKENDS["mps"] = fake
    try:
        yield fake
    finally:
        backend.BACKENDS["mps"] = real
