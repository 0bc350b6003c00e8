"""Fifty small faults in the core formulas, each of which a test of its own room must catch.

`make test-slow` runs it, and prints nothing where all are caught; `pytest tests/test_mutations.py -v` is the table.
"""

# ruff: noqa: E501
from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PATIENCE, ROOT

METRICS, LEDGER, COSTS, LABELS, FOLDS, DEFLATED, MAX_Z, POWER = (
    "backtest/metrics.py", "backtest/account.py", "backtest/costs.py", "labels.py", "validation/folds.py",
    "evidence/deflated.py", "evidence/max_z.py", "evidence/power.py",
)  # fmt: skip
TESTS = {
    METRICS: "tests/backtest/test_metrics.py tests/test_doctests.py",
    LEDGER: "tests/backtest/test_ledger.py tests/backtest/test_vectorbt.py tests/portfolio/test_portfolio.py",
    "backtest/ledger.py": "tests/backtest/test_ledger.py tests/backtest/test_vectorbt.py",
    "backtest/orders.py": "tests/backtest/test_ledger.py tests/backtest/test_vectorbt.py",
    COSTS: "tests/backtest/test_costs.py tests/backtest/test_ledger.py",
    LABELS: "tests/test_labels.py tests/validation/test_uniqueness.py",
    FOLDS: "tests/validation",
    "validation/splits.py": "tests/validation",
    DEFLATED: "tests/evidence/test_deflated.py tests/evidence/test_others.py",
    MAX_Z: "tests/evidence/test_max_z.py",
    POWER: "tests/evidence/test_power.py",
    "evidence/overfitting.py": "tests/evidence/test_overfitting.py",
    "portfolio/rules.py": "tests/portfolio/test_portfolio.py",
}
MUTATIONS = [
    (METRICS, "np.std(returns, ddof=1)", "np.std(returns, ddof=0)"),
    (METRICS, "deviation * math.sqrt(per_year)", "deviation * per_year"),
    (METRICS, "fit.intercept * per_year", "fit.intercept"),
    (METRICS, "fit.intercept / fit.intercept_stderr", "fit.slope / fit.intercept_stderr"),
    (METRICS, "earned / traded * 1e4", "earned / traded * 1e2"),
    (METRICS, "(ledger.gross - ledger.borrow).mean()", "ledger.gross.mean()"),
    (METRICS, "np.repeat((begin + 1 + end) / 2, end - begin)", "np.repeat((begin + end) / 2, end - begin)"),
    (METRICS, "np.maximum(np.maximum.accumulate(known), start)", "np.maximum.accumulate(known)"),
    (METRICS, "(np.sign(score) != 0) & (direction(ret) != 0)", "np.sign(score) != 0"),
    (METRICS, "counts >= CROSS_SECTION", "counts > CROSS_SECTION"),
    (LEDGER, "moved = self.value * terms.to_price[t]", "moved = self.value * terms.to_close[t]"),
    (LEDGER, "after = wanted * terms.to_close[t]", "after = wanted * terms.to_price[t]"),
    (LEDGER, "* (1.0 + terms.interest) - paid", "- paid"),
    (LEDGER, "0.5 * max(0.0, float(_total(np.abs(wanted))) - bought)", "max(0.0, float(_total(np.abs(wanted))) - bought)"),
    (LEDGER, "change = wanted - moved\n", "change = wanted - self.value\n"),
    (LEDGER, "self.net[i], self.equity[i] = now / worth - 1.0, now", "self.net[i], self.equity[i] = now - worth, now"),
    (LEDGER, "traded = volume / account if account > 0.0 else 0.0", "traded = volume if account > 0.0 else 0.0"),
    (LEDGER, "self.cash += _total(value[ended]) - fee", "self.cash += _total(value[ended])"),
    (LEDGER, "scale = max(0.0, most - fixed) / max(gross - fixed, 1e-300)", "scale = most / gross"),
    (LEDGER, "value[ended] = 0.0", "value[ended] *= 0.5"),
    ("backtest/ledger.py", "grid.later(weights, 1 + delay)", "grid.later(weights, delay)"),
    ("backtest/orders.py", "np.where(above, most / np.where(above, gross, 1.0), 1.0)", "np.where(above, most, 1.0)"),
    ("backtest/ledger.py", "flat * BPS / periods_per_year", "flat * BPS"),
    (COSTS, "half = (ask - bid) / (ask + bid)", "half = (ask - bid) / bid"),
    (COSTS, 'grid.later(half, 1) if execution == "next_open" else half', "half"),
    (COSTS, "grid.later(past_deviation(returns, grid.has, self.window), 1)", "past_deviation(returns, grid.has, self.window)"),
    (COSTS, 'np.nan_to_num(grid.column("volume") * price) / capital', 'np.nan_to_num(grid.column("volume") * price)'),
    (LABELS, "_ahead(price, 1 + horizon) / _ahead(price, 1) - 1.0", "_ahead(price, horizon) / _ahead(price, 0) - 1.0"),
    (LABELS, "end = _ahead_time(bars.time, 1 + horizon)\n", "end = _ahead_time(bars.time, horizon)\n"),
    (LABELS, "np.sqrt(horizon)", "1.0"),
    (LABELS, "low <= entry * (1 - down * width)", "low <= entry * (1 - up * width)"),
    (LABELS, "np.where(step > 1, (jump - reach) * side > 0, False)", "np.zeros(len(jump), bool)"),
    (LABELS, "open_ = open_ & ~hit", "open_ = open_"),
    (LABELS, 'first = 1 if execution == "next_open" else 2', "first = 1"),
    (LABELS, 'side="right")  # one past the last bar', 'side="left")  # one past the last bar'),
    (LABELS, "np.add.at(change, last[known], -1)", "np.add.at(change, last[known] - 1, -1)"),
    (FOLDS, "valid = valid[~touches(panel, valid, tested)]", "pass"),
    (FOLDS, "learn = learn[~touches(panel, learn, tested)]", "pass"),
    (FOLDS, "learn = learn[~touches(panel, learn, valid)]", "pass"),
    (FOLDS, 'before = np.searchsorted(start, end, side="right")', 'before = np.searchsorted(start, end, side="left")'),
    (FOLDS, "stop[np.maximum(before - 1, 0)] >= begin", "stop[np.maximum(before - 1, 0)] > begin"),
    (FOLDS, "starts, np.maximum.accumulate(last)", "starts, last"),
    (FOLDS, "banned[end + 1 : end + 1 + embargo] = True", "banned[end + 1 : end + embargo] = True"),
    (FOLDS, "return np.flatnonzero(mask[place] & panel.warm)", "return np.flatnonzero(mask[place])"),
    (DEFLATED, "(1 + r) / (1 - r), (1 + r + r * r)", "(1 + r) / (1 + r), (1 + r + r * r)"),
    (DEFLATED, "-b * self.skew", "b * self.skew"),
    (DEFLATED, "c * (self.kurtosis - 1) / 4", "c * (self.kurtosis - 3) / 4"),
    (DEFLATED, "(1.0 - EULER) * high + EULER * higher", "EULER * high + (1.0 - EULER) * higher"),
    (DEFLATED, "(NORMAL.inv_cdf(level) / (moments.sharpe - benchmark)) ** 2", "NORMAL.inv_cdf(level) / (moments.sharpe - benchmark)"),
    (MAX_Z, "np.maximum((lifted >= z).sum(axis=0), 1)", "np.ones(lifted.shape[1])"),
    (MAX_Z, "none_alone = self.alone * float(log_ndtr(z))", "none_alone = float(log_ndtr(z))"),
    (MAX_Z, "height - normals[raised, np.arange(len(raised))]", "height"),
    (POWER, "benchmark + critical * math.sqrt(moments.spread_at(benchmark)", "benchmark + critical * math.sqrt(moments.spread_at(moments.sharpe)"),
    (POWER, "square, linear, rest = 1.0 - c, -b - 2.0 * least", "square, linear, rest = 1.0 - c, -b - least"),
    (POWER, "(critical * null + NORMAL.inv_cdf(wanted) * alternative)", "(critical + NORMAL.inv_cdf(wanted)) * null"),
    ("portfolio/rules.py", "context.signal / np.maximum(context.member.sum(axis=1, keepdims=True), 1)", "context.signal / context.signal.shape[1]"),
]  # fmt: skip


def test_the_table_is_of_this_code():
    assert len(MUTATIONS) >= 50
    for file, old, _ in MUTATIONS:
        assert (ROOT / "src/barwise" / file).read_text(encoding="utf-8").count(old) == 1, (file, old)


@pytest.mark.slow
@pytest.mark.parametrize(("file", "old", "new"), MUTATIONS, ids=[f"{f}: {o.strip()}" for f, o, _ in MUTATIONS])
def test_a_fault_is_caught(file: str, old: str, new: str, tmp_path: Path):
    shutil.copytree(ROOT / "src", tmp_path / "src")
    shutil.copytree(ROOT / "tests", tmp_path / "tests")
    for name in ("conf", "pyproject.toml", "README.md", "docs", "train.py"):
        (tmp_path / name).symlink_to(ROOT / name)
    target = tmp_path / "src/barwise" / file
    target.write_text(target.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    words = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "-m",
        "not slow",
        *TESTS[file].split(),
    ]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 1, f"nothing noticed: {done.stdout[-500:]}"
    assert "failed" in done.stdout.splitlines()[-1], done.stdout[-1500:]
