"""Any exception as one line that a user can act on."""

from __future__ import annotations

import difflib
import os
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from omegaconf import DictConfig

from barwise.console.config import conf_dir
from barwise.console.printing import mute, notice, printable, writable
from barwise.console.shortages import shortage
from barwise.console.stopping import stopped_by
from barwise.errors import BarwiseError, chain_of

_MODULE = re.compile(r"\(.*?full_key:.*?\)|\s*full_key: .*|\s*object_type=.*")


def one_line(error: BaseException, started: bool = True) -> tuple[int, str]:
    """Exit code and message: the first barwise error in the chain, else a full disk or memory, else Hydra's own words,
    else class and text.

    What goes wrong before a job has `started` is a mistake in the overrides, whatever its class.
    """
    code, line = _said(error, started)
    return code, printable(line)


def _said(error: BaseException, started: bool) -> tuple[int, str]:
    chain = list(chain_of(error))
    for link in chain:
        if isinstance(link, BarwiseError):
            return link.exit_code, str(link)
    stop = stopped_by(error)
    if stop:
        return 128 + stop, "stopped"
    short = shortage(error)
    if short:
        return 2, short
    for link in chain:
        name = type(link).__module__.split(".")[0]
        if name in ("hydra", "omegaconf"):
            return 2, _hydra(chain)
    if not started:
        if isinstance(error, OSError) and error.filename:  # Hydra makes the run's folder
            return 2, f"{error.filename}: no folder can be made there ({error.strerror}); name one: output_dir=DIR"
        return 2, f"{_flat(str(error))}; write overrides as key=value"
    return 1, f"{type(error).__name__}: {error}"


def guarded(action: Callable[[], object]) -> None:
    """Do it; an error ends the process with its one line and exit code, the traceback with BARWISE_DEBUG=1."""
    writable()
    try:
        action()
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        unheard()
    except Exception as error:
        code, line = one_line(error)
        notice(line)
        if code == 1 and not os.environ.get("BARWISE_DEBUG"):
            notice("BARWISE_DEBUG=1 shows the traceback")
        leave(error, code)


def leave(error: BaseException, code: int) -> NoReturn:
    """End the process with `code`; with BARWISE_DEBUG=1 the traceback goes first. What cannot be printed is dropped."""
    if os.environ.get("BARWISE_DEBUG"):
        traceback.print_exception(error)
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        mute()
    sys.exit(code)


def unheard() -> NoReturn:
    """End quietly: whoever read the output, such as `head`, has had enough."""
    mute()
    sys.exit(0)


def _hydra(chain: list[BaseException]) -> str:
    """Hydra's or OmegaConf's message without its help on syntax, with what to do."""
    text = str(chain[0])
    if "Ambiguous value for argument" in text:
        given = text.split("'")[1]
        return f"{given}: several values make a sweep; add -m, or quote the value to pass it as one"
    if "Could not override" in text or "is not in struct" in text:
        return _unknown_key(text, chain)
    if "Available options" in text:
        group = re.search(r"Could not find '([^']+)'", text)
        names = re.findall(r"^\t(\S+)$", text.split("Config search path")[0], re.MULTILINE)
        return f"{group.group(1) if group else '?'}: not found; available: {', '.join(names)}"
    if "Could not load" in text:
        folder, _, name = text.split("Could not load '")[1].split("'")[0].rpartition("/")
        return f"{folder}/{name}: not found; `ls conf/{folder}` shows what there is"
    if "Error in call to target" in text or "Error locating target" in text or "Error instantiating" in text:
        target = re.search(r"target '([^']+)'", text)
        cause = _flat(str(chain[-1])) if len(chain) > 1 else _flat(text)
        return f"{target.group(1) if target else '?'}: {cause}"
    return _flat(_MODULE.sub("", text))


def _unknown_key(text: str, chain: list[BaseException]) -> str:
    """The key, the nearest that there is, and what its place in the configuration has."""
    given = re.search(r"Could not override '?([\w.@/]+)'?|Key '([\w.]+)'", text)
    name = next(g for g in given.groups() if g) if given else "?"
    for link in chain:  # OmegaConf's error knows the node and which part of the key it lacks
        node, key, full = (getattr(link, a, None) for a in ("parent_node", "key", "full_key"))
        if isinstance(node, DictConfig) and key is not None:
            there = [str(k) for k in node if not str(k).startswith("_") and k != "hydra"]
            near = difflib.get_close_matches(str(key), there, n=1)
            guess = f" did you mean {near[0]}?" if near else ""
            place = str(full).rpartition(".")[0] or "the configuration"
            name = str(full) if str(full).startswith(f"{name}.") else name  # {a: 1} names what lies below
            if not there and (others := _with_key(place, str(key))):
                return f"{name}: {place} as chosen has no settings; set {' or '.join(others)} too"
            return f"{name}: there is no such key;{guess} {place} has {', '.join(there) or 'none'}"
    return f"{name}: there is no such key; `python train.py --cfg job` lists what there is"


def _with_key(group: str, key: str) -> list[str]:
    """The choices of a config group that have a key."""
    paths = sorted((Path(conf_dir()) / group).glob("*.yaml"))
    return [
        f"{group}={path.stem}" for path in paths if re.search(rf"^{re.escape(key)}:", path.read_text("utf-8"), re.M)
    ]


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
