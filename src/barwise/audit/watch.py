"""What the user's code does beside computing: files, addresses, and the program that runs it.

Python tells of both by audit events. Nothing is forbidden; what was done is stamped on the verdict.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from barwise.audit.own import of_frame
from barwise.console.installed import library_folders

_OUTSIDE = {  # event: place of the name among its arguments
    "open": 0, "sqlite3.connect": 0, "socket.connect": 1, "subprocess.Popen": 0, "os.system": 0, "os.posix_spawn": 0,
    "os.exec": 0, "os.listdir": 0, "os.scandir": 0, "os.mkdir": 0, "os.rename": 1, "os.link": 1, "os.symlink": 1,
    "os.utime": 0, "os.truncate": 0, "os.setxattr": 0, "os.getxattr": 0, "os.remove": 0, "os.chmod": 0,
    "glob.glob": 0, "shutil.copyfile": 1, "urllib.Request": 0, "winreg.OpenKey": 1,
}  # fmt: skip
_INSIDE = (  # of the program, beyond what a part is given
    "sys._getframe", "sys._current_frames", "sys._current_exceptions", "sys.settrace", "sys.setprofile",
    "gc.get_objects", "gc.get_referrers", "gc.get_referents", "ctypes.cdata", "ctypes.cdata/buffer",
    "ctypes.string_at", "ctypes.wstring_at", "ctypes.PyObj_FromPtr",
)  # fmt: skip
_FRAMES = ("tb_frame", "gi_frame", "cr_frame", "ag_frame")
_ASKING = ("inspect.py", "traceback.py")  # Python's own ways to a frame
_READERS = (".py", ".pyc", ".so", ".pyi", ".typed")
_SYSTEM = (
    "/proc/meminfo", "/proc/cpuinfo", "/proc/self/status", "/proc/self/maps", "/proc/self/cgroup", "/proc/self/stat",
    "/proc/stat", "/proc/version", "/sys/", "/dev/null", "/dev/urandom", "/dev/random", "/usr/share/zoneinfo",
    "/etc/localtime", "/lib/", "/usr/lib/",
)  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass
class Watch:
    """`found`: what was done, in words. `everyone`: libraries' doings count too, as in a process that computes rows and
    does nothing else. `folders`: the user's to write and read. `boundary`: the frame whose callers are not looked at.
    """

    found: set[str] = field(default_factory=set)
    everyone: bool = False
    folders: list[str] = field(default_factory=list)
    boundary: FrameType | None = None

    def hear(self, event: str, args: tuple[Any, ...]) -> None:
        frame = sys._getframe(2)
        if event in _OUTSIDE:
            self._outside(event, args, frame)
        elif event in _INSIDE or (event == "object.__getattr__" and len(args) > 1 and args[1] in _FRAMES):
            asked = os.path.basename(frame.f_code.co_filename) in _ASKING and event.startswith("sys._getframe")
            while asked and frame.f_back is not None and of_frame(frame) == "standard":
                frame = frame.f_back
            if of_frame(frame) == "users":
                what = args[1] if event == "object.__getattr__" else event
                self.found.add(f"the program that runs it ({what}, in {frame.f_code.co_name})")

    def _outside(self, event: str, args: tuple[Any, ...], frame: FrameType) -> None:
        place = _OUTSIDE[event]
        name = args[place] if len(args) > place else None
        if name is None or isinstance(name, int):
            return
        name = os.fsdecode(name) if isinstance(name, str | bytes | os.PathLike) else str(name)
        caller = frame.f_code.co_filename
        if caller.startswith("<frozen importlib") or (name.endswith(_READERS) and of_frame(frame) == "standard"):
            return
        writes = event not in ("os.listdir", "os.scandir", "os.getxattr", "glob.glob")
        if event == "open":
            flags = args[2] if len(args) > 2 and isinstance(args[2], int) else 0
            mode = args[1] if len(args) > 1 and isinstance(args[1], str) else ""
            writes = bool(flags & _WRITING) or any(letter in mode for letter in "wxa+")
        if name.startswith(_SYSTEM) or (not writes and name.startswith(_LIBRARIES)):
            return
        whole = os.path.abspath(name)
        if any(whole == folder or whole.startswith(folder + os.sep) for folder in self.folders):
            return
        if event == "os.mkdir" and any(folder.startswith(whole + os.sep) for folder in self.folders):
            return  # on the way to it
        if (self.everyone or self._by_user(frame)) and not _compiles(frame):
            self.found.add(name[:200])

    def _by_user(self, frame: FrameType | None) -> bool:
        while frame is not None and frame is not self.boundary:
            if of_frame(frame) == "users":
                return True
            frame = frame.f_back
        return False


_LIBRARIES = (sys.prefix, sys.base_prefix, os.path.dirname(os.__file__), *library_folders())
_COMPILING = (
    os.path.join("numba", "core", "caching.py"), os.path.join("barwise", "features", "compiled.py"),
    os.path.join("importlib", "metadata", "__init__.py"),  # numba asks it for its extensions
)  # fmt: skip


def _compiles(frame: FrameType | None) -> bool:
    """Whether numba opens or keeps what it compiled: code, as Python's own .pyc files are, and not what it computed."""
    while frame is not None:
        path = frame.f_code.co_filename
        if path.endswith(_COMPILING) and of_frame(frame) != "users":
            return True
        frame = frame.f_back
    return False


_listening: list[Watch] = []
_installed: list[bool] = []
_busy: list[bool] = []


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if not _listening or _busy or not (event in _OUTSIDE or event in _INSIDE or event == "object.__getattr__"):
        return
    _busy.append(True)
    try:
        _listening[-1].hear(event, args)
    except Exception:  # what is odd in an event is no reason to end a run
        return
    finally:
        _busy.clear()


def listen(watch: Watch) -> None:
    """Note in `watch` what is done from now on."""
    if not _installed:
        sys.addaudithook(_hook)
        _installed.append(True)
    _listening.append(watch)


@contextmanager
def watched(watch: Watch) -> Iterator[Watch]:
    """Note in `watch` what user's code does within."""
    frame = sys._getframe(2)
    watch.boundary = frame
    listen(watch)
    try:
        yield watch
    finally:
        watch.boundary = None
        _listening.remove(watch)


def lend(folder: Path | None) -> None:
    """From now on `folder`, and it alone, is the user's to write and read."""
    for watch in _listening:
        watch.folders[:] = [] if folder is None else [os.path.abspath(folder)]
