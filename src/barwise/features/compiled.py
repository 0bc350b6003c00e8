"""What numba has compiled, kept in a folder of the user's own: its files are pickles, which must be nobody else's."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import numba

from barwise.console.printing import notice
from barwise.console.progress import beside
from barwise.runs.blocks import cache_folder


def ready(kernel: Any, signature: str, file: str, what: str) -> None:
    """Open a kernel's machine code as it was kept, or compile it, some seconds, and keep it; for one signature only.

    Kept under the hash of the `file` that holds all of its code, so that no other code's is ever opened. Where the
    folder cannot be written, or others can write it, each process compiles anew, and a notice says so.
    """
    folder = cache_folder() / "compiled" / hashlib.sha256(Path(file).read_bytes()).hexdigest()[:32]
    with beside(f"compiling the kernels of {what}, once"):
        why = _private(folder)
        if why:
            notice(f"features: the compiled kernels of {what} are not kept, {why}")
            kernel.compile(signature)
        else:
            _kept(kernel, signature, folder)
    kernel.disable_compile()


def _kept(kernel: Any, signature: str, folder: Path) -> None:
    """Compiled, or opened from the folder; what is damaged there goes away and is compiled anew."""
    config: Any = numba.config
    before, config.CACHE_DIR = config.CACHE_DIR, str(folder)  # read where caching begins; the user's own keep theirs
    try:
        kernel.enable_caching()
    finally:
        config.CACHE_DIR = before
    try:
        kernel.compile(signature)
    except Exception:  # numba reads its files with pickle, which raises anything
        shutil.rmtree(folder, ignore_errors=True)
        kernel.compile(signature)


def _private(folder: Path) -> str | None:
    """Make the folder; why it is not one that this user alone reads and writes."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        about = folder.lstat()
    except OSError as error:
        return f"{folder} cannot be made ({error.strerror})"
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid() or stat.S_IMODE(about.st_mode) & 0o077:
        return f"others may write {folder}; remove it"
    return None if os.access(folder, os.W_OK | os.X_OK) else f"{folder} cannot be written"
