"""JAX by Keras: on the CPU, on CUDA, and on a Mac by jax-mps or metaljax."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib import import_module
from typing import Any

import numpy as np

from barwise.strategies.engines.keras import KerasEngine

_PLATFORMS = {"cpu": ("cpu",), "cuda": ("cuda",), "mps": ("mps", "metal")}  # jax-mps calls itself mps, metaljax metal
_GET = {
    "cuda": "pip install 'jax[cuda13]'",
    "mps": "pip install jax-mps, or metaljax, on a Mac with Python 3.12 or newer",
}


class Jax(KerasEngine):
    """Compiled by XLA. Memory of a GPU is taken as it is needed, up to `device.memory_fraction` of it."""

    name, title = "jax", "JAX"
    packages = ("jax", "keras")
    distributions = ("jax", "keras", "jax-mps", "metaljax")
    never_run = "with jax-mps or metaljax on a Mac"

    def start(self, threads: int = 1, memory_fraction: float | None = None) -> list[str]:
        flags = os.environ.get("XLA_FLAGS", "")
        if "xla_cpu_multi_thread_eigen" not in flags and threads == 1:
            os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()
        os.environ.setdefault("PJRT_NPROC", str(threads))
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        if memory_fraction is not None:
            os.environ["XLA_PYTHON_CLIENT_MEM_FRACTION"] = str(memory_fraction)
        self.jax = import_module("jax")
        self.jax.config.update("jax_default_matmul_precision", "highest")  # full float32: torch's numbers
        self.jax.devices("cpu")  # loads the plugins that are installed: one that raises does so here
        self.load_keras()
        return []

    def missing(self, device: str) -> str | None:
        return None if self._devices(device) else f"JAX finds no {device} device; {_GET[device]}"

    def on(self, device: str) -> AbstractContextManager[Any]:
        self.device = device
        found: AbstractContextManager[Any] = self.jax.default_device(self._devices(device)[0])
        return found

    def array(self, values: np.ndarray) -> Any:
        return self.jax.numpy.asarray(values)

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        made: Callable[..., Any] = self.jax.jit(function)
        return made

    def with_gradients(self, function: Callable[..., Any]) -> Callable[..., Any]:
        made: Callable[..., Any] = self.jax.value_and_grad(function)
        return made

    def faults(self) -> tuple[type[BaseException], ...]:
        return (self.jax.errors.JaxRuntimeError,)

    def _devices(self, device: str) -> list[Any]:
        for platform in _PLATFORMS[device]:
            try:
                return list(self.jax.devices(platform))
            except RuntimeError:  # there is no such platform, or it could not be started
                continue
        return []
