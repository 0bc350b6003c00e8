"""Engines train torch's nets: the same steps, the same weights file, and torch in their place where they fail.

Which engine: BARWISE_ENGINE, mlx where it is not set. `make test-engines` runs this file once for each of them.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir

from barwise.console.progress import Progress
from barwise.devices.backend import BACKENDS
from barwise.devices.choice import DeviceSettings
from barwise.errors import ConfigError, DeviceError
from barwise.experiment.recipe import parts_of
from barwise.experiment.run import run
from barwise.runs.directory import RunDirectory
from barwise.samples import Samples
from barwise.strategies.base import FitContext
from barwise.strategies.engines.base import Body
from barwise.strategies.engines.known import ENGINES
from barwise.strategies.engines.learner import Learner, Piece, _programs
from barwise.strategies.losses import loss_of
from barwise.strategies.sequence import SequenceStrategy
from barwise.strategies.training import Training
from tests.conftest import ROOT
from tests.strategies.panels import NETS, fitted, model_of, panel_of, readable

NAME = os.environ.get("BARWISE_ENGINE", "mlx")
ENGINE = ENGINES[NAME]
PANEL = panel_of((60, 45), n_features=2)
ROWS = readable(PANEL, 6)
CASES = [("lstm", None, "mse"), ("gru", 4, "mse"), ("gru", None, "cross_entropy"), ("lstm", None, "sharpe"),
         ("lstm", 4, "huber")]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def started() -> None:
    assert ENGINE.lacking() is None, f"pip install 'barwise[{NAME}]', or `make test-engines`"
    ENGINE.start(1)


@pytest.fixture
def no_mps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch has no GPU of a Mac, on a Mac too."""
    monkeypatch.setattr(BACKENDS["mps"], "missing", lambda: "torch finds no MPS here")


@pytest.fixture(autouse=True)
def compiled_anew() -> None:
    """What a test replaces in an engine is seen by what it compiles."""
    _programs.cache_clear()


def task(net: str, warm: int | None, loss_name: str) -> tuple[torch.nn.Module, object, Piece]:
    torch.manual_seed(0)
    loss = loss_of(loss_name)
    made = NETS[net](3, hidden_size=8, num_layers=2, dropout=0.0, outputs=loss.outputs, squash=loss.squash)
    shape = (6,) if warm is None else (6, 3)
    target = torch.randint(0, 3, shape).float() if loss.outputs > 1 else torch.randn(*shape)
    return made, loss, Piece(torch.randn(6, 7, 3), target, torch.rand(*shape))


@pytest.mark.parametrize(("net", "warm", "loss_name"), CASES)
def test_five_steps_from_the_same_weights_are_torchs(net, warm, loss_name):
    made, loss, piece = task(net, warm, loss_name)
    training = Training(loss=loss_name)
    optimizer = torch.optim.AdamW(made.parameters(), lr=0.001, weight_decay=training.weight_decay)
    with ENGINE.on("cpu"):
        learner = Learner(ENGINE, Body.of(made, loss, warm), loss_name, training, made.state_dict())
        for _ in range(5):
            optimizer.zero_grad()
            out = made(piece.x) if warm is None else made.steps(piece.x, skip=warm)[0]
            value = loss.mean(out, piece.target, piece.weight)
            value.backward()
            torch.nn.utils.clip_grad_norm_(made.parameters(), training.gradient_clip)
            optimizer.step()
            found, gradients = learner.gradients(piece.padded(8))
            learner.apply(gradients, 0.001)
            assert float(found) == pytest.approx(value.item(), abs=1e-5)
        out = made(piece.x) if warm is None else made.steps(piece.x, skip=warm)[0]
        np.testing.assert_allclose(learner.outputs(piece.x), out.detach().numpy(), atol=1e-5)
        tensors = learner.tensors()
    assert list(tensors) == list(made.state_dict())
    for name, expected in made.state_dict().items():
        torch.testing.assert_close(tensors[name], expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("net", "mode"), [("lstm", "window"), ("gru", "stream")])
def test_a_whole_training_without_dropout_is_torchs(net, mode, tmp_path):
    told: dict[str, list] = {"torch": [], NAME: []}
    models = {}
    for engine, heard in told.items():
        context = FitContext(seed=1, log=lambda *what, heard=heard: heard.append(what))
        models[engine], scaler = fitted(model_of(net, mode, epochs=2, engine=engine), PANEL, ROWS, context)
        assert context.facts["best_epoch"] >= 1 and context.facts["device"] == "cpu"
    samples = Samples(PANEL, ROWS, scaler)
    np.testing.assert_allclose(models[NAME].predict(samples), models["torch"].predict(samples), atol=1e-3)
    assert [what[::2] for what in told[NAME]] == [what[::2] for what in told["torch"]]
    np.testing.assert_allclose([w[1] for w in told[NAME]], [w[1] for w in told["torch"]], atol=1e-3)
    models[NAME].save(tmp_path)
    loaded = SequenceStrategy.load(tmp_path)
    assert loaded.engine == NAME and np.array_equal(loaded.predict(samples), models[NAME].predict(samples))


def weights_of(model: SequenceStrategy) -> np.ndarray:
    return torch.cat([one.flatten() for one in model.nets_[0].state_dict().values()]).numpy()


def test_it_repeats_itself_and_goes_on_where_it_was_cut_off(tmp_path):
    settings = {"dropout": 0.3, "epochs": 3, "patience": 3, "engine": NAME}

    class Cut(Exception):
        pass

    def cut(loss: float, epoch: int) -> None:
        if epoch == 1:
            raise Cut

    context = FitContext(seed=1, folder=tmp_path)
    whole, _ = fitted(model_of(**settings), PANEL, ROWS, FitContext(seed=1))
    with pytest.raises(Cut):
        fitted(model_of(**settings), PANEL, ROWS, replace(context, report=cut))
    assert (tmp_path / f"last-0-{NAME}.ckpt").exists()
    resumed, _ = fitted(model_of(**settings), PANEL, ROWS, context)
    assert np.array_equal(weights_of(whole), weights_of(resumed))
    other, _ = fitted(model_of(**settings), PANEL, ROWS, FitContext(seed=2))
    assert not np.allclose(weights_of(whole), weights_of(other))


def test_folds_and_seeds_share_what_is_compiled(monkeypatch):
    made: list[object] = []
    real = ENGINE.compiled
    monkeypatch.setattr(ENGINE, "compiled", lambda function: made.append(function) or real(function))
    fitted(model_of(engine=NAME, n_seeds=2), PANEL, ROWS, FitContext(seed=1, engine=NAME))
    fitted(model_of(engine=NAME), PANEL, ROWS[:50], FitContext(seed=2, engine=NAME))
    assert len(made) == 4


def test_out_of_memory_goes_on_with_smaller_pieces_and_the_same_net(monkeypatch):
    plain, _ = fitted(model_of(engine=NAME), PANEL, ROWS)
    real = Learner.gradients

    def narrow(self: Learner, piece: Piece, draws: np.ndarray | None = None):
        if len(piece.x) > 8:
            raise RuntimeError("out of memory: 9 GB asked for")
        return real(self, piece, draws)

    monkeypatch.setattr(Learner, "gradients", narrow)
    alerts: list[tuple[str, str]] = []
    context = FitContext(seed=1, engine=NAME, alert=lambda *what: alerts.append(what))
    small, _ = fitted(model_of(engine=NAME), PANEL, ROWS, context)
    assert [kind for kind, _ in alerts] == ["fallback"] and context.facts["micro_batch"] == 8
    np.testing.assert_allclose(weights_of(plain), weights_of(small), atol=1e-4)


def test_a_loss_of_nan_names_its_batch_and_is_tried_once_more(monkeypatch, tmp_path):
    real, count = Learner.gradients, [0]

    def poisoned(self: Learner, piece: Piece, draws: np.ndarray | None = None):
        count[0] += 1
        value, gradients = real(self, piece, draws)
        return (value * float("nan") if count[0] == 2 else value), gradients

    monkeypatch.setattr(Learner, "gradients", poisoned)
    alerts: list[tuple[str, str]] = []
    context = FitContext(seed=1, folder=tmp_path, engine=NAME, alert=lambda *what: alerts.append(what))
    fitted(model_of(engine=NAME), PANEL, ROWS, context)
    assert "a tenth of the learning rate, 0.0001" in context.facts["retried"]
    assert alerts[0][0] == "nan" and "step 1, symbols ['S0" in alerts[0][1]


def raising(*_: object, **__: object) -> None:
    raise ImportError("dlopen(libmetal_plugin.dylib): symbol not found: _TF_Thing")


def wrong_gradients(function):
    def both(*given):
        value, gradients = real_gradients(function)(*given)
        return value, {**gradients, "head.0.weight": gradients["head.0.weight"] * 1.1}

    real_gradients = type(ENGINE).with_gradients.__get__(ENGINE)
    return both


@contextmanager
def metal(*_: object):
    with type(ENGINE).on(ENGINE, "cpu"):
        yield


def unable(body):
    raise NotImplementedError("MLIR translation rule for primitive 'rnn_fwd' not found for platform cpu")


FAKES = {
    "unable": ({"missing": lambda device: None, "forward": unable, "on": metal}, "cannot run this net: NotImpl"),
    "missing": ({"missing": lambda device: "it finds no GPU; its Metal plugin is not installed"}, "no GPU"),
    "raises": ({"start": raising}, "cannot be imported: ImportError: dlopen(libmetal_plugin.dylib)"),
    "wrong": (
        {"missing": lambda device: None, "with_gradients": wrong_gradients, "on": metal},
        "disagrees with torch on the CPU: gradients of head.0.weight differ by 1.0e-01",
    ),
}


@pytest.mark.usefixtures("no_mps")
@pytest.mark.parametrize("fake", FAKES)
def test_a_metal_plugin_that_fails_ends_with_torchs_net_and_the_reason(fake, monkeypatch):
    switches, words = FAKES[fake]
    for name, value in switches.items():
        monkeypatch.setattr(ENGINE, name, value)
    monkeypatch.setattr("barwise.strategies.engines.choose._OUTCOMES", {})
    model = model_of(engine=NAME)
    with pytest.raises(DeviceError, match=r"strict=true allows no other, strategy\.engine=torch would run"):
        model.settle_engine(DeviceSettings(name="mps", strict=True), 2, 1)
    choice = model.settle_engine(DeviceSettings(name="mps"), 2, 1)
    assert (choice.engine, choice.used) == ("torch", "cpu") and words in choice.reason
    assert f"strategy.engine={NAME} was asked for, torch trains" in choice.warning and words in choice.warning
    ours, _ = fitted(model, PANEL, ROWS, FitContext(device=choice.used, seed=1, engine=choice.engine))
    plain, _ = fitted(model_of(), PANEL, ROWS, FitContext(seed=1))
    assert np.array_equal(weights_of(ours), weights_of(plain))


def test_a_device_that_dies_while_it_trains_leaves_the_fold_to_torch(monkeypatch, tmp_path):
    fault = ENGINE.faults()[-1]
    error = fault("command buffer exited with error status")
    monkeypatch.setattr(ENGINE, "on", metal)
    monkeypatch.setattr(Learner, "apply", lambda *_: (_ for _ in ()).throw(error))
    alerts: list[tuple[str, str]] = []
    context = FitContext("mps", 1, folder=tmp_path, engine=NAME, alert=lambda *what: alerts.append(what))
    model, _ = fitted(model_of(engine=NAME), PANEL, ROWS, context)
    plain, _ = fitted(model_of(), PANEL, ROWS, FitContext(seed=1))
    assert "command buffer" in alerts[0][1] and alerts[0][1].endswith("torch trains the fold")
    assert np.array_equal(weights_of(model), weights_of(plain))


REFUSED = {
    "tcn": ({"net": NETS["tcn"]}, r"strategy/net=TCNNet is torch's alone; set strategy.engine=torch, or choose one"),
    "loss": ({"loss": "ic"}, "strategy.loss=ic is torch's alone; set strategy.engine=torch, or choose one of mse"),
    "precision": ({"precision": "bf16-mixed"}, "strategy.precision=bf16-mixed is torch's alone"),
    "compile": ({"compile": True}, "strategy.compile=true is torch's alone"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_it_cannot_is_one_line_that_says_which_engine_can(name):
    settings, words = REFUSED[name]
    with pytest.raises(ConfigError, match=f"^strategy.engine={NAME}: {words}"):
        SequenceStrategy(engine=NAME, **settings)


def test_one_that_is_not_installed_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("barwise.strategies.engines.base.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=rf"^strategy.engine={NAME}: \w+ is not installed; pip install 'barwise\["):
        model_of(engine=NAME).settle_engine(DeviceSettings(name="cpu"), 2, 1)


def a_run(place: Path, *words: str) -> bytes:
    """metrics.json of a small run of one fold."""
    small = ["experiment=smoke", "threads=1", "baseline=null", "audit=none", "device=cpu", "strategy=lstm",
             "strategy.epochs=1", "strategy.hidden_size=8", "strategy.lookback=5", "validation=holdout",
             "data.n_symbols=1", "data.n_bars=400"]  # fmt: skip
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("config", [*small, *words])
    out = RunDirectory(place)
    out.start()
    run(parts_of(config), out, Progress(quiet=True))
    return (place / "metrics.json").read_bytes()


def test_a_run_is_whole_and_repeats_itself(tmp_path: Path):
    kept = [a_run(tmp_path / name, f"strategy.engine={NAME}") for name in "ab"]
    manifest = json.loads((tmp_path / "a" / "run.json").read_text())
    assert kept[0] == kept[1] and manifest["engine"]["used"] == NAME and NAME in manifest["engine"]["versions"]
    assert "agrees with torch on the CPU" in manifest["device"]["reason"]
    assert (tmp_path / "a" / "model" / "fold-0" / "model.safetensors").is_file()


@pytest.fixture(scope="module")
def torchs_metrics(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return a_run(tmp_path_factory.mktemp("torch"))


@pytest.mark.usefixtures("no_mps")
@pytest.mark.parametrize("fake", FAKES)
def test_a_run_on_such_a_plugin_has_torchs_metrics_and_the_reason(fake, monkeypatch, torchs_metrics, tmp_path):
    switches, words = FAKES[fake]
    for name, value in switches.items():
        monkeypatch.setattr(ENGINE, name, value)
    monkeypatch.setattr("barwise.strategies.engines.choose._OUTCOMES", {})
    assert a_run(tmp_path / "run", f"strategy.engine={NAME}", "device=mps") == torchs_metrics
    manifest = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (manifest["engine"]["requested"], manifest["engine"]["used"]) == (NAME, "torch")
    assert words in manifest["device"]["reason"] and any(words in line for line in manifest["warnings"])
