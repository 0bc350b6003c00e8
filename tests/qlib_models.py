"""Our LightGBM and LSTM beside qlib's, on the same panel: rank correlation with what came, and CPU seconds.

`QLIB=venv/bin/python python -m tests.qlib_models`, QLIB a Python that has pyqlib and torch, whose pins are not ours.
Both sides get the same rows, features scaled on the training rows, labels and settings, on one thread.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from barwise.console.arguments import compose
from barwise.data import synthetic
from barwise.experiment.fitting import fit_fold
from barwise.experiment.recipe import parts_of
from barwise.experiment.session import FitSession
from barwise.features.matrix import build
from barwise.panel import build_panel
from barwise.samples import Panel, Scaler
from barwise.strategies.association import spearman
from barwise.strategies.rows import scores_of
from barwise.validation.folds import Fold

SEEDS, LOOKBACK = (0, 1, 2), 30
ROUNDS, EPOCHS = 300, 5
TREES = {"num_leaves": 8, "learning_rate": 0.05, "bagging_fraction": 0.7, "bagging_freq": 1, "feature_fraction": 0.7,
         "min_data_in_leaf": 100, "lambda_l2": 10.0}  # fmt: skip
OURS = {
    "lightgbm": ["strategy=lightgbm", "strategy.n_seeds=1", "strategy.task=regress", f"strategy.n_estimators={ROUNDS}"],
    "lstm": ["strategy=lstm", f"strategy.lookback={LOOKBACK}", "strategy.dropout=0", f"strategy.epochs={EPOCHS}",
             f"strategy.patience={EPOCHS}", "strategy.weight_decay=0"],
}  # fmt: skip
THEIRS = {
    "seeds": SEEDS,
    "lookback": LOOKBACK,
    "lightgbm": {"num_boost_round": ROUNDS, "early_stopping_rounds": 30, "num_threads": 1, **TREES},
    "lstm": {"hidden_size": 64, "num_layers": 2, "n_epochs": EPOCHS, "batch_size": 256, "early_stop": EPOCHS},
}
REASONS = {
    "lightgbm": "qlib orders rows by time and we by symbol, so that bags differ",
    "lstm": "one linear layer there, two and a tanh here; qlib fills up windows that begin before the first bar, which"
    " we leave out, and scores the training rows anew after each epoch",
}


def market(n_symbols: int = 8, n_bars: int = 1200) -> tuple[Panel, Fold]:
    """A planted market's panel and its holdout."""
    parts = parts_of(compose(["features=[price]", "validation=holdout"]))
    bars = synthetic.load(n_symbols, n_bars, seed=3, ic=0.15).bars
    panel = build_panel(build(bars, parts.features, 1), parts.labels)
    return panel, parts.validation.folds(panel)[0]


def frame_of(panel: Panel, fold: Fold) -> pd.DataFrame:
    """The fold's rows as qlib is given them."""
    parts = {"train": fold.train, "valid": fold.valid, "test": fold.test[panel.finite[fold.test]]}
    rows = np.concatenate(list(parts.values()))
    frame = pd.DataFrame(Scaler.fit(panel.X, fold.train)(panel.X[rows]), columns=list(panel.features))
    head = {"time": panel.time[rows], "symbol": np.asarray(panel.symbols, object)[panel.symbol[rows]],
            "part": np.repeat(list(parts), [len(part) for part in parts.values()]),
            "label": panel.y[rows].astype(np.float32)}  # fmt: skip
    return pd.DataFrame(head).join(frame)


def ours(panel: Panel, fold: Fold, model: str) -> tuple[np.ndarray, list[float]]:
    """Scores (seed, test row) and CPU seconds of fitting and scoring."""
    scores, seconds = [], []
    for seed in SEEDS:
        strategy = parts_of(compose(OURS[model])).strategy
        begin = time.process_time()
        fitted, scaler = fit_fold(panel, fold, strategy, FitSession(seed=seed).context(fold))
        scores.append(scores_of(fitted, panel, fold.test, scaler))
        seconds.append(time.process_time() - begin)
    return np.stack(scores), seconds


def theirs(panel: Panel, fold: Fold, python: str) -> tuple[dict[str, np.ndarray], dict[str, list[float]]]:
    """The same of qlib's models, NaN where it gives no score."""
    with tempfile.TemporaryDirectory() as folder:
        source, out = (str(Path(folder) / name) for name in ("panel.parquet", "scores.parquet"))
        frame_of(panel, fold).to_parquet(source)
        script = Path(__file__).with_name("by_qlib.py")
        done = subprocess.run(
            [python, str(script), source, out], input=json.dumps(THEIRS), capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"qlib: {done.stderr[-3000:]}")
        found, seconds = pd.read_parquet(out), json.loads(done.stdout.strip().splitlines()[-1])
    at = pd.MultiIndex.from_arrays(
        [panel.time[fold.test], np.asarray(panel.symbols, object)[panel.symbol[fold.test]]], names=["time", "symbol"]
    )
    scores = {}
    for name, own in found.groupby("model"):
        by_seed = (own[own["seed"] == seed].set_index(["time", "symbol"])["score"] for seed in SEEDS)
        scores[str(name)] = np.stack([one.reindex(at).to_numpy(float) for one in by_seed])
    return scores, seconds


def compared(python: str) -> list[dict[str, Any]]:
    """For each model means over the seeds: rank correlations of either side's scores with the returns and with each
    other's, on rows that both score, and CPU seconds."""
    panel, fold = market()
    torch.set_num_threads(1)
    there, their_seconds = theirs(panel, fold, python)
    rows, ret = [], panel.ret[fold.test]
    for name in OURS:
        mine, seconds = ours(panel, fold, name)
        known = np.isfinite(mine).all(axis=0) & np.isfinite(there[name]).all(axis=0) & np.isfinite(ret)
        one, other = mine[:, known], there[name][:, known]
        rows.append({
            "model": name, "rows": int(known.sum()),
            "ours": [spearman(x, ret[known]) for x in one], "theirs": [spearman(x, ret[known]) for x in other],
            "each other": [spearman(x, y) for x, y in zip(one, other, strict=True)],
            "own seeds": [spearman(one[0], x) for x in one[1:]], "our s": seconds, "their s": their_seconds[name],
        })  # fmt: skip
    return rows


def table(found: list[dict[str, Any]]) -> str:
    names = ("ours", "theirs", "each other", "own seeds", "our s", "their s")
    lines = [
        "| model | test rows | ours with returns | qlib's | ours with qlib's | our seeds with each other | our CPU s |"
        " qlib's | what differs |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in found:
        means = [float(np.mean(row[name])) for name in names]
        shown = [f"{x:.3f}" for x in means[:4]] + [f"{x:.2f}" for x in means[4:]]
        lines.append(f"| {row['model']} | {row['rows']} | {' | '.join(shown)} | {REASONS[row['model']]} |")
    return "\n".join(lines)


if __name__ == "__main__":
    python = os.environ.get("QLIB")
    print(table(compared(python)) if python else "QLIB: name a Python that has pyqlib and torch")
