"""Checks of the settings of a source: one line each, with the shipped default."""

from __future__ import annotations

import re
import shlex
from typing import Any

from barwise.errors import require


def number(name: str, value: Any, low: float, high: float, hint: str) -> None:
    """ConfigError unless `value` is a number in [low, high]."""
    ok = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    require(ok, f"data.{name}={value}: must be a number from {low:g} to {high:g}; {hint}")


def choice(name: str, value: Any, allowed: tuple[str, ...], default: str) -> None:
    """ConfigError unless `value` is one of `allowed`."""
    require(
        value in allowed, f"data.{name}={value}: must be one of {', '.join(allowed)}; the shipped default is {default}"
    )


def yes_or_no(name: str, value: Any, default: bool) -> None:
    """ConfigError unless `value` is true or false."""
    require(isinstance(value, bool), f"data.{name}={value}: must be true or false; the shipped default is {default}")


def setting(name: str, value: Any) -> str:
    """`data.name=value` as a shell and the configuration take it: quoted where it holds more than plain characters."""
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    if isinstance(value, list | tuple):
        return f"'data.{name}=[{text}]'"
    if re.fullmatch(r"[\w./:-]+", text, re.ASCII):
        return f"data.{name}={text}"
    inner = text.replace("\\", "\\\\").replace('"', '\\"')
    return shlex.quote(f'data.{name}="{inner}"')
