"""One trial of a sweep in a process of its own, from the composed configuration to its exit code."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import logging
import os
import signal
import sys
import traceback
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from hydra._internal.callbacks import Callbacks
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobRuntime, JobStatus, run_job, setup_globals
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

from barwise.console.printing import shortened, writable
from barwise.sweeps.output import OUTPUT


@dataclass(frozen=True)
class Composed:
    """A configuration as plain data and as Hydra has it: the next trial's differs in a few words."""

    plain: dict[str, Any]
    config: DictConfig

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Composed:
        """The configuration that `plain_config` took apart."""
        return cls(plain, _restored(plain))

    def varied(self, plain: dict[str, Any]) -> DictConfig:
        """That of other plain data: these objects, changed where the data differ, as long as they have the same keys.

        The process is the trial's own: nobody needs them as they were.
        """
        return self.config if _vary(self.config, self.plain, plain) else _restored(plain)


def leave(job: dict[str, Any], like: Composed | None = None) -> NoReturn:
    """Run the job in this process, which was made for it, and end the process; `like`: a configuration that the process
    was forked with."""
    if os.getsid(0) != os.getpid():
        os.setsid()  # a group of its own: whatever it starts ends with it
    signal.set_wakeup_fd(-1)
    for name in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_DFL)
    output = _redirect(Path(job["folder"]))
    writable()
    logging.raiseExceptions = False
    faulthandler.enable(output)
    faulthandler.register(signal.SIGUSR1, output)  # the pool asks before it kills what hangs
    try:
        code = run(job, like)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    with contextlib.suppress(OSError, ValueError):  # the disk may be full
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)  # at once: the interpreter would take its imports down one by one


def _redirect(folder: Path) -> Any:
    """Standard output and error go to the trial's own file; nothing else that was open stays open."""
    folder.mkdir(parents=True, exist_ok=True)
    output = (folder / OUTPUT).open("a", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    for given, wanted in ((nothing, 0), (output.fileno(), 1), (output.fileno(), 2)):
        os.dup2(given, wanted)
    kept = output.fileno()
    os.closerange(3, kept)
    os.closerange(kept + 1, 256)
    return output


def run(job: dict[str, Any], like: Composed | None = None) -> int:
    """Exit code 0 when the task returned, 1 when it raised; run.json tells the rest."""
    sys.argv[:] = job["argv"]
    config = like.varied(job["config"]) if like else _restored(job["config"])
    setup_globals()
    JobRuntime.instance().set("name", config.hydra.job.name)
    HydraConfig.instance().set_config(config)
    module, name = job["task"]
    result = run_job(
        hydra_context=HydraContext(config_loader=None, callbacks=Callbacks(config)),  # type: ignore[arg-type]
        task_function=getattr(import_module(module), name),
        config=config,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )
    if result.status == JobStatus.COMPLETED:
        return 0
    error = result._return_value  # Hydra keeps what the task raised, and shows it to nobody
    print(shortened("".join(traceback.format_exception(error)) if isinstance(error, BaseException) else str(error)))
    return 1


def plain_config(config: DictConfig) -> dict[str, Any]:
    """The configuration as plain data, interpolations kept; what `now` gave is fixed."""
    plain = OmegaConf.to_container(config, resolve=False, enum_to_str=True)
    for key in ("sweep.name", "output_dir", "hydra.sweep.dir", "hydra.sweep.subdir"):
        *parts, last = key.split(".")
        node: Any = plain
        for part in parts:
            node = node[part]
        node[last] = OmegaConf.select(config, key)
    return plain  # type: ignore[return-value]


def _restored(plain: dict[str, Any]) -> DictConfig:
    """What `plain_config` took apart, with Hydra's own types for its part."""
    hydra = OmegaConf.structured(HydraConf)
    OmegaConf.set_struct(hydra, False)
    rest = {name: node for name, node in plain.items() if name != "hydra"}
    config = OmegaConf.create({**rest, "hydra": OmegaConf.merge(hydra, plain["hydra"])})
    OmegaConf.set_struct(config, True)
    return config


def _vary(node: DictConfig, before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Make `node`, which holds `before`, hold `after`; False where the keys are others, and it is neither."""
    if before.keys() != after.keys():
        return False
    for key, value in after.items():
        was = before[key]
        if isinstance(was, dict) and isinstance(value, dict) and was and value:
            if not _vary(node._get_node(key), was, value):  # type: ignore[arg-type]
                return False
        elif json.dumps(was) != json.dumps(value):  # 1, 1.0 and true are equal, and not the same
            node[key] = value
    return True


if __name__ == "__main__":
    _given = json.loads(sys.stdin.buffer.read())
    sys.path[:] = _given["path"]
    leave(_given)
