"""Secrets in addresses: nothing that a run keeps, and no message, may hold one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from barwise.errors import ConfigError

_PASSWORD = re.compile(r"(://[^/\s:@]*:)[^@\s/]+(?=@)")
_NAMED = re.compile(
    r"(?i)((?:password|access_key|secret_key|session_token|token|signature|sig)=)(?!\*\*\*)[^&\s'\"]+"  # in a query
)


def masked(text: str) -> str:
    """`text` without the passwords and keys of the addresses in it.

    >>> masked("postgresql://me:hunter2@host/base?sslpassword=x")
    'postgresql://me:***@host/base?sslpassword=***'
    """
    return _NAMED.sub(r"\1***", _PASSWORD.sub(r"\1***", text))


def refuse_secrets(words: list[str]) -> None:
    """ConfigError for an address with a secret among the settings of `data` on the command line, of which every file
    of a run would keep a copy."""
    for word in words:
        key, equals, value = word.lstrip("+").partition("=")
        if equals and key.startswith("data.") and "://" in value and masked(value) != value:
            raise holds_secret(word)


def forget_secrets(data: Mapping[str, Any], folder: Path) -> None:
    """The same for what a YAML says of `data`: Hydra has kept it in `folder` by now, where it is masked first."""
    for key, value in data.items():
        if isinstance(value, str) and "://" in value and masked(value) != value:
            for path in folder.glob("*.yaml"):
                path.write_text(masked(path.read_text(encoding="utf-8")), encoding="utf-8")
            raise holds_secret(f"data.{key}={value}")


def holds_secret(setting: str) -> ConfigError:
    """The refusal of a setting that holds a secret, without it."""
    return ConfigError(
        f"{masked(setting)}: holds a secret, which the run would keep; leave it out and set PGPASSWORD, PGPASSFILE or"
        " AWS_SECRET_ACCESS_KEY, or put a database's address in a variable BARS_URL and set data.database=env:BARS_URL"
    )
