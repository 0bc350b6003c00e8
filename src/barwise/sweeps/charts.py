"""The charts of sweep.html, as plotly takes them: equity, parameters, effects, seeds, luck."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from barwise.evidence.trials import read
from barwise.evidence.verdict import Record
from barwise.runs.measures import LEAST_IS_BEST
from barwise.safety.tables import checked
from barwise.sweeps.leaderboard import Leaderboard

BEST = 10  # trials whose equity is drawn
_SCALE = [[0, "#d55e00"], [0.5, "#e69f00"], [1, "#56b4e9"]]  # to be seen on white and on black
_POINTS_OF_LUCK = 60  # of the curve of luck: each looks at all trials before it
_POINTS = 400  # of an equity curve: a page of 200 trials stays below 6 MB


@dataclass(frozen=True)
class Trial:
    """One finished trial: its record in the leaderboard and what it was given, by parameter."""

    record: Mapping[str, Any]
    given: Mapping[str, str]
    value: float


def equity(folder: Path, trials: Sequence[Trial]) -> dict[str, Any] | None:
    """Curves of the best trials, thinned."""
    import pyarrow.parquet as pq

    lines = []
    for trial in trials[:BEST]:
        path = folder / str(trial.record["trial"]) / "ledger.parquet"
        try:
            found = pq.read_table(checked(path), columns=["time", "equity"])
        except (OSError, ValueError, KeyError):
            continue
        rows = np.unique(np.linspace(0, len(found) - 1, min(_POINTS, len(found))).astype(int))
        time = found["time"].to_numpy()[rows].astype("datetime64[D]").astype(str)
        lines.append({
            "type": "scatter", "mode": "lines", "name": f"{trial.record['trial']} ({trial.value:.2f})",
            "x": time.tolist(), "y": [round(float(v), 4) for v in found["equity"].to_numpy()[rows]],
        })  # fmt: skip
    if not lines:
        return None
    return {"data": lines, "layout": {"yaxis": {"type": "log", "title": {"text": "equity (start = 1)"}}, "height": 420}}


def parallel(trials: Sequence[Trial], objective: str) -> dict[str, Any] | None:
    """Parallel coordinates of what differs and of the outcome."""
    names = _differing(trials)
    if not names or len(trials) < 2:
        return None
    dimensions = []
    for name in names:
        given = [trial.given.get(name, "default") for trial in trials]
        numbers = [_number(word) for word in given]
        if all(n is not None for n in numbers):
            ticks = sorted({n for n in numbers if n is not None})
            few = {"tickvals": ticks, "ticktext": [f"{n:g}" for n in ticks]} if len(ticks) <= 8 else {}
            dimensions.append({"label": name, "values": numbers, **few})
            continue
        levels = sorted(set(given))
        ticks = list(range(len(levels)))
        dimensions.append({
            "label": name, "values": [levels.index(word) for word in given], "tickvals": ticks, "ticktext": levels,
            "range": [-0.3, len(levels) - 0.7],
        })  # fmt: skip
    values = [trial.value for trial in trials]
    dimensions.append({"label": objective, "values": values})
    line = {"color": values, "colorscale": _SCALE, "showscale": True, "colorbar": {"title": {"text": objective}}}
    return {
        "data": [{"type": "parcoords", "dimensions": dimensions, "line": line}],
        "layout": {"height": 420, "margin": {"t": 60, "l": 170}},
    }


def effects(trials: Sequence[Trial], objective: str) -> dict[str, Any] | None:
    """A box and its points for each value of each parameter that differs, one panel a parameter."""
    names = _differing(trials)
    if not names:
        return None
    data: list[dict[str, Any]] = []
    layout: dict[str, Any] = {
        "grid": {"rows": -(-len(names) // 2), "columns": 2, "pattern": "independent", "ygap": 0.45}
    }
    for i, name in enumerate(names):
        axis = "" if i == 0 else str(i + 1)
        given = [trial.given.get(name, "default") for trial in trials]
        order = sorted(set(given), key=lambda w: (_number(w) is None, _number(w) or 0.0, w))
        data.append({
            "type": "box", "x": given, "y": [t.value for t in trials], "boxpoints": "all", "jitter": 0.4, "pointpos": 0,
            "name": name, "xaxis": f"x{axis}", "yaxis": f"y{axis}", "marker": {"size": 5}, "showlegend": False,
        })  # fmt: skip
        layout[f"xaxis{axis}"] = {"title": {"text": name}, "type": "category", "categoryarray": order}
        layout[f"yaxis{axis}"] = {"title": {"text": objective}}
    layout["height"] = 300 * -(-len(names) // 2) + 60
    return {"data": data, "layout": layout}


def seeds(trials: Sequence[Trial], objective: str) -> dict[str, Any] | None:
    """Outcomes of each configuration over its seeds, the best mean first."""
    groups: dict[str, list[float]] = defaultdict(list)
    differing = set(_differing(trials)) - {"seed"}
    for trial in trials:
        rest = " ".join(f"{k}={v}" for k, v in trial.given.items() if k in differing)
        groups[rest or "as it is"].append(trial.value)
    several = {name: values for name, values in groups.items() if len(values) > 1}
    if not several:
        return None
    sign = 1 if objective in LEAST_IS_BEST else -1
    ranked = sorted(several, key=lambda name: sign * statistics.fmean(several[name]))[:30]
    points = {
        "type": "scatter", "mode": "markers", "name": "a seed", "marker": {"size": 7, "opacity": 0.6},
        "x": [v for name in ranked for v in several[name]], "y": [name for name in ranked for _ in several[name]],
    }  # fmt: skip
    means = {
        "type": "scatter", "mode": "markers", "name": "mean", "x": [statistics.fmean(several[n]) for n in ranked],
        "y": ranked, "marker": {"size": 13, "symbol": "line-ns-open", "line": {"width": 3}},
    }  # fmt: skip
    axis = {"autorange": "reversed", "automargin": True, "type": "category"}
    return {
        "data": [points, means],
        "layout": {"height": 120 + 26 * len(ranked), "yaxis": axis, "xaxis": {"title": {"text": objective}}},
    }


def luck(board: Leaderboard) -> dict[str, Any] | None:
    """Best annual Sharpe of the sweep after each trial on record on its market, beside the best that luck would show,
    and the best's deflated Sharpe; the last point is what the leaderboard says."""
    known = [r for r in board.rows if r.moments is not None and r.sharpe is not None and r.trial and r.home and r.scope]
    if len(known) < 3:
        return None
    entries = read(known[0].home, known[0].scope) if known[0].home and known[0].scope else {}
    ours = {str(r.trial): r for r in known}
    names = list(entries)
    points = sorted(set(np.linspace(1, len(names), min(len(names), _POINTS_OF_LUCK)).astype(int).tolist()))
    shown: dict[str, list[float]] = {"n": [], "best": [], "luck": [], "dsr": []}
    for n in points:
        so_far = [ours[name] for name in names[:n] if name in ours]
        best = max(so_far, key=lambda r: r.sharpe or -np.inf, default=None)
        if best is None or best.moments is None or best.sharpe is None:
            continue
        about = Record({name: entries[name] for name in names[:n]}).judgement(best.moments)
        per_year = best.sharpe / best.moments.sharpe if best.moments.sharpe else 0.0
        shown["n"].append(n)
        shown["best"].append(round(best.sharpe, 4))
        shown["luck"].append(round(about["sharpe_of_luck"] * per_year, 4))
        shown["dsr"].append(round(about["dsr"], 4))
    number_of = shown["n"]
    lines = [
        {"type": "scatter", "mode": "lines", "name": "best Sharpe so far", "x": number_of, "y": shown["best"]},
        {"type": "scatter", "mode": "lines", "name": "best by luck alone", "x": number_of, "y": shown["luck"],
         "line": {"dash": "dot"}},
        {"type": "scatter", "mode": "lines", "name": "deflated Sharpe of the best", "x": number_of, "y": shown["dsr"],
         "yaxis": "y2", "line": {"dash": "dash"}},
    ]  # fmt: skip
    second = {
        "title": {"text": "deflated Sharpe"},
        "overlaying": "y",
        "side": "right",
        "range": [0, 1.02],
        "tickmode": "auto",
        "showgrid": False,
    }
    layout = {
        "yaxis": {"title": {"text": "annual Sharpe, net"}},
        "xaxis": {"title": {"text": "trials"}},
        "yaxis2": second,
        "height": 380,
    }
    return {"data": lines, "layout": layout}


def _differing(trials: Sequence[Trial]) -> list[str]:
    """Parameters that have more than one value over the trials."""
    names = dict.fromkeys(name for trial in trials for name in trial.given)
    return [name for name in names if len({trial.given.get(name) for trial in trials}) > 1]


def _number(word: str) -> float | None:
    """A word as a finite number; None if it is none."""
    try:
        value = float(word)
    except ValueError:
        return None
    return value if np.isfinite(value) else None
