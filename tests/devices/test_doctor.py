"""doctor: what is there, what disagrees, and what is missing, each said."""

import json

import pytest

from barwise.commands import doctor
from barwise.devices import checkup
from barwise.strategies.sequence import LSTMStrategy
from tests.devices.fake import faked


@pytest.fixture(autouse=True)
def small_nets(monkeypatch):
    net = LSTMStrategy(lookback=4, hidden_size=4, batch_size=16)
    monkeypatch.setattr(doctor, "_engines", dict)
    monkeypatch.setattr(doctor, "_shipped_nets", lambda: [("lstm", lambda: net.probe(3))])


def test_without_an_accelerator_it_says_why_and_what_was_never_run(capsys):
    doctor.main([])
    out = capsys.readouterr().out
    for words in ("this build of torch has no MPS", "TA-Lib", "the reference", doctor._NEVER_RUN[:40]):
        assert words in out


def test_a_device_that_agrees_is_timed(capsys):
    with faked():
        doctor.main(["--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["well"] and not found["notes"]
    assert [(row["net"], row["device"], row["ok"]) for row in found["nets"]] == [
        ("lstm", "cpu", True),
        ("lstm", "mps", True),
    ]
    assert all(row["step_ms"] > 0 for row in found["nets"])


@pytest.mark.parametrize(
    ("switch", "words"),
    [
        ({"wrong": "head.0.weight"}, "head.0.weight"),
        ({"lacks": "head.0"}, "missing operator"),
        ({"most_rows": 4}, "out of memory"),
    ],
)
def test_a_device_that_fails_is_a_red_row_and_exit_code_1(switch, words, capsys):
    with faked(**switch), pytest.raises(SystemExit) as stop:
        doctor.main(["--json"])
    row = json.loads(capsys.readouterr().out)["nets"][1]
    assert stop.value.code == 1 and row["ok"] is False and words in row["parity"]


def test_what_is_missing_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr(checkup, "find_spec", lambda name: None)
    assert ("optuna", "pip install 'barwise[optuna]'") in checkup.missing()


def test_an_engine_is_asked_in_a_process_of_its_own_and_listed(monkeypatch, capsys):
    row = {"engine": "mlx", "device": "cpu", "ok": False, "labels_a_second": 1234.5, "parity": "mlx on cpu disagrees"}
    monkeypatch.setattr(doctor, "_engines", lambda: {"mlx": "on a Mac"})
    monkeypatch.setattr(doctor, "_apart", lambda name: [row])
    with pytest.raises(SystemExit):
        doctor.main([])
    out = capsys.readouterr().out
    for words in ("mlx", "1,234", "disagrees", "mlx was never run by its makers on a Mac"):
        assert words in out


def test_an_engine_that_cannot_be_asked_says_why():
    (row,) = doctor._apart("luck")
    assert row["ok"] is False and "must be one of torch, tensorflow, jax, mlx" in row["parity"]
