"""Where the configuration is."""

from __future__ import annotations

from pathlib import Path


def conf_dir() -> str:
    """The folder of the configuration: inside the installed package, else the checkout's `conf`."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "conf"
    return str(inside if inside.is_dir() else package.parents[1] / "conf")
