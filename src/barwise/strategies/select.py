"""Which features a fold learns from, chosen on its own training rows: neither validation nor test rows are seen."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Protocol, Self

import numpy as np

from barwise.console.settings import Fraction, Share, Whole, check_fields
from barwise.errors import ConfigError, require
from barwise.samples import Panel, Samples
from barwise.strategies.association import spearman
from barwise.strategies.base import FitContext, Strategy
from barwise.strategies.hooks import Explained, Stateful
from barwise.strategies.parts import Part, budgeted, load_parts, offer, part_context, save_parts
from barwise.strategies.reasons import Member, offer_reasons
from barwise.validation.nested import inner_folds

_ROWS = 20_000  # training rows, evenly drawn, that correlations of features are computed on
Keep = Annotated[int, Whole(1, 100_000)]


class Selection(Protocol):
    """Chooses features from the labelled training rows of a fold."""

    def choose(self, train: Samples, strategy: Strategy, context: FitContext) -> np.ndarray:
        """Positions of the features to keep, at least one."""


@dataclass(frozen=True)
class Gain:
    """The `keep` features with the largest gain (or weight) of the strategy itself, fit on all of them."""

    keep: Keep = 10

    def __post_init__(self) -> None:
        check_fields(self, "select")

    def choose(self, train: Samples, strategy: Strategy, context: FitContext) -> np.ndarray:
        part = _fitted(train, strategy, context)[0]
        found = part.strategy.importance() if isinstance(part.strategy, Explained) else None
        require(
            found is not None, f"select=gain: {type(strategy).__name__} does not say which features it leans on;"
            " use select=permutation",
        )  # fmt: skip
        names = train.features
        gain = np.zeros(len(names))
        for name, value in (found or {}).items():
            gain[names.index(name) if name in names else int(name)] += value
        return np.sort(np.argsort(-gain, kind="stable")[: self.keep])


@dataclass(frozen=True)
class Permutation:
    """The `keep` features whose shuffling costs the strategy most rank correlation, on later training rows that it was
    not fit on."""

    keep: Keep = 10

    def __post_init__(self) -> None:
        check_fields(self, "select")

    def choose(self, train: Samples, strategy: Strategy, context: FitContext) -> np.ndarray:
        part, rows = _fitted(train, strategy, context)
        panel, random = train.panel, np.random.default_rng(context.seed)
        later = Samples(panel, rows)
        whole = spearman(part.scores(later), later.ret)
        lost = np.zeros(len(train.features))
        held = np.array(panel.X[rows])
        window = part.strategy.lookback > 1
        X = np.array(panel.X) if window else held
        small = panel if window else only_rows(panel, rows, held)
        at = rows if window else np.arange(len(rows))
        for j in range(len(lost)):
            kept = X[:, j].copy()
            X[:, j] = random.permutation(kept)
            found = spearman(part.scores(Samples(replace(small, X=X), at)), later.ret)
            X[:, j] = kept
            lost[j] = np.nan_to_num(whole) - np.nan_to_num(found)
        return np.sort(np.argsort(-lost, kind="stable")[: self.keep])


@dataclass(frozen=True)
class Correlation:
    """Features whose rank correlation with the return holds over time, at a false discovery rate of `rate`.

    The training rows are cut into `blocks` of time; the t of a feature's correlations over them gives its p, and
    Benjamini and Hochberg (1995) choose. The `least` best are kept in any case.
    """

    rate: Fraction = 0.2
    blocks: Annotated[int, Whole(4, 1000)] = 20
    least: Keep = 3

    def __post_init__(self) -> None:
        check_fields(self, "select")

    def choose(self, train: Samples, strategy: Strategy, context: FitContext) -> np.ndarray:
        from scipy.stats import t as student

        some = train.select(_evenly(len(train)))
        X, ret, time = some.X, some.ret, some.time
        places = np.array_split(np.unique(time), self.blocks)
        require(
            min(map(len, places)) >= 3, f"select.blocks={self.blocks}: too many for {len(np.unique(time))} training"
            " bars; use fewer",
        )  # fmt: skip
        block = np.searchsorted([p[0] for p in places], time, side="right") - 1
        ic = np.array([[spearman(X[block == k, j], ret[block == k]) for j in range(X.shape[1])]
                       for k in range(self.blocks)])  # fmt: skip
        n = np.isfinite(ic).sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.nansum(ic, axis=0) / n
            spread = np.sqrt(np.nansum((ic - mean) ** 2, axis=0) / (n - 1))
            t = np.where(n > 2, mean / spread * np.sqrt(n), 0.0)
        p = np.where(np.isfinite(t), 2 * student.sf(np.abs(t), np.maximum(n - 1, 1)), 1.0)
        order = np.argsort(p, kind="stable")
        passed = np.flatnonzero(p[order] <= self.rate * np.arange(1, len(p) + 1) / len(p))
        count = int(passed[-1]) + 1 if len(passed) else 0
        if count < self.least:
            text = f"{count} of {len(p)} features pass at a false discovery rate of {self.rate:g}"
            context.alert("select", f"select=ic: {text}; the best {min(self.least, len(p))} are kept")
        return np.sort(order[: max(count, self.least)])


@dataclass(frozen=True)
class Clusters:
    """Of features that are alike one alone, that with the largest rank correlation with the return.

    Alike: joined by average linkage below `distance`, 1 - |rank correlation| of the features themselves.
    """

    distance: Share = 0.3

    def __post_init__(self) -> None:
        check_fields(self, "select")

    def choose(self, train: Samples, strategy: Strategy, context: FitContext) -> np.ndarray:
        from scipy.cluster.hierarchy import fcluster, linkage
        from scipy.spatial.distance import squareform

        some = train.select(_evenly(len(train)))
        X, ret = some.X, some.ret
        n = X.shape[1]
        if n == 1:
            return np.zeros(1, np.int64)
        with np.errstate(invalid="ignore", divide="ignore"):
            alike = np.abs(np.corrcoef(_ranks(X), rowvar=False))
        apart = 1.0 - np.nan_to_num(alike)
        np.fill_diagonal(apart, 0.0)
        group = fcluster(linkage(squareform(apart, checks=False), "average"), self.distance, "distance")
        strength = np.array([abs(np.nan_to_num(spearman(X[:, j], ret))) for j in range(n)])
        return np.sort([int(i[strength[i].argmax()]) for k in np.unique(group) for i in [np.flatnonzero(group == k)]])


class Selected:
    """A strategy that learns in each fold from the features that `selection` chooses on the fold's training rows."""

    lookback: int
    takes_nan: bool
    scale = False
    own_nets: frozenset[str] = frozenset()

    def __init__(self, strategy: Any, selection: Selection, fixed: list[int] | None = None) -> None:
        self.strategy: Strategy = strategy
        self.selection, self.fixed = selection, fixed
        offer(self, strategy)

    def fit(self, train: Samples, valid: Samples, context: FitContext) -> Self:
        if self.fixed is not None:
            columns = np.asarray(self.fixed)
        else:
            columns = np.asarray(self.selection.choose(train, self.strategy, context))
        part = Part(copy.deepcopy(self.strategy))
        own = part_context(context, "selected", heard=True)
        self._keep([int(c) for c in columns], part)
        part.fit(self._view(train), self._view(valid), own)
        context.facts.update(own.facts)
        context.facts["selected"] = [train.features[c] for c in self.columns_]
        context.facts["columns"] = self.columns_
        self._keep(self.columns_, part)
        return self

    def _keep(self, columns: list[int], part: Part) -> None:
        self.columns_, self.part_ = columns, part
        offer(self, part.strategy)
        offer_reasons(self, [Member(part)], self._view, columns)
        self.in_blocks = False
        if isinstance(part.strategy, Stateful):
            self.sequence, self.advance = part.strategy.sequence, _advance(part, columns)

    def _view(self, samples: Samples) -> Samples:
        """The samples with the chosen columns alone."""
        panel = samples.panel
        names = tuple(panel.features[c] for c in self.columns_)
        if self.part_.strategy.lookback == 1:  # of the rows that are asked for alone
            few = only_rows(panel, samples.rows, np.array(panel.X[samples.rows])[:, self.columns_])
            return Samples(replace(few, features=names), np.arange(len(samples)))
        return Samples(replace(panel, X=np.array(panel.X[:, self.columns_]), features=names), samples.rows)

    def predict(self, samples: Samples) -> np.ndarray:
        return self.part_.scores(self._view(samples))

    def importance(self) -> dict[str, float] | None:
        """That of the strategy, by the position of the features among all; None where it has none."""
        inner = self.part_.strategy
        found = inner.importance() if isinstance(inner, Explained) else None
        if not found:
            return None
        return {str(self.columns_[int(k)]) if k.isdigit() else k: v for k, v in found.items()}

    def budgeted(self, facts: Mapping[str, Any]) -> Selected:
        """The same with the features chosen on the earlier rows."""
        return Selected(budgeted(self.strategy, facts), self.selection, facts.get("columns"))

    def save(self, folder: Path) -> None:
        save_parts(folder, "selected", {"selected": self.part_}, {"columns": self.columns_})

    @classmethod
    def load(cls, folder: Path) -> Self:
        parts, settings = load_parts(folder, "selected", cls.own_nets)
        columns = settings.get("columns")
        if not isinstance(columns, list) or not columns or not all(type(c) is int and c >= 0 for c in columns):
            raise ConfigError(f"{folder / 'strategy.json'}: columns={columns!r:.40} are no features; it is not loaded")
        model = cls.__new__(cls)
        model._keep(columns, parts["selected"])
        return model


def _advance(part: Part, columns: list[int]) -> Callable[..., Any]:
    """Live, a stream net within goes on from its state on its own columns, scaled."""

    def advance(x: np.ndarray, memory: Any = None) -> Any:
        chosen = x[:, columns]
        return part.strategy.advance(part.scaler(chosen) if part.scaler is not None else chosen, memory)  # type: ignore

    return advance


def _fitted(train: Samples, strategy: Strategy, context: FitContext) -> tuple[Part, np.ndarray]:
    """The strategy on the earlier training rows, and the later ones that it has not seen."""
    fold = inner_folds(train.panel, train.rows, 2)[-1]
    learn, watch = (Samples(train.panel, rows) for rows in (fold.train, fold.valid))
    return Part(copy.deepcopy(strategy)).fit(learn, watch, replace(part_context(context, "x"), folder=None)), fold.test


def only_rows(panel: Panel, rows: np.ndarray, X: np.ndarray) -> Panel:
    """A panel of these rows alone, for what reads one row at a time."""
    names = ("symbol", "time", "y", "ret", "end", "weight", "finite", "warm")
    finite = np.isfinite(X).all(axis=1) & np.asarray(panel.warm)[rows]
    parts = {name: np.asarray(getattr(panel, name))[rows] for name in names}
    return replace(panel, X=X, **{**parts, "finite": finite}, start=np.arange(len(rows)))


def _evenly(n: int) -> np.ndarray:
    """At most ROWS places among `n`, evenly spaced."""
    return np.arange(n) if n <= _ROWS else np.linspace(0, n - 1, _ROWS).astype(np.int64)


def _ranks(X: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    found: np.ndarray = rankdata(np.nan_to_num(X, nan=0.0), axis=0)
    return found
