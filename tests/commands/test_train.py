"""The command line: what a run leaves behind, and what a mistake prints."""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import barwise
from barwise.commands import train as command
from barwise.console.arguments import compose
from barwise.experiment.configuration import plain
from tests.conftest import PATIENCE, ROOT, train

FILES = ("run.json", "metrics.json", "verdict.json", "predictions.parquet", "ledger.parquet", "train.log")
METRICS = {
    "sharpe", "sharpe_gross", "annual_return", "annual_volatility", "max_drawdown", "sortino", "calmar", "alpha",
    "beta", "t_stat", "turnover", "hit_rate", "ic", "rank_ic", "accuracy", "n_trades", "breakeven_cost_bps",
    "sharpe_delayed", "psr", "baselines", "folds",
}  # fmt: skip


def test_a_run_is_complete(smoke):
    run = smoke()
    for name in FILES:
        assert (run / name).exists(), name
    assert (run / ".hydra" / "config.yaml").exists()
    assert list((run / "tensorboard").glob("events.*"))
    manifest = json.loads((run / "run.json").read_text())
    assert manifest["status"] == "done"
    assert manifest["device"] == {"requested": "auto", "used": "cpu", "reason": manifest["device"]["reason"]}
    assert re.fullmatch(r"[0-9a-f]{64}", manifest["data_hash"])
    metrics = json.loads((run / "metrics.json").read_text())
    assert set(metrics) >= METRICS
    assert set(metrics["baselines"]) == {"buy_and_hold", "persistence", "random", "linear"}
    for fold in metrics["folds"]:
        assert (run / "model" / f"fold-{fold['fold']}" / "strategy.json").exists()
    assert pq.read_table(run / "predictions.parquet").column_names[:3] == ["time", "symbol", "fold"]


def test_ledger_compounds_to_its_equity(smoke):
    ledger = pq.read_table(smoke() / "ledger.parquet").to_pandas()
    assert ((1 + ledger["net"]).cumprod() - ledger["equity"]).abs().max() < 1e-12
    assert (ledger["gross"] - ledger["cost"] - ledger["net"]).abs().max() < 1e-15


@pytest.mark.parametrize("strategy", ["xgboost", "lstm"])
def test_the_same_command_gives_the_same_metrics(smoke, strategy):
    more = ("strategy.epochs=1", "strategy.hidden_size=8") if strategy == "lstm" else ()
    first = smoke(f"strategy={strategy}", "device=cpu", *more)
    again = smoke(f"strategy={strategy}", "device=cpu", *more, "--quiet")
    assert (first / "metrics.json").read_bytes() == (again / "metrics.json").read_bytes()


def test_missing_accelerator_is_one_warning_and_the_reason(smoke):
    run = smoke("strategy=lstm", "device=mps", "strategy.epochs=1", "strategy.hidden_size=8")
    manifest = json.loads((run / "run.json").read_text())
    assert manifest["device"]["requested"] == "mps"
    if manifest["device"]["used"] == "cpu":
        assert [w for w in manifest["warnings"] if w.startswith("device=mps was asked for, cpu is used")]


MISTAKES = {
    "strategy=lstmm": "strategy/lstmm: not found; available: ",
    "strategy.max_dept=3": "strategy.max_dept: there is no such key; did you mean max_depth? strategy has ",
    "outputs=here": "outputs: there is no such key; did you mean output_dir? the configuration has data, ",
    "+strategy.colour=2": "strategy.colour: XGBoost has no such parameter",
    "seed=1,2": "seed=1,2: several values make a sweep; add -m",
    "strategy.max_depth=-4": "strategy.max_depth=-4: must be a whole number of 1 or more, 30 at most",
    "seed=-1": "seed=-1: must be a whole number of 0 or more",
    "features=[price,nonsense]": "features/nonsense: not found",
    "features=[]": "features=[]: must name at least one set",
    "objective=luck": "objective=luck: must be one of sharpe",
    "backtest.commission_bps=-1": "backtest.commission_bps=-1: must be a number from 0 to 1000",
    "--strategy": "--strategy: there is no such flag; settings are name=value",
    "sweep.name=../x": "sweep.name=../x: must be the name of a folder, without /; output_dir=FOLDER says where",
    "validation={folds: 1}": "validation.folds: there is no such key; validation has ",
    "labels.execution=next_opn": "labels.execution=next_opn: must be one of next_open, next_close",
    "=3": "write overrides as key=value",
}


@pytest.mark.parametrize("override", MISTAKES)
def test_a_mistake_is_one_line(override, tmp_path: Path):
    finished = train(override, f"output_dir={tmp_path}", f"hydra.run.dir={tmp_path}/run")
    assert finished.returncode == 2, finished.stderr
    assert finished.stdout == ""
    lines = finished.stderr.strip().splitlines()
    assert len(lines) == 1 and MISTAKES[override] in lines[0], lines
    manifest = tmp_path / "run" / "run.json"
    assert not manifest.exists() or json.loads(manifest.read_text())["status"] == "failed"
    assert not (tmp_path / "run" / "metrics.json").exists()
    assert not (tmp_path / "trials.jsonl").exists(), "what never ran is no trial"


def test_strict_device_is_an_error_where_it_is_missing(tmp_path: Path):
    finished = train("device=mps", "device.strict=true", f"hydra.run.dir={tmp_path}/run", "strategy=xgboost")
    assert finished.returncode == 2
    assert finished.stderr.startswith("barwise: device=mps: ")


def test_help_imports_nothing_heavy():
    command = [sys.executable, "-X", "importtime", "train.py", "--help"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert finished.returncode == 0
    imported = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in finished.stderr.splitlines() if "|" in line}
    assert not imported & {"torch", "lightning", "xgboost", "sklearn", "pandas", "numpy", "numba"}


def test_a_tree_run_never_imports_torch(tmp_path: Path):
    code = (
        "import runpy, sys; sys.argv = ['train.py', 'experiment=smoke', 'output_dir=' + sys.argv[1]];"
        "runpy.run_path('train.py', run_name='__main__');"
        "heavy = ('xgboost', 'torch', 'lightning', 'numba', 'mlx', 'keras');"
        "print('IMPORTED', [m for m in heavy if sys.modules.get(m)])"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert finished.stdout.strip().endswith("IMPORTED ['xgboost']"), finished.stdout + finished.stderr


def test_a_sweep_gives_each_trial_its_own_directory(tmp_path: Path):
    words = ("-m", "experiment=smoke", "strategy=ridge,logistic", "audit=none", "validation=holdout")
    finished = train(*words, f"output_dir={tmp_path}", "sweep.name=t")
    assert finished.returncode == 0, finished.stderr
    for n in range(2):
        assert json.loads((tmp_path / "sweeps" / "t" / str(n) / "run.json").read_text())["status"] == "done"
    for n in range(2):  # trials run side by side: a verdict is as of when it is read, not of when it was filed
        assert barwise.load(tmp_path / "sweeps" / "t" / str(n)).verdict["n_trials"] == 2


def test_train_is_a_shim():
    assert len((ROOT / "train.py").read_text().splitlines()) < 10


@pytest.mark.parametrize("words", [[], ["strategy=lstm", "seed=3"]])
def test_help_is_the_page_that_hydra_prints(words, monkeypatch):
    """It is made without the copies that Hydra makes of its repository for each group, and says the same."""
    from hydra.core.global_hydra import GlobalHydra

    from barwise.commands import help

    own = help.page([*words, "--help"])
    monkeypatch.setattr(help, "asked", lambda words: False)
    monkeypatch.setattr(sys, "argv", ["train.py", *words, "--help"])
    GlobalHydra.instance().clear()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        command.main()
    GlobalHydra.instance().clear()
    assert own.strip() and printed.getvalue().strip() == own.strip()


def test_a_folder_may_be_named_as_a_number_is():
    config = plain(compose(["output_dir=2026", "cache.folder=1.5"]))
    assert (config["output_dir"], config["cache"]["folder"]) == ("2026", "1.5")
