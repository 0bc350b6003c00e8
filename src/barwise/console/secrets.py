"""Secrets in addresses: nothing that a run keeps, and no message, may hold one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from barwise.errors import ConfigError

_PASSWORD = re.compile(r"(://[^/\s:@]*:)[^@\s/]+(?=@)")
_NAMED = re.compile(
    r"(?i)((?:password|access_key|secret_key|session_token|token|signature|sig)=)(?!\*\*\*)[^&\s'\"]+"  # in a query
)

_KEYS = re.compile(r"(?i)password|passwd|pwd|secret|token|api_?key|access_key|secret_key|session_token")
_FILLED = re.compile(r"\$\{[^}]*\}@|=\$\{")  # a password or key that a variable fills in
_WAYS = {
    "data": "set PGPASSWORD, PGPASSFILE or AWS_SECRET_ACCESS_KEY, or put a database's address in a variable BARS_URL"
    " and set data.database=env:BARS_URL",
    "": "name a variable that holds it, as ${oc.env:NAME}",
}


def masked(text: str) -> str:
    """`text` without the passwords and keys of the addresses in it.

    >>> masked("postgresql://me:hunter2@host/base?sslpassword=x")
    'postgresql://me:***@host/base?sslpassword=***'
    """
    return _NAMED.sub(r"\1***", _PASSWORD.sub(r"\1***", text))


def refuse_secrets(words: list[str]) -> None:
    """ConfigError for a setting with a secret on the command line, of which every file of a run would keep a copy."""
    for word in words:
        key, equals, value = word.lstrip("+").partition("=")
        if equals and _secret(key, value):
            raise holds_secret(key, value)


def forget_secrets(config: Mapping[str, Any], data: Mapping[str, Any], folder: Path) -> None:
    """The same for what a YAML says: Hydra has kept it in `folder` by now, and in the sweep's above it, where it is
    masked first. `config`: as it was composed, not filled in; `data`: filled in."""
    filled = [(f"data.{key}", value) for key, value in data.items() if "://" in str(value)]
    found = [(key, value) for key, value in (*_texts(config), *filled) if _secret(key, value)]
    if not found:
        return
    for path in (*folder.glob(".hydra/*.yaml"), folder.parent / "multirun.yaml"):
        if path.is_file() and not path.is_symlink():
            text = path.read_text(encoding="utf-8")
            for key, value in found:
                text = text.replace(value, "***" if _named(key) else masked(value))
            path.write_text(masked(text), encoding="utf-8")
    raise holds_secret(*found[0])


def check_secrets(config: Mapping[str, Any]) -> None:
    """The same before anything is kept."""
    for key, value in _texts(config):
        if _secret(key, value):
            raise holds_secret(key, value)


def _texts(node: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """(place, text) of each text in a configuration."""
    if isinstance(node, Mapping | list | tuple):
        for key, value in node.items() if isinstance(node, Mapping) else enumerate(node):
            yield from _texts(value, f"{place}.{key}" if place else str(key))
    elif isinstance(node, str):
        yield place, node


def _secret(key: str, value: Any) -> bool:
    """Whether a setting holds a secret: an address with one, or a key that is named so; one that is filled in from
    elsewhere holds none."""
    if not isinstance(value, str) or not value:
        return False
    if _named(key):
        return "${" not in value and value not in ("null", "***")
    return "://" in value and masked(value) != value and not _FILLED.search(value)


def _named(key: str) -> bool:
    """Whether a setting is named as secrets are."""
    return _KEYS.fullmatch(key.rpartition(".")[2]) is not None


def holds_secret(key: str, value: str) -> ConfigError:
    """The refusal of a setting that holds a secret, without it."""
    shown = f"{key}={'***' if _named(key) else masked(value)}"
    ways = f"leave it out and {_WAYS.get(key.partition('.')[0], _WAYS[''])}"
    if key.startswith("hydra.sweeper.storage"):
        ways = "leave it out and put the address in a variable BARWISE_STORAGE"
    return ConfigError(f"{shown}: holds a secret, which the run would keep; {ways}")
