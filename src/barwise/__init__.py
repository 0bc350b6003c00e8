"""barwise: leak-proof, Hydra-configured experiments for machine-learning trading strategies."""

from typing import Any

from barwise._moved import install

__version__ = "0.1.0"
__all__ = ["Run", "live", "load"]


install()


def __getattr__(name: str) -> Any:
    """`load`, `Run` and `live`, imported when first asked for, so that importing barwise stays free."""
    if name not in __all__:
        raise AttributeError(f"module 'barwise' has no attribute {name!r}")
    if name == "live":
        from barwise.serving.live import live

        return live
    from barwise.report import run

    return getattr(run, name)
