"""A study from start to end: composed and checked first, then run by whichever launcher is set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from barwise.console.messages import one_line
from barwise.errors import ConfigError
from barwise.experiment.effects import check_study, check_sweep
from barwise.runs.directory import RunDirectory
from barwise.runs.measures import LEAST_IS_BEST, check_objective
from barwise.sweeps.batch import RETRY
from barwise.sweeps.claims import status_of
from barwise.sweeps.leaderboard import Leaderboard
from barwise.sweeps.outcome import values_of
from barwise.sweeps.progress import SweepProgress
from barwise.sweeps.pruning import refuse
from barwise.sweeps.runner import Isolating, Trial
from barwise.sweeps.search import Dimension, checked, from_overrides, from_yaml, words
from barwise.sweeps.study import Plan, StudySource, address, opened
from barwise.sweeps.sweep import objectives_of

_DIRECTIONS = ("maximize", "minimize")


def run_study(sweeper: Any, arguments: list[str]) -> None:
    """What StudySweeper does; `arguments` are the overrides of the command line."""
    config: DictConfig = sweeper.config
    settings, folder = sweeper.settings, Path(str(config.hydra.sweep.dir))
    loader = sweeper.hydra_context.config_loader
    given, fixed = from_overrides(OverridesParser.create(config_loader=loader).parse_overrides(arguments))
    dimensions = checked([*from_yaml(settings["search"]), *given])
    if not dimensions:
        raise ConfigError("hydra/sweeper=study: nothing to search; give hydra.sweeper.search, key=1,2 or interval(…)")
    plan = _plan_of(config, settings)
    check_study(settings, config.hydra.launcher.get("_target_"))
    check_sweep(config.hydra.overrides.hydra, folder, config.sweep.get("retry"))
    _check(config, loader, dimensions, fixed)
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, folder / "multirun.yaml")
    study, made = opened(address(settings["storage"], folder), str(config.sweep.name), plan)
    source = StudySource(study, made, plan, dimensions, fixed, folder)
    if not isinstance(sweeper.launcher, Isolating):
        _in_batches(sweeper.launcher, source, settings["batch"], folder, objectives_of(config.objective))
        return
    with sweeper.launcher.isolation() as pool:
        watch = SweepProgress(source.total, pool.pool.slots, pool.sweep.quiet)
        watch.keep(source.finished())
        pool.work(source, watch)


def _plan_of(config: DictConfig, settings: dict[str, Any]) -> Plan:
    """The study's plan, with the direction of each objective; ConfigError where they do not go together."""
    objectives = objectives_of(config.objective)
    for name in objectives:
        check_objective(name, config.get("measures") or ())
    if settings["prune"] is not None:
        refuse(settings["prune"], objectives)
    given = settings["directions"]
    if given is None:
        given = ["minimize" if name in LEAST_IS_BEST else "maximize" for name in objectives]
    if len(given) != len(objectives) or set(given) - set(_DIRECTIONS):
        raise ConfigError(
            f"hydra.sweeper.directions={list(given)}: must be {len(objectives)} of {', '.join(_DIRECTIONS)},"
            " one for each objective"
        )
    retry = config.sweep.get("retry")
    if retry not in RETRY:
        raise ConfigError(f"sweep.retry={retry}: must be null or failed")
    names = ("sampler", "n_trials", "startup", "seed")
    return Plan(**{name: settings[name] for name in names}, directions=tuple(given), retry=retry == "failed")


def _check(config: DictConfig, loader: Any, dimensions: Sequence[Dimension], fixed: Sequence[str]) -> None:
    """Compose each value of each choice once, so that a mistake is found before anything runs."""
    for dimension in dimensions:
        for value in dimension.choice or (dimension.low, dimension.high):
            held = {name: values[0] for name, values in dimension.when.items()}
            loader.load_sweep_config(config, [*fixed, *words({**held, dimension.name: value})])


def _in_batches(launcher: Any, source: StudySource, size: int, folder: Path, objectives: Sequence[str]) -> None:
    """For launchers that take a batch and return when all of it has ended: joblib, submitit, ray, basic."""
    while not source.exhausted():
        trials = [t for _ in range(size) if (t := source.next())]
        if not trials:
            return
        try:
            returned = launcher.launch([list(t.overrides) for t in trials], initial_job_idx=trials[0].number)
        except Exception as error:
            print(f"the launcher failed: {type(error).__name__}: {str(error).splitlines()[0]}", flush=True)
            returned = [None] * len(trials)
        for trial, result in zip(trials, returned, strict=True):
            source.ended(trial, *_outcome(trial, result, folder, objectives))
    board = Leaderboard(folder, objectives)
    board.update()


def _outcome(trial: Trial, result: Any, folder: Path, objectives: Sequence[str]) -> tuple[str, list[float] | None]:
    """Status and values of a trial, from its directory; from what the launcher returned where that is elsewhere."""
    run = folder / str(trial.number)
    status = status_of(run)
    if status != "missing":
        return status, values_of(run, objectives) if status == "done" else None
    if result is None or result.status.name != "COMPLETED":
        error = "the launcher lost the trial" if result is None else one_line(result._return_value)[1]
        out = RunDirectory(run)
        out.start(overrides=[w for w in trial.overrides if not w.startswith("hydra.")])
        out.finish("failed", error)
        return "failed", None
    if result.return_value is None:
        return "done", None
    values = result.return_value
    return "done", [float(v) for v in (values if isinstance(values, list | tuple) else [values])]
