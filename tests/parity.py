"""The tables of docs/parity.md: our figures of evidence beside others', and the ledger beside other engines.

`python -m tests.parity` prints them. MLFINPY, ZIPLINE, NAUTILUS and QLIB name a Python that has mlfinpy,
zipline-reloaded, nautilus_trader, or pyqlib and torch, whose pins are not ours; their rows are left out without it.
"""

from __future__ import annotations

import json
import os
import subprocess
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from barwise.data import synthetic
from barwise.data.bars import Bars
from barwise.evidence.deflated import Moments, expected_maximum, min_track_record, probability
from barwise.evidence.max_z import MaxZ
from barwise.evidence.overfitting import overfitting
from barwise.evidence.power import critical_sharpe
from barwise.evidence.reality_check import _long_run_variance, reality_check
from barwise.labels import past_volatility, triple_barrier, weights
from barwise.samples import Panel
from barwise.validation.folds import Validation
from barwise.validation.splits import CombinatorialPurged, PurgedKFold


@dataclass(frozen=True)
class Row:
    """A figure, by whom else, ours, theirs, how far they may lie apart, and why they do."""

    figure: str
    other: str
    ours: float
    theirs: float
    tolerance: float
    reason: str = "the same"

    @property
    def holds(self) -> bool:
        return abs(self.ours - self.theirs) <= self.tolerance


def returns(seed: int = 0, n: int = 600, mean: float = 0.12) -> np.ndarray:
    """Skewed, fat-tailed returns with a little autocorrelation."""
    random = np.random.default_rng(seed)
    x = random.standard_t(5, n) + 0.5 * (random.exponential(1.0, n) - 1.0)
    x[1:] += 0.1 * x[:-1]
    return 0.01 * (x / x.std() + mean)


def sharpe_rows() -> Iterator[Row]:
    import empyrical
    import purgedcv
    import skfolio.measures as skfolio

    x = returns()
    m = Moments.of(x)
    flat = replace(m, rho=0.0)
    trials = np.random.default_rng(0).normal(0.0, 0.04, 30)
    luck = expected_maximum(30, float(trials.var(ddof=1)))
    bias = "theirs takes the population's deviation, and skew and kurtosis without bias"
    yield Row("Sharpe ratio a year", "empyrical", m.sharpe * np.sqrt(252), float(empyrical.sharpe_ratio(x)), 1e-9)
    yield Row("PSR", "skfolio", probability(flat), float(skfolio.probabilistic_sharpe_ratio(x, 0.0)), 1e-9)
    yield Row("PSR", "purgedcv", probability(flat), purgedcv.probabilistic_sharpe_ratio(x, 0.0), 0.01, bias)
    p = MaxZ.of([None]).p_value(flat.z)
    yield Row("p of one trial", "skfolio, 1 - PSR", p, 1 - float(skfolio.probabilistic_sharpe_ratio(x, 0.0)), 1e-9)
    theirs = float(skfolio.expected_max_sharpe_ratio(30, trials.std(ddof=1)))
    yield Row("expected maximum of 30", "skfolio", luck, theirs, 1e-9)
    dsr = probability(flat, luck)
    yield Row("DSR", "skfolio", dsr, float(skfolio.deflated_sharpe_ratio(x, trials)), 1e-9)
    yield Row("DSR", "purgedcv", dsr, purgedcv.deflated_sharpe_ratio(x, 30, trials.var(ddof=1)), 0.01, bias)
    bars = purgedcv.min_track_record_length(m.sharpe, 0.0, 0.05, m.skew, m.kurtosis)
    yield Row("MinTRL, bars", "purgedcv", min_track_record(flat), float(bars), 1.0, "theirs is rounded up")
    alike = np.random.default_rng(4).standard_normal((640, 6))
    pbo = float(purgedcv.probability_of_backtest_overfitting(alike.T, n_splits=8).pbo)
    why = "a logit of exactly zero is overfitting here, as in the paper, and not there"
    yield Row("PBO", "purgedcv", overfitting(alike, 8).pbo, pbo, 0.05, why)


def ml4t_rows() -> Iterator[Row]:
    try:
        from ml4t.diagnostic.evaluation.stats import compute_expected_max_sharpe, compute_sharpe_variance
        from ml4t.diagnostic.evaluation.stats import deflated_sharpe_ratio_from_statistics as of
    except ImportError:
        return
    m, name = Moments.of(returns()), "ml4t-diagnostic"
    theirs = compute_sharpe_variance(m.sharpe, m.n, m.skew, m.kurtosis, m.rho)
    less = "theirs divides by n, ours by n - 1"
    yield Row("variance of a Sharpe ratio, autocorrelated", name, m.spread / (m.n - 1), theirs, 1e-4, less)
    at_null = compute_sharpe_variance(0.0, m.n, m.skew, m.kurtosis, m.rho)
    yield Row("critical Sharpe ratio", name, critical_sharpe(m, 1.645), 1.645 * float(np.sqrt(at_null)), 1e-3, less)
    luck = compute_expected_max_sharpe(30, 0.002)
    yield Row("expected maximum of 30", name, expected_maximum(30, 0.002), luck, 1e-9)
    found = of(m.sharpe, m.n, skewness=m.skew, excess_kurtosis=m.kurtosis - 3, autocorrelation=m.rho)
    seen = "theirs takes the variance at the benchmark (2025), ours at the Sharpe ratio seen (2012)"
    yield Row("PSR, autocorrelated", name, probability(m), found.probability, 0.01, seen)
    yield Row("MinTRL, bars, autocorrelated", name, min_track_record(m), found.min_trl, 0.1 * found.min_trl, seen)


def arch_rows() -> Iterator[Row]:
    from arch.bootstrap import SPA, StepM

    random = np.random.default_rng(7)
    x = 0.6 * random.standard_normal((600, 1)) + 0.8 * random.standard_normal((600, 5))
    x = x + np.array([0.16, 0.14, 0.0, 0.0, -0.1])
    x = x / np.sqrt(_long_run_variance(x, 8.0))
    ours = reality_check(x, block=8, n=2000, seed=1)
    spa = SPA(np.zeros(len(x)), -x, block_size=8, reps=2000, seed=2)
    spa.compute()
    draws = "draws alone: 2,000 each"
    yield Row("SPA, p", "arch", ours.p_value, float(spa.pvalues["consistent"]), 0.05, draws)
    steps = StepM(np.zeros(len(x)), -x, size=0.05, block_size=8, reps=2000, seed=2)
    steps.compute()
    same = set(ours.skilled) ^ {int(k) for k in steps.superior_models}
    yield Row("StepM, trials named", "arch", len(ours.skilled), len(ours.skilled) + len(same), 0)


def panel_of(horizon: int, bars: int = 240) -> Panel:
    """One symbol without features; labels of `horizon` bars, each known at the close of its last."""
    time = np.datetime64("2020-01-01", "ns") + np.arange(bars) * np.timedelta64(1, "D")
    end = np.append(time[horizon + 1 :], np.full(horizon + 1, np.datetime64("NaT", "ns")))
    ret = np.where(np.isnat(end), np.nan, 0.01)
    good, whole = np.ones(bars, bool), np.zeros(bars, int)
    return Panel(np.zeros((bars, 1), np.float32), ("x",), ("S",), whole.astype(np.int32), time, np.sign(ret), ret, end,
                 np.ones(bars), good, good, whole)  # fmt: skip


def fold_rows() -> Iterator[Row]:
    import purgedcv
    from skfolio.model_selection import CombinatorialPurgedCV

    panel = panel_of(5)
    labelled = np.flatnonzero(np.isfinite(panel.ret))
    begin, end = pd.Series(panel.time), pd.Series(panel.time + np.timedelta64(6, "D"))
    folds = Validation(PurgedKFold(5), 0, valid_fraction=1e-9, min_train=1).folds(panel)
    apart = 0
    for fold in folds:
        train = np.setdiff1d(labelled, fold.test)
        theirs = purgedcv.purge(train, fold.test, begin, end + pd.Timedelta(1, "ns"))  # half open there, closed here
        apart += len(np.setxor1d(np.union1d(fold.train, fold.valid), theirs))
    yield Row("rows purged otherwise, of 5 folds", "purgedcv", apart, 0, 0)
    other = CombinatorialPurgedCV(6, 2, purged_size=6)
    ours = Validation(CombinatorialPurged(6, 2), 0, valid_fraction=1e-9, min_train=1).folds(panel)
    apart = 0
    for fold, (train, test) in zip(ours, other.split(np.zeros((240, 1))), strict=True):
        apart += len(np.setxor1d(fold.test, np.concatenate(test)))
        apart += len(np.setxor1d(np.union1d(fold.train, fold.valid), np.intersect1d(train, labelled)))
    yield Row("rows placed otherwise, of 15 combinatorial folds", "skfolio", apart, 0, 0)
    yield Row("paths of (6, 2)", "skfolio", CombinatorialPurged(6, 2).n_paths, other.n_test_paths, 0)


def factor_rows() -> Iterator[Row]:
    from alphalens import performance, utils
    from scipy.stats import rankdata

    random = np.random.default_rng(2)
    days = pd.date_range("2020-01-01", periods=120)
    names = [f"S{i:02d}" for i in range(25)]
    prices = pd.DataFrame(100 * np.exp(np.cumsum(random.normal(0, 0.02, (120, 25)), axis=0)), days, names)
    score = pd.DataFrame(random.normal(size=(120, 25)), days, names) + 5 * prices.pct_change().shift(-1).fillna(0.0)
    factor = score.stack()
    factor.index.names = ["date", "asset"]
    from barwise.backtest.metrics import correlations

    for horizon in (1, 5):
        data = utils.get_clean_factor_and_forward_returns(factor, prices, quantiles=5, periods=(horizon,), max_loss=1,
                                                          filter_zscore=None)  # fmt: skip
        theirs = float(performance.factor_information_coefficient(data).iloc[:, 0].mean())
        earned = (prices.shift(-horizon) / prices - 1).to_numpy()[:-horizon]
        each = [float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])
                for a, b in zip(score.to_numpy()[:-horizon], earned, strict=True)]  # fmt: skip
        time = np.repeat(days.to_numpy()[:-horizon], 25)
        ours = correlations(score.to_numpy()[:-horizon].ravel(), earned.ravel(), time)["rank_ic_cross"]
        assert abs(ours - np.mean(each)) < 1e-9
        yield Row(f"rank correlation within bars, {horizon} ahead", "alphalens-reloaded", ours, theirs, 1e-9)


THERE = """
import json, sys, warnings
warnings.simplefilter("ignore")
import numpy as np, pandas as pd
from mlfinpy.labeling import labeling
from mlfinpy.sampling import concurrent
given = json.load(sys.stdin)
days = pd.date_range("2020-01-01", periods=len(given["close"]))
close = pd.Series(given["close"], days)
target = pd.Series(given["width"], days)
at = days[given["at"]]
vertical = pd.Series(days[np.array(given["at"]) + given["horizon"]], at)
events = labeling.get_events(close, at, [given["up"], given["down"]], target, 0.0, 1, vertical)
bins = labeling.get_bins(events, close)
t1 = events["t1"]
alive = concurrent.num_concurrent_events(close.index, t1, t1.index)
alive = alive.reindex(close.index).fillna(0)
share = concurrent.get_av_uniqueness_from_triple_barrier(events, close, 1)["tW"]
print(json.dumps({"bin": bins["bin"].tolist(), "end": t1.astype("int64").tolist(), "share": share.tolist()}))
"""


def mlfinpy_rows() -> Iterator[Row]:
    """On bars whose four prices are their close, as it knows closes alone; it decides at the bar whose close it enters
    at, we at the bar before."""
    python = os.environ.get("MLFINPY")
    if not python:
        return
    made = synthetic.load(n_symbols=1, n_bars=600, seed=5).bars[0]
    b = Bars("S", np.datetime64("2020-01-01", "ns") + np.arange(600) * np.timedelta64(1, "D"),
             *[made.close] * 4, made.volume)  # fmt: skip
    horizon = 8
    ours = triple_barrier(b, horizon, 1.5, 1.0, 20, "next_close")
    rows = np.flatnonzero(np.isfinite(ours.y))[:500]
    width = past_volatility(b.close, 20) * np.sqrt(horizon)
    shifted = np.append(np.nan, width[:-1])  # ours is of the bar before the entry
    given = {"close": b.close.tolist(), "width": np.nan_to_num(shifted).tolist(), "at": (rows + 1).tolist(),
             "horizon": horizon, "up": 1.5, "down": 1.0}  # fmt: skip
    done = subprocess.run([python, "-c", THERE], input=json.dumps(given), capture_output=True, text=True, check=True)
    theirs = json.loads(done.stdout.strip().splitlines()[-1])
    differ = int((ours.y[rows] != np.array(theirs["bin"])).sum())
    yield Row("labels of 500 triple barriers that differ", "mlfinpy", differ, 0, 0)
    ends = int((ours.end[rows] != np.array(theirs["end"]).astype("datetime64[ns]")).sum())
    yield Row("ends of 500 triple barriers that differ", "mlfinpy", ends, 0, 0)
    end = np.full(len(b), np.datetime64("NaT", "ns"))
    end[rows] = ours.end[rows]
    mean = float(weights(b, end, "uniqueness")[rows].mean())
    why = "theirs counts the bar of the decision into a label's stretch, ours begins after it"
    yield Row("mean uniqueness", "mlfinpy", mean, float(np.mean(theirs["share"])), 0.02, why)


def rows() -> list[Row]:
    """All that the libraries at hand can be asked for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parts = (sharpe_rows, ml4t_rows, arch_rows, fold_rows, factor_rows, mlfinpy_rows)
        return [row for part in parts for row in part()]


def table(found: list[Row]) -> str:
    lines = [
        "| figure | beside | ours | theirs | apart | allowed | reason |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for r in found:
        apart = abs(r.ours - r.theirs)
        shown = [f"{x:.6g}" for x in (r.ours, r.theirs)] + [f"{x:.2g}" for x in (apart, r.tolerance)]
        lines.append(f"| {r.figure} | {r.other} | {' | '.join(shown)} | {r.reason} |")
    return "\n".join(lines)


if __name__ == "__main__":
    from tests import qlib_models
    from tests.engines import compare

    print(table(rows()))
    print("\n" + compare.table(compare.compared()))
    if python := os.environ.get("QLIB"):
        print("\n" + qlib_models.table(qlib_models.compared(python)))
