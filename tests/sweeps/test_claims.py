"""Claims: of two processes one gets a trial, what a dead one had is taken over, what is done is kept."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from barwise.runs.directory import write_json
from barwise.sweeps.claims import _FOLDER, _SILENT_S, Claims, key_of, myself

DEAD = f"{myself().split('~')[0]}~{2**22 - 1}~1"  # of this machine, and of no process


def state(sweep: Path, number: int, status: str, **facts: object) -> None:
    write_json(sweep / str(number) / "run.json", {"status": status, **facts})


def test_what_makes_a_trial_is_not_where_it_runs():
    assert key_of(["a=1", "b=2", "quiet=true"]) == key_of(
        ["b=2", "sweep.retry=failed", "a=1", "hydra.launcher.n_jobs=3"]
    )
    assert key_of(["a=1"]) != key_of(["a=2"])


def test_of_many_that_claim_at_once_one_gets_each_trial(tmp_path: Path):
    keys = [f"trial-{i}" for i in range(20)]
    got: dict[str, list[str]] = {key: [] for key in keys}

    def work(owner: str) -> None:
        head, start = myself().rsplit("~", 1)
        claims = Claims(tmp_path, owner=f"{head}~{'0' * int(owner)}{start}")  # another name, and as much alive
        for i, key in enumerate(keys):
            if claims.take(key, i) is not None:
                got[key].append(owner)

    threads = [threading.Thread(target=work, args=(str(n),)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(owners) for owners in got.values()] == [1] * 20
    numbers = sorted(int(p.name) for p in tmp_path.iterdir() if p.name.isdigit())
    assert len(numbers) == 20  # and no empty directory is left behind


def test_a_number_that_is_taken_gives_the_next(tmp_path: Path):
    (tmp_path / "0").mkdir()
    assert Claims(tmp_path).take("a", 0) == 1


@pytest.mark.parametrize(
    ("status", "retry", "taken"),
    [
        ("running", False, True), ("missing", False, True), ("done", False, False), ("done", True, False),
        ("failed", False, False), ("failed", True, True), ("pruned", True, False), ("refused", True, False),
    ],
)  # fmt: skip
def test_what_a_dead_process_left(tmp_path: Path, status: str, retry: bool, taken: bool):
    assert Claims(tmp_path, owner=DEAD).take("a", 3) == 3
    if status != "missing":
        state(tmp_path, 3, status)
    claims = Claims(tmp_path, retry)
    assert (claims.take("a", 0) == 3) == taken
    assert claims.finished("a")


def test_an_interrupted_trial_is_taken_without_being_asked_to(tmp_path: Path):
    Claims(tmp_path, owner=DEAD).take("a", 0)
    state(tmp_path, 0, "failed", interrupted=True)
    assert Claims(tmp_path).take("a", 0) == 0


def test_what_a_living_process_runs_is_left_to_it(tmp_path: Path):
    assert Claims(tmp_path).take("a", 0) == 0
    state(tmp_path, 0, "running")
    other = Claims(tmp_path, owner=f"{myself()}0")
    assert other.take("a", 0) is None and not other.finished("a")


def test_another_machine_is_believed_for_a_while(tmp_path: Path):
    far = "elsewhere~12~34"
    Claims(tmp_path, owner=far).take("a", 0)
    state(tmp_path, 0, "running")
    assert Claims(tmp_path).take("a", 0) is None
    silent = time.time() - _SILENT_S - 1
    os.utime(next((tmp_path / _FOLDER / "a").iterdir()), (silent, silent))
    assert Claims(tmp_path).take("a", 0) == 0


def test_a_failed_trial_is_tried_again_once_not_by_each_process(tmp_path: Path):
    Claims(tmp_path, owner=DEAD).take("a", 0)
    state(tmp_path, 0, "failed")
    first, second = Claims(tmp_path, retry=True), Claims(tmp_path, retry=True, owner=f"{myself()}0")
    time.sleep(0.01)
    assert first.take("a", 0) == 0
    state(tmp_path, 0, "failed")
    assert second.take("a", 0) is None
