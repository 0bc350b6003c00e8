"""The state of a live session in one safetensors file: arrays per symbol, and which model they belong to."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file
from safetensors.numpy import save as packed_file

from barwise.data.bars import COLUMNS, Bars
from barwise.data.groups import put
from barwise.errors import DataError
from barwise.runs.directory import plain, write_bytes
from barwise.safety.files import JSON_LIMIT, read_bytes
from barwise.safety.tensors import shapes_of
from barwise.serving.history import History
from barwise.serving.model import Served
from barwise.serving.net_state import Carried, packed, unpacked


class Session(Protocol):
    """A live session: the bars and rows of each symbol, and the models that score them."""

    symbols: dict[str, History]
    served: Served

    def history_of(self, symbol: str) -> History: ...
    def swap(self, served: Served) -> None: ...


def save(session: Session, path: Path) -> None:
    """Write the session whole or not at all."""
    arrays: dict[str, np.ndarray] = {}
    carried: dict[str, object] = {}
    for i, history in enumerate(session.symbols.values()):
        bars = history.bars
        columns = {name: getattr(bars, name) for name in COLUMNS} | {f"extra.{k}": v for k, v in bars.extra.items()}
        columns |= {f"group.{k}": codes for k, codes in bars.groups.items()}
        columns |= {"time": bars.time.view(np.int64), "rows": history.rows, "warm": history.warm, "seen": history.seen}
        inner: dict[str, np.ndarray] = {}
        states = {str(k): [c.score, packed(c.memory, inner)] for k, c in history.carried.items()}
        carried[history.symbol] = plain(states)
        columns |= {f"carried.{k}": v for k, v in inner.items()}
        arrays |= {f"{i}.{name}": np.ascontiguousarray(values) for name, values in columns.items()}
    words = {history.symbol: dict(history.bars.group_names) for history in session.symbols.values()}
    facts = {
        "groups": json.dumps(words),
        "symbols": json.dumps(list(session.symbols)),
        "model": _identity(session),
        "carried": json.dumps(carried),
        "features": _family(session),
    }
    write_bytes(path, packed_file(arrays, metadata=facts))


def restore(session: Session, path: Path) -> None:
    """Go on from what `save` wrote; DataError where it belongs to another model or is no such file."""
    if not path.is_file():
        raise DataError(f"{path}: there is no state of a live session")
    shapes_of(path)
    with safe_open(path, framework="numpy") as file:
        facts = file.metadata() or {}
    same = facts.get("model") == _identity(session)
    if not same and facts.get("features") != _family(session):
        raise DataError(f"{path}: is the state of another model; start without it, from history")
    arrays = load_file(path)
    try:
        names = json.loads(facts["symbols"])
        carried = json.loads(facts["carried"])
        words = json.loads(facts.get("groups", "{}"))
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError("symbols")
        session.symbols = {
            name: _history(session, name, i, arrays, carried[name], words) for i, name in enumerate(names)
        }
        if not same:  # another model of the run, such as a newer refit
            session.swap(session.served)
    except (KeyError, ValueError, TypeError, IndexError, AttributeError):
        raise DataError(f"{path}: is no state of a live session; start without it, from history") from None


def _history(session: Session, symbol: str, i: int, arrays: dict[str, np.ndarray], carried: dict[str, Any],
             words: dict[str, Any]) -> History:  # fmt: skip
    own = {name.partition(".")[2]: values for name, values in arrays.items() if name.partition(".")[0] == str(i)}
    extra = {name.partition(".")[2]: own[name] for name in own if name.startswith("extra.")}
    prices = {name: own[name] for name in COLUMNS}
    time = own["time"].view("datetime64[ns]")
    history = session.history_of(symbol)
    same = {len(values) for values in (time, *prices.values(), *extra.values())}
    fits = own["rows"].shape[1] == len(history.seen) == len(own["seen"]) and len(own["rows"]) == len(own["warm"])
    if len(same) != 1 or not fits:
        raise ValueError(symbol)
    names = {str(k): tuple(map(str, v)) for k, v in words.get(symbol, {}).items()}
    groups = {name.partition(".")[2]: own[name] for name in own if name.startswith("group.")}
    if groups.keys() != names.keys() or any(len(v) != len(time) or not -1 <= v.min(initial=-1) <= v.max(
            initial=-1) < len(names[k]) for k, v in groups.items()):  # fmt: skip
        raise ValueError(symbol)
    grouped = {k: (codes.astype(np.int32), names[k]) for k, codes in groups.items()}
    history.bars = put(Bars(symbol, time, **prices, extra=extra, groups={}, group_names={}), grouped)
    inner = {name.partition(".")[2]: own[name] for name in own if name.startswith("carried.")}
    for k, (score, memory) in carried.items():
        history.carried[int(k)] = Carried(np.nan if score is None else float(score), unpacked(memory, inner))
    history.rows, history.warm, history.seen = own["rows"], own["warm"].astype(bool), own["seen"].astype(bool)
    return history


def _family(session: Session) -> str:
    """A hash of the run and of its features: what the state of another of its models has in common."""
    served = session.served
    facts = [str(served.run.manifest.get("started")), served.lookback, *served.features]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _identity(session: Session) -> str:
    """A hash of the features, names and ranges of the models, and of the run."""
    digest = hashlib.sha256()
    for member in session.served.members:
        digest.update(read_bytes(session.served.run.folder / "model" / member.name / "ranges.json", JSON_LIMIT))
        digest.update(member.name.encode())
    digest.update(str(session.served.run.manifest.get("started")).encode())
    return digest.hexdigest()
