"""sweep.html: all trials of a sweep in one file that opens anywhere; interactive, with plotly's script inside."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from barwise.devices.cores import cores
from barwise.errors import BarwiseError, ConfigError, DataError
from barwise.evidence.verdict import verdict_of
from barwise.report.markup import Markup, facts, joined, tag
from barwise.report.style import CSS
from barwise.runs.directory import write_text
from barwise.sweeps.charts import BEST, Trial, effects, equity, luck, parallel, seeds
from barwise.sweeps.leaderboard import SKILL, Leaderboard
from barwise.sweeps.page_script import SCRIPT, STYLE, policy

_NAME = "sweep.html"
_COLUMNS: tuple[tuple[str, str, str | None], ...] = (  # of the table: key of a record, head, format; None is a word
    ("rank", "", "{:d}"), ("trial", "trial", None), ("overrides", "what", None), ("sharpe", "Sharpe", "{:.2f}"),
    ("p_value", "p", "{:.3f}"), ("skill", "skill", None), ("dsr", "DSR", "{:.2f}"),
    ("mean_over_seeds", "mean over seeds", "{:.2f}"), ("std_over_seeds", "± seeds", "{:.2f}"),
    ("device", "device", None), ("seconds", "seconds", "{:.1f}"), ("status", "status", None),
)  # fmt: skip


def render_sweep(folder: Path, objectives: Sequence[str] = ("sharpe",)) -> Path:
    """Write `folder`/sweep.html from the trials' directories alone, whole or not at all, and return its path.

    DataError where there is no trial; ConfigError without plotly.
    """
    board = Leaderboard(folder, objectives)
    board.update(write=False, final=True)
    if not board.rows:
        raise DataError(f"{folder}: holds no run; name a sweep's directory, such as outputs/sweeps/NAME")
    path = folder / _NAME
    write_text(path, _document(board))
    return path


def finish_pages(board: Leaderboard, most: int) -> list[str]:
    """Render sweep.html and the reports of the best `most` trials at the end of a sweep; returns lines that say so.

    What cannot be rendered is said in its line: a page must not fail a sweep that went well.
    """
    best = [board.folder / r["trial"] for r in board.records() if r["status"] == "done"][:most]
    reports, lines = _begin_reports(best), []
    try:
        write_text(board.folder / _NAME, _document(board))
        lines.append(f"sweep:       {board.folder / _NAME}")
    except BarwiseError as error:
        lines.append(str(error))
    rendered = sum(len(process.communicate()[0].splitlines()) for process in reports)
    lines.insert(0, f"reports:     {rendered} of the best, {board.folder}/<trial>/report.html")
    return [*lines, f"dashboard:   tensorboard --logdir {board.folder}"]


def _begin_reports(runs: Sequence[Path]) -> list[subprocess.Popen[str]]:
    """Processes that render the pages of `runs`, one for each core, and print a line a page."""
    n = min(cores(), len(runs))
    commands = ([sys.executable, "-m", "barwise", "report", *map(str, runs[k::n])] for k in range(n))
    return [subprocess.Popen(c, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) for c in commands]


def _document(board: Leaderboard) -> str:
    """The page."""
    records = list(board.records())
    objective = board.objectives[0]
    trials = [
        Trial(record, _words_of(row.overrides), float(record[objective]))
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
         _leaderboard(records, objective)),
        ("equity", f"Equity of the best {min(BEST, len(trials))}", "Net of costs, out of sample, start = 1.", None),
        ("parallel", "Parameters and outcome", "One line a trial; drag along an axis to choose.", None),
        ("effects", "Effect of each parameter", "Every trial a point, by the value it was given.", None),
        ("seeds", "Spread over seeds", "The same configuration with other seeds: what luck alone moves.", None),
        ("luck", "Luck and the number of trials", "The best Sharpe so far, and what the best of so many trials on this "
         "market without skill would show; deflated Sharpe of the best so far.", None),
        ("overfitting", "Overfitting", "", _overfitting(board.folder, trials)),
        ("failures", "What did not end well", "", _failures(records)),
    ]  # fmt: skip
    body = [_head(board, records, trials)]
    for anchor, title, caption, content in sections:
        chart = charts.get(anchor)
        if content is None:
            missing = "Not shown: there are too few trials, or nothing differs."
            content = (
                tag("div", "", class_="chart", id=f"chart-{anchor}") if chart else tag("p", missing, class_="missing")
            )
        body.append(tag("section", joined((tag("h2", title, id=anchor), tag("p", caption, class_="caption"), content))))
    return _page(f"{board.folder.name}: {len(records)} trials", joined(body), {k: v for k, v in charts.items() if v})


def _head(board: Leaderboard, records: Sequence[Mapping[str, Any]], trials: Sequence[Trial]) -> Markup:
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


def _leaderboard(records: Sequence[Mapping[str, Any]], objective: str) -> Markup:
    """The sortable table."""
    columns: tuple[tuple[str, str, str | None], ...] = _COLUMNS
    if objective != "sharpe":
        columns = (*_COLUMNS[:3], (objective, objective, "{:.4g}"), *_COLUMNS[3:])
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


def _overfitting(folder: Path, trials: Sequence[Trial]) -> Markup:
    """Probability of backtest overfitting over the finished trials, in one sentence, or why there is none."""
    from barwise.evidence.overfitting import of_runs

    try:
        found = of_runs([folder / str(trial.record["trial"]) for trial in trials])
    except BarwiseError as error:
        return tag("p", f"Not shown: {error}.", class_="missing")
    rows = {"probability of overfitting": found.pbo, "lost money out of sample": found.loss, "trials": found.n_trials}
    return joined((tag("p", found.sentence(), id="pbo"), facts(rows)))


def _failures(records: Iterable[Mapping[str, Any]]) -> Markup:
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


def _words_of(overrides: Sequence[str]) -> dict[str, str]:
    """Overrides as parameter and value."""
    return dict(word.split("=", 1) for word in overrides if "=" in word)


def _page(title: str, body: Markup, charts: Mapping[str, Any]) -> str:
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
