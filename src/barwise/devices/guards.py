"""What can go wrong on a device, told apart by what to do about it."""

from __future__ import annotations

import re

# torch raises plain RuntimeErrors for most of these; the words are theirs, of CUDA and MPS.
KINDS: dict[str, re.Pattern[str]] = {
    "out of memory": re.compile(r"out of memory|can't allocate memory|CUBLAS_STATUS_ALLOC_FAILED", re.IGNORECASE),
    "missing operator": re.compile(r"not (currently )?(implemented|supported) (for|on) the (MPS|CUDA)|"
                                   r"Could not run 'aten::|not implemented for '\w+'|doesn't support float64|"
                                   r"no kernel image is available", re.IGNORECASE),
    "driver error": re.compile(r"CUDA error|cuDNN error|CUDNN_STATUS|CUBLAS_STATUS|command buffer|Metal|"
                               r"MPS(NDArray|Graph)|Internal error|driver", re.IGNORECASE),
}  # fmt: skip


def kind_of(error: BaseException) -> str | None:
    """`out of memory`, `missing operator`, `driver error`, or None for what is no fault of a device."""
    if not isinstance(error, RuntimeError | NotImplementedError | MemoryError):
        return None
    if type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError):
        return "out of memory"
    text = str(error)
    return next((kind for kind, words in KINDS.items() if words.search(text)), None)


def expected(error: BaseException) -> bool:
    """Whether the device is to blame, so that another device or a smaller batch may go on."""
    return kind_of(error) is not None


def describe(error: BaseException) -> str:
    """Kind and first line, short enough for an alert."""
    first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    kind = str(kind_of(error))
    return first if kind in first else f"{kind}: {first}"
