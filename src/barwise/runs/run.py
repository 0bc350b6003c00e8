"""The files of a run, read when first asked for; nothing in them is executed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from barwise.errors import DataError
from barwise.safety import shapes
from barwise.safety.files import inside, read_json, read_yaml
from barwise.safety.tables import read_table

if TYPE_CHECKING:
    import pandas as pd


FACTOR_TABLES = (
    "about", "decay", "series", "quantiles", "spread", "turnover", "by", "quantiles_by", "exposures", "alphas",
    "drawdowns",
)  # fmt: skip
REFERENCE = re.compile(r"\$\{([A-Za-z_][\w.]*)\}")  # ${a.b}: a resolver such as ${oc.env:HOME} is left as it stands


@dataclass(frozen=True, repr=False)
class RunFiles:
    """What one run directory holds; files are read when first asked for.

    `metrics`, `curves` are empty dicts where the run did not get so far; `predictions` and `ledger` (pandas
    frames), and a file that cannot be read, raise DataError.
    """

    folder: Path

    @classmethod
    def of(cls, path: str | Path) -> Self:
        """The run in directory `path`. DataError where it is not a run's directory."""
        folder = Path(path)
        if not inside(folder, "run.json").is_file():
            raise DataError(f"{folder}: is not a run's directory, there is no run.json; name one under outputs/")
        return cls(folder)

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """run.json: status, device, seconds, data, folds, warnings."""
        return self._json("run.json")

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """metrics.json; net unless named gross."""
        return self._json("metrics.json")

    @cached_property
    def curves(self) -> dict[str, dict[str, list[list[float]]]]:
        """Training curves: {"fold-0": {"train_loss": [[step, value], …]}}."""
        return self._json("curves.json")

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """Out of sample: time, symbol, fold, label, ret, score, signal."""
        return self._table("predictions.parquet")

    @cached_property
    def ledger(self) -> pd.DataFrame:
        """One row a bar: time, gross, cost, net, excess (net above cash), turnover, equity, market."""
        return self._table("ledger.parquet")

    @cached_property
    def positions(self) -> pd.DataFrame:
        """What was held at each bar: time, symbol, weight and more."""
        return self._table("positions.parquet")

    @cached_property
    def trades(self) -> pd.DataFrame:
        """Each trade: entry, exit, bars, gross, cost, net, and why it ended."""
        return self._table("trades.parquet")

    @cached_property
    def importance(self) -> pd.DataFrame:
        """fold, feature, gain, permutation; kept by strategies that know it."""
        return self._table("importance.parquet")

    @cached_property
    def contributions(self) -> pd.DataFrame:
        """symbol, time, weight, score, margin, base, feature, contribution, of the largest last positions."""
        return self._table("contributions.parquet")

    def factor(self, *names: str) -> dict[str, pd.DataFrame]:
        """The factor tables by name, those of `names` alone if any are given: about, decay, series, quantiles, spread,
        turnover, by, exposures, and more.

        DataError where the run kept none.
        """
        paths = {name: f"factor/{name}.parquet" for name in names or FACTOR_TABLES}
        found = {name: self._factor(path) for name, path in paths.items() if inside(self.folder, path).is_file()}
        if not found:
            raise DataError(self.why("factor/"))
        return found

    def _factor(self, path: str) -> pd.DataFrame:
        """A factor table, read once."""
        if path not in self._factors:
            self._factors[path] = self._table(path)
        return self._factors[path]

    @cached_property
    def _factors(self) -> dict[str, pd.DataFrame]:
        return {}

    @cached_property
    def config(self) -> dict[str, Any]:
        """The composed configuration as plain data; `${a.b}` is filled in, other interpolations are left alone."""
        tree = self._yaml(".hydra/config.yaml") or {}
        return filled(tree, tree) if isinstance(tree, dict) else {}

    @cached_property
    def overrides(self) -> list[str]:
        """What was given on the command line, or to this trial by the sweep."""
        found = self._yaml(".hydra/overrides.yaml")
        return [str(x) for x in (found if isinstance(found, list) else self.manifest.get("overrides") or [])]

    @cached_property
    def choices(self) -> dict[str, str]:
        """Group: name of the file chosen, such as strategy: xgboost."""
        found = self._yaml(".hydra/hydra.yaml") or {}
        for key in ("hydra", "runtime", "choices"):
            found = found.get(key) if isinstance(found, dict) else None
        return {str(k): str(v) for k, v in (found or {}).items() if not str(k).startswith("hydra/")}

    @property
    def periods_per_year(self) -> float:
        """From run.json; 252 where it is not there."""
        return float((self.manifest.get("data") or {}).get("periods_per_year") or 252.0)

    @property
    def ranks(self) -> bool:
        """Whether the run's signals order the symbols of a bar: correlations across symbols come first."""
        return self.manifest.get("ranks") is True

    @property
    def name(self) -> str:
        """The last two parts of the directory's path."""
        return "/".join(self.folder.resolve().parts[-2:])

    @property
    def title(self) -> str:
        """Strategy and data in words, such as `xgboost on sample`."""
        target = str((self.config.get("strategy") or {}).get("_target_", "")).rpartition(".")[2]
        strategy = self.choices.get("strategy") or target or "a run"
        data = (self.manifest.get("data") or {}).get("name") or self.choices.get("data")
        return f"{strategy} on {data}" if data else strategy

    def why(self, path: str) -> str:
        """One line on why a file is not there."""
        status, reason = self.manifest.get("status"), self.manifest.get("reason")
        if status in ("failed", "refused"):
            return f"the run was {status} before {path} was written" + (f": {reason}" if reason else "")
        if status == "running":
            return f"the run has not finished; {path} is not written yet"
        return f"this run kept no {path}"

    def _json(self, name: str) -> dict[str, Any]:
        path = inside(self.folder, name)
        if not path.is_file():
            return {}
        return shapes.checked(read_json(path), str(path), name)

    def _table(self, name: str) -> pd.DataFrame:
        path = inside(self.folder, name)
        if not path.is_file():
            raise DataError(self.why(name))
        return read_table(path)

    def _yaml(self, name: str) -> Any:
        path = inside(self.folder, name)
        return read_yaml(path) if path.is_file() else None


def filled(node: Any, tree: Mapping[str, Any], depth: int = 0) -> Any:
    """`node` with a value that is exactly `${a.b}` replaced by what `tree` holds there."""
    if isinstance(node, Mapping):
        return {str(k): filled(v, tree, depth) for k, v in node.items()}
    if isinstance(node, list):
        return [filled(v, tree, depth) for v in node]
    match = REFERENCE.fullmatch(node) if isinstance(node, str) else None
    if match is None or depth > 8:
        return node
    value: Any = tree
    for part in match.group(1).split("."):
        if not isinstance(value, Mapping) or part not in value:
            return node
        value = value[part]
    return filled(value, tree, depth + 1)
