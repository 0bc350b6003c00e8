"""`resume=` of a run that a stranger made: the checks of `rerun`, and nothing is written outside of it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import train

SECRET = {"BARWISE_TEST_SECRET": "hunter2"}


@pytest.fixture(scope="module")
def broken(smoke: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was cut off after its folds, as somebody else's account left it."""
    run = shutil.copytree(smoke(), tmp_path_factory.mktemp("cut") / "outputs" / "run")
    manifest = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**manifest, "status": "running"}))
    for name in ("metrics.json", "verdict.json", "report.html", ".hydra/signature.json"):
        (run / name).unlink(missing_ok=True)
    config = run / ".hydra" / "config.yaml"
    lines = [f"output_dir: {run.parent}" if x.startswith("output_dir:") else x for x in config.read_text().splitlines()]
    config.write_text("\n".join(lines) + "\n")
    return run


def changed(run: Path, old: str, new: str) -> None:
    config = run / ".hydra" / "config.yaml"
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))


def linked(name: str) -> Callable[[Path, Path], None]:
    def tamper(run: Path, outside: Path) -> None:
        if (run / name).is_dir():
            shutil.rmtree(run / name)
        else:
            (run / name).unlink(missing_ok=True)
            (outside / "file").write_text("mine\n")
        (run / name).symlink_to(outside if "." not in name else outside / "file")

    return tamper


def hard(run: Path, outside: Path) -> None:
    (outside / "file").write_text("mine\n")
    (run / "alerts.jsonl").unlink(missing_ok=True)
    os.link(outside / "file", run / "alerts.jsonl")


def elsewhere(run: Path, outside: Path) -> None:
    changed(run, f"output_dir: {run.parent}", f"output_dir: {outside}")


def environment(key: str) -> Callable[[Path, Path], None]:
    def tamper(run: Path, outside: Path) -> None:
        text = (run / ".hydra" / "config.yaml").read_text()
        line = next(x for x in text.splitlines() if x.startswith(f"{key}:"))
        changed(run, line, f"{key}: {outside}/${{oc.env:BARWISE_TEST_SECRET}}")

    return tamper


CASES: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "model is a link": (linked("model"), "is a link"),
    "tensorboard is a link": (linked("tensorboard"), "is a link"),
    "the log is a link": (linked("train.log"), "is a link"),
    "a second name": (hard, "is a link or no regular file"),
    "outputs elsewhere": (elsewhere, "which the run does not lie in"),
    "outputs named after a secret": (environment("output_dir"), "is not filled in"),
    "an object named after a secret": (environment("objective"), "is not filled in"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_strangers_run_is_not_gone_on_with(name, broken, tmp_path, monkeypatch):
    tamper, line = CASES[name]
    run, outside = shutil.copytree(broken, tmp_path / "outputs" / "run"), tmp_path / "outside"
    changed(run, f"output_dir: {broken.parent}", f"output_dir: {run.parent}")
    outside.mkdir()
    tamper(run, outside)
    before = {path: path.read_bytes() for path in outside.iterdir()}
    monkeypatch.setenv("BARWISE_TEST_SECRET", "hunter2")
    finished = train(f"resume={run}")
    assert finished.returncode == 2, finished.stderr
    assert line in finished.stderr and len(finished.stderr.strip().splitlines()) == 1
    assert {path: path.read_bytes() for path in outside.iterdir()} == before
    assert "hunter2" not in finished.stderr + finished.stdout
    assert json.loads((run / "run.json").read_text())["status"] != "done"


def test_a_sound_one_is(broken, tmp_path):
    """Somebody else's, moved: gone on with where it is said to be counted."""
    run = shutil.copytree(broken, tmp_path / "moved" / "run")
    finished = train(f"resume={run}", f"output_dir={run.parent}", "quiet=true")
    assert finished.returncode == 0, finished.stderr
    assert json.loads((run / "run.json").read_text())["status"] == "done"
    assert (run.parent / "trials.jsonl").is_file()


@pytest.mark.slow
def test_a_checkpoint_that_is_none_is_one_line(broken, tmp_path):
    run = shutil.copytree(broken, tmp_path / "outputs" / "run")
    (run / "model" / "fold-0" / "last-0.ckpt").write_bytes(b"PK\x03\x04" + b"\0" * 200)
    finished = train(f"resume={run}", f"output_dir={run.parent}")
    assert finished.returncode == 2 and "delete it, and its fold begins again" in finished.stderr


def test_hydra_unpickles_nothing(tmp_path):
    (tmp_path / "config.pickle").write_bytes(b"cos\nsystem\n(S'touch x'\ntR.")
    finished = train("--experimental-rerun", str(tmp_path / "config.pickle"))
    assert finished.returncode == 2 and "there is no such flag" in finished.stderr
