"""Training, sweeping and reading from Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import barwise
from barwise.commands.api import Sweep, _words_of
from barwise.errors import ConfigError
from barwise.report.run import Run

SMALL = {"strategy": "ridge", "features": ["price"], "audit": "none", "baseline": None, "validation": "holdout"}


def frame(n: int = 500) -> pd.DataFrame:
    random = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, n)))
    open_ = close * (1 + random.normal(0, 0.001, n))
    high, low = np.maximum(open_, close) * 1.002, np.minimum(open_, close) * 0.998
    time = pd.date_range("2020-01-01", periods=n, freq="B", name="time")
    return pd.DataFrame({"open": open_, "high": high, "low": low, "close": close, "volume": 1e6}, index=time)


@pytest.fixture(scope="module")
def of_a_frame(tmp_path_factory: pytest.TempPathFactory) -> Run:
    home = tmp_path_factory.mktemp("outputs")
    return barwise.train(data=frame(), data__name="ME", output_dir=str(home), **SMALL, **{"signals.upper": 0.7})


def test_train_returns_the_run_of_a_frame(of_a_frame: Run) -> None:
    run = of_a_frame
    assert run.manifest["status"] == "done" and run.manifest["data"]["symbols"] == ["ME"]
    assert run.config["signals"]["upper"] == 0.7 and run.choices["strategy"] == "ridge"
    assert set(run.positions) == {"time", "symbol", "weight"} and "net" in run.trades
    assert (run.folder / "report.html").is_file() and "signals.upper=0.7" in run.overrides
    assert isinstance(barwise.read(run.folder), Run)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"strategy": "nope"}, "nope"),
        ({"strategy": "ridge", "strategy__estimator__alpha": -1}, "alpha"),
        ({"sede": 1}, "sede"),
    ],
)
def test_a_mistake_is_an_error_of_one_line(given: dict, line: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=line) as raised:
        barwise.train(experiment="smoke", output_dir=str(tmp_path), **given)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.glob("**/metrics.json"))


def test_values_are_written_as_on_the_command_line() -> None:
    given = {"a__b": True, "c.d": None, "e": ["x", "y"], "f": {"k": 1}, "g": "my file.csv", "h": 0.1, "i": "x=${y}"}
    assert _words_of(given) == [
        "a.b=true", "c.d=null", "e=[x,y]", "f={k: 1}", "g='my file.csv'", "h=0.1", r"i='x=\${y}'"
    ]  # fmt: skip
    assert _words_of({"seed": [1, 2], "features": [["price"], ["price", "volume"]]}, several=True) == [
        "seed=1,2",
        "features=[price],[price,volume]",
    ]


def test_a_folder_of_trials_is_read_as_a_sweep(of_a_frame: Run, tmp_path: Path) -> None:
    import shutil

    for number in range(2):
        shutil.copytree(of_a_frame.folder, tmp_path / str(number))
    (tmp_path / "leaderboard.csv").write_text("rank,trial,sharpe\n1,1,0.5\n2,0,0.1\n")
    found = barwise.read(tmp_path)
    assert isinstance(found, Sweep) and len(found.runs) == 2 and found.best.folder == tmp_path / "1"


@pytest.mark.slow
def test_a_sweep_goes_through_the_values(tmp_path: Path) -> None:
    found = barwise.sweep("mine", experiment="smoke", strategy=["ridge", "logistic"], output_dir=str(tmp_path))
    assert len(found.runs) == 2 and set(found.leaderboard["status"]) == {"done"}
    with pytest.raises(ConfigError, match="nope"):
        barwise.sweep("other", strategy=["ridge", "nope"], output_dir=str(tmp_path))
