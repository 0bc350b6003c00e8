"""barwise: leak-proof, Hydra-configured experiments for machine-learning trading strategies."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["Run", "load"]


def __getattr__(name: str) -> Any:
    """`load` and `Run`, imported when first asked for, so that importing barwise stays free."""
    if name in __all__:
        from barwise import loading

        return getattr(loading, name)
    raise AttributeError(f"module 'barwise' has no attribute {name!r}")
