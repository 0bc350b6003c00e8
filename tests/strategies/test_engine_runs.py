"""A run that an engine trains, by the commands a user types: whole, predicted from, served, run again, killed, resumed.

Which engine: BARWISE_ENGINE, mlx where it is not set. `make test-engines` runs this file once for each of them.
Processes are started cold: what an engine's library does to a process is part of what is tested.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from barwise.data import sample
from barwise.serving.model import serve
from barwise.strategies.engines.base import Body
from barwise.strategies.engines.known import ENGINES
from barwise.strategies.engines.learner import Learner
from tests.conftest import PATIENCE, ROOT
from tests.serving.conftest import write_csv

pytestmark = pytest.mark.slow
NAME = os.environ.get("BARWISE_ENGINE", "mlx")
WORDS = ("strategy=lstm", f"strategy.engine={NAME}", "strategy.hidden_size=16", "strategy.lookback=10",
         "strategy.epochs=2", "data.start=2006-01-01", "device=cpu", "audit=none", "quiet=true")  # fmt: skip
FEED = 6  # bars of each symbol that live is fed
PLUGINS = {  # where a plugin lies below site-packages, what is in it, and what its loading says
    "tensorflow": ("tensorflow-plugins/libmetal_plugin.so", "no library", "NotFoundError"),
    "jax": ("jax_plugins/mps/__init__.py", "raise OSError('dlopen(libpjrt_mps.dylib)')", "OSError: dlopen(libpjrt"),
    "mlx": ("mlx/core.py", "raise ImportError('dlopen(libmlx.dylib)')", "ImportError: dlopen(libmlx"),
}
SMALL = ("experiment=smoke", "threads=1", "baseline=null", "audit=none", "strategy=lstm", "strategy.epochs=1",
         "strategy.hidden_size=8", "strategy.lookback=5", "validation=holdout", "data.n_symbols=1", "data.n_bars=400",
         "quiet=true")  # fmt: skip
LOADED = """import atexit, runpy, sys
atexit.register(lambda: print("loaded", {"tensorflow", "jax", "keras", "mlx"} & set(sys.modules)))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

GIVEN_A_GPU = """import json, sys
import tensorflow as tf
from tensorflow.python.eager import context
from barwise.devices.backend import BACKENDS
from barwise.strategies.engines.known import ENGINES
tf.config.list_physical_devices()
gpu, own = tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU"), context.context()
own._physical_devices.append(gpu)
own._visible_device_list.append(gpu)
own._memory_growth_map[gpu] = None
BACKENDS["cuda"].missing, BACKENDS["cuda"].memory = lambda: None, lambda: {"total_mb": 8000.0}
told = [ENGINES["tensorflow"].start(1, share) for share in json.loads(sys.argv[1])]
options = own.config.gpu_options
limits = [list(one.memory_limit_mb) for one in options.experimental.virtual_devices]
print(json.dumps([told, options.allow_growth, limits]))
"""


def barwise(*words: str) -> str:
    """What `python -m barwise WORDS…` prints; it must end well."""
    return done([sys.executable, "-m", "barwise", *words])


def done(command: list[str], path: Path | None = None) -> str:
    """What a command prints; `path`: where Python looks for modules first."""
    env = {**os.environ, "PYTHONPATH": str(path)} if path else None
    finished = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def training(run: Path) -> list[str]:
    return [sys.executable, str(ROOT / "train.py"), *WORDS, f"output_dir={run.parent}", f"hydra.run.dir={run}"]


def manifest_of(run: Path) -> dict:
    return json.loads((run / "run.json").read_text())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on the sample."""
    run = tmp_path_factory.mktemp("outputs") / "run"
    done(training(run))
    return run


def test_its_directory_is_whole_and_says_who_trained(trained, tmp_path):
    manifest, metrics = manifest_of(trained), json.loads((trained / "metrics.json").read_text())
    assert manifest["status"] == "done" and manifest["alerts"] == []
    assert manifest["engine"]["requested"] == manifest["engine"]["used"] == NAME
    assert manifest["device"]["used"] == "cpu" and "agrees with torch on the CPU" in manifest["device"]["reason"]
    for name in ("verdict.json", "predictions.parquet", "positions.parquet", "trades.parquet", "ledger.parquet",
                 "report.html", "curves.json", "train.log", "tensorboard"):  # fmt: skip
        assert (trained / name).exists(), name
    folds = sorted((trained / "model").glob("fold-*"))
    assert len(folds) == len(metrics["folds"]) == 5
    assert all((fold / "model.safetensors").is_file() for fold in folds)
    assert not list(trained.glob("model/*/*.ckpt"))
    torchs = tmp_path / "torch"
    command = [*training(torchs), "strategy.engine=torch", "strategy.epochs=1"]
    assert "loaded set()" in done([command[0], "-c", LOADED, *command[1:]])  # an engine is imported by who asks for it
    assert metrics.keys() == json.loads((torchs / "metrics.json").read_text()).keys()
    assert np.isfinite(pd.read_parquet(trained / "predictions.parquet")["score"]).all()


def test_its_weights_are_scored_by_torch_and_by_it_alike(trained):
    engine = ENGINES[NAME]
    engine.start(1)
    for member in serve(trained, "ensemble").members:
        model = member.strategy
        net = model.nets_[0]
        x = torch.randn(64, model.lookback, model.n_features_, generator=torch.Generator().manual_seed(0))
        with engine.on("cpu"):
            body = Body.of(net, model.loss_, None)
            learner = Learner(engine, body, model.training.loss, model.training, net.state_dict())
            found = learner.outputs(x)
        expected = net(x).detach().numpy()
        assert np.ptp(expected) > 1e-3
        np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)


def test_predict_scores_as_the_run_did_and_live_as_predict_does(trained, tmp_path):
    recorded = pd.read_parquet(trained / "predictions.parquet")
    recorded = recorded[recorded["fold"] == 4]
    barwise(
        "predict", str(trained), "data=sample", "--model", "fold-4", "--all", "--out", str(tmp_path / "all.parquet")
    )
    found = pd.read_parquet(tmp_path / "all.parquet")
    both = recorded.merge(found, on=["time", "symbol"], suffixes=("", "_predicted"))
    assert len(both) == len(recorded) > 500
    np.testing.assert_allclose(both["score_predicted"], both["score"], atol=1e-6)
    bars = list(sample.load().bars)
    history = write_csv(tmp_path / "history.csv", [b.take(slice(0, len(b) - FEED)) for b in bars])
    feed = write_csv(tmp_path / "feed.csv", [b.take(slice(len(b) - FEED, len(b))) for b in bars])
    said = barwise("live", str(trained), f"data.path={history}", "--bars", str(feed), "--model", "fold-4")
    answers = pd.DataFrame(map(json.loads, said.splitlines()))
    answers["time"] = pd.to_datetime(answers["time"], utc=True)
    found["time"] = pd.to_datetime(found["time"], utc=True)
    both = answers.merge(found, on=["time", "symbol"], suffixes=("", "_predicted"))
    assert set(both["symbol"]) == {b.symbol for b in bars} - {"FB"}  # which has too few bars for its features
    assert len(both) == FEED * (len(bars) - 1)
    np.testing.assert_allclose(both["score"].astype(float), both["score_predicted"], atol=1e-6)


def test_run_again_its_metrics_are_equal(trained, tmp_path):
    said = barwise("rerun", str(trained), "--out", str(tmp_path / "again"))
    n = said.split("  ")[1].split()[0]
    assert f"{n} of {n} metrics are equal" in said
    assert manifest_of(tmp_path / "again")["engine"]["used"] == NAME


def test_killed_in_the_middle_of_a_fold_it_goes_on_with_the_same_metrics(trained, tmp_path):
    run = tmp_path / "run"
    process = subprocess.Popen(training(run), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    begin = time.monotonic()
    while not (run / "model" / "fold-1" / f"last-0-{NAME}.ckpt").exists():
        assert process.poll() is None and time.monotonic() - begin < PATIENCE
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert manifest_of(run)["status"] == "running"
    kept = (run / "model" / "fold-0" / "model.safetensors").stat().st_mtime_ns
    done([sys.executable, str(ROOT / "train.py"), f"resume={run}", "quiet=true"])
    manifest = manifest_of(run)
    assert manifest["status"] == "done" and len(manifest["resumed"]) == 1 and manifest["engine"]["used"] == NAME
    assert (run / "model" / "fold-0" / "model.safetensors").stat().st_mtime_ns == kept
    for name in ("metrics.json", "predictions.parquet", "ledger.parquet"):
        assert (run / name).read_bytes() == (trained / name).read_bytes(), name


def test_a_plugin_that_cannot_be_loaded_ends_with_torchs_metrics_and_the_reason(tmp_path):
    place, content, words = PLUGINS[NAME]
    installed = tmp_path / "site-packages"
    file = installed / place
    file.parent.mkdir(parents=True)
    file.write_text(content)
    if NAME == "mlx":
        (file.parent / "__init__.py").touch()
    command = [sys.executable, str(ROOT / "train.py"), *SMALL, "device=cpu"]
    done([*command, f"hydra.run.dir={tmp_path / 'torch'}"])
    done([*command, f"hydra.run.dir={tmp_path / 'run'}", f"strategy.engine={NAME}"], installed)
    manifest = manifest_of(tmp_path / "run")
    assert manifest["status"] == "done" and manifest["engine"]["used"] == "torch"
    assert f"cannot be imported: {words}" in manifest["device"]["reason"]
    assert any(words in line and "torch trains" in line for line in manifest["warnings"])
    for name in ("metrics.json", "predictions.parquet"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "torch" / name).read_bytes(), name


@pytest.mark.skipif(NAME != "tensorflow", reason="of TensorFlow's own settings")
def test_tensorflows_own_settings_grow_or_limit_a_gpus_memory():
    """TensorFlow's checks and what it would hand to its runtime, with a GPU put among its devices that is not there."""

    def settled(*shares: float | None) -> tuple[list[list[str]], bool, list[list[float]]]:
        said = done([sys.executable, "-c", GIVEN_A_GPU, json.dumps(shares)])
        return tuple(json.loads(said.splitlines()[-1]))

    assert settled(None, None) == ([[], []], True, [])
    told, growth, limits = settled(0.25, 0.25, None)
    assert told[:2] == [[], []] and "at most 2,000 MB" in told[2][0]
    assert (growth, limits) == (False, [[2000.0]])
