"""report.html from a run's directory alone: one page, no network, no script."""

from __future__ import annotations

import gc
import logging
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from barwise.console.printing import notice, printable
from barwise.console.shortages import shortage
from barwise.errors import DataError
from barwise.evidence.sentence import capital
from barwise.report import sections
from barwise.report.figures import DRAWINGS, Figures
from barwise.report.markup import Markup, joined, page, tag
from barwise.report.run import Run, load
from barwise.runs.directory import RunDirectory, write_text
from barwise.runs.measures import detectable_line

_log = logging.getLogger("barwise")

_ODD = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    OSError,
    RuntimeError,
)  # of values of another kind

_CHAPTERS: tuple[tuple[str, str, tuple[str, ...]], ...] = (  # anchor, heading, figures
    ("results", "Results", ()),
    ("equity", "Out of sample", ("equity", "rolling_sharpe", "distribution", "monthly")),
    ("scores", "What the scores knew", ("calibration", "correlation", "importance", "training")),
    ("factor", "Factor", ("decay", "quantiles", "growth")),
    ("trading", "Trading", ("turnover", "contribution")),
    ("capacity", "Capacity", ("capacity",)),
    ("why", "Why these positions", ()),
    ("metrics", "All metrics", ()),
    ("folds", "Folds", ()),
    ("facts", "Data, features, labels, validation, audit", ()),
    ("machine", "Device, time and memory", ()),
    ("config", "Configuration", ()),
    ("again", "Run it again", ()),
)


def render(folder: Path) -> Path:
    """Write `folder`/report.html, whole or not at all, and return its path; DataError where `folder` is no run."""
    run = load(folder)
    path = run.folder / "report.html"
    write_text(path, _document(run))
    return path


def render_into(out: RunDirectory) -> None:
    """Render the page of a run that has just ended; a page that cannot be drawn is a warning, not a failed run."""
    try:
        with out.stage("page"):
            render(out.path)
    except Exception as error:
        short = shortage(error)
        if short:
            notice(f"{short}; the run is done, its page is not: python -m barwise report {shlex.quote(str(out.path))}")
            return
        _log.exception("report.html could not be rendered")
        out.warn(f"report.html could not be rendered: {type(error).__name__}: {error}; train.log has the traceback")
    with suppress(OSError):  # the run is done, and run.json says so
        out.update()


def _document(run: Run) -> str:
    """The page of one run; what is missing is said in one line where it would stand."""
    links = (tag("a", heading, href=f"#{anchor}") for anchor, heading, _ in _CHAPTERS)
    body = [_attempted(lambda: _head(run)), tag("nav", joined(links))]
    with _uncollected():
        for anchor, heading, figures in _CHAPTERS:
            content = _tables(run, anchor)
            figures = figures if anchor != "capacity" or _has_capacity(run) else ()
            drawn = tag("div", joined(_figure(run.figures, name) for name in figures), class_="grid") if figures else ""
            body.append(tag("section", joined((tag("h2", heading, id=anchor), content, drawn))))
    return page(_title_of(run), joined(body))


def _has_capacity(run: Run) -> bool:
    """Whether the run's costs knew volume."""
    found = sections.attempt(lambda: run.metrics)
    return isinstance(found, dict) and bool(found.get("capacity"))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Garbage is left for later: looking for it among what figures are made of takes a tenth of a page's time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _head(run: Run) -> Markup:
    """The verdict in one sentence, what was run on what, and what the reader must know before the numbers."""
    status, data = run.manifest.get("status"), run.manifest.get("data") or {}
    sentence = sections.attempt(lambda: run.verdict.get("sentence"))
    if status in ("failed", "refused"):
        sentence = f"The run was {status}: {run.manifest.get('reason') or 'no reason was kept'}"
    elif not sentence:
        sentence = "No verdict: " + (run.why("verdict.json") if not run.verdict else "verdict.json has no sentence")
    verdict = sections.attempt(lambda: run.verdict) or {}
    below = [capital(detectable_line(verdict)), str(verdict.get("footnote") or "")]
    notes = [tag("p", bare.removesuffix(".") + ".", class_="note") for bare in below if bare]
    notes += [tag("p", f"Data: {data['note']}.", class_="note")] if data.get("note") else []
    notes += [tag("p", f"Alert: {words}", class_="alert") for words in run.manifest.get("alerts") or []]
    notes += [tag("p", f"Warning: {words}", class_="note") for words in run.manifest.get("warnings") or []]
    line = tag("p", f"barwise · {run.title} · {sections.period(run)}{run.name}")
    return tag("header", joined((line, tag("h1", sentence, class_="verdict", id="verdict"), *notes)))


def _tables(run: Run, anchor: str) -> Markup:
    """The tables of one chapter, or one line why there are none."""
    made = sections.TABLES.get(anchor)
    return Markup("") if made is None else _attempted(lambda: made(run))


def _title_of(run: Run) -> str:
    """What was run on what, and where; where alone if the files do not say."""
    try:
        return f"{run.title}: {run.name}"
    except (DataError, *_ODD):
        return run.name


def _attempted(make: Callable[[], Markup]) -> Markup:
    """What `make` returns, or one line why it is not shown: a file that lacks it, or holds something else there."""
    try:
        return make()
    except DataError as error:
        return _missing(error)
    except _ODD as error:
        _log.debug("not shown", exc_info=True)
        return _missing(DataError(f"a file of the run holds what should not be there ({printable(str(error), 160)})"))


def _figure(figures: Figures, name: str) -> Markup:
    """One figure with its title and caption; a wide one has a second form for a phone."""
    drawing = DRAWINGS[name]

    def draw() -> Markup:
        drawn = [tag("div", Markup(figures.svg(name)), class_="full" if drawing.wide else None)]
        if drawing.wide:
            drawn.append(tag("div", Markup(figures.svg(name, narrow=True)), class_="narrow"))
        return joined((tag("figcaption", drawing.caption), *drawn))

    content = joined((tag("h3", drawing.title), _attempted(draw)))
    return tag("figure", content, class_="whole" if drawing.wide else None, id=f"figure-{name}")


def _missing(error: DataError) -> Markup:
    """Why something is not shown, in one line."""
    return tag("p", f"Not shown: {printable(str(error))}.", class_="missing")
