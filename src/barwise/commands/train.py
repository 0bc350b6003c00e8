"""The command line: compose the configuration, instantiate the parts, run; mistakes end in one line."""

from __future__ import annotations

import gc
import logging
import os
import sys
import traceback
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

# Hydra's own handler prints several lines and exits with 1; with this set it raises, and `main` prints one line.
os.environ["HYDRA_FULL_ERROR"] = "1"
os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")  # torch reads it once, when it is imported
# OpenMP's threads sleep while they wait: spinning on cores that others use made XGBoost 3 to 20 times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from barwise.commands import help
from barwise.commands.resume import recorded, redirected, remaining
from barwise.console.config import check_own_files, conf_dir
from barwise.console.messages import leave, one_line, unheard
from barwise.console.printing import notice, shortened, writable
from barwise.console.quoting import path_words
from barwise.console.secrets import forget_secrets, refuse_secrets
from barwise.console.shortages import shortage
from barwise.console.stopping import stoppable, stopped_by
from barwise.errors import ConfigError
from barwise.listener import Listener, Listeners
from barwise.sweeps import sweep
from barwise.sweeps.sweep import check_name

if TYPE_CHECKING:
    from barwise.data.bars import Market
    from barwise.runs.directory import RunDirectory

_log = logging.getLogger("barwise")
_GARBAGE = (50_000, 20, 50)  # looked for seldom: what is imported makes none, and looking took a seventh of a start


def main() -> None:
    """Run `train.py`: exit code 0, 2 for a user's mistake or a full disk, 3 for a run that the audit refused, 4 for a
    sweep of which some trials failed, 128 and the signal's number when it was stopped, 1 for our fault."""
    gc.set_threshold(*_GARBAGE)
    writable()
    stoppable()
    process = _Process()
    _PROCESS.set(process)
    logging.raiseExceptions = False  # a log that cannot be written says nothing on top of what stopped the run
    try:
        sys.argv[1:] = redirected(path_words(_settings(sys.argv[1:])))
        if help.asked(sys.argv[1:]):
            print(help.page(sys.argv[1:]), flush=True)
            return
        hydra.main(config_path=conf_dir(), config_name="config", version_base="1.3")(job)()
        if process.raised is not None:
            raise process.raised
        sweep.finish()
        sys.stdout.flush()
    except BrokenPipeError:
        unheard()
    except (Exception, KeyboardInterrupt, SystemExit) as raised:
        if isinstance(raised, SystemExit) and stopped_by(raised) is None:
            raise
        _ended(raised, process.folder)


def _ended(raised: BaseException, folder: Path | None) -> NoReturn:
    """Say in one line what ended the run or the sweep, and how to go on where there is something to go on with."""
    number = stopped_by(raised)
    if number is not None:
        sweep.interrupted() if sweep.current() else notice(f"stopped{_resumable(folder)}")
        leave(raised, 128 + number)
    short = shortage(raised) is not None
    error = raised if short else sweep.ended_by(raised)
    code, line = one_line(error, started=folder is not None)
    notice(f"{line}{_resumable(folder) if short else ''}")
    if code == 1:
        notice("the traceback is in train.log of the run's directory")
    leave(error, code)


def _resumable(folder: Path | None) -> str:
    """The command that goes on with the sweep, or the run, that was cut off; empty where nothing is kept of it."""
    running = sweep.current()
    if running is not None:
        return f"; to go on: {running.resume()}"
    if folder is None or not (folder / "run.json").is_file() or not (folder / ".hydra" / "config.yaml").is_file():
        return ""
    return f"; to go on: {remaining(folder)}"


_FLAGS = (  # Hydra's, and ours
    "-h", "--help", "--hydra-help", "--version", "-c", "--cfg", "--resolve", "-p", "--package", "-r", "--run", "-m",
    "--multirun", "-sc", "--shell-completion", "-cp", "--config-path", "-cn", "--config-name", "-cd", "--config-dir",
    "-i", "--info", "--quiet",  # not --experimental-rerun, which unpickles
)  # fmt: skip


_ALONE = ("-m", "--multirun", "-r", "--run", "--resolve")  # flags that take no value


def _settings(words: list[str]) -> list[str]:
    """The command line with `--quiet` as Hydra knows it; ConfigError for a flag that there is not."""
    for word in words:
        if not word.isascii() and "\\udc" in ascii(word):
            raise ConfigError(f"{word}: is not UTF-8, which a setting has to be; name the folder that the file is in")
        if word.startswith("-") and word.partition("=")[0] not in _FLAGS:
            raise ConfigError(
                f"{word}: there is no such flag; settings are name=value, as in seed=1, -m sweeps over values,"
                " --quiet prints one line, --help shows what can be set"
            )
    refuse_secrets(words)
    check_name(words)
    words = ["quiet=true" if word == "--quiet" else word for word in words]
    return sorted(words, key=lambda word: word not in _ALONE)  # argparse takes no setting on both sides of a flag


@dataclass
class _Process:
    """What a process of the command line did: the directory, once composing went well, and what a single run raised,
    for which Hydra would print a line of its own."""

    folder: Path | None = None
    raised: BaseException | None = None


_PROCESS: ContextVar[_Process | None] = ContextVar("process", default=None)  # none where a launcher calls the job


def job(cfg: DictConfig) -> Any:
    """What Hydra calls: in a sweep a trial raises, so that the sweep knows; a single run keeps its error for `main`."""
    process = _PROCESS.get()
    if process is not None and process.folder is None:
        process.folder = Path(HydraConfig.get().runtime.output_dir)
    if process is None or HydraConfig.get().mode == RunMode.MULTIRUN:
        return task(cfg)
    try:
        return task(cfg)
    except Exception as error:
        process.raised = error
        return None


def task(cfg: DictConfig, bars: Callable[[], Market] | None = None) -> Any:
    """One job of Hydra's: returns the objective, or a list of them, so that sweepers can compare trials.

    `bars`: what gives the bars in place of the configuration's.
    """
    from barwise.console.progress import Progress
    from barwise.devices.monitor import beside_earlier_runs
    from barwise.evidence.register import Register, judge
    from barwise.experiment.configuration import check_hydra, plain, recomposed, unresolved
    from barwise.experiment.effects import check_merged, check_single
    from barwise.experiment.recipe import parts_of, trackers
    from barwise.experiment.run import run
    from barwise.experiment.shared import shared_by
    from barwise.experiment.strategy import settle_seeds
    from barwise.runs.directory import RunDirectory
    from barwise.runs.measures import check_objective
    from barwise.safety.signature import sign
    from barwise.sweeps.pruning import Pruning

    hydra_cfg = HydraConfig.get()
    out = RunDirectory(Path(hydra_cfg.runtime.output_dir))
    resumed = bool(cfg.resume)
    single = hydra_cfg.mode == RunMode.RUN
    composed, targets = recorded(plain(cfg), out) if resumed else (cfg, None)
    if not resumed and (settled := settle_seeds(raw := unresolved(cfg), out, single)) is not raw:
        composed = recomposed(settled)
    listeners: list[Listener] = []
    with out.ending(lambda status, error: _fail(out, listeners, error)):
        check_hydra(hydra_cfg)
        check_own_files(hydra_cfg.runtime.config_sources)
        config = plain(composed)
        forget_secrets(_unfilled(composed, hydra_cfg), config["data"], out.path)
        listeners += [Register(config, out), Progress(config["quiet"])]
        objectives = sweep.objectives_of(config["objective"])
        for name in objectives:
            check_objective(name, config.get("measures") or ())
        if single:
            check_single([*hydra_cfg.overrides.task, *hydra_cfg.overrides.hydra])
        check_merged(hydra_cfg.overrides.task, config)
        if not resumed:
            out.start(overrides=list(hydra_cfg.overrides.task), seed=config["seed"])
            sign(out.path / ".hydra")
        parts = parts_of(composed, targets, bars)
        listeners += [one.listener(out, Path(config["output_dir"]), single) for one in trackers(config, targets)]
        listeners += [one for one in (Pruning.of(hydra_cfg, config),) if one]
        metrics = run(parts, out, *listeners, shared=shared_by(config, parts))
        judged = judge(config, out, metrics)
        beside_earlier_runs(parts.monitor, out, Path(config["output_dir"]))
    from barwise.report.terminal import places, summary

    among_others = hydra_cfg.mode == RunMode.MULTIRUN and sweep.foreign(hydra_cfg.launcher)
    brief, told = config["quiet"] or among_others, len(out.manifest["warnings"])
    if not brief:  # nobody waits for figures to read the verdict
        summary(out, metrics, judged, quiet=False)
    if single:  # a trial's page is rendered when it is asked for
        from barwise.report.html import render_into  # what draws is imported once the verdict is told

        render_into(out)
    Listeners(tuple(listeners)).ended(out.path, out.manifest)
    if brief:
        summary(out, metrics, judged, quiet=True)
    else:
        places(out, told)
    values = [metrics[name] for name in objectives]
    return values[0] if len(values) == 1 else values


def _unfilled(composed: Any, hydra_cfg: Any) -> dict[str, Any]:
    """All that Hydra keeps of a run, as it was written."""
    from barwise.experiment.configuration import unresolved

    return {**unresolved(composed), "hydra": unresolved(hydra_cfg)}


def _fail(out: RunDirectory, listeners: list[Listener], error: BaseException) -> None:
    """Tell of a run that did not end well, and keep the traceback in train.log unless nobody's code is at fault."""
    if one_line(error)[0] in (1, 3):
        _log.error("%s", shortened("".join(traceback.format_exception(error))))
    Listeners(tuple(listeners)).ended(out.path, out.manifest)
