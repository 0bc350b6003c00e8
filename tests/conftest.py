"""What tests share: a small experiment, run once a session through the real command line."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

from tests import warm
from tests.warm import PATIENCE, ROOT

__all__ = ["PATIENCE", "ROOT", "train"]

if "BARWISE_CACHE" not in os.environ:  # never the user's own
    os.environ["BARWISE_CACHE"] = tempfile.mkdtemp(prefix="barwise-cache-")
    atexit.register(shutil.rmtree, os.environ["BARWISE_CACHE"], ignore_errors=True)
hypothesis.settings.register_profile(
    "fixed", derandomize=True, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("fixed")
os.environ.setdefault("SCIPY_ARRAY_API", "1")  # without it scikit-learn's own checks skip one


def train(*overrides: str, pages: bool = False) -> subprocess.CompletedProcess[str]:
    """Run train.py as a user does, in a process started warm; returns it finished. Its page is drawn if asked for."""
    return warm.run([str(ROOT / "train.py"), *overrides], pages=pages)


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A small finished run of the given overrides; the same overrides are run once a session."""
    done: dict[tuple[str, ...], Path] = {}

    def run(*overrides: str) -> Path:
        if overrides not in done:
            folder = tmp_path_factory.mktemp("outputs")
            finished = train("experiment=smoke", f"output_dir={folder}", f"hydra.run.dir={folder}/run", *overrides)
            assert finished.returncode == 0, finished.stdout + finished.stderr
            done[overrides] = folder / "run"
        return done[overrides]

    return run
