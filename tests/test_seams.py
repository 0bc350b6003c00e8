"""A new verb, data source, metric or launcher touches at most two files, of one's own where that is possible."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from barwise import __main__ as program
from barwise import commands
from barwise.commands import contracts
from barwise.runs.measures import MEASURES
from tests.conftest import ROOT, train

SOURCE = """
from barwise.data import synthetic


def load(n_bars=300):
    return synthetic.load(n_symbols=2, n_bars=n_bars, seed=5)
"""
LAUNCHER = '''
from hydra._internal.core_plugins.basic_launcher import BasicLauncher


class Backwards(BasicLauncher):
    """The trials of a sweep, the last first."""

    def launch(self, job_overrides, initial_job_idx):
        return super().launch(list(job_overrides)[::-1], initial_job_idx)[::-1]
'''


def test_a_verb_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "greet.py").write_text(
        '"""python -m barwise greet: say hello."""\n\n\ndef main(words):\n    print("hello", *words)\n'
    )
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(tmp_path)])
    program.main(["greet", "you"])
    program.main([])
    out = capsys.readouterr().out
    assert out.startswith("hello you\n") and re.search(r"^  greet +say hello$", out, re.M)


def test_a_data_source_is_one_function_and_one_yaml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "own_source.py").write_text(SOURCE)
    (tmp_path / "conf" / "data").mkdir(parents=True)
    (tmp_path / "conf" / "data" / "own.yaml").write_text("_target_: own_source.load\n_partial_: true\nn_bars: 300\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    contracts.main(["--only", "data/own", f"hydra.searchpath=[file://{tmp_path}/conf]"])
    assert re.fullmatch(r"data/own: \d+ promises kept\n", capsys.readouterr().out)
    sys.modules.pop("own_source", None)


def test_a_metric_is_its_row_and_its_formula():
    """Every table is read off the row: nothing else in the house names a metric that no rule is about."""
    rules = {
        "sharpe",
        "rank_ic",
        "ic",
        "max_drawdown",
        "turnover",
        "accuracy",
        "t_stat",
        "sharpe_delayed",
        "dsr",
        "psr",
    }
    texts = {path: path.read_text(encoding="utf-8") for path in (ROOT / "src" / "barwise").rglob("*.py")}
    plain = [measure.name for measure in MEASURES if measure.name in ("calmar", "sortino", "hit_rate")]
    assert plain and not rules & set(plain)
    for name in plain:
        named = {str(path.relative_to(ROOT / "src" / "barwise")) for path, text in texts.items() if f'"{name}"' in text}
        assert named <= {"runs/measures.py", "backtest/metrics.py", "safety/shapes.py"} and len(named) == 2, (
            name,
            named,
        )


@pytest.mark.slow
def test_a_launcher_is_one_class_and_one_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "hydra_plugins").mkdir()
    (tmp_path / "hydra_plugins" / "backwards.py").write_text(LAUNCHER)
    (tmp_path / "conf" / "hydra" / "launcher").mkdir(parents=True)
    (tmp_path / "conf" / "hydra" / "launcher" / "backwards.yaml").write_text(
        "_target_: hydra_plugins.backwards.Backwards\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = train(
        "-m", f"hydra.searchpath=[file://{tmp_path}/conf]", "hydra/launcher=backwards", "experiment=smoke", "seed=1,2",
        "strategy=ridge", "sweep.name=own", f"output_dir={tmp_path}/out", "audit=none", "sweep.pages=0",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    trials = [p for p in (tmp_path / "out" / "sweeps" / "own").iterdir() if (p / "metrics.json").is_file()]
    assert len(trials) == 2
    assert "seed=2" in (trials[0].parent / "0" / ".hydra" / "overrides.yaml").read_text()
