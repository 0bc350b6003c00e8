"""The look-ahead audit: proves, or refutes with the culprit's name, that nothing known later reached a decision."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from barwise.data.bars import COLUMNS, Bars
from barwise.errors import LeakError
from barwise.features import FeatureSet
from barwise.features.matrix import compute
from barwise.samples import Labels, Panel

SAME = 1e-9  # relative to the column's scale: what a formula may lose to rounding
SUSPICIOUS, REPRODUCED = 0.3, 0.9  # |rank correlation| of a feature with the label's return


@dataclass(frozen=True)
class Finding:
    """One thing the audit found: `leak` refuses the run, `suspicion` warns."""

    check: str
    level: str
    text: str


@dataclass
class Audit:
    """How hard to look, and what was found.

    `mode`: quick (every run), thorough (`python -m barwise audit`) or none. `symbols` and `cuts`: how many symbols,
    and how many times in each, features and labels are computed again.
    """

    mode: str = "quick"
    symbols: int = 5
    cuts: int = 2
    seed: int = 0
    findings: list[Finding] = field(default_factory=list)
    checks: dict[str, int] = field(default_factory=dict)  # how many comparisons each check made

    @classmethod
    def of(cls, mode: str, seed: int = 0) -> Audit:
        return cls(mode, symbols=50, cuts=8, seed=seed) if mode == "thorough" else cls(mode, seed=seed)

    def hear(self, check: str, found: Iterator[Finding | int]) -> None:
        """Collect a check's findings; a number says how many comparisons it made."""
        for item in found:
            if isinstance(item, Finding):
                self.findings.append(item)
            else:
                self.checks[check] = self.checks.get(check, 0) + item

    def report(self) -> dict[str, Any]:
        """What run.json and the report say of the audit."""
        findings = [asdict(f) for f in self.findings]
        return {"mode": self.mode, "checks": dict(self.checks), "findings": findings, "passed": not self.leaks}

    @property
    def leaks(self) -> list[Finding]:
        return [f for f in self.findings if f.level == "leak"]

    def refuse(self) -> None:
        """Raise LeakError with everything found, if anything was."""
        if self.leaks:
            raise LeakError("refused by the audit: " + " ".join(f.text for f in self.leaks[:5]))


def chosen(audit: Audit, bars: Sequence[Bars]) -> Iterator[tuple[Bars, np.ndarray]]:
    """Symbols to look at, spread over the market, and the rows at which each is cut, in its later half."""
    random = np.random.default_rng(audit.seed)
    for i in np.unique(np.linspace(0, len(bars) - 1, min(audit.symbols, len(bars))).astype(int)):
        n = len(bars[i])
        low, high = n // 2, max(n // 2 + 1, n - 2)
        yield bars[i], np.unique(random.integers(low, high, audit.cuts))


def features_look_back(audit: Audit, bars: Sequence[Bars], sets: Mapping[str, FeatureSet]) -> Iterator[Finding | int]:
    """Row t of every feature is the same on bars cut after t, and on bars whose future is another."""
    guilty: set[str] = set()
    for b, cuts in chosen(audit, bars):
        whole = compute(b, sets)
        scale = {name: _scale(values) for name, values in whole.items()}
        for cut in cuts:
            for how, other in (("cut after", b.take(slice(0, cut + 1))), ("altered after", altered(b, cut + 1))):
                again = compute(other, sets)
                yield len(whole)
                for name, values in whole.items():
                    row = _differs(values[: cut + 1], again.get(name), scale[name])
                    if row is not None and name not in guilty:
                        guilty.add(name)
                        yield Finding(
                            "features",
                            "leak",
                            f"feature {name} of {b.symbol} at {_when(b.time[row])} is another when the bars are {how}"
                            f" {_when(b.time[cut])}: it uses bars that were not known yet.",
                        )


def labels_wait(audit: Audit, bars: Sequence[Bars], labeler: Callable[[Bars], Labels]) -> Iterator[Finding | int]:
    """A label is known at its `end` and not before, and is the same whatever comes after."""
    for b, cuts in chosen(audit, bars):
        whole = labeler(b)
        known = np.isfinite(whole.ret)
        early = known & (whole.end <= b.time)
        if early.any():
            yield _label(b, int(early.argmax()), "ends no later than the bar it is made at")
        for cut in cuts:
            again, now = labeler(b.take(slice(0, cut + 1))), b.time[cut]
            yield cut + 1
            have = np.isfinite(again.ret)
            due = known[: cut + 1] & (whole.end[: cut + 1] <= now)
            for bad, why in (
                (have & ~due, f"is known on bars up to {_when(now)}, before its end"),
                (due & ~have, f"is not known on bars up to {_when(now)}, after its end"),
                (
                    due & have & ~(_near(again.ret, whole.ret[: cut + 1]) & _near(again.y, whole.y[: cut + 1])),
                    f"changes when bars after {_when(now)} are known, later than its end",
                ),
            ):
                if bad.any():
                    yield _label(b, int(bad.argmax()), why)
                    return


def labels_can_be_earned(audit: Audit, bars: Sequence[Bars], labeler: Any, execution: str) -> Iterator[Finding | int]:
    """`ret` is what a trade at the next execution price earns: its exit price lies within the bar it ends at."""
    asked = getattr(labeler, "keywords", {}).get("execution", execution)
    if asked != execution:
        yield Finding(
            "labels", "leak", f"the labels are made for execution={asked}, the backtest trades at {execution}."
        )
    for b, _ in chosen(audit, bars):
        labels = labeler(b)
        rows = np.flatnonzero(np.isfinite(labels.ret))
        rows = rows[rows + 1 < len(b)]
        yield len(rows)
        price = b.open if execution == "next_open" else b.close
        exit_price = price[rows + 1] * (1 + labels.ret[rows])
        end = np.minimum(np.searchsorted(b.time, labels.end[rows]), len(b) - 1)
        outside = (exit_price > b.high[end] * (1 + SAME)) | (exit_price < b.low[end] * (1 - SAME))
        if outside.any():
            row = int(rows[outside.argmax()])
            yield _label(b, row, f"holds a return that no trade at the {execution.replace('_', ' ')} after it can earn")


def features_are_no_label(audit: Audit, panel: Panel, limit: int = 5_000) -> Iterator[Finding | int]:
    """No feature is the label, or suspiciously like it, by rank correlation with `ret`."""
    from scipy.stats import rankdata

    rows = np.flatnonzero(panel.warm & np.isfinite(panel.ret))
    if len(rows) > limit:
        rows = np.sort(np.random.default_rng(audit.seed).choice(rows, limit, replace=False))
    ret = rankdata(panel.ret[rows])
    yield len(panel.features)
    if len(rows) < 30:
        return
    X = panel.X[rows]
    for column, name in enumerate(panel.features):
        known = np.isfinite(X[:, column])
        if known.sum() < 30 or np.ptp(X[known, column]) == 0:
            continue
        rho = abs(np.corrcoef(rankdata(X[known, column]), ret[known])[0, 1])
        if rho > REPRODUCED:
            yield Finding(
                "features", "leak", f"feature {name} is the label: rank correlation {rho:.2f} with its return."
            )
        elif rho > SUSPICIOUS:
            text = f"feature {name} has rank correlation {rho:.2f} with the label's return; that is rarely honest."
            yield Finding("features", "suspicion", text)


def altered(bars: Bars, first: int) -> Bars:
    """The same bars up to `first`, and from there on others: prices and volumes in reverse, moved and stretched."""
    tail = slice(first, None)
    columns = {name: getattr(bars, name).copy() for name in COLUMNS}
    for values in columns.values():
        values[tail] = values[tail][::-1] * 1.7
    extra = {name: values.copy() for name, values in bars.extra.items()}
    for values in extra.values():
        values[tail] = values[tail][::-1] * 1.7
    return replace(bars, **columns, extra=extra)  # type: ignore[arg-type]


def _scale(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.abs(known).max()) if len(known) else 1.0


def _differs(values: np.ndarray, again: np.ndarray | None, scale: float) -> int | None:
    """The first row where the two are not the same; None if there is none."""
    if again is None:
        return len(values) - 1
    again = again[: len(values)]
    with np.errstate(invalid="ignore"):
        same = (np.abs(values - again) <= SAME * scale) | (np.isnan(values) & np.isnan(again)) | (values == again)
    return None if same.all() else int((~same).argmax())


def _near(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.abs(a - b) <= 1e-12 * np.maximum(1.0, np.abs(b))


def _label(bars: Bars, row: int, why: str) -> Finding:
    return Finding("labels", "leak", f"the label of {bars.symbol} at {_when(bars.time[row])} {why}.")


def _when(time: np.datetime64) -> str:
    text = str(time.astype("datetime64[s]"))
    return text.removesuffix("T00:00:00")
