"""barwise: leak-proof, Hydra-configured experiments for machine-learning trading strategies."""

from typing import Any

from barwise._moved import install

__version__ = "0.1.0"
__all__ = ["Run", "Sweep", "live", "load", "read", "sweep", "train"]
_MADE = ("Sweep", "read", "sweep", "train")


install()


def __getattr__(name: str) -> Any:
    """What is imported when it is first asked for, so that importing barwise stays free."""
    if name not in __all__:
        raise AttributeError(f"module 'barwise' has no attribute {name!r}")
    if name == "live":
        from barwise.serving.live import live

        return live
    if name in _MADE:
        from barwise.commands import api

        return getattr(api, name)
    from barwise.report import run

    return getattr(run, name)
