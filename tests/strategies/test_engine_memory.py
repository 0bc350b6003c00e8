"""How much of a GPU's memory an engine takes: TensorFlow by stand-ins for its configuration, there being no GPU."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from barwise.devices.backend import BACKENDS
from barwise.strategies.engines import tensorflow
from barwise.strategies.engines.jax import Jax
from barwise.strategies.engines.tensorflow import TensorFlow


class GPU(NamedTuple):
    """A tf.config.PhysicalDevice."""

    name: str


class FakeConfig:
    """tf.config with two GPUs; `computes`: TensorFlow has begun, and what is settled cannot be changed."""

    def __init__(self, computes: bool = False) -> None:
        self.computes, self.limits, self.growth = computes, {}, {}
        self.experimental = SimpleNamespace(
            get_memory_growth=self.growth.get, set_memory_growth=self.set_memory_growth,
            enable_tensor_float_32_execution=lambda on: None,
        )  # fmt: skip
        self.threading = SimpleNamespace(set_intra_op_parallelism_threads=lambda n: None,
                                         set_inter_op_parallelism_threads=lambda n: None)  # fmt: skip

    def list_physical_devices(self, kind: str) -> list[GPU]:
        return [GPU("GPU:0"), GPU("GPU:1")] if kind == "GPU" else [GPU("CPU:0")]

    def LogicalDeviceConfiguration(self, memory_limit: int) -> SimpleNamespace:
        return SimpleNamespace(memory_limit=memory_limit)

    def get_logical_device_configuration(self, gpu: GPU) -> list[SimpleNamespace] | None:
        return self.limits.get(gpu)

    def set_logical_device_configuration(self, gpu: GPU, limits: list[SimpleNamespace]) -> None:
        self._check()
        self.limits[gpu] = limits

    def set_memory_growth(self, gpu: GPU, on: bool) -> None:
        if gpu in self.limits:
            raise ValueError("Cannot set memory growth on device when virtual devices configured")
        self._check()
        self.growth[gpu] = on

    def in_mb(self) -> dict[str, list[int]]:
        return {gpu.name: [one.memory_limit for one in limits] for gpu, limits in self.limits.items()}

    def _check(self) -> None:
        if self.computes:
            raise RuntimeError("Physical devices cannot be modified after being initialized\nmore")


@pytest.fixture
def start(monkeypatch):
    """Start TensorFlow on a FakeConfig where a GPU has 8,000 MB; what it could not set."""

    def started(config: FakeConfig, *given: Any) -> list[str]:
        engine = TensorFlow()
        monkeypatch.setattr(tensorflow, "import_module", lambda name: SimpleNamespace(config=config))
        monkeypatch.setattr(engine, "load_keras", lambda: None)
        monkeypatch.setattr(BACKENDS["cuda"], "missing", lambda: None)
        monkeypatch.setattr(BACKENDS["cuda"], "memory", lambda: {"total_mb": 8000.0})
        return engine.start(1, *given)

    return started


def test_tensorflow_takes_memory_as_it_needs_it_unless_it_is_limited(start):
    config = FakeConfig()
    assert start(config) == [] and config.limits == {}
    assert config.growth == {GPU("GPU:0"): True, GPU("GPU:1"): True}


def test_tensorflow_is_limited_to_a_share_of_each_gpu_once(start):
    config = FakeConfig()
    assert start(config, 0.25) == [] and config.growth == {}
    assert config.in_mb() == {"GPU:0": [2000], "GPU:1": [2000]}
    assert start(config, 0.25) == []


@pytest.mark.parametrize("later", [0.5, None])
def test_a_process_keeps_its_first_limit_and_says_so(later, start):
    config = FakeConfig()
    start(config, 0.25)
    assert start(config, later)[0] == (
        f"device.memory_fraction={later}: this process gives GPU:0 at most 2,000 MB since an earlier run; start another"
        " process"
    )
    assert config.in_mb() == {"GPU:0": [2000], "GPU:1": [2000]}


def test_a_limit_that_comes_too_late_is_told(start):
    assert start(FakeConfig(computes=True), 0.25) == [
        "device.memory_fraction=0.25: Physical devices cannot be modified after being initialized"
    ]


def test_jax_is_told_its_share_before_it_is_imported(monkeypatch):
    for name in ("XLA_FLAGS", "PJRT_NPROC", "XLA_PYTHON_CLIENT_PREALLOCATE", "XLA_PYTHON_CLIENT_MEM_FRACTION"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    seen: dict[str, str | None] = {}

    def imported(name: str) -> Any:
        import os

        seen.update({key: os.environ.get(key) for key in ("XLA_PYTHON_CLIENT_PREALLOCATE",
                                                          "XLA_PYTHON_CLIENT_MEM_FRACTION")})  # fmt: skip
        return SimpleNamespace(config=SimpleNamespace(update=lambda *_: None), devices=lambda _: [])

    engine = Jax()
    monkeypatch.setattr("barwise.strategies.engines.jax.import_module", imported)
    monkeypatch.setattr(engine, "load_keras", lambda: None)
    assert engine.start(1, 0.25) == []
    assert seen == {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "XLA_PYTHON_CLIENT_MEM_FRACTION": "0.25"}
