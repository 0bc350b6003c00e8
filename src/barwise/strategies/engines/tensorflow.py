"""TensorFlow by Keras: on the CPU, on CUDA, and on a Mac by its Metal plugin."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib import import_module
from typing import Any

import numpy as np

from barwise.strategies.engines.keras import KerasEngine


class TensorFlow(KerasEngine):
    """Graphs by tf.function. Memory of a GPU is taken as it is needed, up to `device.memory_fraction` of it."""

    name, title = "tensorflow", "TensorFlow"
    packages = ("tensorflow", "keras")
    distributions = ("tensorflow", "keras", "tensorflow-metal")
    never_run = "with its Metal plugin on a Mac"

    def start(self, threads: int = 1, memory_fraction: float | None = None) -> list[str]:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # its banner says nothing that doctor does not
        tf = self.tf = import_module("tensorflow")
        unset = []
        try:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(1)
        except RuntimeError:
            if tf.config.threading.get_intra_op_parallelism_threads() != threads:
                unset.append(f"TensorFlow computes already, with other threads than {threads}")
        try:
            unset += _limit_memory(tf, memory_fraction)
        except RuntimeError as error:
            unset.append(f"device.memory_fraction={memory_fraction}: {str(error).splitlines()[0]}")
        tf.config.experimental.enable_tensor_float_32_execution(False)  # full float32: torch's numbers
        self.load_keras()
        return unset

    def missing(self, device: str) -> str | None:
        if device == "cpu":
            return None
        cuda = bool(self.tf.test.is_built_with_cuda())
        if device == "cuda" and not cuda:
            return "this build of TensorFlow has no CUDA; pip install 'tensorflow[and-cuda]'"
        if device == "mps" and sys.platform != "darwin" and not self.tf.config.list_physical_devices("GPU"):
            return "TensorFlow's Metal plugin is for Macs alone"
        if self.tf.config.list_physical_devices("GPU"):
            return None
        return "TensorFlow finds no GPU" + ("; pip install tensorflow-metal" if device == "mps" else "")

    def on(self, device: str) -> AbstractContextManager[Any]:
        self.device = device
        found: AbstractContextManager[Any] = self.tf.device("/CPU:0" if device == "cpu" else "/GPU:0")
        return found

    def array(self, values: np.ndarray) -> Any:
        return self.tf.convert_to_tensor(values)

    def numpy(self, values: Any) -> np.ndarray:
        return np.asarray(values.numpy())

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        made: Callable[..., Any] = self.tf.function(function)
        return made

    def with_gradients(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def both(weights: Any, *given: Any) -> Any:
            with self.tf.GradientTape() as tape:
                tape.watch(weights)
                value = function(weights, *given)
            return value, tape.gradient(value, weights)

        return both

    def faults(self) -> tuple[type[BaseException], ...]:
        return (self.tf.errors.OpError, RuntimeError)


def _limit_memory(tf: Any, fraction: float | None) -> list[str]:
    """Memory of each GPU as it is needed, or at most a share of the whole; what another limit, settled before, leaves
    unset. RuntimeError once TensorFlow computes."""
    unset = []
    whole = _total_mb() if fraction is not None else None
    limit = int(fraction * whole) if fraction is not None and whole is not None else None
    for gpu in tf.config.list_physical_devices("GPU"):
        settled = tf.config.get_logical_device_configuration(gpu)
        if settled:
            if settled[0].memory_limit != limit:
                unset.append(
                    f"device.memory_fraction={fraction}: this process gives {gpu.name} at most"
                    f" {settled[0].memory_limit:,.0f} MB since an earlier run; start another process"
                )
        elif limit is not None:
            tf.config.set_logical_device_configuration(gpu, [tf.config.LogicalDeviceConfiguration(memory_limit=limit)])
        elif tf.config.experimental.get_memory_growth(gpu) is not True:
            tf.config.experimental.set_memory_growth(gpu, True)
    return unset


def _total_mb() -> float | None:
    """MB that a GPU here has: torch's answer for CUDA, and the memory that a Mac's GPU shares; None for others."""
    from barwise.devices.backend import BACKENDS

    for one in (BACKENDS["cuda"], BACKENDS["mps"]):
        if one.missing() is None:
            return one.memory().get("total_mb")
    return None
