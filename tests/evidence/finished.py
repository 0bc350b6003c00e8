"""Small finished runs for tests of verdicts and seals, made in one process: importing takes longer than running."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.conftest import PATIENCE, ROOT

LOOP = """
import json, sys
from hydra.core.global_hydra import GlobalHydra
from barwise.commands import train
from barwise.report import html
html.render_into = lambda out: None  # pages have tests of their own, and take most of the time
for words in json.loads(sys.argv[1]):
    sys.argv = ["train.py", *words]
    GlobalHydra.instance().clear()
    try:
        train.main()
    except SystemExit:
        pass
"""


def train_all(home: Path, cases: Mapping[str, Sequence[str]]) -> None:
    """`python train.py` on a small market with each case's overrides, into `home`/<name of the case>."""
    common = ("experiment=smoke", "strategy=ridge", f"output_dir={home}", "quiet=true", "audit=none", "threads=1")
    words = [[*common, f"hydra.run.dir={home / name}", *more] for name, more in cases.items()]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", LOOP, json.dumps(words)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    for name in cases:
        assert (home / name / "run.json").is_file(), done.stdout + done.stderr
