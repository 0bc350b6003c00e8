"""One way to fork, for the audit, the features and the sweeps."""

from __future__ import annotations

import os
import sys
import warnings


def fork() -> int:
    """`os.fork`, with what was printed before flushed first, so that it is printed once.

    Python 3.12 and later warn of any other thread, of a BLAS's idle ones too; who calls this has looked at which
    threads there are, and the user can do nothing about them.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        return os.fork()
