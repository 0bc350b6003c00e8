"""Window and stream training beside a bare loop and the usual DataLoader: labels a second, memory, skill."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from barwise.benchmarks.measure import FOLDER, store
from barwise.console.arguments import Arguments, compose
from barwise.samples import Panel, Samples, Scaler

_SIZE = {"symbols": 10, "bars": 10_000, "features": 39, "lookback": 30}
_ROWS = {1024: 4096, 32: 1600, "stream": 20_000}  # labels timed, by batch; a round takes some seconds on one thread
_NET = {"lookback": 30, "hidden_size": 64, "num_layers": 2, "dropout": 0.0, "learning_rate": 0.003}  # of the skill part
_PLANTED = ("data=synthetic", "data.ic=0.1", "data.pattern=nonlinear", "data.n_symbols=10", "data.n_bars=3600")
_SPANS = ((0, 2200), (2202, 2600), (2602, 3600))  # two bars between: a label reaches so far
_PART_NAMES = ("speed", "memory", "predict", "skill")
_PAIRS = (
    ("window 1024", "bare 1024"), ("window 32", "seed 32"), ("stream", "seed 32"), ("stream", "window 1024")
)  # fmt: skip


def main(words: list[str]) -> None:
    """Print each part's table and store training.json."""
    parser = Arguments("benchmark training", __doc__ or "")
    parser.add_argument("--parts", default=",".join(_PART_NAMES), help="with commas between; all by default")
    parser.add_argument("--rounds", type=int, default=5, help="of the speed part; medians of ratios are reported")
    parser.add_argument("--seeds", type=int, default=10, help="planted markets of the skill part")
    parser.add_argument("--epochs", type=int, default=3, help="of window mode in the skill part")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--one", choices=("seed", "window"), help="peak memory of one way, in this process, as JSON")
    given = parser.parse_args(words)
    if given.one:
        print(json.dumps(_memory_of(given.one)))
        return
    chosen = given.parts.split(",")
    facts: dict[str, Any] = {"size": _SIZE, "clock": "CPU seconds on one thread, wall seconds on more"}
    parts: dict[str, Callable[[], Any]] = {
        "speed": lambda: {str(n): _speed(n, given.rounds) for n in dict.fromkeys((1, os.cpu_count() or 1))},
        "memory": lambda: {way: _apart(way) for way in ("seed", "window")},
        "predict": _prediction,
        "skill": lambda: _skill(given.seeds, given.epochs),
    }
    for name in chosen:
        if name in parts:
            facts[name] = parts[name]()
            print(f"{name}: {json.dumps(facts[name], indent=1)}", flush=True)
    print(f"stored: {store('training', facts, given.folder)}")


def _speed(threads: int, rounds: int) -> dict[str, Any]:
    """Labels a second of each way, in turns, and medians of the ratios within a round."""
    import torch

    torch.set_num_threads(threads)
    problem = Problem.random(_SIZE["symbols"], 2500, threads)
    ways = {
        "bare 1024": partial(problem.bare, 1024), "window 1024": partial(problem.ours, "window", 1024),
        "seed 32": partial(problem.seed, 32), "window 32": partial(problem.ours, "window", 32),
        "stream": partial(problem.ours, "stream", 256),
    }  # fmt: skip
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            found[name].append(way())
    ratios = {f"{a} / {b}": _median([x / y for x, y in zip(found[a], found[b], strict=True)]) for a, b in _PAIRS}
    return {"labels_a_second": {name: round(_median(x)) for name, x in found.items()}, "ratios": ratios}


@dataclass
class Problem:
    """Random features and labels, and the ways to train an LSTM on them; each returns labels a second."""

    panel: Panel
    rows: np.ndarray
    threads: int

    @classmethod
    def random(cls, symbols: int, bars: int, threads: int) -> Problem:
        from barwise.panel import stretch_starts

        n, random = symbols * bars, np.random.default_rng(0)
        y = random.choice([-1.0, 1.0], n)
        time_ = np.tile(np.datetime64("2000-01-03", "ns") + np.arange(bars) * np.timedelta64(1, "D"), symbols)
        start = stretch_starts(np.ones(n, bool), np.arange(0, n + 1, bars))
        panel = Panel(
            X=random.standard_normal((n, _SIZE["features"]), dtype=np.float32),
            features=tuple(f"f{i}" for i in range(_SIZE["features"])), symbols=tuple(f"S{i}" for i in range(symbols)),
            symbol=np.repeat(np.arange(symbols, dtype=np.int32), bars), time=time_, y=y, ret=0.01 * y, end=time_,
            weight=np.ones(n), finite=np.ones(n, bool), warm=np.ones(n, bool), start=start,
        )  # fmt: skip
        return cls(panel, np.flatnonzero(np.arange(n) - start >= _SIZE["lookback"] - 1), threads)

    def windows(self, rows: np.ndarray) -> Any:
        """Every window gathered beforehand, the usual way: (window, bar, feature)."""
        import torch

        return torch.as_tensor(self.panel.X[rows[:, None] + np.arange(1 - _SIZE["lookback"], 1)])

    def bare(self, batch: int) -> float:
        """A loop over tensors gathered beforehand, with the optimizer and clipping that ours has."""
        import torch

        rows = self.rows[: _ROWS[batch]]
        X, y, net = self.windows(rows), torch.as_tensor(self.panel.y[rows], dtype=torch.float32), self.net()
        optimizer = torch.optim.AdamW(net.parameters(), lr=0.001, weight_decay=0.01)
        begin = self.clock()
        for index in torch.randperm(len(rows)).split(batch):
            loss = ((net(X[index]) - y[index]) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
        return len(rows) / (self.clock() - begin)

    def seed(self, batch: int) -> float:
        """The usual loop: a DataLoader over materialised windows, Adam, the loss read at each step."""
        import torch

        rows = self.rows[: _ROWS[batch]]
        return self.loop(self.windows(rows), torch.as_tensor(self.panel.y[rows], dtype=torch.float32), batch)

    def loop(self, X: Any, labels: Any, batch: int, steps: int | None = None) -> float:
        """One epoch of the usual loop, or so many steps of it."""
        import torch
        from torch.utils.data import DataLoader, TensorDataset

        net, total = self.net(), 0.0
        optimizer, criterion = torch.optim.Adam(net.parameters(), lr=0.001), torch.nn.MSELoss()
        begin = self.clock()
        for x, y in islice(DataLoader(TensorDataset(X, labels), batch_size=batch, shuffle=True), steps):
            loss = criterion(net(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        return len(X) / (self.clock() - begin)

    def ours(self, mode: str, batch: int, rows: int | None = None, engine: str = "torch") -> float:
        """The product's own loop, torch's through Lightning; the second epoch is timed. Clips as the bare loop does,
        and not at batch 32, since the usual loop does not."""
        from barwise.strategies.base import FitContext
        from barwise.strategies.sequence import SequenceStrategy

        ticks: list[float] = []
        context = FitContext(threads=self.threads, progress=lambda _: ticks.append(self.clock()))
        chosen = self.rows[: rows or _ROWS["stream" if mode == "stream" else batch]]
        settings: dict[str, Any] = {"epochs": 2, "batch_size": batch, "gradient_clip": 0.0 if batch == 32 else 1.0}
        SequenceStrategy(sequence=mode, engine=engine, **settings).fit(
            Samples(self.panel, chosen), Samples(self.panel, chosen[:0]), context
        )
        return len(chosen) / (ticks[1] - ticks[0])

    def net(self) -> Any:
        from barwise.strategies.nets import LSTMNet

        return LSTMNet(_SIZE["features"]).train()

    def clock(self) -> float:
        return time.process_time() if self.threads == 1 else time.perf_counter()


def _apart(way: str) -> dict[str, float]:
    """`memory_of` in a fresh process."""
    command = [sys.executable, "-m", "barwise", "benchmark", "training", "--one", way]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _memory_of(way: str) -> dict[str, float]:
    """Peak resident memory above that before, features loaded:
    one epoch of ours, or windows gathered beforehand and the usual loop."""
    import torch

    torch.set_num_threads(1)
    warm, problem = Problem.random(1, 200, 1), Problem.random(_SIZE["symbols"], _SIZE["bars"], 1)
    warm.ours("window", 32)  # what torch and Lightning take for themselves
    warm.seed(32)
    _ROWS[32] = len(problem.rows)
    with _Peak() as peak:
        if way == "seed":
            X = np.array([problem.panel.X[r - _SIZE["lookback"] + 1 : r + 1].astype(np.float64) for r in problem.rows])
            kept = torch.FloatTensor(X)
            problem.loop(kept, torch.as_tensor(problem.panel.y[problem.rows], dtype=torch.float32), 32, steps=50)
        else:
            problem.ours("window", 32)
    return {"windows": float(len(problem.rows)), "peak_mb": peak.mb}


class _Peak:
    """Resident memory of this process in MB above that on entering, its peak by looking every 5 ms."""

    def __enter__(self) -> _Peak:
        import psutil

        process, self.done, self.mb = psutil.Process(), threading.Event(), 0.0
        before = process.memory_info().rss

        def look() -> None:
            while not self.done.wait(0.005):
                self.mb = max(self.mb, (process.memory_info().rss - before) / 2**20)

        self.thread = threading.Thread(target=look)
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.done.set()
        self.thread.join()


def _prediction(repeats: int = 3) -> dict[str, float]:
    """CPU seconds to score all bars on one thread, by window and by stream, in turns; untrained nets cost the same."""
    import torch

    from barwise.strategies.sequence import SequenceStrategy

    torch.set_num_threads(1)
    problem = Problem.random(_SIZE["symbols"], _SIZE["bars"], 1)
    samples, took = Samples(problem.panel, problem.rows), {"window": [], "stream": []}  # type: ignore[var-annotated]
    for _ in range(repeats):
        for mode, found in took.items():
            model = SequenceStrategy(sequence=mode)
            model.nets_ = [problem.net().eval()]
            begin = problem.clock()
            model.predict(samples)
            found.append(problem.clock() - begin)
    ratios = [a / b for a, b in zip(took["window"], took["stream"], strict=True)]
    return {"window": _median(took["window"]), "stream": _median(took["stream"]), "ratio": _median(ratios)}


def _skill(seeds: int, epochs: int) -> dict[str, Any]:
    """Out-of-sample rank correlation on planted markets: window, stream of equal epochs, stream of equal seconds."""
    found: dict[str, list[float]] = {"window": [], "equal epochs": [], "equal seconds": []}
    took: dict[str, list[float]] = {name: [] for name in found}
    for seed in range(seeds):
        problem = planted(compose([*_PLANTED, f"data.seed={seed}", "features=[volume]"]), _SPANS, int(_NET["lookback"]))
        longer = epochs
        for name, mode in (("window", "window"), ("equal epochs", "stream"), ("equal seconds", "stream")):
            if name == "equal seconds":
                longer = max(1, int(epochs * took["window"][-1] / took["equal epochs"][-1]))
            rank_ic, seconds = _scored(problem, mode, longer)
            found[name].append(rank_ic)
            took[name].append(seconds)
        print(f"seed {seed}: " + ", ".join(f"{k} {v[-1]:.4f} ({took[k][-1]:.1f} s)" for k, v in found.items()))
    window = np.array(found["window"])
    paired = {name: _paired(np.array(found[name]) - window) for name in ("equal epochs", "equal seconds")}
    return {"rank_ic": found, "cpu_seconds": took, "stream minus window": paired, "net": _NET, "epochs": epochs}


def _paired(difference: np.ndarray) -> dict[str, float]:
    """Mean, and the one-sided 95 % lower bound by Student's t."""
    from scipy.stats import t

    n = len(difference)
    error = difference.std(ddof=1) / np.sqrt(n)
    return {"mean": float(difference.mean()), "lower_95": float(difference.mean() - t.ppf(0.95, n - 1) * error)}


def planted(config: Any, spans: Sequence[tuple[int, int]], lookback: int) -> tuple[Panel, list[np.ndarray]]:
    """A market with a planted pattern, and its rows whose window is whole, by spans of bars: to learn from, to stop by
    and to test on."""
    from barwise.experiment.recipe import parts_of
    from barwise.features.matrix import build
    from barwise.panel import build_panel

    parts = parts_of(config)
    panel = build_panel(build(parts.data().bars, parts.features, 1), parts.labels)
    place = np.searchsorted(np.unique(panel.time[panel.warm]), panel.time)
    known = panel.finite & np.isfinite(panel.ret) & (np.arange(len(panel)) - panel.start >= lookback - 1)
    return panel, [np.flatnonzero(known & (place >= a) & (place < b)) for a, b in spans]


def _scored(problem: tuple[Panel, list[np.ndarray]], mode: str, epochs: int) -> tuple[float, float]:
    """Rank correlation on the test rows, and CPU seconds of training on one thread."""
    from barwise.backtest.metrics import correlations
    from barwise.strategies.base import FitContext
    from barwise.strategies.sequence import SequenceStrategy

    panel, (train, valid, test) = problem
    scaler = Scaler.fit(panel.X[train])
    settings: dict[str, Any] = {**_NET, "epochs": epochs, "patience": epochs}
    model = SequenceStrategy(sequence=mode, **settings)
    begin = time.process_time()
    model.fit(Samples(panel, train, scaler), Samples(panel, valid, scaler), FitContext(threads=1))
    seconds = time.process_time() - begin
    found = correlations(model.predict(Samples(panel, test, scaler)), panel.ret[test], panel.time[test])
    return float(found["rank_ic"] or 0.0), seconds


def _median(values: list[float]) -> float:
    return float(statistics.median(values))
