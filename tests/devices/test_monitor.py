"""The monitor: each kind of alert provoked once, on the terminal, in run.json, in alerts.jsonl and in a callback."""

import json

import pytest

from barwise.devices.monitor import _BASE, _RECENT, _SKIPPED, Monitor, RunMonitor, memory_in_use
from barwise.errors import ConfigError
from barwise.listener import Listener
from barwise.runs.directory import RunDirectory
from tests.devices.fake import faked


@pytest.fixture
def out(tmp_path) -> RunDirectory:
    out = RunDirectory(tmp_path)
    out.start()
    return out


def told(out: RunDirectory) -> list[dict]:
    """Alerts in alerts.jsonl, after a check that run.json says the same."""
    path = out.path / "alerts.jsonl"
    given = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    kept = json.loads((out.path / "run.json").read_text())["alerts"]
    assert [line.split(":")[0] for line in kept] == [alert["kind"] for alert in given]
    return given


def test_steps_that_become_slow_are_told_once_a_fold(out):
    heard = []
    watcher = RunMonitor(Monitor(callback=heard.append), out)
    for fold in (0, 1):
        watcher.fold_started(fold)
        for _ in range(_SKIPPED):
            watcher.step(1.0, 0.0)  # the first steps compile
        for _ in range(_BASE + _RECENT):
            watcher.step(0.01, 0.001)
        assert len(told(out)) == fold
        for _ in range(2 * _RECENT):
            watcher.step(0.05, 0.0)
        assert len(told(out)) == fold + 1
    assert [alert["fold"] for alert in heard] == [0, 1] and heard == told(out)
    assert "fold 0: a step takes 30.0 ms, 3.0 times the 10.0 at first" in out.manifest["alerts"][0]


def test_memory_over_its_share_is_told(out):
    with faked(used_mb=950.0, total_mb=1000.0):
        watcher = RunMonitor(Monitor(memory_share=0.9), out, "mps")
        watcher.memory(memory_in_use("mps"), 0)
    assert watcher.facts()["peaks"]["allocated_mb"] == 950 and watcher.facts()["peaks"]["driver_mb"] == 950
    assert [a["kind"] for a in told(out)] == ["memory"] and "95% of the memory of mps" in told(out)[0]["message"]


def test_memory_is_logged_and_its_peak_kept(out):
    seen = {}

    class Seen(Listener):
        def scalar(self, name, value, step):
            seen[name] = (value, step)

    with faked(used_mb=10.0) as fake:
        watcher = RunMonitor(Monitor(), out, "mps", others=Seen())
        watcher.memory(memory_in_use("mps"), 0)
        fake.used_mb = 5.0
        watcher.memory(memory_in_use("mps"), 1)
    assert seen["device/allocated_mb"] == (5.0, 1) and seen["device/process_mb"][0] > 1
    assert watcher.facts()["peaks"]["allocated_mb"] == 10.0 and told(out) == []


def test_a_run_slower_than_earlier_ones_is_told(out, tmp_path):
    watcher, history = RunMonitor(Monitor(), out), tmp_path / "history" / "seconds.jsonl"
    for seconds in (1.0, 1.1, 0.9, 1.2):
        watcher.compare_with_earlier(history, "lstm", seconds)
    assert told(out) == []
    watcher.compare_with_earlier(history, "another", 9.0)
    assert told(out) == []
    watcher.compare_with_earlier(history, "lstm", 2.1)
    assert "2.1 s, 2.0 times the median of 4 earlier runs" in told(out)[0]["message"]


def test_a_broken_line_of_the_history_is_passed_over(out, tmp_path):
    history = tmp_path / "seconds.jsonl"
    history.write_text('{"key": "a", "seconds": 1}\nnonsense\n[1]\n{"key": "a"}\n')
    RunMonitor(Monitor(), out).compare_with_earlier(history, "a", 1.0)
    assert len(history.read_text().splitlines()) == 5


def test_fallbacks_and_nan_are_told_each_time_even_without_a_monitor(out):
    watcher = RunMonitor(None, out)
    for kind in ("fallback", "nan", "fallback"):
        watcher.alert(kind, "it happened")
    assert [a["kind"] for a in told(out)] == ["fallback", "nan", "fallback"]


def test_a_callback_that_raises_is_a_warning(out):
    def broken(alert):
        raise ValueError("no network")

    RunMonitor(Monitor(callback=broken), out).alert("nan", "x")
    assert out.manifest["warnings"] == ["monitor.callback raised ValueError: no network"]


def test_what_run_json_says_of_steps(out):
    watcher = RunMonitor(Monitor(), out)
    watcher.fold_started(0)
    for seconds in (0.1, 0.3, 0.2):
        watcher.step(seconds, 0.1)
    facts = watcher.facts()
    assert (facts["steps"], facts["step_seconds"], facts["data_wait_share"]) == (3, 0.2, pytest.approx(1 / 3, abs=1e-4))


@pytest.mark.parametrize(
    "wrong", [{"memory_share": 0}, {"slow_step": 1}, {"slow_run": "x"}, {"profile": -1}, {"callback": 3}]
)
def test_a_wrong_setting_is_one_line(wrong):
    name = next(iter(wrong))
    with pytest.raises(ConfigError, match=rf"^monitor\.{name}={wrong[name]}: must be "):
        Monitor(**wrong)


@pytest.mark.slow
def test_memory_is_flat_over_fifty_jobs_in_one_process(tmp_path):
    """Small LSTM runs, one after the other; the first few fill caches."""
    import gc

    from barwise.devices.monitor import _process_memory
    from tests.strategies.test_fallback import finished

    resident = []
    for job in range(50):
        finished(tmp_path / str(job), f"seed={job}")
        gc.collect()
        resident.append(_process_memory()["process_mb"])
    early, late = sum(resident[8:13]) / 5, sum(resident[45:]) / 5
    print(f"\nresident MB after jobs 8 to 12: {early:.0f}, after 45 to 49: {late:.0f}")
    assert late < 1.05 * early
