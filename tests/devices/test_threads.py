"""threads=auto: the fastest number by a clear margin, measured once, recorded, and kept."""

import json
import os

import pytest
import torch

from barwise.devices import threads
from barwise.strategies.sequence import LSTMStrategy
from tests.conftest import train


def probe():
    return LSTMStrategy(lookback=4, hidden_size=4, batch_size=8).probe(3)


def test_more_threads_must_be_clearly_faster_and_are_measured_once(monkeypatch, tmp_path):
    monkeypatch.setenv("BARWISE_CACHE", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    seconds = {1: 1.0, 2: 0.5, 4: 0.45}
    monkeypatch.setattr(threads, "step_seconds", lambda *_: seconds[torch.get_num_threads()])
    before = torch.get_num_threads()
    assert threads.fastest(probe) == (2, {"step_seconds": {"1": 1.0, "2": 0.5, "4": 0.45}, "measured": "now"})
    assert torch.get_num_threads() == before
    seconds.update({1: 0.1})
    assert threads.fastest(probe)[0] == 2  # the same answer, so that the same command gives the same numbers
    other = LSTMStrategy(lookback=5, hidden_size=4, batch_size=8)
    assert threads.fastest(lambda: other.probe(3))[0] == 1


@pytest.mark.parametrize("damage", ["", "[1]", "half", "pipe", "text", "other", "zero"])
def test_times_that_are_damaged_are_measured_again(monkeypatch, tmp_path, damage):
    monkeypatch.setenv("BARWISE_CACHE", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setattr(threads, "step_seconds", lambda *_: 1.0)
    threads.fastest(probe)
    path = tmp_path / "threads.json"
    (key,) = json.loads(path.read_text())
    entries = {"text": {key: "fast"}, "other": {key: {"1": 1.0}}, "zero": {key: {"1": 0.0, "2": "x"}}}
    text = json.dumps(entries[damage]) if damage in entries else path.read_text()[:20] if damage == "half" else damage
    path.unlink()
    os.mkfifo(path) if damage == "pipe" else path.write_text(text)
    assert threads.fastest(probe) == (1, {"step_seconds": {"1": 1.0, "2": 1.0}, "measured": "now"})


def test_a_net_whose_forward_pass_changed_is_measured_again(monkeypatch, tmp_path):
    monkeypatch.setenv("BARWISE_CACHE", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setattr(threads, "step_seconds", lambda *_: 1.0)

    class Net(torch.nn.Module):
        def forward(self, x):
            return x + 1

    given = (Net(), torch.zeros(2, 3), torch.zeros(2))
    assert [threads.fastest(lambda: given)[1]["measured"] for _ in range(2)] == ["now", "before, on this machine"]
    monkeypatch.setattr(Net, "forward", lambda self, x: x - 1)
    assert threads.fastest(lambda: given)[1]["measured"] == "now"


def test_a_run_records_what_it_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("BARWISE_CACHE", str(tmp_path))
    words = ("strategy=lstm", "strategy.epochs=1", "strategy.hidden_size=4", "threads=auto", "audit=none")
    finished = train("experiment=smoke", f"output_dir={tmp_path}", f"hydra.run.dir={tmp_path}/run", *words)
    assert finished.returncode == 0, finished.stderr
    manifest = json.loads((tmp_path / "run" / "run.json").read_text())
    assert manifest["threads"] == 1 and manifest["threads_measured"]["step_seconds"]["1"] > 0
