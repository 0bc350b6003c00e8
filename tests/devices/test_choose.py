"""The device of a run: asked for, used, and why; a fake stands in for MPS."""

import sys

import pytest

from barwise.devices.choice import DeviceSettings
from barwise.devices.choose import missing_for_trees, resolve
from barwise.errors import ConfigError, DeviceError
from barwise.strategies.sequence import LSTMStrategy
from tests.devices.fake import faked


def probe():
    return LSTMStrategy(lookback=4, hidden_size=4, batch_size=8).probe(3)


@pytest.fixture(autouse=True)
def races(tmp_path, monkeypatch):
    monkeypatch.setenv("BARWISE_CACHE", str(tmp_path))


@pytest.mark.parametrize("name", ["mps", "cuda"])
def test_a_device_that_is_not_there_means_the_cpu_and_one_warning(name):
    choice = resolve(DeviceSettings(name), probe, needs_torch=True)
    assert choice.used == "cpu" and choice.requested == name
    assert choice.warning == f"device={name} was asked for, cpu is used: {choice.reason}"


@pytest.mark.parametrize("name", ["mps", "cuda"])
def test_strict_makes_it_an_error(name):
    with pytest.raises(DeviceError, match=rf"^device={name}: .*; device.strict=true allows no other, device=cpu would"):
        resolve(DeviceSettings(name, strict=True), probe, needs_torch=True)


def test_a_device_that_is_there_and_agrees_is_used():
    with faked() as fake:
        choice = resolve(DeviceSettings("mps", memory_fraction=0.5), probe, needs_torch=True)
    assert (choice.used, choice.warning) == ("mps", None)
    assert choice.facts["parity"]["ok"] and fake.set == (0.5, False)


def test_wrong_gradients_mean_the_cpu_and_the_layer_is_named():
    with faked(wrong="layers.0.weight_hh_l0"):
        choice = resolve(DeviceSettings("mps"), probe, needs_torch=True)
    assert choice.used == "cpu" and "gradients of layers.0.weight_hh_l0 differ" in choice.warning
    assert choice.facts["parity"]["layer"] == "layers.0.weight_hh_l0"


def test_wrong_gradients_are_an_error_where_strict():
    with faked(wrong="head.0.weight"), pytest.raises(DeviceError, match=r"head\.0\.weight"):
        resolve(DeviceSettings("mps", strict=True), probe, needs_torch=True)


def test_a_missing_operator_means_the_cpu_before_anything_is_trained():
    with faked(lacks="layers.1"):
        choice = resolve(DeviceSettings("mps"), probe, needs_torch=True)
    assert choice.used == "cpu" and "missing operator: The operator 'aten::fake'" in choice.warning


def test_auto_without_an_accelerator_says_so():
    choice = resolve(DeviceSettings("auto"), probe, needs_torch=True)
    assert (choice.used, choice.reason, choice.warning) == ("cpu", "neither cuda nor mps is there", None)


def test_auto_takes_the_faster_says_by_how_much_and_remembers_it(monkeypatch):
    seconds = {"cpu": 0.010, "mps": 0.031}
    monkeypatch.setattr("barwise.devices.race.step_seconds", lambda net, x, y, on: seconds[on.name])
    with faked():
        choice = resolve(DeviceSettings("auto"), probe, needs_torch=True)
        assert (choice.used, choice.reason) == ("cpu", "cpu: 3.1× faster than mps on this net and batch")
        seconds.update(cpu=1.0)
        again = resolve(DeviceSettings("auto"), probe, needs_torch=True)
        assert again.used == "cpu" and again.facts["measured"] == "before, on this machine"
        other = LSTMStrategy(lookback=5, hidden_size=4, batch_size=8)
        assert resolve(DeviceSettings("auto"), lambda: other.probe(3), needs_torch=True).used == "mps"


def test_auto_times_real_steps_and_leaves_out_a_device_that_fails_at_them():
    with faked(lacks="head.0"):
        choice = resolve(DeviceSettings("auto"), probe, needs_torch=True)
    assert choice.used == "cpu" and choice.reason.startswith("mps is out: missing operator")
    assert choice.facts["step_seconds"]["cpu"] > 0


def test_trees_ask_nothing_of_torch_and_never_use_mps():
    with faked():
        assert resolve(DeviceSettings("auto")).used == "cpu"
        assert "no library of theirs uses MPS" in resolve(DeviceSettings("mps")).warning


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"name": "tpu"}, "device=tpu: must be one of auto, mps, cuda, cpu"),
        ({"memory_fraction": 0}, "device.memory_fraction=0: must be a number above 0"),
        ({"strict": "yes"}, "device.strict=yes: must be true or false"),
    ],
)
def test_a_wrong_setting_is_one_line(wrong, line):
    with pytest.raises(ConfigError) as error:
        DeviceSettings(**wrong)
    assert str(error.value).startswith(line)


def test_an_xgboost_that_cannot_be_imported_is_a_reason_not_an_end(monkeypatch):
    monkeypatch.setitem(sys.modules, "xgboost", None)  # what a Mac without libomp comes close to
    assert "xgboost cannot be imported" in str(missing_for_trees("cuda"))
