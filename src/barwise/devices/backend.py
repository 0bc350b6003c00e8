"""One kind of device as torch and Lightning know it: the only place where torch is asked about devices.

Tests put a fake in `BACKENDS`; whatever the real devices go through, the fake goes through too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from barwise.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn


class Backend:
    """The CPU, and the base of the others. `accelerator`: Lightning's name; `device`: torch's."""

    name = "cpu"
    accelerator = "cpu"
    device = "cpu"

    def missing(self) -> str | None:
        """Why torch cannot use it here; None if it can."""
        return None

    def place(self, net: nn.Module) -> nn.Module:
        """`net` with its weights on the device."""
        return net.to(self.device)

    def memory(self) -> dict[str, float]:
        """MB in use by tensors and by the driver, and what there is, as far as the platform tells."""
        return {}

    def utilisation(self) -> float | None:
        """Share of the device in use, 0 to 1; None where the platform does not tell."""
        return None

    def synchronize(self) -> None:
        """Wait until the device has done what it was told."""

    def empty_cache(self) -> None:
        """Give memory that no tensor needs back to the driver."""

    def settings(self, memory_fraction: float | None, tf32: bool) -> None:
        """Limit the device's memory to a share of it, and allow or forbid TensorFloat-32."""


class _CUDA(Backend):
    """NVIDIA."""

    name, accelerator, device = "cuda", "gpu", "cuda"

    def missing(self) -> str | None:
        import torch

        if not torch.backends.cuda.is_built():
            return "this build of torch has no CUDA"
        return None if torch.cuda.is_available() else "torch finds no CUDA device"

    def memory(self) -> dict[str, float]:
        import torch

        free, total = torch.cuda.mem_get_info()
        return {
            "allocated_mb": torch.cuda.memory_allocated() / 2**20,
            "driver_mb": (total - free) / 2**20,
            "total_mb": total / 2**20,
        }

    def utilisation(self) -> float | None:
        import torch

        try:
            return torch.cuda.utilization() / 100.0
        except Exception:  # NVML's Python package is not a dependency of torch, and raises of many kinds
            return None

    def synchronize(self) -> None:
        import torch

        torch.cuda.synchronize()

    def empty_cache(self) -> None:
        import torch

        torch.cuda.empty_cache()

    def settings(self, memory_fraction: float | None, tf32: bool) -> None:
        import torch

        if memory_fraction is not None:
            torch.cuda.set_per_process_memory_fraction(memory_fraction)
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.allow_tf32 = tf32


class _MPS(Backend):
    """Apple silicon. Nearly every call of torch.mps raises where there is none, so `missing` comes first."""

    name, accelerator, device = "mps", "mps", "mps"

    def missing(self) -> str | None:
        import torch

        if not torch.backends.mps.is_built():
            return "this build of torch has no MPS; it is in the macOS builds for Apple silicon"
        return None if torch.backends.mps.is_available() else "torch finds no MPS device"

    def memory(self) -> dict[str, float]:
        import torch

        return {
            "allocated_mb": torch.mps.current_allocated_memory() / 2**20,
            "driver_mb": torch.mps.driver_allocated_memory() / 2**20,
            "total_mb": torch.mps.recommended_max_memory() / 2**20,
        }

    def synchronize(self) -> None:
        import torch

        torch.mps.synchronize()

    def empty_cache(self) -> None:
        import torch

        torch.mps.empty_cache()

    def settings(self, memory_fraction: float | None, tf32: bool) -> None:
        import torch

        if memory_fraction is not None:
            torch.mps.set_per_process_memory_fraction(memory_fraction)


BACKENDS: dict[str, Backend] = {"cpu": Backend(), "cuda": _CUDA(), "mps": _MPS()}


def backend(name: str) -> Backend:
    """The backend of a device's name; ConfigError for a name that there is not."""
    if name not in BACKENDS:
        raise ConfigError(f"device={name}: must be one of auto, {', '.join(BACKENDS)}")
    return BACKENDS[name]


def present() -> list[str]:
    """Names of the devices that torch can use here, the CPU first."""
    return [name for name, one in BACKENDS.items() if one.missing() is None]
