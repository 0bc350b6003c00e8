"""report.html: whole, self-contained, true to metrics.json, and honest about what is missing."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from barwise.report.figures import DRAWINGS
from barwise.report.html import _document, _has_capacity, _tables, render
from barwise.report.run import load
from barwise.runs.directory import write_parquet
from barwise.runs.measures import shown
from tests.report.finished import SECRET, write_run

VOID = {"meta", "link", "br", "img", "hr"}


class Page(HTMLParser):
    """Checks nesting and collects ids, attributes and the cells that carry a metric."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.cells: dict[str, tuple[str | None, str]] = {}
        self._metric: tuple[str, str | None] | None = None
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids += [v for k, v in attrs if k == "id" and v]
        self.loads += [v for k, v in attrs if k in ("src", "href", "xlink:href", "srcset") and v]
        if found.get("data-metric"):
            self._metric = (str(found["data-metric"]), found.get("title"))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._metric:
            name, full = self._metric
            self.cells.setdefault(name, (full, data))
            self._metric = None


@pytest.fixture(scope="module")
def text(finished: Path) -> str:
    return _document(load(finished))


def test_render_writes_one_page_under_1_mb(finished: Path) -> None:
    path = render(finished)
    assert path == finished / "report.html" and path.stat().st_size < 1_000_000
    assert not list(finished.glob(".*tmp"))


def test_the_page_is_well_formed_and_loads_nothing(text: str) -> None:
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    assert all(link.startswith(("#", "data:")) for link in page.loads)
    assert {link[1:] for link in page.loads if link.startswith("#")} <= set(page.ids)
    assert "<script" not in text and "@import" not in text
    assert not [u for u in re.findall(r"https?://[^\s\"'<]+", text) if not u.startswith("http://www.w3.org/")]
    assert "default-src 'none'" in text


def test_numbers_in_the_page_are_those_of_metrics_json(finished: Path, text: str) -> None:
    metrics = json.loads((finished / "metrics.json").read_text())
    cells = Page(text).cells
    for name, value in {**metrics, **{f"baselines.{k}": v for k, v in metrics["baselines"].items()}}.items():
        if not isinstance(value, (dict, list)):
            assert name in cells, name
            assert cells[name][0] == (None if value is None else repr(value))
    assert cells["sharpe"][1] == f"{metrics['sharpe']:.2f}"
    assert cells["gross.annual_return"][0] is not None


def test_capacity_is_shown_where_costs_know_volume_and_said_where_not(finished: Path, text: str) -> None:
    assert "Costs eat half of the gross return at a capital of 1.67 million; 95 % of the positions" in text
    metrics = json.loads((finished / "metrics.json").read_text())
    found = {}
    try:
        for kind, text in (
            ("without", json.dumps({k: v for k, v in metrics.items() if k != "capacity"})),
            ("damaged", "{"),
            ("odd", json.dumps({**metrics, "capacity": {"capital": [1, "x"]}})),
        ):
            (finished / "metrics.json").write_text(text)
            found[kind] = _has_capacity(load(finished)), str(_tables(load(finished), "capacity"))
    finally:
        (finished / "metrics.json").write_text(json.dumps(metrics))
    assert not found["without"][0] and "Costs (flat) know no volume" in found["without"][1]
    assert not found["damaged"][0] and "Not shown" in found["damaged"][1]
    assert found["odd"][0] and "Not shown" in found["odd"][1]


def test_undefined_metrics_say_why(text: str) -> None:
    assert "undefined: no drawdown at all" in text


def test_every_figure_is_drawn_with_text_that_can_be_read_in_both_modes(text: str) -> None:
    figures = re.findall(r'<figure[^>]*id="figure-(\w+)".*?</figure>', text, re.DOTALL)
    assert figures and set(figures) == set(DRAWINGS) and "Not shown" not in text
    drawn = "".join(re.findall(r"<svg.*?</svg>", text, re.DOTALL))
    assert "currentColor" in drawn and "var(--blue)" in drawn and "<text" in drawn
    assert not re.search(r"#(1f2328|0072b2|e69f00|000000|ffffff)", drawn)
    assert "prefers-color-scheme:dark" in text and "@media print" in text


def test_what_others_wrote_is_escaped(text: str) -> None:
    assert SECRET not in text and "&lt;script&gt;" in text and "C&lt;&amp;&gt;C" in text


def test_the_verdict_comes_first_and_how_to_run_it_last(text: str) -> None:
    places = [text.index(w) for w in ("No evidence of skill", "strategy, net of costs", "Equity and drawdown",
              "Month by month", "Score calibration", "no MPS here", "data.note=two words")]  # fmt: skip
    assert places == sorted(places)
    assert "python train.py strategy=forest &#x27;data.note=two words&#x27;" in text


def test_the_same_run_gives_the_same_page(finished: Path, text: str) -> None:
    assert _document(load(finished)) == text


@pytest.mark.parametrize(
    "gone",
    [
        "ledger.parquet",
        "predictions.parquet",
        "metrics.json",
        "verdict.json",
        "curves.json",
        "importance.parquet",
        ".hydra/config.yaml",
    ],
)
def test_a_missing_file_costs_its_sections_one_line(finished: Path, tmp_path: Path, gone: str) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for path in finished.rglob("*"):
        if path.is_file() and path.name != "report.html" and str(path.relative_to(finished)) != gone:
            target = folder / path.relative_to(finished)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(path.read_bytes())
    text = _document(load(folder))
    Page(text)
    if gone not in ("verdict.json", "curves.json"):
        assert f"this run kept no {gone}" in text


def test_failed_and_refused_runs_say_so_and_show_no_axis(tmp_path: Path) -> None:
    for status in ("failed", "refused"):
        (tmp_path / "run.json").write_text(json.dumps({"status": status, "reason": "the audit found a leak"}))
        text = _document(load(tmp_path))
        Page(text)
        assert f"The run was {status}: the audit found a leak" in text and "<svg" not in text


def test_short_flat_and_ruined_runs_are_reported(tmp_path: Path) -> None:
    import numpy as np

    from barwise.runs.directory import write_parquet

    folder = write_run(tmp_path, bars=40)
    table = {name: load(folder).ledger[name].to_numpy().copy() for name in load(folder).ledger}
    zero = np.zeros(40)
    write_parquet(
        folder / "ledger.parquet", {**table, "net": zero, "excess": zero, "gross": zero, "cost": zero, "turnover": zero}
    )
    text = _document(load(folder))
    assert "a rolling year is 252 bars; the run has 40" in text and "the strategy did not trade" in text
    write_parquet(folder / "ledger.parquet", {**table, "net": np.where(np.arange(40) == 20, -1.0, table["net"])})
    Page(_document(load(folder)))


def test_a_report_imports_no_torch(finished: Path) -> None:
    code = (
        f"import sys; from pathlib import Path; from barwise.report.html import render; render(Path({str(finished)!r}))"
    )
    code += "; print({'torch', 'lightning', 'sklearn', 'xgboost', 'matplotlib.pyplot'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


def test_a_directory_that_is_no_run_does_not_keep_the_others_from_their_pages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from barwise.commands.report import main
    from barwise.errors import DataError

    run = write_run(tmp_path / "run")
    (run / "report.html").unlink(missing_ok=True)
    with pytest.raises(DataError, match=r"no run\.json"):
        main([str(tmp_path / "none"), str(run)])
    assert capsys.readouterr().out.strip() == str(run / "report.html")
    assert (run / "report.html").stat().st_size > 10_000


def test_funding_is_shown_apart_from_costs(tmp_path: Path):
    from barwise.report.draw import turnover
    from barwise.report.sections import TABLES
    from barwise.runs.directory import write_parquet

    run = load(write_run(tmp_path / "run"))
    assert "Funding" not in str(TABLES["results"](run))
    ledger = run.ledger
    flow = np.where(np.arange(len(ledger)) % 2, -3e-4, 1e-4)
    write_parquet(run.folder / "ledger.parquet", {**{n: ledger[n].to_numpy() for n in ledger}, "funding": flow})
    manifest = json.loads((run.folder / "run.json").read_text())
    manifest["funding"] = {"paid": 3e-4 * len(flow) / 2, "received": 1e-4 * len(flow) / 2}
    (run.folder / "run.json").write_text(json.dumps(manifest))
    run = load(run.folder)
    assert "3.78% of the equity a year paid, 1.26% received, -2.52% in all" in str(TABLES["results"](run))
    figure = Figure()
    turnover(figure, run)
    assert [text.get_text() for text in figure.axes[1].get_legend().get_texts()] == ["funding paid, less received"]


def test_the_dashboard_draws_what_scores_know_where_symbols_are_compared(finished: Path):
    from barwise.report.dashboard import _write_ending

    drawn: list[str] = []

    def entered(summary: Any, step: int = 0) -> None:
        drawn.extend(value.tag.removeprefix("figures/") for value in summary.value if value.HasField("image"))

    class Writer:
        file_writer = SimpleNamespace(add_summary=entered)

        def __getattr__(self, name: str):
            return lambda *given: None

    _write_ending(Writer(), load(finished))
    assert drawn[-3:] == ["decay", "quantiles", "growth"]
    del drawn[:]
    _write_ending(Writer(), load(finished), ("equity",))  # a trial of a sweep
    assert drawn == ["equity"]


def test_what_rounds_to_nothing_has_no_sign():
    values = {"{:.2%}": -1e-9, "{:.3f}": -0.0004, "{:.1f} bp": -1e-9, "{:.4f}": -0.0006}
    assert [shown(value, form) for form, value in values.items()] == ["0.00%", "0.000", "0.0 bp", "-0.0006"]


def test_the_page_names_positions_that_ended_with_their_bars(finished: Path, tmp_path: Path):
    from barwise.report.sections import TABLES

    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    time = np.array(["2010-03-05", "2010-04-06", "2010-05-07"], "datetime64[ns]")
    ended = np.array(["signal", "delisted", "open"], dtype=object)
    write_parquet(folder / "trades.parquet", {"symbol": np.array(["A", "GONE", "C"], dtype=object), "exit": time,
                                              "ended": ended})  # fmt: skip
    found = str(TABLES["results"](load(folder)))
    assert "GONE (2010-04-06). They were closed at the last price, without a further loss" in found
    assert "backtest.delisting_return=0)" in found and "2010-03-05" not in found
    assert "Held when" not in str(TABLES["results"](load(finished)))
