"""The command line: compose the configuration, instantiate the parts, run; mistakes end in one line."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from pathlib import Path
from typing import Any, cast

# Hydra's own handler prints several lines and exits with 1; with this set it raises, and `main` prints one line.
os.environ["HYDRA_FULL_ERROR"] = "1"
os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")  # torch reads it once, when it is imported
# OpenMP's threads sleep while they wait: spinning on cores that others use made XGBoost 3 to 20 times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from barwise.errors import ConfigError
from barwise.messages import one_line, unheard
from barwise.resuming import recorded, redirected
from barwise.sweeps import sweep

log = logging.getLogger("barwise")


def conf_dir() -> str:
    """The folder of the configuration: inside the installed package, else the checkout's `conf`."""
    here = Path(__file__).resolve()
    inside = here.parent / "conf"
    return str(inside if inside.is_dir() else here.parents[2] / "conf")


def main() -> None:
    """Run `train.py`: exit code 0, 2 for a user's mistake, 3 for a run that the audit refused, 4 for a
    sweep of which some trials failed, 1 for our fault."""
    try:
        sys.argv[1:] = redirected(settings(sys.argv[1:]))
        hydra.main(config_path=conf_dir(), config_name="config", version_base="1.3")(job)()
        if failed:
            raise failed[0]
        sweep.finish()
        sys.stdout.flush()
    except KeyboardInterrupt:
        sweep.interrupted()
        sys.exit(130)
    except BrokenPipeError:
        unheard()
    except Exception as raised:
        error = sweep.ended_by(raised)
        code, line = one_line(error, started=bool(started))
        print(f"barwise: {line}", file=sys.stderr)
        if code == 1:
            print("barwise: the traceback is in train.log of the run's directory", file=sys.stderr)
            if os.environ.get("BARWISE_DEBUG"):
                traceback.print_exc()
        sys.exit(code)


FLAGS = (  # Hydra's, and ours
    "-h", "--help", "--hydra-help", "--version", "-c", "--cfg", "--resolve", "-p", "--package", "-r", "--run", "-m",
    "--multirun", "-sc", "--shell-completion", "-cp", "--config-path", "-cn", "--config-name", "-cd", "--config-dir",
    "-i", "--info", "--quiet",  # not --experimental-rerun, which unpickles
)  # fmt: skip


def settings(words: list[str]) -> list[str]:
    """The command line with `--quiet` as Hydra knows it; ConfigError for a flag that there is not."""
    for word in words:
        if word.startswith("-") and word.partition("=")[0] not in FLAGS:
            raise ConfigError(
                f"{word}: there is no such flag; settings are name=value, as in seed=1, -m sweeps over values,"
                " --quiet prints one line, --help shows what can be set"
            )
    return ["quiet=true" if word == "--quiet" else word for word in words]


started: list[bool] = []  # whether composing went well
failed: list[BaseException] = []  # what a single run raised; Hydra would print a line of its own for it


def job(cfg: DictConfig) -> Any:
    """What Hydra calls: in a sweep a trial raises, so that the sweep knows; a single run keeps its error for `main`."""
    started.append(True)
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        return task(cfg)
    try:
        return task(cfg)
    except Exception as error:
        failed.append(error)
        return None


def task(cfg: DictConfig) -> Any:
    """One job of Hydra's: returns the objective, or a list of them, so that sweepers can compare trials."""
    from barwise.backtest.metrics import OBJECTIVES
    from barwise.devices.monitor import beside_earlier_runs
    from barwise.experiment import run
    from barwise.recipe import parts_of
    from barwise.report.dashboard import GLANCE, finish_board
    from barwise.report.html import render_into
    from barwise.report.progress import Progress
    from barwise.report.terminal import summary
    from barwise.runs import RunDirectory
    from barwise.safety.signature import sign
    from barwise.sweeps.pruning import Pruning

    hydra_cfg = HydraConfig.get()
    out = RunDirectory(Path(hydra_cfg.runtime.output_dir))
    resumed = bool(cfg.resume)
    cfg, targets = recorded(cfg, out) if resumed else (cfg, None)
    try:
        objectives = sweep.objectives_of(cfg.objective)
        for name in objectives:
            if name not in OBJECTIVES:
                raise ConfigError(f"objective={name}: must be one of {', '.join(OBJECTIVES)}")
        if not resumed:
            out.start(overrides=list(hydra_cfg.overrides.task), seed=cfg.seed)
            sign(out.path / ".hydra")
        parts = parts_of(cfg, targets)
        metrics = run(parts, out, Progress(cfg.quiet), Pruning.of(hydra_cfg, cfg))
        judged = judge(cfg, out, metrics)
        beside_earlier_runs(parts.monitor, out, Path(cfg.output_dir))
    except BaseException as error:
        fail(cfg, out, error)
        raise
    out.finish("done")
    if hydra_cfg.mode == RunMode.RUN:
        render_into(out)
        finish_board(out)
    else:  # a trial's page is rendered when it is asked for
        finish_board(out, GLANCE)
    among_others = hydra_cfg.mode == RunMode.MULTIRUN and sweep.foreign(hydra_cfg.launcher)
    summary(out, metrics, judged, cfg.quiet or among_others)
    values = [metrics[name] for name in objectives]
    return values[0] if len(values) == 1 else values


def judge(cfg: DictConfig, out: Any, metrics: dict[str, Any]) -> dict[str, Any]:
    """Count this trial, and say what the evidence supports after all trials on the same problem."""
    from barwise.runs import write_json
    from barwise.validation.audit import stamped
    from barwise.validation.deflated import sharpe
    from barwise.validation.filed import excess_returns
    from barwise.validation.sketch import sketch
    from barwise.validation.verdict import judged

    time, excess = excess_returns(out.path)
    count(cfg, out, "done", {"sharpe": sharpe(excess), "bars": len(excess), "net": sketch(time, excess)})
    found = stamped(judged(out.path, out.manifest, metrics), out.manifest)
    write_json(out.path / "verdict.json", found)
    return found


def count(cfg: DictConfig, out: Any, status: str, facts: dict[str, Any]) -> None:
    """Enter a run in the ledger of trials; one that never saw its bars, or learned shuffled labels, is no trial."""
    from barwise.validation import trials

    if "data" not in out.manifest:
        return
    folder = Path(cfg.output_dir)
    config = cast(dict[str, Any], OmegaConf.to_container(cfg, resolve=True))
    identity = trials.identity(out.manifest["data"], config)
    if not config.get("shuffle_labels"):
        seen = {"run": str(out.path), "last": out.manifest["data"]["last"]}
        trials.enter(folder, {**identity, **seen, "status": status, **facts})
    out.update(**identity, trials_folder=os.path.relpath(folder, out.path))


def fail(cfg: DictConfig, out: Any, error: BaseException) -> None:
    """Say in run.json how the run ended, count it, and keep the traceback in train.log unless it was the user's
    mistake."""
    code, line = one_line(error)
    if code not in (2, 5):
        log.error("%s", "".join(traceback.format_exception(error)))
    status = {3: "refused", 5: "pruned"}.get(code, "failed")
    out.finish(status, line)
    count(cfg, out, status, {})
