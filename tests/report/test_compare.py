"""compare: metrics side by side, what differs, and whether a difference is more than chance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from barwise.errors import BarwiseError, ConfigError
from barwise.evidence.paired_bootstrap import drawn_sums
from barwise.report.compare import _one_number, compare, paired_bootstrap
from tests.report.finished import write_run
from tests.report.test_html import Page


def sharpe(x: np.ndarray) -> float:
    return float(x.mean() / x.std(ddof=1))


def test_bootstrap_sees_a_real_difference_and_none_between_equals() -> None:
    random = np.random.default_rng(1)
    common, own = random.normal(0, 0.01, 1500), random.normal(0, 0.002, (2, 1500))
    a, b = common + own[0] + 6e-4, common + own[1]
    difference, low, high, p = paired_bootstrap(a, b)
    assert difference == pytest.approx(sharpe(a) - sharpe(b), rel=1e-9)
    assert 0 < low < difference < high and p < 0.01
    assert paired_bootstrap(a, a)[3] == 1.0
    assert paired_bootstrap(b, a)[0] == pytest.approx(-difference)


def test_bootstrap_rejects_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(2)
    rejected = 0
    for i in range(200):
        common, own = random.normal(size=300), random.normal(size=(2, 300))
        rejected += paired_bootstrap(common + own[0], common + own[1], n=300, seed=i)[3] < 0.05
    assert 0.02 <= rejected / 200 <= 0.12


def test_drawn_sums_are_those_of_circular_blocks() -> None:
    columns = np.arange(14, dtype=float).reshape(7, 2) ** 2
    found = drawn_sums(columns, 3, 50, np.random.default_rng(0))
    random = np.random.default_rng(0)
    starts, tails = random.integers(7, size=(50, 2)), random.integers(7, size=50)
    for draw in range(50):
        rows = [(s + k) % 7 for s in starts[draw] for k in range(3)] + [tails[draw]]
        np.testing.assert_allclose(found[draw], columns[rows].sum(axis=0))


@pytest.mark.parametrize("change", [{"block": 0}, {"block": 80}, {"n": 0}])
def test_bootstrap_names_what_is_wrong(change: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="block"):
        paired_bootstrap(np.arange(100.0), np.arange(100.0) ** 2, **change)
    with pytest.raises(ConfigError, match="never move"):
        paired_bootstrap(np.zeros(100), np.arange(100.0))


def test_compare_shows_metrics_differences_and_equity(finished: Path, tmp_path: Path) -> None:
    other = write_run(tmp_path / "other", seed=5, bars=1000, edge=3e-3, max_depth=9)
    found = compare([finished, other])
    assert dict(found.config) == {"strategy.max_depth": ["3", "9"]}
    assert dict(found.metrics)["turnover a year"] == ["75.5×", "75.5×"]
    (difference,) = found.differences
    assert difference.bars == 900 and difference.value is not None and difference.value > 0
    assert difference.p is not None and difference.p < 0.05
    console = Console(width=140, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(found)
    assert "strategy.max_depth" in console.export_text()
    path = found.write(tmp_path)
    text = path.read_text()
    Page(text)
    assert path.name == "compare.html" and "<svg" in text and "more than chance would make: B Forest" in text


def test_compare_needs_two_runs_and_survives_a_failed_one(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(BarwiseError, match="two or more"):
        compare([finished])
    (tmp_path / "run.json").write_text('{"status": "failed", "reason": "no bars"}')
    found = compare([finished, tmp_path])
    assert found.differences[0].value is None and "failed" in found.differences[0].reason
    assert "<svg" in found.write(tmp_path / "page.html").read_text()


def test_one_number_written_in_two_ways_is_no_difference() -> None:
    assert _one_number([1_000_000, 1e6]) and not _one_number([1, 2]) and not _one_number([True, 1])
    assert not _one_number([None, None]) and not _one_number([1, "1"])
