"""threads=auto: the fastest number by a clear margin, measured once, recorded, and kept."""

import json

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


def test_a_run_records_what_it_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("BARWISE_CACHE", str(tmp_path))
    words = ("strategy=lstm", "strategy.epochs=1", "strategy.hidden_size=4", "threads=auto", "audit=none")
    finished = train("experiment=smoke", f"output_dir={tmp_path}", f"hydra.run.dir={tmp_path}/run", *words)
    assert finished.returncode == 0, finished.stderr
    manifest = json.loads((tmp_path / "run" / "run.json").read_text())
    assert manifest["threads"] == 1 and manifest["threads_measured"]["step_seconds"]["1"] > 0
