"""sweep.html: all trials of a sweep in one file that opens anywhere; interactive, with plotly's script inside."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from barwise.devices.cores import cores
from barwise.errors import BarwiseError, ConfigError, DataError
from barwise.evidence.trials import read
from barwise.evidence.verdict import Record, verdict_of
from barwise.report.markup import Markup, facts, joined, tag
from barwise.report.style import CSS
from barwise.runs.directory import write_text
from barwise.runs.measures import LEAST_IS_BEST
from barwise.safety.tables import checked
from barwise.sweeps.leaderboard import SKILL, Leaderboard
from barwise.sweeps.page_script import SCRIPT, STYLE, policy

NAME = "sweep.html"
BEST = 10  # trials whose equity is drawn
POINTS_OF_LUCK = 60  # of the curve of luck: each looks at all trials before it
POINTS = 400  # of an equity curve: a page of 200 trials stays below 6 MB
COLUMNS: tuple[tuple[str, str, str | None], ...] = (  # of the table: key of a record, head, format; None is a word
    ("rank", "", "{:d}"), ("trial", "trial", None), ("overrides", "what", None), ("sharpe", "Sharpe", "{:.2f}"),
    ("p_value", "p", "{:.3f}"), ("skill", "skill", None), ("dsr", "DSR", "{:.2f}"),
    ("mean_over_seeds", "mean over seeds", "{:.2f}"), ("std_over_seeds", "± seeds", "{:.2f}"),
    ("device", "device", None), ("seconds", "seconds", "{:.1f}"), ("status", "status", None),
)  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """One finished trial: its record in the leaderboard and what it was given, by parameter."""

    record: Mapping[str, Any]
    given: Mapping[str, str]
    value: float


def render_sweep(folder: Path, objectives: Sequence[str] = ("sharpe",)) -> Path:
    """Write `folder`/sweep.html from the trials' directories alone, whole or not at all, and return its path.

    DataError where there is no trial; ConfigError without plotly.
    """
    board = Leaderboard(folder, objectives)
    board.update(write=False, final=True)
    if not board.rows:
        raise DataError(f"{folder}: holds no run; name a sweep's directory, such as outputs/sweeps/NAME")
    path = folder / NAME
    write_text(path, document(board))
    return path


def finish_pages(board: Leaderboard, most: int) -> list[str]:
    """Render sweep.html and the reports of the best `most` trials at the end of a sweep; returns lines that say so.

    What cannot be rendered is said in its line: a page must not fail a sweep that went well.
    """
    best = [board.folder / r["trial"] for r in board.records() if r["status"] == "done"][:most]
    reports, lines = begin_reports(best), []
    try:
        write_text(board.folder / NAME, document(board))
        lines.append(f"sweep:       {board.folder / NAME}")
    except BarwiseError as error:
        lines.append(str(error))
    rendered = sum(len(process.communicate()[0].splitlines()) for process in reports)
    lines.insert(0, f"reports:     {rendered} of the best, {board.folder}/<trial>/report.html")
    return [*lines, f"dashboard:   tensorboard --logdir {board.folder}"]


def begin_reports(runs: Sequence[Path]) -> list[subprocess.Popen[str]]:
    """Processes that render the pages of `runs`, one for each core, and print a line a page."""
    n = min(cores(), len(runs))
    commands = ([sys.executable, "-m", "barwise", "report", *map(str, runs[k::n])] for k in range(n))
    return [subprocess.Popen(c, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) for c in commands]


def document(board: Leaderboard) -> str:
    """The page."""
    records = list(board.records())
    objective = board.objectives[0]
    trials = [
        Trial(record, words_of(row.overrides), float(record[objective]))
        for record, row in zip(records, board.rows, strict=True)
        if record["status"] == "done" and record[objective] is not None
    ]
    charts = {
        "equity": equity(board.folder, trials),
        "parallel": parallel(trials, objective),
        "effects": effects(trials, objective),
        "seeds": seeds(trials, objective),
        "luck": luck(board),
    }
    sections = [
        ("leaderboard", "Leaderboard", "Click a head to sort by it; a trial's name opens its report. p: how often the "
         "best of all trials on this market shows as much without skill. Skill: whether StepM, a bootstrap over the "
         "trials of this sweep, finds it.",
         leaderboard(records, objective)),
        ("equity", f"Equity of the best {min(BEST, len(trials))}", "Net of costs, out of sample, start = 1.", None),
        ("parallel", "Parameters and outcome", "One line a trial; drag along an axis to choose.", None),
        ("effects", "Effect of each parameter", "Every trial a point, by the value it was given.", None),
        ("seeds", "Spread over seeds", "The same configuration with other seeds: what luck alone moves.", None),
        ("luck", "Luck and the number of trials", "The best Sharpe so far, and what the best of so many trials on this "
         "market without skill would show; deflated Sharpe of the best so far.", None),
        ("overfitting", "Overfitting", "", overfitting(board.folder, trials)),
        ("failures", "What did not end well", "", failures(records)),
    ]  # fmt: skip
    body = [head(board, records, trials)]
    for anchor, title, caption, content in sections:
        chart = charts.get(anchor)
        if content is None:
            missing = "Not shown: there are too few trials, or nothing differs."
            content = (
                tag("div", "", class_="chart", id=f"chart-{anchor}") if chart else tag("p", missing, class_="missing")
            )
        body.append(tag("section", joined((tag("h2", title, id=anchor), tag("p", caption, class_="caption"), content))))
    return page(f"{board.folder.name}: {len(records)} trials", joined(body), {k: v for k, v in charts.items() if v})


def head(board: Leaderboard, records: Sequence[Mapping[str, Any]], trials: Sequence[Trial]) -> Markup:
    """What was found, in one sentence, and how many trials it took."""
    ended: dict[str, int] = defaultdict(int)
    for record in records:
        ended[record["status"]] += 1
    counted = ", ".join(f"{n} {status}" for status, n in sorted(ended.items()))
    sentence = "No trial ended well."
    if trials:
        best = str(trials[0].record["trial"])
        found = verdict_of(board.folder / best).get("sentence") or "No verdict: its files cannot be read."
        sentence = f"The best of {len(records)} trials is {best}. {found}"
    line = f"barwise · sweep {board.folder.name} · {counted} · by {', '.join(board.objectives)}, net and out of sample"
    return tag("header", joined((tag("p", line), tag("h1", sentence, class_="verdict", id="verdict"))))


def leaderboard(records: Sequence[Mapping[str, Any]], objective: str) -> Markup:
    """The sortable table."""
    columns: tuple[tuple[str, str, str | None], ...] = COLUMNS
    if objective != "sharpe":
        columns = (*COLUMNS[:3], (objective, objective, "{:.4g}"), *COLUMNS[3:])
    heads = (
        tag(
            "th",
            tag("button", title or "#", type="button"),
            class_=None if form is None else "n",
            data_kind="word" if form is None else "number",
        )
        for _, title, form in columns
    )
    rows = []
    for record in records:
        cells = []
        for key, _, form in columns:
            value = SKILL[record.get("stepm")] if key == "skill" else record.get(key)
            shown = "–" if value is None or value == "" else (form.format(value) if form else str(value))
            content: Any = shown
            if key == "trial":
                content = tag("a", shown, href=f"./{quote(shown)}/report.html")  # a name may look like an address
            sort = "" if value is None else value
            cells.append(tag("td", content, class_=None if form is None else "n", data_sort=sort))
        rows.append(tag("tr", joined(cells)))
    table = tag("table", joined((tag("thead", tag("tr", joined(heads))), tag("tbody", joined(rows)))), id="trials")
    return tag("div", table, class_="scroll tall")


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
        rows = np.unique(np.linspace(0, len(found) - 1, min(POINTS, len(found))).astype(int))
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
    names = differing(trials)
    if not names or len(trials) < 2:
        return None
    dimensions = []
    for name in names:
        given = [trial.given.get(name, "default") for trial in trials]
        numbers = [number(word) for word in given]
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
    line = {"color": values, "colorscale": "Viridis", "showscale": True, "colorbar": {"title": {"text": objective}}}
    return {
        "data": [{"type": "parcoords", "dimensions": dimensions, "line": line}],
        "layout": {"height": 420, "margin": {"t": 60, "l": 170}},
    }


def effects(trials: Sequence[Trial], objective: str) -> dict[str, Any] | None:
    """A box and its points for each value of each parameter that differs, one panel a parameter."""
    names = differing(trials)
    if not names:
        return None
    data: list[dict[str, Any]] = []
    layout: dict[str, Any] = {
        "grid": {"rows": -(-len(names) // 2), "columns": 2, "pattern": "independent", "ygap": 0.45}
    }
    for i, name in enumerate(names):
        axis = "" if i == 0 else str(i + 1)
        given = [trial.given.get(name, "default") for trial in trials]
        order = sorted(set(given), key=lambda w: (number(w) is None, number(w) or 0.0, w))
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
    for trial in trials:
        rest = " ".join(f"{k}={v}" for k, v in trial.given.items() if k != "seed")
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
    points = sorted(set(np.linspace(1, len(names), min(len(names), POINTS_OF_LUCK)).astype(int).tolist()))
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


def overfitting(folder: Path, trials: Sequence[Trial]) -> Markup:
    """Probability of backtest overfitting over the finished trials, in one sentence, or why there is none."""
    from barwise.evidence.overfitting import of_runs

    try:
        found = of_runs([folder / str(trial.record["trial"]) for trial in trials])
    except BarwiseError as error:
        return tag("p", f"Not shown: {error}.", class_="missing")
    rows = {"probability of overfitting": found.pbo, "lost money out of sample": found.loss, "trials": found.n_trials}
    return joined((tag("p", found.sentence(), id="pbo"), facts(rows)))


def failures(records: Iterable[Mapping[str, Any]]) -> Markup:
    """Each trial that is not done, and why."""
    rows = [
        tag("tr", joined(tag("td", r[key] or "–") for key in ("trial", "status", "overrides", "reason")))
        for r in records
        if r["status"] != "done"
    ]
    if not rows:
        return tag("p", "Nothing: every trial is done.")
    head_row = tag("thead", tag("tr", joined(tag("th", name) for name in ("trial", "status", "what", "reason"))))
    return tag("div", tag("table", joined((head_row, tag("tbody", joined(rows))))), class_="scroll")


def words_of(overrides: Sequence[str]) -> dict[str, str]:
    """Overrides as parameter and value."""
    return dict(word.split("=", 1) for word in overrides if "=" in word)


def differing(trials: Sequence[Trial]) -> list[str]:
    """Parameters that have more than one value over the trials."""
    names = dict.fromkeys(name for trial in trials for name in trial.given)
    return [name for name in names if len({trial.given.get(name) for trial in trials}) > 1]


def number(word: str) -> float | None:
    """A word as a finite number; None if it is none."""
    try:
        value = float(word)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def page(title: str, body: Markup, charts: Mapping[str, Any]) -> str:
    """The document: style, data as JSON, plotly's script, ours."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise ConfigError("sweep.html: needs plotly; pip install 'barwise[report]'") from None
    plotly = get_plotlyjs()
    # `<` never stands in the data as such, so that no value can end the element it lies in.
    data = (
        json.dumps(charts, allow_nan=False)
        .replace("<", "\\u003c")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )
    meta = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy((plotly, SCRIPT))}">'
        '<link rel="icon" href="data:,">'
        '<meta name="color-scheme" content="light dark">'
    )
    top = joined((Markup(meta), tag("title", title), tag("style", Markup(CSS + STYLE))))
    scripts = (
        f'<script type="application/json" id="charts">{data}</script>\n<script>{plotly}</script>\n'
        f"<script>{SCRIPT}</script>"
    )
    inside = tag("body", joined((tag("main", body), Markup(scripts))), class_="barwise")
    return f'<!doctype html>\n<html lang="en"><head>{top}</head>\n{inside}</html>\n'
