"""The audit of features: each row is made of bars known by then, and no column is the label."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import bottleneck as bn
import numpy as np

from barwise.audit.bars import CODES, coded, probes
from barwise.audit.findings import Audit, Finding
from barwise.audit.plausibility import Plausibility
from barwise.data.memmap import gather, on_disk
from barwise.data.times import distinct
from barwise.features import FeatureSet
from barwise.features.aligned import sees_all
from barwise.features.matrix import FeatureMatrix, compute
from barwise.samples import Panel

_DEFAULTS = Plausibility()
_SAME = 1e-9  # relative to the column's size around the row: what a formula may lose to rounding
_BLOCK_ROWS = 64
_REPRODUCED = 0.9  # |rank correlation| of a feature with the label
_BLIND, _MISSED = 0.05, 0.05  # shares of rows whose class the commonest one misses, and of these that a code may miss
_ROWS = 2_000  # that a quick audit ranks: a correlation of 0.13 is six standard errors


def features_look_back(
    audit: Audit, matrix: FeatureMatrix, sets: Mapping[str, FeatureSet], known: Iterable[str] = ()
) -> Iterator[Finding | int]:
    """Row t of every feature is the same on bars cut off after t, and on bars whose future is another; the `known` ones
    were told already."""
    sets = {name: one for name, one in sets.items() if not sees_all(one)}
    if not sets:
        return
    guilty = set(known)
    moved: set[str] = set()
    names: set[str] = set()
    failed: dict[str, Exception] = {}
    for b, again in probes(audit.look, matrix.bars, int(matrix.warmup.max()), audit.seed):
        whole = compute(b, sets)
        names |= set(whole)
        scale = {name: scale_of(values) for name, values in whole.items()}
        for other in again:
            try:
                found = compute(other.bars, sets)
            except Exception as error:  # a set of the user's; on bars that differ it may raise what it likes
                failed.setdefault(f"{b.symbol} {other.how} after {when(b.time[other.row])}", error)
                continue
            yield len(whole)
            for name, values in whole.items():
                row = differs(values[: other.row + 1], found.get(name), scale[name])
                if row is not None and name not in guilty:
                    guilty.add(name)
                    text = (
                        f"feature {name} of {b.symbol} at {when(b.time[row])} changes when the bars after"
                        f" {when(b.time[other.row])} are {other.how}: it uses bars that were not known yet."
                    )
                    yield Finding("features", "leak", text)
                if other.how == "altered" and differs(values, found.get(name), scale[name]) is not None:
                    moved.add(name)
    for place, raised in list(failed.items())[:1]:
        notes = " ".join(getattr(raised, "__notes__", ()))
        reason = " ".join(f"{type(raised).__name__}: {raised} {notes}".split())[:160]
        text = f"features cannot be computed on bars of {place} ({reason}): {len(failed)} comparisons were not made."
        yield Finding("features", "not_audited", text)
    for name in sorted(names - moved):
        text = f"feature {name} is the same on other bars: made of the time, or of what the audit cannot alter."
        yield Finding("features", "note", text)


def features_are_no_label(audit: Audit, panel: Panel, limits: Plausibility = _DEFAULTS) -> Iterator[Finding | int]:
    """No feature is the label, or suspiciously like it, by rank correlation with `ret` and with `y`."""
    from scipy.stats import rankdata

    rows = every = np.flatnonzero(panel.warm & np.isfinite(panel.ret))
    if len(rows) > _ROWS and (not audit.thorough or on_disk(panel.X)):
        rows = np.sort(np.random.default_rng(audit.seed).choice(rows, _ROWS, replace=False))
    yield len(panel.features)
    if len(rows) < 30:
        return
    count, times = _independent(panel, rows), panel.time[rows]
    years = float((times.max() - times.min()) / np.timedelta64(365, "D")) * count / _independent(panel, every)
    labels = {"return": rankdata(panel.ret[rows]), "y": rankdata(panel.y[rows])}
    sample = gather(panel.X, rows) if on_disk(panel.X) else None
    for column, name in enumerate(panel.features):
        values = panel.X[rows, column] if sample is None else sample[:, column]
        known = np.isfinite(values)
        if known.sum() < 30 or np.ptp(values[known]) == 0:
            continue
        ranks = rankdata(values[known])
        rho, what = max((_correlation(ranks, label[known]), what) for what, label in labels.items())
        if rho > _REPRODUCED:
            text = f"feature {name} is the label: rank correlation {rho:.2f} with its {what}."
            yield Finding("features", "leak", text)
        elif _named(values[known], panel.y[rows][known]):
            text = f"feature {name} is the label under other names: each of its values goes with one value of y."
            yield Finding("features", "leak", text)
        elif limits.suspicious(rho, count, years):
            ratio = rho * np.sqrt(count / years)
            text = (
                f"feature {name} has rank correlation {rho:.2f} with the label's {what}, an information ratio of"
                f" {ratio:.1f} a year; that is rarely honest."
            )
            yield Finding("features", "suspicion", text)


def _named(values: np.ndarray, y: np.ndarray) -> bool:
    """Whether a column of codes tells the class of y almost always, and much better than the commonest class does."""
    if not coded(values):
        return False
    _, codes = np.unique(values, return_inverse=True)
    _, classes = np.unique(y, return_inverse=True)
    if classes.max() >= CODES or classes.max() == 0:
        return False
    counts = np.zeros((codes.max() + 1, classes.max() + 1))
    np.add.at(counts, (codes, classes), 1.0)
    missed, blind = 1 - counts.max(axis=1).sum() / len(y), 1 - counts.sum(axis=0).max() / len(y)
    return bool(blind > _BLIND and missed < _MISSED * blind)


def _independent(panel: Panel, rows: np.ndarray) -> float:
    """How many labels that do not overlap the labelled `rows` are worth."""
    step = np.median(np.diff(distinct(panel.time)).view(np.int64))
    span = (panel.end[rows] - panel.time[rows]).view(np.int64)
    return max(1.0, len(rows) / max(1.0, float(np.median(span)) / max(1.0, float(step))))


def when(time: np.datetime64) -> str:
    """A time without the part that is midnight."""
    return str(time.astype("datetime64[s]")).removesuffix("T00:00:00")


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(abs(np.corrcoef(a, b)[0, 1])) if np.ptp(b) else 0.0


def scale_of(values: np.ndarray) -> np.ndarray:
    """How large a column is around each row: the middle size of its known values in blocks of 64 rows, or of the row
    itself if that is larger; one huge value elsewhere says nothing of it."""
    size = np.abs(np.asarray(values, dtype=np.float64))
    size = np.where(np.isfinite(size), size, np.nan)
    spare = -len(size) % _BLOCK_ROWS
    padded = np.concatenate([size, np.full((spare, *size.shape[1:]), np.nan)])
    grouped = padded.reshape(-1, _BLOCK_ROWS, *size.shape[1:])
    middle = np.nan_to_num(bn.nanmedian(grouped, axis=1))
    found: np.ndarray = np.maximum(np.repeat(middle, _BLOCK_ROWS, axis=0)[: len(size)], np.nan_to_num(size))
    return found


def differs(values: np.ndarray, again: np.ndarray | None, scale: np.ndarray) -> int | None:
    """The first row (of the arrays laid flat) where the two are not the same; None if there is none."""
    if again is None:
        return len(values) - 1
    again, scale = again[: len(values)], scale[: len(values)]
    with np.errstate(invalid="ignore"):
        same = (np.abs(values - again) <= _SAME * scale) | (np.isnan(values) & np.isnan(again)) | (values == again)
    return None if same.all() else int((~same).argmax())
