"""What an engine is: an array library that can train the nets of `strategy=lstm` from torch's weights and to them.

Weights are in torch's layout and under torch's names on every engine, the biases of gates twice as in torch. An engine
makes of them what its own layers want within each step, so that gradients, their norm and the optimizer's moments
are those of torch's weights, and a file of weights or a checkpoint needs no conversion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import numpy as np

from barwise.devices.guards import KINDS
from barwise.strategies.losses import Loss
from barwise.strategies.nets import GRUNet, LSTMNet, SequenceNet

Arrays = dict[str, Any]  # an engine's arrays by torch's names
CELLS: dict[type[SequenceNet], str] = {LSTMNet: "lstm", GRUNet: "gru"}
NETS = ", ".join(CELLS.values())


@dataclass(frozen=True)
class Body:
    """What an engine has to build: recurrent layers and the head of all nets.

    `warm`: None where the last step alone is scored, else the steps before the first that is.
    """

    cell: str
    n_features: int
    hidden_size: int
    num_layers: int
    dropout: float
    outputs: int
    squash: bool
    warm: int | None = None

    @classmethod
    def of(cls, net: SequenceNet, loss: Loss, warm: int | None) -> Body:
        """The body of one of the nets in `CELLS`."""
        layers: Any = net.layers
        sizes = (int(layers[0].input_size), int(layers[0].hidden_size), len(layers))
        return cls(CELLS[type(net)], *sizes, float(net.dropout.p), loss.outputs, loss.squash, warm)

    @property
    def dropouts(self) -> int:
        """How many times a pass drops: between layers, and in the head."""
        return self.num_layers if self.dropout else 0


class Engine:
    """One library. `packages`: what must be there, by the names they are imported by; `extra`: of barwise's."""

    name = ""
    title = ""
    packages: tuple[str, ...] = ()
    distributions: tuple[str, ...] = ()
    never_run = "on a Mac"  # where its makers had no machine to run it on

    ops: Any = None  # numpy's functions on the engine's arrays
    device = "cpu"  # the last that `on` was asked for

    def lacking(self) -> str | None:
        """Which package is not installed, and how to get it; None where all are."""
        for package in self.packages:
            if find_spec(package) is None:
                return f"{package} is not installed; pip install 'barwise[{self.name}]'"
        return None

    def versions(self) -> dict[str, str]:
        """Installed versions by package; nothing is imported."""
        found = {}
        for name in self.distributions:
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                continue
        return found

    def start(self, threads: int = 1, memory_fraction: float | None = None) -> list[str]:
        """Import and configure the library, once in a process; what could not be set, each in a line."""
        raise NotImplementedError

    def missing(self, device: str) -> str | None:
        """Why it cannot use cpu, cuda or mps here; None where it can. It has been started."""
        raise NotImplementedError

    def on(self, device: str) -> AbstractContextManager[Any]:
        """Where arrays are made and computed with while this lasts."""
        raise NotImplementedError

    def forward(self, body: Body) -> Callable[[Arrays, Any, Any], Any]:
        """f(weights, x, draws): outputs of scored steps; `draws` (dropouts, 2) seeds dropout, None drops nothing."""
        raise NotImplementedError

    def array(self, values: np.ndarray) -> Any:
        """An array of the engine's on the device."""
        raise NotImplementedError

    def numpy(self, values: Any) -> np.ndarray:
        """The same on the CPU; waits for it."""
        return np.array(values)

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function` of arrays, compiled."""
        raise NotImplementedError

    def with_gradients(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """f(weights, …) to its value and its gradients by the weights."""
        raise NotImplementedError

    def kind_of(self, error: BaseException) -> str | None:
        """`out of memory`, `driver error`, or None for what is no fault of a device."""
        text = str(error)
        if KINDS["out of memory"].search(text) or "RESOURCE_EXHAUSTED" in text or "malloc" in text:
            return "out of memory"
        return "driver error" if isinstance(error, self.faults()) else None

    def faults(self) -> tuple[type[BaseException], ...]:
        """The exceptions that the library raises where a device fails."""
        return (RuntimeError,)


def split_gates(weights: Mapping[str, Any], layer: int) -> tuple[Any, Any, Any, Any]:
    """W_ih, W_hh, b_ih and b_hh of a layer, as torch has them."""
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    first, second, third, fourth = (weights[f"layers.{layer}.{name}"] for name in names)
    return first, second, third, fourth
