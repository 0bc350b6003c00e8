"""TensorBoard itself, started on a real sweep, shows every trial's scalars, images, text and hyper-parameters."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from barwise.report.run import load
from tests.conftest import PATIENCE, ROOT, train

TRIALS = 4


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    outputs = tmp_path_factory.mktemp("outputs")
    words = ["experiment=smoke", "validation=holdout", "strategy=xgboost,ridge", "seed=1,2"]
    done = train("-m", *words, f"output_dir={outputs}", "sweep.name=four", "quiet=true")
    assert done.returncode == 0, done.stdout + done.stderr
    return outputs / "sweeps" / "four"


@pytest.fixture(scope="module")
def ask(sweep: Path) -> Iterator[Callable[..., Any]]:
    """`ask(route, body)` of a TensorBoard on the sweep's folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "tensorboard.main",
        "--logdir",
        str(sweep),
        "--port",
        str(port),
        "--load_fast=false",
    ]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def get(route: str, body: Any = None, raw: bool = False) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/data/{route}", data, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.read() if raw else json.load(answer)

    try:
        for _ in range(2 * PATIENCE):
            try:
                if len(get("runs")) == TRIALS and len(get("plugin/images/tags")) == TRIALS:
                    break
            except OSError:
                pass
            time.sleep(0.5)
        yield get
    finally:
        server.terminate()
        server.wait(PATIENCE)


def test_each_trial_is_one_run_and_none_is_empty(ask):
    assert sorted(ask("runs")) == [f"{i}/tensorboard" for i in range(TRIALS)]
    scalars = ask("plugin/scalars/tags")
    for run, tags in scalars.items():
        for name in (
            "outcome/sharpe",
            "outcome/dsr",
            "metrics/sharpe",
            "folds/rank_ic",
            "backtest/equity",
            "timing/fit",
        ):
            assert name in tags, (run, name)
        assert {"train_loss/fold-0", "valid_loss/fold-0"} & set(tags) and not any(
            tag.startswith("fold-") for tag in tags
        )


def test_each_trial_has_its_figure_and_its_texts(ask):
    assert all(list(tags) == ["figures/equity"] for tags in ask("plugin/images/tags").values())
    (image,) = ask("plugin/images/images?tag=figures/equity&run=0/tensorboard&sample=0")
    picture = ask(f"plugin/images/individualImage?{image['query']}", raw=True)
    width, height = struct.unpack(">II", picture[16:24])  # of a PNG's header
    assert picture[1:4] == b"PNG" and width >= 1000 and height > 400
    assert all(
        {"verdict/text_summary", "configuration/text_summary"} <= set(t) for t in ask("plugin/text/tags").values()
    )


def test_the_hparams_tab_sorts_trials_by_what_metrics_json_says(ask, sweep):
    query = {
        "experimentName": "", "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_RUNNING"],
        "colParams": [], "startIndex": 0, "sliceSize": 100,
    }  # fmt: skip
    groups = ask("plugin/hparams/session_groups", query)["sessionGroups"]
    assert len(groups) == TRIALS
    seen = {g["name"]: (g["hparams"], {m["name"]["tag"]: m["value"] for m in g["metricValues"]}) for g in groups}
    for number in range(TRIALS):
        run, (given, found) = load(sweep / str(number)), seen[f"{number}/tensorboard"]
        assert (given["strategy"], given["seed"]) == (run.choices["strategy"], run.config["seed"])
        for name in ("sharpe", "max_drawdown", "rank_ic"):
            assert found[f"outcome/{name}"] == pytest.approx(run.metrics[name], rel=1e-5)
        assert 0 <= found["outcome/dsr"] <= 1
    names = [info["name"] for info in ask("plugin/hparams/experiment", {"experimentName": ""})["hparamInfos"]]
    assert len(names) == len(set(names)) and {"strategy", "features", "seed", "signals.upper"} <= set(names)


def test_there_is_a_layout_of_custom_scalars(ask):
    layout = ask("plugin/custom_scalars/layout")
    assert [category["title"] for category in layout["category"]] == ["training", "result", "machine"]


def test_a_title_lies_beside_no_legend() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from barwise.report.figures import _entitle

    figure = Figure(figsize=(4, 3), layout="constrained")
    axes = figure.subplots()
    for number in range(6):
        axes.plot([0, 1], [number, 1], label=f"fold {number}")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=3)
    _entitle(figure, "Training curves of all folds")
    FigureCanvasAgg(figure).draw()
    assert figure.get_suptitle() == "" and figure.legends[0].get_title().get_text() == "Training curves of all folds"
    assert figure.legends[0].get_window_extent().y0 >= axes.get_window_extent().y1
