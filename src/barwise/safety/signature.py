"""Which models are one's own: those that barwise saved on this account and nobody changed since.

A model is signed when it is saved, with a key that lies outside every run's directory. Only a stranger's model, or one
that was changed or made on another account, is tried in a process of its own before it is loaded.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from barwise.errors import DataError
from barwise.safety.files import name_beside, open_regular, read_json

_NAME = "signature.json"
_LATER = {
    _NAME,
    "finished.json",
    "scores.safetensors",
    "importance.json",
    "contributions.parquet",
    "refit.json",
}  # written after the model
_KEY_BYTES = 32


def sign(folder: Path) -> None:
    """Say in `folder` that this account has saved the model in it; nothing is written where there can be no key."""
    key = _key(make=True) if folder.is_dir() else None
    try:
        found = _mac(key, folder) if key is not None else None
    except (OSError, DataError):  # a link, or what a strategy of the user's own saves: tried when it is loaded
        found = None
    if found is None:
        return
    beside = name_beside(folder / _NAME)
    beside.write_text(json.dumps({"hmac-sha256": found}) + "\n", encoding="ascii")
    os.replace(beside, folder / _NAME)


def signed(folder: Path) -> bool:
    """Whether this account saved the model in `folder`, and every file of it is as it was."""
    key = _key(make=False)
    if key is None or not (folder / _NAME).is_file():
        return False
    try:
        found = read_json(folder / _NAME, 1024)
        return hmac.compare_digest(str(found["hmac-sha256"]).encode(), _mac(key, folder).encode())
    except (OSError, DataError, KeyError, TypeError):
        return False


def _key_file() -> Path:
    """$BARWISE_CACHE/key, else barwise/key in the user's data folder."""
    own = os.environ.get("BARWISE_CACHE")
    data = os.environ.get("XDG_DATA_HOME") or os.path.join("~", ".local", "share")
    return Path(own or os.path.join(os.path.expanduser(data), "barwise")) / "key"


def _key(make: bool) -> bytes | None:
    """The account's key; None where there is none, or others could have read or written it."""
    path = _key_file()
    try:
        if make and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
                with os.fdopen(made, "wb") as file:
                    file.write(secrets.token_bytes(_KEY_BYTES))
        with os.fdopen(open_regular(path), "rb") as file:
            about = os.fstat(file.fileno())
            key = file.read(_KEY_BYTES + 1)
    except (OSError, DataError):
        return None
    alone = about.st_uid == os.geteuid() and not stat.S_IMODE(about.st_mode) & 0o077
    return key if alone and len(key) == _KEY_BYTES else None


def _mac(key: bytes, folder: Path) -> str:
    """Of names and contents of the model's files; DataError where one is no regular file."""
    mac = hmac.new(key, digestmod=hashlib.sha256)
    for name in sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_symlink() or not p.is_dir()):
        if name in _LATER or name.endswith((".ckpt", ".tmp")):
            continue
        with os.fdopen(open_regular(folder / name), "rb") as file:
            mac.update(json.dumps([name, hashlib.file_digest(file, "sha256").hexdigest()]).encode())
    return mac.hexdigest()
