"""Records of an event file, many at once: the checksums of a run's scalars are taken column by column.

A record is its length (8 bytes, little-endian), the masked CRC-32C of that, the data, and the masked CRC-32C of the
data. Source: TensorFlow, tensorflow/core/lib/io/record_writer.h (TFRecord).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

_LONG = 1_024  # bytes of data that are not worth a column each: a picture is one of its kind


def framed(data: Sequence[bytes]) -> bytes:
    """The records of `data`, one after the other."""
    if not data:
        return b""
    lengths = [struct.pack("<Q", len(one)) for one in data]
    heads, tails = _checksums(lengths), _checksums(data)
    head, tail = ([struct.pack("<I", x) for x in found.tolist()] for found in (heads, tails))
    return b"".join(part for record in zip(lengths, head, data, tail, strict=True) for part in record)


def _checksums(data: Sequence[bytes]) -> np.ndarray:
    """The masked CRC-32C of each of `data`, as uint32."""
    from tensorboardX.crc32c import CRC_TABLE, crc32c

    table, found = np.array(CRC_TABLE, np.uint32), np.zeros(len(data), np.uint32)
    size = np.array([len(one) for one in data], dtype=np.int64)
    found[size > _LONG] = [crc32c(one) for one in data if len(one) > _LONG]
    short = np.flatnonzero(size <= _LONG)
    short = short[np.argsort(-size[short], kind="stable")]  # the longest first: those that go on are the first ones
    width = int(size[short[0]]) if len(short) else 0
    padded = b"".join(data[k].ljust(width, b"\0") for k in short.tolist())
    columns = np.ascontiguousarray(np.frombuffer(padded, np.uint8).reshape(len(short), width).T)
    going = np.searchsorted(-size[short], -np.arange(width), side="left")  # records that have the column
    state = np.full(len(short), 0xFFFFFFFF, np.uint32)
    for column, n in zip(columns, going.tolist(), strict=True):
        state[:n] = table[(state[:n] ^ column[:n]) & 0xFF] ^ (state[:n] >> 8)
    found[short] = state ^ 0xFFFFFFFF
    masked: np.ndarray = ((found >> 15) | (found << 17)) + np.uint32(0xA282EAD8)
    return masked
