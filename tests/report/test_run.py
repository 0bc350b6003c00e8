"""barwise.load: a finished run in a notebook."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import barwise
from barwise.errors import DataError
from tests.report.finished import SECRET, write_run


def test_load_gives_what_the_directory_holds(finished: Path) -> None:
    run = barwise.load(str(finished))
    assert run.metrics["turnover"] == 75.5 and run.verdict["n_trials"] == 3
    assert len(run.ledger) == 900 and len(run.predictions) == 2700
    assert run.manifest["status"] == "done" and run.overrides == ["strategy=forest", "data.note=two words"]
    assert run.title == "Forest on made up" and run.name == "2026-01-02/03-04-05"


def test_config_fills_in_plain_references_and_runs_no_resolver(finished: Path) -> None:
    config = barwise.load(finished).config
    assert config["labels"]["execution"] == "next_open"
    assert config["home"] == "${oc.env:HOME}"


def test_a_run_prints_itself(finished: Path) -> None:
    run = barwise.load(finished)
    text = repr(run)
    assert f"Sharpe, net            {run.metrics['sharpe']:.2f}" in text
    assert len(text.splitlines()) < 15 and run.verdict["sentence"] in text
    assert run._repr_html_().count("<tr>") == len(text.splitlines())


def test_figures_are_drawn_by_name_and_show_themselves(finished: Path) -> None:
    figures = barwise.load(finished).figures
    assert set(figures.available()) == set(figures)
    assert figures["equity"].axes and "<svg" in figures._repr_html_()
    with pytest.raises(KeyError):
        figures["pie"]


def test_a_folder_that_is_no_run_and_files_that_cannot_be_read_say_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a run's directory"):
        barwise.load(tmp_path)
    run = write_run(tmp_path / "run", bars=60)
    (run / "metrics.json").write_text("{")
    (run / "ledger.parquet").write_bytes(b"not parquet")
    with pytest.raises(DataError, match="is not JSON"):
        _ = barwise.load(run).metrics
    with pytest.raises(DataError, match="cannot be read"):
        _ = barwise.load(run).ledger


def test_html_of_a_failed_run_is_escaped(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(f'{{"status": "failed", "reason": "{SECRET}"}}')
    run = barwise.load(tmp_path)
    assert "<script" not in run._repr_html_() and "&lt;script" in run._repr_html_()
    with pytest.raises(DataError, match=r"the run was failed before ledger.parquet was written"):
        _ = run.ledger


def test_importing_barwise_imports_nothing_heavy() -> None:
    code = "import sys, barwise; print({'pandas', 'matplotlib', 'torch', 'numpy'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"
