"""Chromium opens the pages of real runs: no complaint, no request, the right numbers, sorting, dark mode.

These need a browser, which a machine that runs `make test` may not have; `make test-slow` fails without one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from barwise.report.html import render
from barwise.report.run import load
from barwise.sweeps.page import render_sweep
from tests.conftest import train
from tests.report.browser import Tab, chromium

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty trials, one of which fails."""
    outputs = tmp_path_factory.mktemp("outputs")
    words = [
        "experiment=smoke",
        "validation=holdout",
        "strategy=xgboost,ridge,logistic",
        "signals=quantile,proportional",
    ]
    done = train("-m", *words, "seed=1,2,3", f"output_dir={outputs}", "sweep.name=twenty", "quiet=true")
    assert done.returncode == 0, done.stderr
    more = train("-m", "experiment=smoke", "validation=holdout", "strategy=xgboost", "strategy.max_depth=-1,2",
                 f"output_dir={outputs}", "sweep.name=twenty", "quiet=true")  # fmt: skip
    assert "1 of 20 trials failed" in more.stderr, more.stderr
    return outputs / "sweeps" / "twenty"


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


def background(tab: Tab) -> str:
    return tab.value("getComputedStyle(document.body).backgroundColor")


@pytest.mark.parametrize("strategy", ["xgboost", "lstm"])
def test_report_html(tab: Tab, smoke: Callable[..., Path], strategy: str):
    words = ("strategy=lstm", "strategy.epochs=2", "strategy.lookback=5") if strategy == "lstm" else ()
    folder = smoke(*words)
    tab.complaints.clear(), tab.requests.clear()
    tab.emulate("light")
    tab.open(render(folder))
    run = load(folder)
    text = tab.value("document.body.innerText")
    for name, form in (
        ("sharpe", "{:.2f}"),
        ("max_drawdown", "{:.1%}"),
        ("rank_ic", "{:.4f}"),
        ("n_trades", "{:,.0f}"),
    ):
        assert form.format(run.metrics[name]) in text, name
    assert run.verdict["sentence"] in text
    assert tab.value("document.querySelectorAll('figure svg').length") >= 8
    light = background(tab)
    tab.emulate("dark")
    assert light == "rgb(255, 255, 255)" and background(tab) == "rgb(20, 23, 27)"
    tab.emulate("light", width=390)
    assert tab.value("document.documentElement.scrollWidth") <= 390, "wider than a phone"
    assert tab.complaints == [] and tab.away() == []


def test_sweep_html(tab: Tab, sweep: Path):
    tab.complaints.clear(), tab.requests.clear()
    tab.emulate("light")
    page = render_sweep(sweep)
    tab.open(page)
    cells = "[...document.querySelectorAll('#trials tbody tr')].map(r => r.cells[%d].innerText)"
    assert tab.value(cells % 1 + ".length") == 20
    shown = dict(zip(tab.value(cells % 1), tab.value(cells % 3), strict=True))
    for name, sharpe in shown.items():
        found = load(sweep / name).metrics.get("sharpe")
        assert sharpe == ("–" if found is None else f"{found:.2f}")
    tab.value("document.querySelectorAll('#trials thead button')[3].click()")
    down = [float(x) for x in tab.value(cells % 3) if x != "–"]
    tab.value("document.querySelectorAll('#trials thead button')[3].click()")
    up = [float(x) for x in tab.value(cells % 3) if x != "–"]
    assert down == sorted(down, reverse=True) and up == sorted(up) and len(up) == 19
    assert tab.value(cells % 3)[-1] == "–", "what is undefined stays below"
    for chart in ("equity", "parallel", "effects", "seeds", "luck"):
        assert tab.value(f"document.querySelector('#chart-{chart} .main-svg') !== null"), chart
    assert "strategy.max_depth=-1: must be a whole number of 1 or more" in tab.value("document.body.innerText")
    assert tab.value("document.getElementById('pbo').innerText").startswith("Probability of backtest overfitting")
    light = tab.value("getComputedStyle(document.querySelector('.xtick text')).fill")
    tab.emulate("dark")
    assert tab.value("getComputedStyle(document.querySelector('.xtick text')).fill") != light
    assert tab.complaints == [] and tab.away() == []
