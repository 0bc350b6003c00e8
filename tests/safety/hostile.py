"""Run directories as a stranger might make them: each function tampers with a copy of a finished run."""

from __future__ import annotations

import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import yaml

FOLD = Path("model") / "fold-0"


class Payload:
    """Unpickled, it leaves a mark."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch /tmp/barwise-was-here",)


def pickled(name: str) -> Callable[[Path], None]:
    return lambda run: (run / FOLD / name).write_bytes(pickle.dumps(Payload()))  # type: ignore[return-value]


def config(**change: object) -> Callable[[Path], None]:
    """Groups of the recorded configuration replaced."""

    def tamper(run: Path) -> None:
        path = run / ".hydra" / "config.yaml"
        tree = yaml.safe_load(path.read_text())
        for key, value in change.items():
            tree[key] = value
        path.write_text(yaml.safe_dump(tree))

    return tamper


def text(name: str, content: str) -> Callable[[Path], None]:
    return lambda run: (run / name).write_text(content)  # type: ignore[return-value]


def linked_fold(run: Path) -> None:
    outside = run.parent / "elsewhere"
    (run / FOLD).rename(outside)
    (run / FOLD).symlink_to(outside)


def linked(name: str, to: str) -> Callable[[Path], None]:
    def tamper(run: Path) -> None:
        (run / name).unlink()
        (run / name).symlink_to(to)

    return tamper


def pipe(run: Path) -> None:
    (run / "run.json").unlink()
    os.mkfifo(run / "run.json")


def header(entries: dict[str, object], body: bytes = b"", claim: int | None = None) -> bytes:
    """A safetensors file with this header."""
    raw = json.dumps(entries).encode()
    return struct.pack("<Q", len(raw) if claim is None else claim) + raw + body


def huge_shape(run: Path) -> None:
    entry = {"dtype": "F32", "shape": [2**40, 2**20], "data_offsets": [0, 8]}
    (run / FOLD / "model.safetensors").write_bytes(header({"layers.0.weight_ih_l0": entry}, b"\0" * 8))


def huge_header(run: Path) -> None:
    (run / FOLD / "model.safetensors").write_bytes(header({}, claim=2**60))


def overlapping(run: Path) -> None:
    entries = {n: {"dtype": "F32", "shape": [21], "data_offsets": [0, 84]} for n in ("mean", "std")}
    (run / FOLD / "scaler.safetensors").write_bytes(header(entries, b"\0" * 84))


def settings(**change: object) -> Callable[[Path], None]:
    def tamper(run: Path) -> None:
        path = run / FOLD / "strategy.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | change))

    return tamper


def earlier(run: Path) -> Path:
    """The model as runs of earlier versions have it, in UBJSON."""
    import xgboost

    path = run / FOLD / "model.json"
    booster = xgboost.Booster(model_file=path)
    path.unlink()
    booster.save_model(path.with_suffix(".ubj"))
    return path.with_suffix(".ubj")


def pickled_earlier(run: Path) -> None:
    earlier(run).write_bytes(pickle.dumps(Payload()))


def xgboost(place: str, value: object) -> Callable[[Path], None]:
    """One value of the first tree, or of the model, replaced: `trees.parents.3`, `objective.name`."""

    def tamper(run: Path) -> None:
        path = run / FOLD / "model.json"
        model = json.loads(path.read_text())
        node = model["learner"]
        if place.startswith("trees."):
            node = node["gradient_booster"]["model"]["trees"][0]
        *way, last = place.removeprefix("trees.").split(".")
        for word in way:
            node = node[word]
        node[int(last) if isinstance(node, list) else last] = value
        path.write_text(json.dumps(model))

    return tamper


def catboost(place: str, value: object) -> Callable[[Path], None]:
    """One value of the first tree replaced: `splits.0.border`."""

    def tamper(run: Path) -> None:
        path = run / FOLD / "catboost.json"
        model = json.loads(path.read_text())
        node = model["oblivious_trees"][0]
        *way, last = place.split(".")
        for word in way:
            node = node[int(word) if isinstance(node, list) else word]
        node[last] = value
        path.write_text(json.dumps(model))

    return tamper


def lightgbm_cut(run: Path) -> None:
    """The file ends within its parameters, where LightGBM reads on beyond its end."""
    path = run / FOLD / "model.txt"
    raw = path.read_bytes()
    path.write_bytes(raw[: raw.index(b"parameters:") + 60])


def lightgbm_bytes(old: bytes, new: bytes) -> Callable[[Path], None]:
    """As many bytes of the first `old…` replaced by `new`."""

    def tamper(run: Path) -> None:
        path = run / FOLD / "model.txt"
        raw = path.read_bytes()
        at = raw.index(old) + len(old)
        path.write_bytes(raw[:at] + new + raw[at + len(new) :])

    return tamper


def xgboost_earlier_parent(run: Path) -> None:
    path = earlier(run)
    raw = bytearray(path.read_bytes())
    at = raw.index(b"parents[$l#L") + len(b"parents[$l#L") + 8
    raw[at + 4 : at + 8] = struct.pack(">i", 1_000_000)
    path.write_bytes(bytes(raw))


def xgboost_child(run: Path) -> None:
    """The first left child of the first tree points far outside."""
    path = earlier(run)
    raw = bytearray(path.read_bytes())
    at = raw.index(b"left_children[$l#L") + len(b"left_children[$l#L") + 8
    raw[at : at + 4] = struct.pack(">i", 1_000_000)
    path.write_bytes(bytes(raw))


def xgboost_cycle(run: Path) -> None:
    """The first left child of a tree is its root: predicting would never end."""
    path = earlier(run)
    raw = bytearray(path.read_bytes())
    at = raw.index(b"left_children[$l#L") + len(b"left_children[$l#L") + 8
    raw[at : at + 4] = struct.pack(">i", 0)
    path.write_bytes(bytes(raw))


def xgboost_length(run: Path) -> None:
    """An array that promises more numbers than the file has bytes."""
    path = earlier(run)
    raw = bytearray(path.read_bytes())
    at = raw.index(b"split_indices[$l#L") + len(b"split_indices[$l#L")
    raw[at : at + 8] = struct.pack(">q", 2**50)
    path.write_bytes(bytes(raw))


def xgboost_group(run: Path) -> None:
    """A tree that adds to a class beyond those of the model."""
    path = earlier(run)
    raw = bytearray(path.read_bytes())
    at = raw.index(b"tree_info[#L") + len(b"tree_info[#L") + 8
    assert raw[at : at + 1] == b"i"
    raw[at + 1] = 100
    path.write_bytes(bytes(raw))


def replaced(name: str, old: bytes, new: bytes) -> Callable[[Path], None]:
    """The bytes of one file of the fold with `old` replaced."""

    def tamper(run: Path) -> None:
        path = earlier(run) if name == "model.ubj" else run / FOLD / name
        raw = path.read_bytes()
        assert old in raw
        path.write_bytes(raw.replace(old, new))

    return tamper


def lightgbm(old: str, new: str) -> Callable[[Path], None]:
    """The first `old…` line of a tree with more than one leaf becomes `new`, the sizes mended."""

    def tamper(run: Path) -> None:
        path = run / FOLD / "model.txt"
        head, _, rest = path.read_text().partition("\nTree=")
        body, _, end = rest.partition("end of trees")
        blocks = ["Tree=" + block for block in ("Tree=" + body).split("Tree=")[1:]]
        i = next(i for i, b in enumerate(blocks) if "num_leaves=1\n" not in b)
        lines = blocks[i].split("\n")
        j = next(j for j, line in enumerate(lines) if line.startswith(old))
        lines[j] = new
        blocks[i] = "\n".join(lines)
        sizes = " ".join(str(len(b)) for b in blocks)
        head = "\n".join(f"tree_sizes={sizes}" if x.startswith("tree_sizes") else x for x in head.split("\n"))
        path.write_text(head + "\n" + "".join(blocks) + "end of trees" + end)

    return tamper


def lightgbm_sizes(run: Path) -> None:
    path = run / FOLD / "model.txt"
    lines = path.read_text().split("\n")
    path.write_text("\n".join("tree_sizes=99999999" if x.startswith("tree_sizes") else x for x in lines))


def repacked(change: Callable[[str, bytes], bytes], more: tuple[tuple[str, int], ...] = ()) -> Callable[[Path], None]:
    """A skops archive with its entries changed, and entries of zeros added (name, bytes)."""

    def tamper(run: Path) -> None:
        path = run / FOLD / "model.skops"
        with zipfile.ZipFile(path) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, raw in entries.items():
                archive.writestr(name, change(name, raw))
            for name, size in more:
                with archive.open(name, "w") as file:
                    for _ in range(size // 2**20):
                        file.write(b"\0" * 2**20)

    return tamper


def same(name: str, raw: bytes) -> bytes:
    return raw


def forged_nodes(fields: dict[str, int]) -> Callable[[str, bytes], bytes]:
    """The first node of every tree gets these values."""

    def change(name: str, raw: bytes) -> bytes:
        if not name.endswith(".npy"):
            return raw
        from io import BytesIO

        array = np.load(BytesIO(raw))
        if array.dtype.names is None or not set(fields) <= set(array.dtype.names) or len(array) < 2:
            return raw
        array = array.copy()
        for field, value in fields.items():
            array[field][0] = value
        out = BytesIO()
        np.save(out, array)
        return out.getvalue()

    return change


def schema(old: str, new: str) -> Callable[[str, bytes], bytes]:
    """The schema with a word replaced."""
    return lambda name, raw: raw.replace(old.encode(), new.encode()) if name == "schema.json" else raw


def wide_npy(name: str, raw: bytes) -> bytes:
    """Arrays whose header promises a thousand times what follows."""
    import re

    if not name.endswith(".npy"):
        return raw
    found = re.sub(rb"'shape': \((\d+),", lambda m: b"'shape': (" + b"9" * len(m[1]) + b"99999,", raw[:120])
    short = len(found) - len(raw[:120])
    return found.replace(b" " * short + b"\n", b"\n", 1) + raw[120:] if short else raw


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
)
DEEP = "[" * 100_000 + "]" * 100_000


def parquet_bomb(run: Path) -> None:
    """Some kilobytes that promise 250 million rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = pa.nulls(1_000_000, pa.float64())
    with pq.ParquetWriter(run / "predictions.parquet", pa.schema([("score", pa.float64())])) as writer:
        batch = pa.table({"score": rows})
        for _ in range(250):
            writer.write_table(batch)


def word_bomb(run: Path) -> None:
    """One long symbol, repeated by a dictionary a hundred thousand times."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    word = pa.DictionaryArray.from_arrays(pa.array(np.zeros(100_000, np.int32)), pa.array(["x" * 1_000_000]))
    pq.write_table(pa.table({"symbol": word}), run / "predictions.parquet", compression="zstd")
