"""MLX, Apple's own library: on a Mac's GPU, on the CPU of a Mac or of Linux, and on CUDA by its build for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from typing import Any

import numpy as np

from barwise.strategies.engines.base import Arrays, Body, Engine, split_gates


class Mlx(Engine):
    """Compiled by mx.compile; layers of mlx.nn are given torch's weights within each step."""

    name, title = "mlx", "MLX"
    packages = ("mlx",)
    distributions = ("mlx", "mlx-cpu", "mlx-metal", "mlx-cuda")
    never_run = "on a Mac"

    def start(self, threads: int = 1, memory_fraction: float | None = None) -> list[str]:
        self.mx = self.ops = import_module("mlx.core")
        self.nn = import_module("mlx.nn")
        if memory_fraction is None or (self.missing("mps") and self.missing("cuda")):
            return []
        info = self.mx.device_info(self.mx.gpu)
        whole = info.get("max_recommended_working_set_size") or info.get("total_memory") or info.get("memory_size")
        if not whole:
            return [f"device.memory_fraction={memory_fraction}: MLX does not say how much memory there is"]
        self.mx.set_memory_limit(int(memory_fraction * whole))
        return []

    def missing(self, device: str) -> str | None:
        if device == "cpu":
            return None
        if device == "mps":
            return None if self.mx.metal.is_available() else "MLX finds no Metal device: its Metal build is for Macs"
        known = hasattr(self.mx, "cuda") and self.mx.cuda.is_available()
        return None if known else "this build of MLX has no CUDA; pip install 'mlx[cuda13]'"

    def on(self, device: str) -> AbstractContextManager[Any]:
        self.device = device
        return self._default(self.mx.cpu if device == "cpu" else self.mx.gpu)

    def forward(self, body: Body) -> Callable[[Arrays, Any, Any], Any]:
        mx = self.mx
        made = self.nn.LSTM if body.cell == "lstm" else self.nn.GRU
        sizes = [body.n_features] + [body.hidden_size] * (body.num_layers - 1)
        layers = [made(size, body.hidden_size) for size in sizes]

        def dropped(x: Any, draws: Any, place: int) -> Any:
            if draws is None or not body.dropout:
                return x
            keep = mx.random.bernoulli(1.0 - body.dropout, x.shape, key=draws[place])
            return mx.where(keep, x / (1.0 - body.dropout), 0.0)

        def outputs(weights: Arrays, x: Any, draws: Any = None) -> Any:
            for i, layer in enumerate(layers):
                layer.update(_laid_out(mx, body, weights, i))
                x = layer(x if i == 0 else dropped(x, draws, i - 1))
                x = x[0] if body.cell == "lstm" else x
            x = x[:, -1] if body.warm is None else x[:, body.warm :]
            x = mx.maximum(x @ weights["head.0.weight"].T + weights["head.0.bias"], 0.0)
            x = dropped(x, draws, body.num_layers - 1) @ weights["head.3.weight"].T + weights["head.3.bias"]
            x = mx.tanh(x) if body.squash else x
            return x[..., 0] if body.outputs == 1 else x

        return outputs

    def array(self, values: np.ndarray) -> Any:
        return self.mx.array(np.ascontiguousarray(values))

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        made = self.mx.compile(function)

        def evaluated(*given: Any) -> Any:
            found = made(*given)
            self.mx.eval(found)
            return found

        return evaluated

    def with_gradients(self, function: Callable[..., Any]) -> Callable[..., Any]:
        made: Callable[..., Any] = self.mx.value_and_grad(function)
        return made

    @contextmanager
    def _default(self, device: Any) -> Iterator[None]:
        before = self.mx.default_device()
        self.mx.set_default_device(device)
        try:
            yield
        finally:
            self.mx.set_default_device(before)


def _laid_out(mx: Any, body: Body, weights: Arrays, layer: int) -> dict[str, Any]:
    """Torch's weights of a layer as mlx.nn's has them: the two biases are one sum but for the new gate of a GRU."""
    first, second, third, fourth = split_gates(weights, layer)
    if body.cell == "lstm":
        return {"Wx": first, "Wh": second, "bias": third + fourth}
    gates = 2 * body.hidden_size
    both = mx.concatenate([third[:gates] + fourth[:gates], third[gates:]])
    return {"Wx": first, "Wh": second, "b": both, "bhn": fourth[gates:]}
