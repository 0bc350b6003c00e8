"""Damaged models: refused in one line or loaded, without a crash, a hang or memory without bound."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PATIENCE

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("n", [200, pytest.param(2000, marks=pytest.mark.slow)])
def test_mutations_of_models(n, tmp_path):
    command = [sys.executable, "-m", "tests.safety.mutations", str(n), "0", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["crashes"] == [] and found["refused"] > 0.6 * n, found
    assert found["grown"] < 300, found  # MB
