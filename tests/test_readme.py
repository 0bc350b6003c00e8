"""The commands of the README and of docs/, in small in the quick tests, word for word in the slow ones.

docs/own-parts.md is tests/test_extension.py's, the tutorial tests/test_docs.py's, and the notebook's classes are
tests/serving/test_notebook.py's.
"""

from __future__ import annotations

import csv
import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest

from barwise.data import synthetic
from tests import warm
from tests.conftest import ROOT

OTHERS = ("tutorial.md", "own-parts.md")
PAGES = [ROOT / "README.md", *(p for p in sorted((ROOT / "docs").glob("*.md")) if p.name not in OTHERS)]
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
LONG = (ROOT / "docs/strategies.md").read_text(encoding="utf-8")  # whose commands fit many models each
ELSEWHERE = {  # what another test runs
    "make ": "CI", "tensorboard ": "tests/report/test_dashboard.py", "pip install": "tests/test_installed.py",
    "python -m barwise factor": "tests/commands/test_factor.py",
    "python train.py resume=": "tests/experiment/test_checkpoint.py",
    "mlflow ": "tests/report/test_trackers.py", "python train.py tracking=": "tests/report/test_trackers.py",
    "python train.py 'tracking=": "tests/report/test_trackers.py",
    "python train.py data=frame": "tests/data/test_query.py", "python train.py data=query": "tests/data/test_query.py",
    "python train.py data=ccxt": "tests/data/test_ccxt.py",
    "python train.py data=files data.path=s3": "tests/data/test_remote.py",
    "python train.py data=files data.path=bars.csv": "tests/data/test_point_in_time.py",
    "python train.py data=files data.path=raw.csv": "tests/data/test_point_in_time.py",
}  # fmt: skip
SMALL = {
    "cross_section": ("--n_symbols", "60", "--n_bars", "400"),
    "search=optuna": ("data.n_bars=900", "search.trials=2", "search.folds=2", "select.blocks=5"),
    "-m": ("validation=holdout",),
    "hydra/sweeper=study": ("hydra.sweeper.n_trials=3",),
    "strategy=lstm": ("strategy.epochs=1", "strategy.lookback=5"),
}
BRIEF = ("validation=holdout", "audit=none")
PLACES = ("newer.csv", "history.csv", "feed.csv", "my_bars.csv")


def commands() -> list[str]:
    """Lines indented by four spaces, outside of fences; without comments, joined at a backslash."""
    text = re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL).replace("\\\n", " ")
    lines = [re.split(r"\s{2,}#", line)[0].strip() for line in re.findall(r"^ {4}(\S.*)$", text, re.MULTILINE)]
    return [line for line in lines if not line.startswith(tuple(ELSEWHERE))]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a user's files, a finished run and a sweep."""
    folder = tmp_path_factory.mktemp("home")
    market = synthetic.load(n_symbols=2, n_bars=800)
    rows = [
        (str(b.time[t])[:10], b.symbol, *(float(getattr(b, c)[t]) for c in ("open", "high", "low", "close", "volume")))
        for t in range(800)
        for b in market.bars
    ]
    for name, part in zip(PLACES, (rows, rows[:1580], rows[1580:], rows[:1400]), strict=True):
        with open(folder / name, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("Date", "ticker", "Open", "High", "Low", "Close", "Volume"), *part])
    vix = "".join(f"{row[0]},{20 + t % 7}\n" for t, row in enumerate(rows[::2]))
    (folder / "vix.csv").write_text("time,vix\n" + vix)
    (folder / "train.py").write_text((ROOT / "train.py").read_text())
    for line in ("data=files data.path=my_bars.csv hydra.run.dir=RUN sealed.fraction=0.2 strategy.n_seeds=1",
                 "-m experiment=smoke strategy=ridge,xgboost sweep.name=NAME"):  # fmt: skip
        done = warm.run(["train.py", *line.split(), "quiet=true", *BRIEF], folder)
        assert done.returncode == 0, done.stderr
    return folder


def test_there_are_commands():
    assert len(commands()) > 25 and all(line.startswith("python ") for line in commands())


ENGINES = ("tensorflow", "jax", "mlx")
DEVICES = ("device=cuda", "device=auto", "device=cpu")  # which one is taken, and why, is tests/devices' to show


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(line, marks=pytest.mark.slow) if line.endswith(DEVICES) or line in LONG else line
        for line in commands()
        if "experiment=" not in line
    ],
)
def test_a_command_works_in_small(home, line):
    words = fewer(shlex.split(line)[1:])
    if words[:4] == ["-m", "barwise", "benchmark", "cross_section"]:
        words += SMALL["cross_section"]
    if words[0] == "train.py":
        words += ["quiet=true", "validation=holdout"] if "data=files" in words else ["quiet=true", "experiment=smoke"]
        words += [word for key, small in SMALL.items() if key in words for word in small]
        words += [word for word in BRIEF if word.partition("=")[0] not in line]
        words = list(dict.fromkeys(words))
    check(home, words, pages=False)


def fewer(words: list[str]) -> list[str]:
    """A sweep over two values of its first setting and one of each other, none of them a net."""
    lists = [w for w in words if "-m" in words and "," in w and not set("([") & set(w)]
    for n, word in enumerate(lists):
        name, _, values = word.replace("=lstm,", "=").partition("=")
        words = [f"{name}={','.join(values.split(',')[: 2 if n == 0 else 1])}" if w == word else w for w in words]
    return words


@pytest.mark.slow
@pytest.mark.parametrize("line", [line for line in commands() if line.startswith("python train.py")])
def test_a_command_works_as_it_stands(home, line):
    check(home, shlex.split(line)[1:], pages=True)


def check(home: Path, words: list[str], pages: bool) -> None:
    words = [w for w in words if w != "--follow"]  # it would wait for lines for ever
    words = [re.sub(r"\bmy_set\b", "price", w).replace("outputs/sweeps/mine", "outputs/sweeps/NAME") for w in words]
    done = warm.run(words, home, pages=pages)
    absent = next((e for e in ENGINES if f"strategy.engine={e}" in words and find_spec(e) is None), None)
    if absent:  # make test-engines has them, and trains with them
        said = f"strategy.engine={absent}: {absent} is not installed; pip install 'barwise[{absent}]'"
        assert done.returncode == 2 and said in done.stderr
        return
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "Traceback" not in done.stdout + done.stderr
