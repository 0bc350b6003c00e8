"""`pip install` of a wheel gives a `barwise` command that works away from the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.conftest import PATIENCE, ROOT

SHIPPED = ("src", "conf", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")


def ended(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command that has ended; it sees no checkout by the environment."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run([str(w) for w in words], cwd=cwd, capture_output=True, text=True, timeout=PATIENCE,
                          env=environment | {"OMP_NUM_THREADS": "1"}, check=False)  # fmt: skip


def call(*words: str | Path, cwd: Path) -> str:
    done = ended(*words, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a fresh venv with the wheel; the dependencies are those of this one, by path."""
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"
    source.mkdir()
    for name in SHIPPED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    shutil.rmtree(source / "src" / "barwise.egg-info", ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    call(*pip, "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, source, cwd=folder)
    venv.create(folder / "venv", with_pip=False)
    own = next((folder / "venv" / "lib").glob("python*")) / "site-packages"
    (own / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    python = folder / "venv" / "bin" / "python"
    wheel = next(folder.glob("barwise-*.whl"))
    call(*pip, "--python", python, "install", "-q", "--no-deps", "--ignore-installed", wheel, cwd=folder)
    return folder / "venv" / "bin"


@pytest.mark.slow
def test_the_wheel_trains_and_predicts_from_an_empty_folder(installed, tmp_path):
    where = call(installed / "python", "-c", "import barwise; print(barwise.__file__)", cwd=tmp_path)
    assert Path(where).is_relative_to(installed.parent)
    assert "train" in call(installed / "barwise", "--help", cwd=tmp_path)
    call(installed / "barwise", "train", "strategy=xgboost", "data.end='2011-12-31'", "quiet=true", cwd=tmp_path)
    (run,) = (p.parent for p in tmp_path.rglob("run.json"))
    assert json.loads((run / "run.json").read_text())["status"] == "done"
    lines = call(installed / "barwise", "predict", run, "data=sample", cwd=tmp_path).splitlines()
    assert lines[0] == "time,symbol,score,signal" and lines[-1].startswith("2013-03-01,MSFT,")
    assert {p.name for p in tmp_path.iterdir()} == {"outputs"}


@pytest.mark.slow
def test_every_yaml_is_in_the_wheel(installed):
    inside = next(installed.parent.rglob("site-packages/barwise/conf"))
    names = {p.relative_to(inside) for p in inside.rglob("*.yaml")}
    assert names == {p.relative_to(ROOT / "conf") for p in (ROOT / "conf").rglob("*.yaml")} and len(names) > 40


@pytest.mark.slow
def test_benchmarks_stay_in_the_checkout(installed, tmp_path):
    assert not list(installed.parent.rglob("site-packages/barwise/benchmarks"))
    done = ended(installed / "barwise", "benchmark", "features", cwd=tmp_path)
    assert done.returncode == 2 and "in a checkout" in done.stderr and len(done.stderr.splitlines()) == 1
