"""Damaged data files and run directories: no traceback, no hang, no crash, memory bounded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz.guard import tried

SOME, ALL = "a tenth", pytest.param("all", marks=pytest.mark.slow)


@pytest.mark.parametrize("share", [SOME, ALL])
def test_a_damaged_data_file_ends_in_bars_or_one_line(tmp_path: Path, share: str):
    first, count = (0, 300) if share == SOME else (300, 2700)
    assert tried("tests.fuzz.files", tmp_path, first, count) == {}


@pytest.mark.parametrize("share", [SOME, ALL])
def test_a_damaged_run_directory_ends_in_an_answer_or_one_line(smoke: Callable[..., Path], tmp_path: Path, share: str):
    base = tmp_path / "base"
    shutil.copytree(smoke(), base / "run")
    shutil.copy(smoke().parent / "trials.jsonl", base)
    opening = {"run": "x", "symbols": ["S0000"], "from": "2001-01-01", "to": "2002-01-01", "when": "2026-01-01"}
    (base / "sealed.jsonl").write_text(json.dumps(opening) + "\n")
    (tmp_path / "cases").mkdir()
    first, count, drawn = (0, 100, 50) if share == SOME else (100, 900, 10)
    assert tried("tests.fuzz.directories", base / "run", tmp_path / "cases", first, count, drawn) == {}
