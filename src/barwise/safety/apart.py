"""A function called in a process of its own, with bounded time and memory: what a stranger's file does to a library in
C ends there, and not here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from barwise.errors import BarwiseError, DataError
from barwise.safety.files import MB

_SECONDS = 60  # of CPU, beside a second for each MB that is loaded
_MEMORY = 1024 * MB  # beside what the libraries take, and 16 times what is loaded
_START = (
    "import json, sys; given = json.load(sys.stdin); sys.path[:] = given['path'];"
    "from barwise.safety.apart import child; child(given)"
)


def apart(function: str, given: dict[str, Any], libraries: tuple[str, ...], size: int) -> None:
    """Call `function` ("module:name") with `given` in a process of its own; `libraries` are imported before.

    `size`: bytes of what it loads. DataError with what it raised, or with how its process ended.
    """
    seconds = _SECONDS + size // MB
    call = {"function": function, "given": given, "libraries": libraries, "seconds": seconds, "path": sys.path,
            "memory": _MEMORY + 16 * size}  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1", "CUDA_VISIBLE_DEVICES": ""}
    # -P: nothing is imported from the folder that this was started in.
    command = [sys.executable, "-P", "-c", _START]
    try:
        done = subprocess.run(command, input=json.dumps(call).encode(), stdout=subprocess.PIPE, env=environment,
                              stderr=subprocess.DEVNULL, timeout=5 * seconds, check=False)  # fmt: skip
        code: int | None = done.returncode
        lines = done.stdout[-8192:].decode("utf-8", "replace").splitlines()
    except subprocess.TimeoutExpired as expired:
        code, lines = None, (expired.stdout or b"")[-8192:].decode("utf-8", "replace").splitlines()
    told = _told(lines)
    if "error" in told:
        raise DataError(str(told["error"]))
    if "ended" in told and code == 0:
        return
    how = f"took more than {seconds} s" if code in (None, -signal.SIGXCPU) else f"ended with {_name(code)}"
    raise DataError(f"{told.get('at', 'a file')}: was tried in a process of its own, which {how}; it is not loaded")


def at(place: Path) -> None:
    """Say, in the child, what is being tried."""
    print(json.dumps({"at": str(place)}), flush=True)


def child(call: dict[str, Any]) -> None:
    """What the process does: import, take limits, call, say how it ended."""
    _limit("RLIMIT_CORE", 0)
    for name in call["libraries"]:
        import_module(name)
    module, _, name = call["function"].partition(":")
    function = getattr(import_module(module), name)
    _limit("RLIMIT_CPU", call["seconds"])
    _limit("RLIMIT_FSIZE", 0)  # it has nothing to write
    _limit("RLIMIT_AS", _taken() + call["memory"])
    try:
        function(call["given"])
        found: dict[str, Any] = {"ended": True}
    except BarwiseError as error:
        found = {"error": str(error)}
    except MemoryError:
        place, most = call["given"].get("place", "a file"), call["memory"] // MB
        found = {"error": f"{place}: takes more than {most} MB to load; it is not loaded"}
    print("\n" + json.dumps(found), flush=True)
    os._exit(0)  # no destructor of a library sees what was loaded


def _limit(name: str, value: int) -> None:
    with suppress(ImportError, AttributeError, ValueError, OSError):  # a system that has no such limit
        import resource

        hard = value + 5 if name == "RLIMIT_CPU" else value  # at the soft one it is told why, by SIGXCPU
        resource.setrlimit(getattr(resource, name), (value, hard))


def _taken() -> int:
    """Bytes of address space that the process has by now."""
    import psutil

    return int(psutil.Process().memory_info().vms)


def _told(lines: list[str]) -> dict[str, Any]:
    """What the child said; a library may have printed in between."""
    told: dict[str, Any] = {}
    for line in lines:
        with suppress(ValueError):
            found = json.loads(line)
            told |= found if isinstance(found, dict) else {}
    return told


def _name(code: int | None) -> str:
    with suppress(ValueError):
        if code is not None and code < 0:
            return signal.Signals(-code).name
    return f"exit code {code}"
