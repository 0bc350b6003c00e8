"""What is heard of a part that opens files, and what is only its code being opened."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np

from barwise.audit.watch import Watch, watched

OWN = """
import numba

@numba.njit(cache=True)
def doubled(x):
    return 2 * x

def note(path):
    return open(path).read()
"""


def own(folder: Path) -> ModuleType:
    (folder / "own_kernels.py").write_text(OWN)
    spec = importlib.util.spec_from_file_location("own_kernels", folder / "own_kernels.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_users_numba_code_is_compiled_kept_and_opened_without_a_stamp(tmp_path):
    for _ in ("compiled", "opened"):
        with watched(Watch(everyone=True)) as watch:
            assert own(tmp_path).doubled(np.ones(2)).sum() == 4.0
        assert {name for name in watch.found if not name.endswith("own_kernels.py")} == set()
    assert list((tmp_path / "__pycache__").glob("*.nbc"))


def test_a_file_beside_it_is_heard(tmp_path):
    (tmp_path / "note.txt").write_text("up")
    module = own(tmp_path)
    with watched(Watch(everyone=True)) as watch:
        module.note(tmp_path / "note.txt")
    assert watch.found == {str(tmp_path / "note.txt")}
