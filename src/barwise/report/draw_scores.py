"""Drawings of what the model knows: calibration, correlation over time, importance, training curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from barwise.errors import DataError
from barwise.report.draw import dates
from barwise.report.svg import BLUE, CYCLE, INK, MUTED, ORANGE, RED, thin

if TYPE_CHECKING:
    from barwise.runs.run import RunFiles

_MOST_FEATURES = 15


def _scored(run: RunFiles) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Time, score and return of the rows that have both."""
    table = run.predictions
    for name in ("time", "score", "ret"):
        if name not in table:
            raise DataError(f"this run's predictions.parquet has no column {name}")
    score, ret = table["score"].to_numpy(np.float64), table["ret"].to_numpy(np.float64)
    known = np.isfinite(score) & np.isfinite(ret)
    return table["time"].to_numpy()[known], score[known], ret[known]


def calibration(figure: Figure, run: RunFiles) -> None:
    """Mean next return of each tenth of the scores; bars are 95 % intervals, errors clustered by time."""
    time, score, ret = _scored(run)
    edges = np.unique(np.quantile(score, np.linspace(0, 1, 11))) if len(score) else np.zeros(1)
    if len(edges) < 3:
        raise DataError(f"{len(np.unique(score))} distinct scores; deciles need more")
    group = np.clip(np.searchsorted(edges, score, side="right") - 1, 0, len(edges) - 2)
    _, moment = np.unique(time, return_inverse=True)
    middle, mean, error = [], [], []
    for k in np.unique(group):
        rows = group == k
        middle.append(k + 1)
        mean.append(ret[rows].mean())
        per_time = np.bincount(moment[rows], weights=ret[rows] - mean[-1])
        error.append(1.96 * np.sqrt(np.sum(per_time**2)) / rows.sum())
    axes = figure.subplots()
    axes.axhline(0.0, color=INK, linewidth=0.8)
    axes.axhline(1e4 * ret.mean(), color=ORANGE, linewidth=1.0, linestyle="--", label="mean of all rows")
    bars = 1e4 * np.array(error)
    axes.errorbar(middle, 1e4 * np.array(mean), yerr=bars, fmt="o", color=BLUE, capsize=3, label="mean, 95 % interval")
    axes.set_xticks(middle, [str(k) for k in middle])
    axes.set_xlabel("score decile (1 = lowest)" if len(edges) == 11 else "score group (1 = lowest; many ties)")
    axes.set_ylabel("next return (bp)")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=2)


def correlation(figure: Figure, run: RunFiles) -> None:
    """Rank correlation of score and return in each stretch of calendar time, all symbols pooled."""
    time, score, ret = _scored(run)
    if len(score) < 60 or np.ptp(score) == 0:
        raise DataError(f"{len(score)} rows with score and return, {len(np.unique(score))} distinct scores: too few")
    months = time.astype("datetime64[M]").astype(int)
    span = int(np.ptp(months)) + 1
    if span >= 4:
        length = next(n for n in (1, 3, 6, 12, 60, 10**6) if span / n <= 48)
        stretch = months // length
        word = {1: "month", 3: "quarter", 6: "half-year", 12: "year"}.get(length, f"{length} months")
    else:
        days = time.astype("datetime64[D]").astype(int)
        length = int(np.ptp(days)) // 48 + 1
        stretch, word = days // length, "day" if length == 1 else f"{length} days"
    found = [(time[rows].min(), len_, _rank_correlation(score[rows], ret[rows])) for rows, len_ in _stretches(stretch)]
    kept = [f for f in found if f[2] is not None]
    if len(kept) < 2:
        raise DataError(f"fewer than two stretches of a {word} with 20 rows or more")
    axes = figure.subplots()
    x = np.array([f[0] for f in kept])
    y = np.array([f[2] for f in kept], dtype=np.float64)
    width = 0.8 * np.median(np.diff(x).astype("timedelta64[s]").astype(float)) / 86400
    axes.bar(x, y, width=width, align="edge", color=[BLUE if v >= 0 else RED for v in y])
    overall = _rank_correlation(score, ret)
    if overall is not None:
        axes.axhline(overall, color=ORANGE, linestyle="--", linewidth=1.2, label=f"all rows: {overall:.3f}")
    axes.axhline(0.0, color=INK, linewidth=0.8)
    axes.set_ylabel(f"rank correlation a {word}")
    dates(axes)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left")


def _stretches(keys: np.ndarray) -> list[tuple[np.ndarray, int]]:
    """Rows of each distinct key, in order, and how many."""
    order = np.argsort(keys, kind="stable")
    _, first = np.unique(keys[order], return_index=True)
    return [(rows, len(rows)) for rows in np.split(order, first[1:])]


def _rank_correlation(score: np.ndarray, ret: np.ndarray) -> float | None:
    """Spearman's, ties by average; None under 20 rows or without variance."""
    if len(score) < 20 or np.ptp(score) == 0 or np.ptp(ret) == 0:
        return None
    return float(np.corrcoef(pd.Series(score).rank(), pd.Series(ret).rank())[0, 1])


def importance(figure: Figure, run: RunFiles) -> None:
    """The most important features: mean over folds, a dot for each fold."""
    table = run.importance
    kind = next((k for k in ("permutation", "gain") if k in table and table[k].notna().any()), None)
    if kind is None:
        raise DataError("importance.parquet holds neither gain nor permutation importance")
    wide = table.pivot_table(index="feature", columns="fold", values=kind, aggfunc="mean")
    if kind == "gain":
        wide = wide / wide.sum(axis=0).replace(0.0, np.nan)
    wide = wide.loc[wide.mean(axis=1).sort_values(ascending=False).index[:_MOST_FEATURES]]
    axes = figure.subplots()
    places = np.arange(len(wide))
    axes.barh(places, wide.mean(axis=1), color=BLUE, alpha=0.55, height=0.7, label="mean of the folds")
    for i, fold in enumerate(wide.columns):
        axes.plot(wide[fold], places, "o", color=INK, markersize=2.5, label="one fold" if i == 0 else None)
    axes.set_yticks(places, [str(f) if len(str(f)) <= 22 else str(f)[:21] + "…" for f in wide.index])
    axes.set_ylim(len(wide) - 0.4, -0.6)
    axes.axvline(0.0, color=MUTED, linewidth=0.8)
    axes.grid(axis="y", visible=False)
    if kind == "gain":
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel("share of the gain (%)" if kind == "gain" else "loss of score when shuffled (validation rows)")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=2)


def training(figure: Figure, run: RunFiles) -> None:
    """Training (dotted) and validation (solid) loss of each fold."""
    folds = {name: curves for name, curves in run.curves.items() if any(curves.values())}
    if not folds:
        raise DataError("this strategy is fit in one step and has no training curve")
    every = sorted({name for curves in folds.values() for name in curves})
    chosen = [n for n in every if "loss" in n] or every[:2]
    axes = figure.subplots()
    for i, (fold, curves) in enumerate(folds.items()):
        for name in chosen:
            points = np.array([p for p in curves.get(name) or [] if None not in p], dtype=np.float64)
            if len(points):
                dotted = "train" in name
                label = None if dotted and len(chosen) > 1 else fold.replace("-", " ")
                style: dict[str, Any] = {
                    "linestyle": ":" if dotted else "-",
                    "marker": "o" if len(points) == 1 else None,
                }
                axes.plot(
                    *thin(points[:, 0], points[:, 1], 300),
                    color=CYCLE[i % len(CYCLE)],
                    label=label,
                    markersize=3,
                    **style,
                )
    if not axes.lines:
        raise DataError("the training curves hold no finite value")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_xlabel("epoch or boosting round")
    axes.set_ylabel("loss, dotted: training" if any("train" in n for n in chosen) else chosen[0])
    handles, labels = axes.get_legend_handles_labels()
    if 0 < len(labels) <= 12:
        figure.legend(handles, labels, loc="outside upper left", ncols=min(3, len(labels)))
