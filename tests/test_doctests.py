"""The examples in docstrings are run."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

from tests.conftest import ROOT

SRC = ROOT / "src"
SHOWN = [path for path in sorted((SRC / "barwise").rglob("*.py")) if ">>> " in path.read_text(encoding="utf-8")]


def test_there_are_examples():
    assert len(SHOWN) >= 12


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: str(path.relative_to(SRC / "barwise")))
def test_the_examples_of_a_module(path: Path):
    name = ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")
    found = doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS)
    assert found.attempted and not found.failed
