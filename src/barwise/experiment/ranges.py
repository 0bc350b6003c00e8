"""What a fold's training rows looked like, kept beside its model: tells whether new bars are of the same kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from barwise.data.memmap import gather
from barwise.errors import DataError
from barwise.runs.directory import write_json
from barwise.safety.files import read_json
from barwise.samples import Panel

ROWS = 100_000  # training rows looked at, evenly spread: enough for ranges and deciles
_DECILES = np.arange(1, 10) / 10
_FLOOR = 1e-3  # share given to an empty bin, so that the drift score stays finite
_SCALE = 10.0  # a feature that was always positive and is now so many times beyond its range has another unit
_ALIKE = 1.5  # bar sizes within this factor are one: months have 28 to 31 days


@dataclass(frozen=True)
class Ranges:
    """Per feature the lowest and highest training value and the nine deciles (feature, 9); NaN left out.

    `bar_seconds`: median step between bars of one symbol. `last`: the latest time that training or validation saw,
    the ends of labels included. `symbols`: those trained on.
    """

    features: tuple[str, ...]
    low: np.ndarray
    high: np.ndarray
    deciles: np.ndarray
    bar_seconds: float
    last: np.datetime64
    symbols: tuple[str, ...]

    @classmethod
    def of(cls, panel: Panel, train: np.ndarray, valid: np.ndarray) -> Ranges:
        """The ranges of the training rows; validation rows count for `last` alone."""
        some = train[np.unique(np.linspace(0, len(train) - 1, min(len(train), ROWS)).astype(np.int64))]
        X = gather(panel.X, some)
        seen = np.concatenate([train, valid])
        ends = np.concatenate([panel.time[seen], panel.end[seen][~np.isnat(panel.end[seen])]])
        names = tuple(panel.symbols[i] for i in np.unique(panel.symbol[train]))
        low, high = (side(X, axis=0).astype(np.float64) for side in (np.nanmin, np.nanmax))
        deciles = np.array([np.nanquantile(column.astype(np.float64), _DECILES) for column in X.T])
        return cls(panel.features, low, high, deciles, _bar_seconds(panel), ends.max(), names)

    def save(self, path: Path) -> None:
        """Write as JSON."""
        table = zip(self.features, self.low, self.high, self.deciles, strict=True)
        write_json(path, {
            "features": [[name, low, high, list(deciles)] for name, low, high, deciles in table],
            "bar_seconds": self.bar_seconds, "last": self.last, "symbols": self.symbols,
        })  # fmt: skip

    @classmethod
    def load(cls, path: Path) -> Ranges:
        """What `save` wrote; DataError where it is something else."""
        try:
            found = read_json(path)
            names, *columns = zip(*found["features"], strict=True)
            low, high, deciles = (np.array(x, dtype=np.float64) for x in columns)
            if deciles.shape != (len(names), len(_DECILES)) or not all(isinstance(n, str) for n in names):
                raise ValueError("wrong shape")
            last, symbols = np.datetime64(found["last"], "ns"), tuple(map(str, found["symbols"]))
            return cls(names, low, high, deciles, float(found["bar_seconds"]), last, symbols)
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            raise DataError(f"{path}: does not hold the ranges of a fold; train the run again") from None

    def drift(self, X: np.ndarray) -> dict[str, tuple[float, float]]:
        """Per feature the share of `X`'s (row, feature) values outside the training range, and the drift score.

        The score is the population stability index over training deciles, Σ (new − 0.1) ln(new / 0.1): above 0.25 is
        commonly read as another distribution. Source: Siddiqi, Credit Risk Scorecards (2006), chapter 9.
        """
        found = {}
        for j, name in enumerate(self.features):
            values = X[:, j][np.isfinite(X[:, j])].astype(np.float64)
            if not len(values):
                found[name] = (np.nan, np.nan)
                continue
            outside = float(np.mean((values < self.low[j]) | (values > self.high[j])))
            count = np.bincount(np.searchsorted(self.deciles[j], values), minlength=10)
            share = np.maximum(count / len(values), _FLOOR)
            found[name] = (outside, float(np.sum((share - 0.1) * np.log(share / 0.1))))
        return found

    def refuse(self, X: np.ndarray, times: Mapping[str, np.ndarray], any_scale: bool = False) -> None:
        """DataError where bars are of another size, or a positive feature lies beyond its range by its unit.

        `X`: (row, feature) of the defined rows. `times`: of the bars, per symbol.
        """
        steps = [np.diff(t) for t in times.values() if len(t) > 1]
        if steps and self.bar_seconds > 0:
            size = float(np.median(np.concatenate(steps)) / np.timedelta64(1, "s"))
            if not self.bar_seconds / _ALIKE <= size <= self.bar_seconds * _ALIKE:
                raise DataError(
                    f"bars of {size:g} seconds: the model was trained on bars of {self.bar_seconds:g} seconds; "
                    "give it bars of that size"
                )
        for j, name in enumerate(self.features):
            values = X[:, j][np.isfinite(X[:, j])]
            if any_scale or not len(values) or not self.low[j] > 0:
                continue
            middle = float(np.median(values))
            if not self.low[j] / _SCALE <= middle <= self.high[j] * _SCALE:
                raise DataError(
                    f"{name} is {middle:.4g} in the middle, and was {self.low[j]:.4g} to {self.high[j]:.4g} in "
                    "training: prices or volumes seem to be in another unit; --any-scale scores them all the same"
                )


def _bar_seconds(panel: Panel) -> float:
    """Median step between bars of one symbol; 0 where no symbol has two."""
    step = np.diff(panel.time)[np.diff(panel.symbol) == 0]
    return float(np.median(step) / np.timedelta64(1, "s")) if len(step) else 0.0


def warnings_of(drift: Mapping[str, tuple[float, float]], rows: int, shown: int = 5) -> list[str]:
    """One line that names the features that left their range or drifted, worst first; none for fewer than 2 rows."""
    odd: list[tuple[float, str]] = []
    for name, (outside, score) in drift.items():
        if outside > 0.01 or (score > 0.25 and rows >= 100):
            odd.append((score, f"{name} ({100 * outside:.0f} % outside, drift {score:.2f})"))
    if not odd:
        return []
    odd.sort(reverse=True)
    more = f" and {len(odd) - shown} more" if len(odd) > shown else ""
    told = ", ".join(text for _, text in odd[:shown])
    return [f"{len(odd)} of {len(drift)} features leave what training saw: {told}{more}"]


def learned(rule: Any) -> dict[str, Any]:
    """What a signal rule learned: its attributes that end in an underscore."""
    return {k: v for k, v in _attributes(rule).items() if k.endswith("_") and not k.startswith("_")}


def restored(rule: Any, found: Mapping[str, Any], where: Path) -> Any:
    """A copy of `rule` with what `learned` gave; DataError for what is no number or unknown to the rule."""
    import copy

    twin = copy.copy(rule)
    for name, value in found.items():
        if not name.endswith("_") or name.startswith("_") or not isinstance(value, int | float | None):
            raise DataError(f"{where}: {name} is nothing that a signal rule learns; train the run again")
        object.__setattr__(twin, name, np.nan if value is None else value)
    if set(learned(rule)) - set(found):
        raise DataError(f"{where}: lacks {min(set(learned(rule)) - set(found))}; train the run again")
    return twin


def _attributes(rule: Any) -> dict[str, Any]:
    from dataclasses import fields, is_dataclass

    return {f.name: getattr(rule, f.name) for f in fields(rule)} if is_dataclass(rule) else dict(vars(rule))
