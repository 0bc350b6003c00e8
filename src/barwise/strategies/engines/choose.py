"""Which engine trains on which device, settled once: an engine that cannot, or that disagrees with torch, does not."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from barwise.devices.choice import DeviceChoice, DeviceSettings, Probe
from barwise.devices.choose import resolve
from barwise.devices.parity import Parity
from barwise.errors import BarwiseError, DeviceError, require
from barwise.strategies.engines.base import Body, Engine
from barwise.strategies.engines.known import TORCH, engine_of
from barwise.strategies.engines.learner import Learner, Piece
from barwise.strategies.engines.parity import compare
from barwise.strategies.losses import Loss, name_of
from barwise.strategies.nets import SequenceNet
from barwise.strategies.training import Training

_ROWS = 32  # of the comparison
_WARM, _TIMED = 2, 5  # steps of the race
_OUTCOMES: dict[Any, Parity] = {}  # by engine, device and net: once in a process


@dataclass(frozen=True)
class Trial:
    """What an engine is tried on: a fresh net, its loss, how it is trained, and one batch as it trains on."""

    net: SequenceNet
    loss: Loss
    training: Training
    piece: Piece
    warm: int | None

    def part(self, rows: int) -> Piece:
        """The first items of the batch."""
        return Piece(self.piece.x[:rows], self.piece.target[:rows], self.piece.weight[:rows])

    def body(self) -> Body:
        """What the engine has to build."""
        return Body.of(self.net, self.loss, self.warm)


def settle(
    name: str, settings: DeviceSettings, make: Callable[[], Trial], probe: Probe | None, threads: int = 1
) -> DeviceChoice:
    """The engine that trains, on which device, and why: `name` where it can and agrees, else torch, with a warning.

    DeviceError in torch's place where `device.strict`; ConfigError where the engine is not installed.
    """
    engine = engine_of(name)
    require(not settings.tf32, f"device.tf32=true: is torch's; set strategy.engine=torch, or tf32=false for {name}")
    try:
        unset = engine.start(threads, settings.memory_fraction)
    except BarwiseError:
        raise
    except Exception as error:  # of whatever kind a plugin raises when it is loaded
        return _handed_over(engine, f"{engine.title} cannot be imported: {short(error)}", settings, probe)
    trial = make()
    device, reason, facts = _fastest(engine, trial) if settings.name == "auto" else (settings.name, "as asked", {})
    why = engine.missing(device)
    if why is None and settings.parity:
        outcome, good, facts["parity"] = compared(engine, device, trial)
        reason, why = f"{reason}; {outcome}", None if good else outcome
    if why is not None:
        return _handed_over(engine, why, settings, probe, facts)
    warning = "; ".join(unset) or None
    return DeviceChoice(settings.name, device, reason, warning, facts, name)


def _handed_over(
    engine: Engine, why: str, settings: DeviceSettings, probe: Probe | None, facts: dict[str, Any] | None = None
) -> DeviceChoice:
    """Torch's own choice of a device, with the reason why the engine does not train."""
    if settings.strict:
        raise DeviceError(f"strategy.engine={engine.name} device={settings.name}: {why}; device.strict=true allows no"
                          " other, strategy.engine=torch would run")  # fmt: skip
    found = resolve(settings, probe, needs_torch=True)
    warning = f"strategy.engine={engine.name} was asked for, torch trains: {why}"
    warning = f"{warning}; {found.warning}" if found.warning else warning
    return replace(found, reason=f"{why}; torch trains, {found.reason}", warning=warning,
                   facts={**found.facts, **(facts or {})}, engine=TORCH)  # fmt: skip


def compared(engine: Engine, device: str, trial: Trial) -> tuple[str, bool, dict[str, Any]]:
    """What the comparison with torch came to, whether the engine may train, and the facts."""
    key = (engine.name, device, trial.body(), name_of(trial.training.loss))
    try:
        if key not in _OUTCOMES:
            _OUTCOMES[key] = compare(
                engine, device, trial.net, trial.loss, trial.training, trial.part(_ROWS), trial.warm
            )
    except Exception as error:  # of whatever kind a library raises that cannot run a net
        outcome = f"{engine.name} on {device} cannot run this net: {short(error)}"
        return outcome, False, {"device": f"{engine.name} on {device}", "ok": False, "what": outcome}
    parity = _OUTCOMES[key]
    return str(parity), parity.ok, parity.facts()


def _fastest(engine: Engine, trial: Trial) -> tuple[str, str, dict[str, Any]]:
    """The engine's device with the shortest training step: its name, why, and the times."""
    there = [name for name in ("cpu", "cuda", "mps") if engine.missing(name) is None]
    if there == ["cpu"]:
        return "cpu", f"{engine.title} finds neither cuda nor mps", {}
    seconds: dict[str, float | str] = {}
    for name in there:
        try:
            seconds[name] = step_seconds(engine, name, trial)
        except Exception as error:
            if name == "cpu" or engine.kind_of(error) is None:
                raise
            seconds[name] = short(error)
    timed = {name: value for name, value in seconds.items() if not isinstance(value, str)}
    best = min(timed, key=lambda name: timed[name])
    others = ", ".join(f"{timed[best] / timed[n]:.1f} times {n}'s" for n in timed if n != best)
    return best, f"{best}: a step takes {others or 'all that could be timed'}", {"step_seconds": seconds}


def step_seconds(engine: Engine, device: str, trial: Trial) -> float:
    """Median seconds of one training step of a started engine."""
    with engine.on(device):
        learner = Learner(engine, trial.body(), name_of(trial.training.loss), trial.training, trial.net.state_dict())
        drops = trial.body().dropouts
        draws = np.arange(2 * drops, dtype=np.uint32).reshape(drops, 2) if drops else None
        times = []
        for _ in range(_WARM + _TIMED):
            begin = time.perf_counter()
            value, gradients = learner.gradients(trial.piece, draws)
            learner.apply(gradients, 1e-3)
            engine.numpy(value)
            engine.numpy(next(iter(learner.weights.values())))  # until the device is done
            times.append(time.perf_counter() - begin)
    return statistics.median(times[_WARM:])


def short(error: BaseException) -> str:
    """Kind and first line of what an engine raised."""
    first = (str(error).strip().splitlines() or [""])[0][:200]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
