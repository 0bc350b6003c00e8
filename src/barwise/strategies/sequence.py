"""Nets that read sequences of bars, behind the strategy interface."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
import torch
from safetensors.torch import load_file, save

from barwise.console.settings import Number, OneOf, Whole, check_names, checked
from barwise.devices.backend import backend
from barwise.devices.batch import largest_batch
from barwise.devices.choice import DeviceChoice, DeviceSettings
from barwise.devices.choose import resolve
from barwise.errors import ConfigError, TrainingError, require
from barwise.runs.directory import write_bytes
from barwise.samples import Samples
from barwise.strategies import scores, scoring
from barwise.strategies.base import FitContext
from barwise.strategies.batches import BarWindows, Batches, Chunks, Windows, first_rows, window_rows
from barwise.strategies.engines.choose import Trial, settle
from barwise.strategies.engines.fallback import own_file, trained
from barwise.strategies.engines.known import NAMES as ENGINE_NAMES
from barwise.strategies.engines.known import TORCH, check, engine_of
from barwise.strategies.engines.learner import Piece
from barwise.strategies.fallback import Plan, with_fallback
from barwise.strategies.losses import LOSSES, Loss, loss_of, name_of
from barwise.strategies.module import Diverged, Task, train
from barwise.strategies.nets import LSTMNet, SequenceNet
from barwise.strategies.training import Training

MODES = ("window", "stream")
_MOST_HELD = 1_000_000_000  # 4 GB a layer
_SIZES = ("n_features", "hidden_size", "num_layers", "dropout", "outputs", "squash", "lookback")
_HELD = ("lookback", "hidden_size", "num_layers", "dropout", "sequence", "chunk", "n_seeds")
_KEPT = (*_HELD, "engine")


class SequenceStrategy:
    """Scores a bar by a causal net over the bars before it, trained by Lightning.

    `sequence`: `window` shows the net `lookback` bars and learns from the last; `stream` walks `chunk` bars after a
    warm-up of `lookback`, learns from each, and predicts carrying its state. `net`: a subclass of SequenceNet, or a
    partial of one. `n_seeds` nets are averaged. `callbacks`: Lightning callbacks and loggers, a copy for each
    fit. `engine`: the library that trains; what it trained is torch's, and scored by torch. `training`: the fields of
    `Training`.
    """

    scale = True
    takes_nan = False
    needs_torch = True
    in_blocks = True
    own_nets: frozenset[str] = frozenset()  # the user's, which `load` may name

    @checked("strategy")
    def __init__(
        self,
        lookback: Annotated[int, Whole(1, 10_000)] = 30,
        hidden_size: Annotated[int, Whole(1, 8192)] = 64,
        num_layers: Annotated[int, Whole(1, 64)] = 2,
        dropout: Annotated[float, Number(0.0, 1.0, below=True)] = 0.2,
        net: Callable[..., SequenceNet] | None = None,
        sequence: Annotated[str, OneOf(MODES)] = "window",
        chunk: Annotated[int, Whole(1, 10_000)] = 64,
        n_seeds: Annotated[int, Whole(1, 100)] = 1,
        callbacks: Sequence[Any] = (),
        engine: Annotated[str, OneOf(ENGINE_NAMES)] = TORCH,
        **training: Any,
    ) -> None:
        check_names("strategy", training, [*Training.__dataclass_fields__, *_KEPT, "net"])
        self.lookback = lookback
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.dropout = dropout
        self.sequence = sequence
        self.chunk = chunk
        self.n_seeds = n_seeds
        self.callbacks = _heard_by(callbacks)
        self.engine = engine
        self.auto_batch = training.get("batch_size") == "auto"
        self.training = Training(**({**training, "batch_size": 256} if self.auto_batch else training))
        self.loss_ = loss_of(self.training.loss)
        require(
            sequence == "window" or not self.loss_.by_bar,
            f"strategy.loss={name_of(self.training.loss)}: compares the symbols of a bar, and sequence=stream learns"
            " from one symbol after the other; set strategy.sequence=window",
        )
        self.net = net.func if isinstance(net, partial) else net or LSTMNet
        self.net_settings = dict(net.keywords) if isinstance(net, partial) else {}
        for name in self.net_settings:
            require(
                name not in _SIZES,
                f"strategy.net.{name}: would be overwritten, a net's sizes are the strategy's; set strategy.{name}"
                if name in _HELD
                else f"strategy.net.{name}: would be overwritten, data and strategy.loss decide it; leave it out",
            )
        check(engine, self.net, self.training, self.callbacks)
        _check_work(lookback + (chunk if sequence == "stream" else 0), hidden_size, self.training.batch_size)

    def fit(self, train: Samples, valid: Samples, context: FitContext) -> Self:
        first = train.time.min() if len(train) else None
        train = train.select(window_rows(train, self.lookback, first))
        require(len(train) > 0, f"strategy.lookback={self.lookback}: no training row has so many bars before it")
        self.n_features_ = len(train.features)
        if self.auto_batch:
            size, context.facts["batch_size_reason"] = largest_batch(self._sized, backend(context.device), len(train))
            self.training = replace(self.training, batch_size=size)
            context.facts["batch_size"] = size
        self.loss_ = loss_of(self.training.loss).fit(train)
        context = self._with_engine(context)

        def batches(device: str, seed: int) -> tuple[Batches, Batches | None]:
            learned = self._batches(train, first_rows(train, first), device, seed)
            if not len(valid):
                return learned, None
            watched = self._batches(valid, first_rows(valid), device, None)
            watched.per_batch = 4 * learned.per_batch  # no gradients to keep
            return learned, watched

        self.nets_ = []
        for i in range(self.n_seeds):
            seed = context.seed + 1_000_003 * i
            torch.manual_seed(seed)
            task = Task(self._net(self.loss_), self.loss_, partial(batches, seed=seed), self.callbacks)
            self.nets_.append(self._trained(task, replace(context, seed=seed), i))
        return self

    def _trained(self, task: Task, context: FitContext, member: int) -> SequenceNet:
        """Train one net, again at a tenth of the learning rate if its loss is no longer a number and that is wanted."""
        files = [context.folder / f"{name}-{member}.ckpt" if context.folder else None for name in ("last", "retry")]
        if context.engine not in (None, TORCH):
            files = [own_file(file, str(context.engine)) for file in files]
        settings, retried = self.training, files[1] is not None and files[1].exists()
        slower = replace(settings, learning_rate=settings.learning_rate / 10)
        if not retried:
            try:
                return self._attempt(task, settings, context, files[0])
            except Diverged as error:
                context.alert("nan", str(error))
                if not settings.retry_nan:
                    raise TrainingError(
                        f"{error}; lower strategy.learning_rate or set strategy.retry_nan=true"
                    ) from None
                text = f"training begins again at a tenth of the learning rate, {slower.learning_rate:g}"
                context.alert("nan", text)
                context.facts["retried"] = f"{error}; {text}"
        try:
            return self._attempt(task, slower, context, files[1])
        except Diverged as error:
            raise TrainingError(
                f"{error}; it was so at a tenth of strategy.learning_rate={settings.learning_rate:g} too:"
                " look at the features"
            ) from None

    def _attempt(self, task: Task, settings: Training, context: FitContext, file: Path | None) -> SequenceNet:
        plan = Plan(context.device, settings.batch_size, -(-settings.batch_size // settings.accumulate))

        def go(chosen: Training, plan: Plan = plan, file: Path | None = file) -> SequenceNet:
            return with_fallback(lambda plan: train(task, chosen, context, plan, file), plan, context)

        if context.engine not in (None, TORCH):
            engine = engine_of(str(context.engine))
            torchs = Plan("cpu", settings.batch_size, plan.micro_batch)
            return trained(engine, task, settings, context, plan, file, lambda: go(settings, torchs, _torch_file(file)))
        try:
            return go(settings)
        except RuntimeError as error:
            if str(settings.precision) == "32" or "primitive" not in str(error):  # oneDNN's word for a kernel
                raise
            line = str(error).splitlines()[0][:120]
            text = f"no {settings.precision} for this net on this processor ({line}); training goes on at precision 32"
            context.alert("fallback", text)
            return go(replace(settings, precision="32"))

    def settle_engine(self, settings: DeviceSettings, n_features: int, threads: int) -> DeviceChoice:
        """Which engine trains, on which device, and why: torch where `engine` cannot, or does not compute the same."""
        if self.engine == TORCH:
            return resolve(settings, lambda: self.probe(n_features), needs_torch=True)
        return settle(self.engine, settings, lambda: self.trial(n_features), lambda: self.probe(n_features), threads)

    def _with_engine(self, context: FitContext) -> FitContext:
        """`context` with the engine settled, where the run did not settle it."""
        if self.engine == TORCH or context.engine == TORCH:
            return replace(context, engine=TORCH)
        require(
            not context.profile,
            f"strategy.engine={self.engine}: monitor.profile is PyTorch's profiler and sees torch alone; set"
            " strategy.engine=torch, or monitor=basic",
        )
        if context.engine is not None:
            return context
        choice = self.settle_engine(DeviceSettings(name=context.device), self.n_features_, context.threads)
        if choice.warning:
            context.alert("fallback", choice.warning)
        return replace(context, engine=choice.engine, device=choice.used)

    def trial(self, n_features: int) -> Trial:
        """What an engine is compared and timed on: a fresh net of this loss and one random batch."""
        _, x, y = self.probe(n_features)
        loss = loss_of(self.training.loss)
        warm = self.lookback - 1 if self.sequence == "stream" else None
        y = y if warm is None else y[:, None].expand(-1, self.chunk).contiguous()
        target = y + 1.0 if loss.outputs > 1 else y
        return Trial(self._net(loss), loss, self.training, Piece(x, target, torch.ones_like(y)), warm)

    def _batches(self, samples: Samples, begins: np.ndarray, device: str, seed: int | None) -> Batches:
        target = self.loss_.target(samples)
        size = self.training.batch_size
        if self.sequence == "window":
            made = BarWindows if self.loss_.by_bar else Windows
            return made(samples, target, self.lookback, size, device, seed)
        return Chunks(samples, target, begins, (self.lookback, self.chunk), size, device, seed)

    def _net(self, loss: Loss) -> SequenceNet:
        settings = {
            "n_features": self.n_features_, "hidden_size": self.hidden_size, "num_layers": self.num_layers,
            "dropout": self.dropout, "outputs": loss.outputs, "squash": loss.squash, **self.net_settings,
        }  # fmt: skip
        if "lookback" in inspect.signature(self.net).parameters:
            settings["lookback"] = self.lookback
        return self.net(**settings)

    def probe(self, n_features: int) -> tuple[torch.nn.Module, torch.Tensor, torch.Tensor]:
        """A fresh net and one random batch of the shape it trains on, by which devices are timed and compared."""
        generator = torch.Generator().manual_seed(0)
        self.n_features_ = n_features
        stream = self.sequence == "stream"
        items = max(1, self.training.batch_size // self.chunk) if stream else self.training.batch_size
        x = torch.randn(items, self.lookback - 1 + (self.chunk if stream else 1), n_features, generator=generator)
        return self._net(loss_of("mse")), x, torch.randn(items, generator=generator).sign()

    def _sized(self, batch_size: int) -> tuple[torch.nn.Module, torch.Tensor, torch.Tensor]:
        """`probe` with a batch of that many labels."""
        other = copy.copy(self)
        other.training = replace(self.training, batch_size=batch_size)
        return other.probe(self.n_features_)

    def predict(self, samples: Samples) -> np.ndarray:
        found: np.ndarray = self.members(samples).mean(axis=0)
        return found

    def members(self, samples: Samples) -> np.ndarray:
        """(net, sample): the scores of each net of the ensemble."""
        found = np.full((len(self.nets_), len(samples)), np.nan)
        known = window_rows(samples, self.lookback)
        if len(known):
            chosen = samples.select(known)
            stream = self.sequence == "stream"
            found[:, known] = (
                scoring.score_stretches(self.nets_, self.loss_, chosen)
                if stream
                else scoring.score_windows(self.nets_, self.loss_, chosen, self.lookback)
            )
        return found

    def advance(self, x: np.ndarray, memory: scoring.Memory | None = None) -> tuple[np.ndarray, scoring.Memory]:
        """Scores of one symbol's next bars, (bar, feature) and scaled, and what to hand over with those after them."""
        return scoring.advance(self.nets_, self.loss_, x, self.lookback, self.sequence == "stream", memory)

    def save(self, folder: Path) -> None:
        settings = {name: getattr(self, name) for name in _KEPT} | {"n_features": self.n_features_}
        training = asdict(self.training) | {"loss": name_of(self.training.loss)}
        settings |= {"training": training, "net_settings": self.net_settings}
        settings["net"] = f"{self.net.__module__}.{self.net.__qualname__}"
        scores.save_settings(folder, "lstm", settings)
        for i, net in enumerate(self.nets_):
            write_bytes(_weights(folder, i), save(net.state_dict()))

    @classmethod
    def load(cls, folder: Path) -> Self:
        settings = scores.load_settings(folder, "lstm")
        net = partial(_known_net(settings["net"], cls.own_nets), **settings["net_settings"])
        training = settings["training"]
        if training["loss"] not in LOSSES:  # the user's own, whose outputs are those of mse
            training["loss"] = "mse"
        engine = str(settings.get("engine", TORCH))  # models of before there were others have none
        model = cls(**{name: settings[name] for name in _HELD}, engine=engine, net=net, **training)
        model.n_features_ = int(settings["n_features"])
        model.nets_ = []
        for i in range(model.n_seeds):
            one = model._net(model.loss_).eval()
            one.load_state_dict(load_file(_weights(folder, i)))
            model.nets_.append(one)
        return model


LSTMStrategy = SequenceStrategy  # the name that many know it by


def _torch_file(file: Path | None) -> Path | None:
    """Where torch goes on, or begins, when an engine's device failed: beside the engine's own checkpoint."""
    return file.with_name(f"{file.stem}-{TORCH}{file.suffix}") if file else None


def _heard_by(given: Sequence[Any]) -> tuple[Any, ...]:
    """The user's Lightning callbacks and loggers; ConfigError for anything else."""
    from lightning.pytorch.callbacks import Callback
    from lightning.pytorch.loggers import Logger

    for one in given:
        require(
            isinstance(one, Callback | Logger), f"strategy.callbacks={type(one).__name__}: must be callbacks or loggers"
            " of lightning.pytorch, such as '[{_target_: lightning.pytorch.loggers.CSVLogger, save_dir: logs}]'",
        )  # fmt: skip
    return tuple(given)


def _check_work(steps: int, hidden_size: int, batch_size: int) -> None:
    """ConfigError where one batch alone would hold more hidden numbers than memory has room for."""
    held = steps * hidden_size * batch_size
    require(
        held <= _MOST_HELD,
        f"strategy.batch_size={batch_size}: with {steps} bars a window and hidden_size={hidden_size} a batch holds"
        f" {held:.1e} numbers a layer; at most {_MOST_HELD:.0e} are; use a smaller batch",
    )


def _known_net(target: str, own: frozenset[str]) -> type[SequenceNet]:
    """The net of that name; ConfigError unless barwise ships it or it is in `own`: a run's directory is not trusted."""
    module, _, name = str(target).rpartition(".")
    known = module.startswith("barwise.strategies.") or target in own
    try:
        found = getattr(import_module(module), name, None) if known else None
    except ImportError:
        found = None
    if not (isinstance(found, type) and issubclass(found, SequenceNet)):
        raise ConfigError(f"{target}: is none of barwise's nets; if you trust it, allow it by name: --allow {target}")
    return found


def _weights(folder: Path, member: int) -> Path:
    return folder / (f"model-{member}.safetensors" if member else "model.safetensors")
