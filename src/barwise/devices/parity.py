"""Does the device compute what the CPU computes? Forward, loss and gradients of one net on one small batch."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor, nn

from barwise.devices.backend import Backend

# float32 sums in another order differ by about 1e-6 of the scale; a wrong kernel differs by far more.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Parity:
    """Outcome: `layer` is the one with the first difference beyond `tolerance`, `worst` the largest of all.

    Differences are relative to the largest value of the same tensor on the CPU.
    """

    device: str
    ok: bool
    worst: float
    layer: str | None = None
    what: str | None = None
    tolerance: float = TOLERANCE
    reference: str = "the CPU"

    def facts(self) -> dict[str, Any]:
        """For run.json."""
        return asdict(self)

    def __str__(self) -> str:
        if self.ok:
            return f"{self.device} agrees with {self.reference}: largest difference {self.worst:.1e}"
        return (
            f"{self.device} disagrees with {self.reference}: {self.what} of {self.layer} differ by {self.worst:.1e} "
            f"of their scale, {self.tolerance:.0e} is allowed"
        )


def compare(
    net: nn.Module,
    x: Tensor,
    y: Tensor,
    on: Backend,
    loss: Callable[[Tensor, Tensor], Tensor] | None = None,
    tolerance: float = TOLERANCE,
) -> Parity:
    """Run `net` (left as it is) on `x`, `y` in float32 on the CPU and on `on`, and compare layer by layer.

    Dropout is off, since no two devices draw alike; everything else is as in training. Outputs are compared in the
    order of the forward pass, then the loss, then gradients from the last layer back to the first.
    """
    loss = loss or squares
    expected = _traces(_still(net), x.float(), y.float(), loss)
    placed = on.place(_still(net))
    found = _traces(placed, x.float().to(on.device), y.float().to(on.device), loss)
    worst, culprit = 0.0, None
    for key, value in expected.items():
        gap = difference(value, found[key])
        if not gap <= tolerance and culprit is None:  # NaN is a difference too
            culprit = key
        worst = max(worst, gap) if gap == gap else float("inf")
    if culprit is None:
        return Parity(on.name, True, worst, tolerance=tolerance)
    what, layer = culprit
    return Parity(on.name, False, worst, layer, what, tolerance)


def _still(net: nn.Module) -> nn.Module:
    """A copy in training mode whose dropout drops nothing."""
    still = copy.deepcopy(net).float().train()
    for module in still.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.p = 0.0
        elif isinstance(getattr(module, "dropout", None), float):
            module.dropout = 0.0  # type: ignore[assignment]
    return still


def _traces(
    net: nn.Module, x: Tensor, y: Tensor, loss: Callable[[Tensor, Tensor], Tensor]
) -> dict[tuple[str, str], Tensor]:
    """Every layer's output, the loss, and every parameter's gradient, on the CPU in float32."""
    traces: dict[tuple[str, str], Tensor] = {}

    def keep(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, given: Any, output: Any) -> None:
            first = output[0] if isinstance(output, tuple) else output
            if isinstance(first, Tensor):
                traces["outputs", name] = first.detach().float().cpu()

        return hook

    handles = [
        module.register_forward_hook(keep(name))
        for name, module in net.named_modules()
        if name and not any(module.children())
    ]
    value = loss(net(x), y)
    value.backward()
    for handle in handles:
        handle.remove()
    traces["values", "the loss"] = value.detach().float().cpu()
    for name, parameter in reversed(list(net.named_parameters())):
        if parameter.grad is not None:
            traces["gradients", name] = parameter.grad.detach().float().cpu()
    return traces


def difference(expected: Tensor, found: Tensor) -> float:
    """Largest difference over the largest absolute value expected."""
    if expected.shape != found.shape:
        return float("inf")
    scale = float(expected.abs().max()) if expected.numel() else 0.0
    gap = float((expected - found).abs().max()) if expected.numel() else 0.0
    return gap / max(scale, 1e-6)


def squares(out: Tensor, y: Tensor) -> Tensor:
    """Mean squared error; of each member where a net gives the outputs of several."""
    return nn.functional.mse_loss(out, y.expand_as(out))
