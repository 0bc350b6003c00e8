"""The engines by name, and what those other than torch are refused."""

from __future__ import annotations

from typing import Any

from barwise.errors import ConfigError, require
from barwise.strategies.engines.base import CELLS, NETS, Engine
from barwise.strategies.engines.jax import Jax
from barwise.strategies.engines.losses import MEANS
from barwise.strategies.engines.mlx import Mlx
from barwise.strategies.engines.tensorflow import TensorFlow
from barwise.strategies.losses import name_of
from barwise.strategies.training import Training

TORCH = "torch"  # the reference, on Lightning: none of those below
ENGINES: dict[str, Engine] = {one.name: one for one in (TensorFlow(), Jax(), Mlx())}
NAMES = (TORCH, *ENGINES)


def engine_of(name: str) -> Engine:
    """The engine of that name; ConfigError where it is not installed."""
    if name not in ENGINES:
        raise ConfigError(f"strategy.engine={name}: must be one of {', '.join(NAMES)}")
    lacking = ENGINES[name].lacking()
    if lacking:
        raise ConfigError(f"strategy.engine={name}: {lacking}")
    return ENGINES[name]


def check(name: str, net: Any, training: Training, callbacks: Any) -> None:
    """ConfigError, in one line that says which engine can, for what an engine other than torch cannot do."""
    if name == TORCH:
        return
    loss = name_of(training.loss)
    asked = {
        f"strategy/net={net.__name__}": net not in CELLS and f"choose one of {NETS} (strategy/net=lstm)",
        f"strategy.loss={loss}": loss not in MEANS and f"choose one of {', '.join(MEANS)}",
        f"strategy.precision={training.precision}": str(training.precision) != "32" and "choose precision=32",
        "strategy.compile=true": training.compile and f"{name} compiles by itself: set compile=false",
        "strategy.callbacks": bool(callbacks) and "they are Lightning's: set callbacks=[]",
    }
    for what, other in asked.items():
        require(not other, f"strategy.engine={name}: {what} is torch's alone; set strategy.engine=torch, or {other}")
