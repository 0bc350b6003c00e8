"""`python -m barwise`: its verbs exist, and its mistakes are one line."""

import subprocess
import sys
from importlib import import_module

import pytest

from barwise import __main__ as program
from tests.conftest import ROOT


@pytest.mark.parametrize("verb", program._verbs())
def test_each_verb_is_a_module_that_answers_help(verb: str, capsys: pytest.CaptureFixture[str]):
    module = import_module(f"barwise.commands.{verb}")
    with pytest.raises(SystemExit) as stop:
        module.main(["--help"])
    assert stop.value.code == 0
    assert f"barwise {verb}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["nonsense"], "nonsense: no such verb; there are train, "),
        (["compare"], "the following arguments are required: RUN"),
        (["report", "nowhere"], "nowhere"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], line: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stop:
        program.main(words)
    out, err = capsys.readouterr()
    assert stop.value.code == 2 and out == "" and len(err.splitlines()) == 1 and line in err


def test_without_a_verb_the_verbs_are_listed(capsys: pytest.CaptureFixture[str]):
    program.main([])
    out = capsys.readouterr().out
    assert all(verb in out for verb in program._verbs())


@pytest.mark.parametrize("words", [["-m", "barwise", "--help"], ["train.py", "--help"]])
def test_a_reader_who_has_had_enough_is_no_error(words):
    process = subprocess.Popen(
        [sys.executable, *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()  # before a line was written
    assert process.stderr.read() == "" and process.wait() == 0
