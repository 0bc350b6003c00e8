"""Whole runs on a device that fails: they end well, the numbers are right, and the alerts tell the story."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from barwise.console.arguments import compose
from barwise.console.progress import Progress
from barwise.devices.guards import kind_of
from barwise.experiment.recipe import parts_of
from barwise.experiment.run import run
from barwise.runs.directory import RunDirectory
from barwise.strategies.fallback import Plan
from tests.devices.fake import faked

SMALL = (
    "experiment=smoke", "strategy=lstm", "strategy.lookback=4", "strategy.hidden_size=4", "strategy.epochs=2",
    "strategy.batch_size=32", "strategy.dropout=0", "validation=holdout", "threads=1",
)  # fmt: skip


def finished(folder: Path, *words: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Metrics and run.json of a small LSTM run."""
    out = RunDirectory(folder)
    out.start()
    metrics = run(parts_of(compose([*SMALL, *words])), out, Progress(quiet=True))
    return metrics, json.loads((folder / "run.json").read_text())


@pytest.fixture(scope="module")
def on_cpu(tmp_path_factory) -> dict[str, Any]:
    return finished(tmp_path_factory.mktemp("cpu"), "device=cpu")[0]


def test_a_device_that_works_gives_the_cpus_numbers_and_no_alert(on_cpu, tmp_path):
    with faked() as fake:
        metrics, told = finished(tmp_path, "device=mps")
    assert metrics == on_cpu and told["alerts"] == [] and told["device"]["used"] == "mps"
    assert told["device"]["parity"]["ok"] and fake.steps > 10 and fake.emptied > 0


def test_wrong_gradients_are_found_before_training_and_the_cpu_is_used(on_cpu, tmp_path):
    with faked(wrong="layers.1.weight_hh_l0"):
        metrics, told = finished(tmp_path, "device=mps")
    assert metrics == on_cpu and told["device"]["used"] == "cpu"
    assert any("gradients of layers.1.weight_hh_l0 differ" in line for line in told["warnings"])


@pytest.mark.parametrize("step", [1, 7])
def test_a_driver_error_in_the_middle_of_an_epoch_goes_on_on_the_cpu(step, on_cpu, tmp_path):
    with faked(breaks_at=step):
        metrics, told = finished(tmp_path, "device=mps", "device.parity=false")
    assert metrics == on_cpu
    (alert,) = told["alerts"]
    assert alert.startswith("fallback: fold 0: driver error: Internal error") and "goes on with cpu" in alert
    assert told["folds"][0]["device"] == "cpu"
    assert json.loads((tmp_path / "alerts.jsonl").read_text())["kind"] == "fallback"


def test_a_missing_operator_means_the_cpu(on_cpu, tmp_path):
    with faked(lacks="layers.1"):
        metrics, told = finished(tmp_path, "device=mps", "device.parity=false")
    assert metrics == on_cpu and "missing operator: The operator 'aten::fake'" in told["alerts"][0]


def test_out_of_memory_halves_the_micro_batch_until_it_fits(on_cpu, tmp_path):
    with faked(most_rows=8) as fake:
        metrics, told = finished(tmp_path, "device=mps", "device.parity=false")
    assert told["folds"][0]["micro_batch"] == 8 and told["folds"][0]["device"] == "mps" and max(fake.rows[-20:]) <= 8
    first, last = told["alerts"]
    assert "out of memory" in first and last.endswith(
        "after 2 tries the fold goes on with mps with 4 micro-batches of 8 rows to a step"
    )
    assert metrics["ic"] == pytest.approx(on_cpu["ic"], abs=1e-3)


def test_no_memory_for_the_smallest_batch_means_the_cpu(on_cpu, tmp_path):
    with faked(most_rows=1):
        metrics, told = finished(tmp_path, "device=mps", "device.parity=false")
    assert metrics == on_cpu and told["alerts"][-1].endswith("after 3 tries the fold goes on with cpu")
    assert len(told["alerts"]) == 2  # not one a halving: a large batch would fill the page


@pytest.mark.parametrize("name", ["mps", "cuda"])
def test_a_device_that_is_not_there_is_one_warning_and_the_reason(name, on_cpu, tmp_path):
    metrics, told = finished(tmp_path, f"device={name}")
    assert metrics == on_cpu
    assert (told["device"]["requested"], told["device"]["used"]) == (name, "cpu")
    assert [line for line in told["warnings"] if "device" in line] == [
        f"device={name} was asked for, cpu is used: {told['device']['reason']}"
    ]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "out of memory"),
        (RuntimeError("MPS backend out of memory (MPS allocated: 17 GB)"), "out of memory"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), "out of memory"),
        (
            NotImplementedError("The operator 'aten::x' is not currently implemented for the MPS device."),
            "missing operator",
        ),
        (RuntimeError("CUDA error: no kernel image is available for execution on the device"), "missing operator"),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), "driver error"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), "driver error"),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied (3x4 and 5x6)"), None),
        (ValueError("out of memory"), None),
    ],
)
def test_errors_are_told_apart(error, kind):
    assert kind_of(error) == kind


def test_the_effective_batch_stays_the_same():
    plan: Plan | None = Plan("mps", 100, 100)
    seen = []
    while plan is not None:
        seen.append((plan.device, plan.micro_batch))
        assert plan.micro_batch * plan.accumulate >= 100 > plan.micro_batch * (plan.accumulate - 1)
        plan = plan.after("out of memory")
    assert seen[:5] == [("mps", 100), ("mps", 50), ("mps", 25), ("mps", 12), ("mps", 8)] and seen[5] == ("cpu", 100)
    assert Plan("cpu", 8, 8).after("driver error") is None
