"""Paths as they are on the command line: Hydra's grammar must not reach a file's name."""

from __future__ import annotations

import re
from pathlib import Path

_PATHS = (
    "data.path",
    "data.universe",
    "data.context",
    "data.as_of",
    "data.actions",
    "data.database",
    "cache.folder",
)  # settings that name a file or folder


def path_words(words: list[str]) -> list[str]:
    """The overrides, with the value quoted for Hydra where it is a path that exists under exactly that name.

    `data.path=my bars (1).csv` then reads that file; where no such file is, a value keeps its meaning, so that
    `data.path=a.csv,b.csv` under -m is a sweep.
    """
    return [_path_word(word) for word in words]


def hydra_value(text: str) -> str:
    """`text` as a quoted value of Hydra's override grammar, with nothing in it that OmegaConf would interpolate.

    Within quotes only a quote, and backslashes before one, are escaped:
    https://hydra.cc/docs/1.3/advanced/override_grammar/basic/#quoted-values
    """
    literal = escaped(text)
    return "'" + re.sub(r"(\\*)('|$)", lambda m: m[1] * 2 + ("\\'" if m[2] else ""), literal) + "'"


def escaped(text: str) -> str:
    """`text` so that OmegaConf interpolates nothing in it: it takes \\${ for ${."""
    return re.sub(r"(\\*)\$\{", r"\1\1\\${", text)


def _path_word(word: str) -> str:
    key, equals, value = word.partition("=")
    if not equals or key.lstrip("+") not in _PATHS or not _exists(value):
        return word
    return f"{key}={hydra_value(value)}"


def _exists(value: str) -> bool:
    try:
        return bool(value.strip()) and (Path(value).exists() or Path(value).expanduser().exists())
    except (OSError, ValueError, RuntimeError):  # a name too long, a NUL, a home that is not known
        return False
