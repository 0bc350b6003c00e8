"""Where modules lay in earlier versions: importing one by its old name gives the module that took its place."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

MOVED = {  # below barwise: old, new
    "cli": "commands.train",
    "commands.arguments": "console.arguments",
    "data.universe": "data.members",
    "devices.doctor": "commands.doctor",
    "devices.fallback": "strategies.fallback",
    "devices.steps": "strategies.step_timing",
    "ensemble": "experiment.ensemble",
    "features.making": "features.store_writer",
    "hardware": "experiment.compute",
    "importance": "experiment.importance",
    "jsonlines": "runs.jsonlines",
    "lend": "experiment.session",
    "loading": "report.run",
    "mapped": "data.memmap",
    "messages": "console.messages",
    "noting": "experiment.facts",
    "prepared": "features.prepare",
    "ranges": "experiment.ranges",
    "printing": "console.printing",
    "recipe": "experiment.recipe",
    "report.bootstrap": "evidence.paired_bootstrap",
    "report.progress": "console.progress",
    "report.record": "experiment.record",
    "report.tensorboard": "runs.tensorboard",
    "report.words": "runs.measures",
    "report.sweep": "sweeps.page",
    "report.sweep_script": "sweeps.page_script",
    "results": "experiment.results",
    "resuming": "experiment.checkpoint",
    "serving.carry": "serving.net_state",
    "serving.reach": "serving.window",
    "settings": "console.settings",
    "shortages": "console.shortages",
    "stopping": "console.stopping",
    "strategies.walking": "strategies.scoring",
    "sweeps.ending": "sweeps.outcome",
    "sweeps.isolation": "sweeps.runner",
    "sweeps.search_run": "sweeps.study_run",
    "sweeps.watch": "sweeps.progress",
    "unsealing": "serving.unsealing",
    "validation.audit": "audit.findings",
    "validation.audit_bars": "audit.bars",
    "validation.audit_features": "audit.features",
    "validation.audit_fit": "audit.fit",
    "validation.audit_folds": "audit.folds",
    "validation.audit_labels": "audit.labels",
    "validation.audit_panels": "audit.panels",
    "validation.audit_trades": "audit.trades",
    "validation.auditing": "audit.audit",
    "validation.bootstrap": "evidence.bootstrap",
    "validation.deflated": "evidence.deflated",
    "validation.drift": "features.drift",
    "validation.durations": "data.durations",
    "validation.filed": "evidence.returns",
    "validation.overfitting": "evidence.overfitting",
    "validation.sealed": "evidence.sealed",
    "validation.sketch": "evidence.sketch",
    "validation.trials": "evidence.trials",
    "validation.verdict": "evidence.verdict",
}


class _Moved(MetaPathFinder, Loader):
    """Finds modules by their old names."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, name = fullname.partition(".")
        return ModuleSpec(fullname, self) if package == "barwise" and name in MOVED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(f"barwise.{MOVED[spec.name.partition('.')[2]]}")
        spec.loader_state = module.__spec__  # the import system puts the old name's in its place
        return module

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__ = module.__spec__.loader_state


def install() -> None:
    """Old names can be imported from now on."""
    if not any(isinstance(finder, _Moved) for finder in sys.meta_path):
        sys.meta_path.append(_Moved())


def of_module(package: str, module: str, name: str) -> Any:
    """What was `package.name` while the package was one module, now `package.module`; AttributeError if it was not."""
    if name.startswith("__") or find_spec(f"{package}.{name}"):
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{package}.{module}"), name)
    except AttributeError:
        raise AttributeError(f"module {package!r} has no attribute {name!r}") from None
