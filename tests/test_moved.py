"""Parts written against an earlier version's import paths still work."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from barwise._moved import MOVED
from tests.conftest import ROOT

DOCUMENTED = (
    "from barwise.samples import Labels",
    "from barwise.labels import held, next_return_sign",
    "from barwise.features.aligned import across_symbols",
    "from barwise.backtest.ledger import Backtest",
    "from barwise.data.bars import Bars, Market",
    "from barwise.strategies.base import FitContext, Strategy",
    "from barwise.validation.folds import Validation",
    "from barwise.runs import RunDirectory, write_json",
    "from barwise.experiment import Parts, fit_fold, scores_of",
    "from barwise import cli, load, loading, mapped, notebook",
    "import barwise.validation.trials as ledger; ledger.enter",
)


@pytest.mark.parametrize("old", MOVED)
def test_an_old_name_gives_the_module_that_took_its_place(old: str) -> None:
    new = import_module(f"barwise.{MOVED[old]}")
    assert import_module(f"barwise.{old}") is new
    assert new.__name__ == new.__spec__.name == f"barwise.{MOVED[old]}"


def test_no_old_name_hides_a_module() -> None:
    for old in MOVED:
        path = ROOT / "src" / "barwise" / old.replace(".", "/")
        assert not path.exists() and not path.with_suffix(".py").exists(), old


def test_documented_imports_work_in_a_process_that_imported_nothing_else() -> None:
    for line in DOCUMENTED:
        done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=False)
        assert done.returncode == 0, line + done.stderr


def test_what_never_was_is_an_error() -> None:
    with pytest.raises(ImportError, match="nothing"):
        exec("from barwise.runs import nothing")
    with pytest.raises(ImportError):
        import_module("barwise.nothing")
