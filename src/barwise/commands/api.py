"""Training and sweeping from Python: `barwise.train(strategy="lstm", features=["price"])` returns the run."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from barwise.console.messages import one_line
from barwise.console.quoting import hydra_value
from barwise.errors import BarwiseError, ConfigError, DataError, chain_of
from barwise.report.run import Run, load

if TYPE_CHECKING:
    import pandas as pd


def train(data: Any = None, quiet: bool = True, **overrides: Any) -> Run:
    """Run one experiment in this process and return it, as `python train.py` with these overrides would.

    A setting below a group is written with two underscores, or given by its dotted name:
    `train(strategy="xgboost", strategy__max_depth=2, **{"signals.upper": 0.9})`; lists, mappings, None and booleans are
    themselves. `data`: a source's name, or the bars: a frame of pandas or Polars, a table of Arrow, or a function that
    returns one. ConfigError, DataError and LeakError as on the command line.
    """
    from hydra import initialize_config_dir
    from hydra._internal.callbacks import Callbacks
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.core.utils import JobRuntime, JobStatus, run_job, setup_globals
    from hydra.types import HydraContext

    from barwise.commands.train import task
    from barwise.console.config import conf_dir

    own = data is not None and not isinstance(data, str)
    words = [*_words_of({"data": "frame" if own else data} if data is not None else {}), *_words_of(overrides)]
    words.append(f"quiet={'true' if quiet else 'false'}")
    folders: list[str] = []
    setup_globals()

    def here(given: Any) -> Any:
        folders.append(HydraConfig.get().runtime.output_dir)
        return task(given, _source(given.data, data) if own else None)

    with initialize_config_dir(conf_dir(), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        config = _composed(loader, words)
        JobRuntime.instance().set("name", config.hydra.job.name)
        HydraConfig.instance().set_config(config)
        result = run_job(
            hydra_context=HydraContext(config_loader=loader, callbacks=Callbacks(config)),
            task_function=here,
            config=config, job_dir_key="hydra.run.dir", job_subdir_key=None, configure_logging=False,
        )  # fmt: skip
    if result.status != JobStatus.COMPLETED:
        error = result._return_value
        raise _in_one_line(error) from None
    return load(folders[0])


def _composed(loader: Any, words: list[str]) -> Any:
    """The configuration of a run by itself; ConfigError for what Hydra does not take."""
    from hydra.types import RunMode
    from omegaconf import open_dict

    try:
        config = loader.load_configuration("config", words, run_mode=RunMode.RUN)
    except Exception as error:
        raise _in_one_line(error) from None
    with open_dict(config):
        config.hydra.mode = RunMode.RUN
    return config


def _in_one_line(error: BaseException) -> BaseException:
    """A user's mistake as the error of barwise's that it is; anything else as it was."""
    told = next((one for one in chain_of(error) if isinstance(one, BarwiseError)), None)
    if told is not None:
        return told
    code, line = one_line(error)
    return ConfigError(line) if code == 2 else error


def _source(node: Any, frame: Any) -> Any:
    """What gives the bars of `frame`, with the settings of data=frame."""
    from omegaconf import OmegaConf

    from barwise.data import frame as frames

    given: Any = OmegaConf.to_container(node, resolve=True)
    known = inspect.signature(frames.load).parameters
    return partial(frames.load, frame, **{k: v for k, v in given.items() if k in known and k != "frame"})


@dataclass(frozen=True)
class Sweep:
    """What a sweep left in `folder`."""

    folder: Path

    @cached_property
    def runs(self) -> list[Run]:
        """The trials by number, those that failed too."""
        found = [p.parent for p in self.folder.glob("*/run.json")]
        return [load(p) for p in sorted(found, key=lambda p: (len(p.name), p.name))]

    @cached_property
    def leaderboard(self) -> pd.DataFrame:
        """leaderboard.csv: the best first."""
        import pandas as pd

        path = self.folder / "leaderboard.csv"
        if not path.is_file():
            raise DataError(f"{path}: is not there; `python -m barwise leaderboard {self.folder}` writes it")
        return pd.read_csv(path)

    @property
    def best(self) -> Run:
        """The first of the leaderboard."""
        return load(self.folder / str(self.leaderboard["trial"].iloc[0]))

    def __repr__(self) -> str:
        return f"{len(self.runs)} trials in {self.folder}\n{self.leaderboard.to_string(index=False)}"


def sweep(name: str | None = None, **overrides: Any) -> Sweep:
    """Run a grid, each trial in a process of its own, and return what it left; as `python train.py -m` would.

    A list is the values to go through: `sweep(strategy=["xgboost", "ridge"], seed=[1, 2, 3])`; features that belong
    together are a list within it. The same `name` goes on with an earlier sweep.
    """
    name = name or datetime.now().strftime("%Y-%m-%d_%H-%M-%S-%f")
    words = [*_words_of(overrides, several=True), f"sweep.name={hydra_value(name)}", "quiet=true"]
    home = next((str(v) for k, v in overrides.items() if k == "output_dir"), "outputs")
    command = [sys.executable, "-m", "barwise", "train", "-m", *words]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False)
    folder = Path(home) / "sweeps" / name
    if done.returncode not in (0, 4):
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise ConfigError(next((x.partition(": ")[2] for x in reversed(lines) if x.startswith("barwise: ")), lines[-1]))
    return Sweep(folder)


def read(path: str | Path) -> Run | Sweep:
    """A run's directory, or a sweep's, read back."""
    folder = Path(path)
    if not (folder / "run.json").is_file() and any(folder.glob("*/run.json")):
        return Sweep(folder)
    return load(folder)


def _words_of(given: Mapping[str, Any], several: bool = False) -> list[str]:
    """Overrides as the command line has them; `several`: a list is values to go through."""
    found = []
    for key, value in given.items():
        name = key.replace("__", ".")
        if several and isinstance(value, Sequence) and not isinstance(value, str):
            found.append(f"{name}={','.join(map(_worded, value))}")
        else:
            found.append(f"{name}={_worded(value)}")
    return found


def _worded(value: Any) -> str:
    """One value in Hydra's grammar."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}: {_worded(one)}" for key, one in value.items()) + "}"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ",".join(map(_worded, value)) + "]"
    text = str(value)
    return text if text.replace("_", "").isalnum() else hydra_value(text)
