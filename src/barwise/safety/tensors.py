"""Safetensors files: the header is read and checked before the library maps a byte."""

from __future__ import annotations

import json
import math
import os
import struct
from pathlib import Path

from barwise.errors import DataError
from barwise.safety.files import open_regular

_HEADER_LIMIT = 4 * 1024 * 1024
_WIDTH = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}

Shapes = dict[str, tuple[int, ...]]


def shapes_of(path: Path) -> Shapes:
    """Name and shape of each tensor; DataError unless shapes, types and places agree with the file's bytes."""
    with os.fdopen(open_regular(path), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        first = file.read(8)
        length = struct.unpack("<Q", first)[0] if len(first) == 8 else size
        if length > min(_HEADER_LIMIT, size - 8):
            raise DataError(f"{path}: is no safetensors file (its header would have {length} bytes); it is not loaded")
        raw = file.read(length)
    try:
        header = json.loads(raw.decode("utf-8"))
        header.pop("__metadata__", None)
        shapes, spans = {}, []
        for name, entry in header.items():
            shapes[name] = tuple(_whole(n) for n in entry["shape"])
            begin, end = (_whole(n) for n in entry["data_offsets"])
            spans.append((begin, end))
            if math.prod(shapes[name]) * _WIDTH[entry["dtype"]] != end - begin:
                raise DataError(f"{path}: {name} claims the shape {list(shapes[name])}, which its bytes do not hold")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: its safetensors header cannot be read; it is not loaded") from None
    spans.sort()
    ends = [0] + [end for _, end in spans]
    if any(begin != end for (begin, _), end in zip(spans, ends, strict=False)) or ends[-1] != size - 8 - length:
        raise DataError(f"{path}: tensors overlap, leave gaps or reach past the file's end; it is not loaded")
    return shapes


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(value)
    return value
