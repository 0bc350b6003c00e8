"""What trackers share: what is sent, and that a tracker that fails ends no run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from barwise.errors import ConfigError, DataError
from barwise.listener import Listener
from barwise.report.dashboard import FIGURES, GLANCE, hyper_parameters, outcomes, pixels
from barwise.report.run import Run, load
from barwise.runs.directory import RunDirectory

_log = logging.getLogger("barwise")
_FILES = ("report.html", "metrics.json", "verdict.json", "run.json", "trades.csv", ".hydra/config.yaml")
_MOST = 200  # scalars that are held before they are sent


class Tracking(Protocol):
    """What `tracking` in the configuration names."""

    def listener(self, out: RunDirectory, home: Path, single: bool) -> Listener:
        """Hears one run; `home`: output_dir. `single`: it is no trial of a sweep."""


def needed(library: str, setting: str, extra: str) -> None:
    """ConfigError where the library is not installed."""
    if find_spec(library) is None:
        raise ConfigError(f"{setting}: needs {library}, which is not installed; `pip install 'barwise[{extra}]'`")


class Tracker(Listener):
    """Sends a run to another tool. What the tool raises is one warning, after which nothing more is sent."""

    name = "tracker"

    def __init__(self, out: RunDirectory, single: bool) -> None:
        self.out, self.single = out, single
        self.gone = False
        self.held: list[tuple[str, float, int]] = []

    def begin(self, run: Run, name: str, sweep: str | None) -> None:
        """Open the run as `name`, nested in `sweep` if it is a trial of one."""
        raise NotImplementedError

    def scalars(self, held: Sequence[tuple[str, float, int]]) -> None:
        """Send numbers: name, value, step."""
        raise NotImplementedError

    def end(self, run: Run, status: str) -> None:
        """Send what a run leaves, and close it."""
        raise NotImplementedError

    def started(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        sweep = None if self.single else folder.parent.name
        self._do(lambda: self.begin(load(folder), folder.name, sweep))

    def scalar(self, name: str, value: float, step: int) -> None:
        self.held.append((name, float(value), int(step)))
        if len(self.held) >= _MOST:
            self._flush()

    def finished(self, metrics: Mapping[str, Any], equity: np.ndarray) -> None:
        numbers = {k: v for k, v in metrics.items() if isinstance(v, int | float) and not isinstance(v, bool)}
        self.held += [(f"metrics/{k}", float(v), 0) for k, v in numbers.items()]
        for fold in metrics.get("folds") or []:
            for k in ("sharpe", "rank_ic", "accuracy"):
                if fold.get(k) is not None:
                    self.held.append((f"folds/{k}", float(fold[k]), int(fold["fold"])))
        step = max(1, len(equity) // 500)
        self.held += [("backtest/equity", float(equity[i]), i) for i in range(0, len(equity), step)]
        self._flush()

    def ended(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        self._flush()
        self._do(lambda: self.end(load(folder), str(manifest.get("status"))))

    def _flush(self) -> None:
        held, self.held = self.held, []
        if held:
            self._do(lambda: self.scalars(held))

    def _do(self, action: Callable[[], object]) -> None:
        if self.gone:
            return
        try:
            action()
        except Exception as error:  # whatever the other tool says: the run is what counts
            self.gone = True
            _log.exception("%s failed", self.name)
            line = (str(error).splitlines() or [""])[0][:160]
            self.out.warn(f"tracking={self.name}: stopped, the run goes on: {type(error).__name__}: {line}")


def drawn(run: Run, single: bool) -> dict[str, np.ndarray]:
    """Pixels of the figures that a run, or a trial of a sweep, sends; those that it lacks are left out."""
    found = {}
    for name in FIGURES if single else GLANCE:
        try:
            found[name] = pixels(run.figures[name])
        except DataError:
            continue
    return found


def files(run: Run) -> list[Path]:
    """What a run leaves that is worth keeping with it."""
    return [run.folder / name for name in _FILES if (run.folder / name).is_file()]


def parameters(run: Run) -> dict[str, Any]:
    """Hyper-parameters, as the dashboard has them."""
    return hyper_parameters(run)


def verdict(run: Run) -> dict[str, Any]:
    """The sentence, and the numbers by which runs are sorted."""
    sentence = str(run.verdict.get("sentence") or "no verdict")
    p = run.verdict.get("p_value")
    return {
        "sentence": sentence,
        "numbers": {**outcomes(run), **({"outcome/p_value": float(p)} if p is not None else {})},
    }
