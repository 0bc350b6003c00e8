"""The engines of `strategy=lstm` beside torch: labels a CPU second, seconds of whole runs, worth of their scores."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from barwise.benchmarks.measure import FOLDER, store
from barwise.console.arguments import Arguments, compose
from barwise.errors import ConfigError

_PARTS = ("speed", "runs", "skill")
_BATCHES = {256: 1024, 1024: 2048}  # labels timed, by batch
_RUN = ("strategy=lstm", "device=cpu", "fold_jobs=1", "threads=1", "strategy.epochs=2", "quiet=true")
_MARKET = ("data=synthetic", "data.ic=0.2", "data.n_symbols=5", "data.n_bars=1750")
_NET = {"lookback": 5, "hidden_size": 8, "num_layers": 2, "learning_rate": 0.01, "epochs": 4, "patience": 2}
_SPANS = ((0, 600), (602, 750), (752, 1500))  # to learn from, to stop by, to test on; a label reaches two bars


def main(words: list[str]) -> None:
    """Measure torch and the engines asked for, each in processes of its own; print, and store engines.json."""
    parser = Arguments("benchmark engines", __doc__ or "")
    parser.add_argument("--engines", default="all", help="beside torch: names with commas between; all: the installed")
    parser.add_argument("--parts", default=",".join(_PARTS), help="with commas between; all by default")
    parser.add_argument("--rounds", type=int, default=3, help="of the speed part; medians are reported")
    parser.add_argument("--markets", type=int, default=10, help="planted markets of the skill part")
    parser.add_argument("--seeds", type=int, default=5, help="initial weights on each market")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--one", help="measure PART:ENGINE in this process and print JSON")
    given = parser.parse_args(words)
    if given.one:
        part, engine = given.one.split(":")
        print(json.dumps(_rates(engine) if part == "speed" else _skills(engine, given.markets, given.seeds)))
        return
    names = ["torch", *_chosen(given.engines)]
    facts: dict[str, Any] = {"engines": names}
    for part in given.parts.split(","):
        if part not in _PARTS:
            raise ConfigError(f"--parts={part}: must be among {', '.join(_PARTS)}")
        if part == "speed":
            facts[part] = _speed(names, given.rounds)
        elif part == "runs":
            facts[part] = {name: _whole_run(name) for name in names}
        else:
            size = [f"--markets={given.markets}", f"--seeds={given.seeds}"]
            facts[part] = _compared({name: _apart("skill", name, size) for name in names})
        print(f"{part}: {json.dumps(facts[part], indent=1)}", flush=True)
    print(f"stored: {store('engines', facts, given.folder)}")


def _chosen(names: str) -> list[str]:
    """The engines asked for beside torch; ConfigError for one that is not here."""
    from barwise.strategies.engines.known import ENGINES, engine_of

    if names == "all":
        return [name for name, one in ENGINES.items() if one.lacking() is None]
    return [engine_of(name).name for name in names.split(",")]


def _apart(part: str, engine: str, more: Sequence[str] = ()) -> Any:
    """`--one PART:ENGINE` in a fresh process of one thread: Keras has one backend in a process."""
    command = [sys.executable, "-m", "barwise", "benchmark", "engines", "--one", f"{part}:{engine}", *more]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=_one_thread())
    return json.loads(done.stdout.strip().splitlines()[-1])


def _one_thread() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def _speed(names: Sequence[str], rounds: int) -> dict[str, Any]:
    """Labels a CPU second by engine and batch, in turns, and medians of the ratios to torch within a round."""
    found = [{name: _apart("speed", name) for name in names} for _ in range(rounds)]
    return {
        name: {
            str(batch): {
                "labels_a_cpu_second": round(float(np.median([one[name][str(batch)] for one in found]))),
                "beside_torch": float(np.median([one[name][str(batch)] / one["torch"][str(batch)] for one in found])),
            }
            for batch in _BATCHES
        }
        for name in names
    }


def _rates(engine: str) -> dict[int, float]:
    """Labels a CPU second of the product's own loop, by batch; the second epoch is timed, compiled in the first."""
    from barwise.benchmarks.training import Problem

    problem = Problem.random(10, 2500, 1)
    return {size: problem.ours("window", size, rows=rows, engine=engine) for size, rows in _BATCHES.items()}


def _whole_run(engine: str) -> dict[str, float]:
    """Seconds, and CPU seconds, of `train.py strategy=lstm strategy.engine=ENGINE` on the sample, and of its fit."""
    with tempfile.TemporaryDirectory() as place:
        run = Path(place) / "run"
        command = [sys.executable, "-m", "barwise", "train", *_RUN, f"strategy.engine={engine}"]
        command += [f"output_dir={place}", f"hydra.run.dir={run}"]
        before, begin = _children(), time.perf_counter()
        subprocess.run(command, capture_output=True, check=True, env=_one_thread())
        seconds, cpu = time.perf_counter() - begin, _children() - before
        manifest, metrics = (json.loads((run / name).read_text()) for name in ("run.json", "metrics.json"))
    fit = manifest["seconds"]["fit"]
    return {"seconds": seconds, "cpu_seconds": cpu, "fit_seconds": fit, "rank_ic": metrics["rank_ic"]}


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _skills(engine: str, markets: int, seeds: int) -> list[list[float]]:
    """(market, seed): rank correlation on the test rows of a planted market."""
    from barwise.backtest.metrics import correlations
    from barwise.benchmarks.training import planted
    from barwise.samples import Samples, Scaler
    from barwise.strategies.base import FitContext
    from barwise.strategies.sequence import SequenceStrategy

    found = []
    for market in range(markets):
        panel, (train, valid, test) = planted(
            compose([*_MARKET, f"data.seed={market}", "features=[price]"]), _SPANS, int(_NET["lookback"])
        )
        scaler, row = Scaler.fit(panel.X[train]), []
        for seed in range(seeds):
            settings: dict[str, Any] = {**_NET, "engine": engine}
            model = SequenceStrategy(**settings)
            context = FitContext(threads=1, seed=seed)
            model.fit(Samples(panel, train, scaler), Samples(panel, valid, scaler), context)
            if context.facts.get("engine", "torch") != engine:
                raise ConfigError(f"strategy.engine={engine}: torch trained; `barwise doctor` says why")
            scored = correlations(model.predict(Samples(panel, test, scaler)), panel.ret[test], panel.time[test])
            row.append(float(scored["rank_ic"] or 0.0))
        found.append(row)
    return found


def _compared(found: dict[str, list[list[float]]]) -> dict[str, Any]:
    """Mean rank correlation by engine, and its mean difference from torch's with a 95 % interval by Student's t.

    The seeds of a market are no independent trials: the interval is over the means of markets.
    """
    from scipy.stats import t

    torchs, rows = np.array(found["torch"]), {}
    for name, values in found.items():
        gaps = (np.array(values) - torchs).mean(axis=1)
        half = float(t.ppf(0.975, len(gaps) - 1) * gaps.std(ddof=1) / np.sqrt(len(gaps)))
        mean = float(gaps.mean())
        rows[name] = {"rank_ic": float(np.mean(values)), "minus_torch": mean, "interval": [mean - half, mean + half]}
    return {"engines": rows, "rank_ic": found, "net": _NET}
