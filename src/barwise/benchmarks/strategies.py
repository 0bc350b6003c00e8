"""A table: each strategy's training and inference seconds, memory and what its scores are worth, by device."""

from __future__ import annotations

import copy
import json
import statistics
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from barwise.benchmarks.measure import FOLDER, last, once, store
from barwise.console.arguments import Arguments, compose
from barwise.errors import BarwiseError, ConfigError

_NOT_MEASURED = ("sklearn",)  # a form to be filled in
_SEED_SIZE = {"n_symbols": 10, "n_periods": 10_000}
_SETTINGS = {"lstm": ["strategy.epochs=10"], "random_forest": ["strategy.estimator.n_estimators=100"],
            "xgboost": ["strategy.n_estimators=100"]}  # fmt: skip
_NOISE = 0.15  # machines are shared: less is no news


def main(words: list[str]) -> None:
    """Measure every strategy on every device present, each in a process of its own; print, store, plot, compare."""
    parser = Arguments("benchmark strategies", __doc__ or "")
    parser.add_argument("--strategies", help="names with commas between; all by default")
    parser.add_argument("--engines", help="of lstm, beside torch: names with commas between, or all that are installed")
    parser.add_argument("--n_symbols", type=int, default=_SEED_SIZE["n_symbols"])
    parser.add_argument("--n_periods", type=int, default=_SEED_SIZE["n_periods"])
    parser.add_argument("--threads", type=int, default=None, help="for all of them; by default what a run would take")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--one", help="measure NAME:DEVICE in this process and print JSON")
    given = parser.parse_args(words)
    size = {"n_symbols": given.n_symbols, "n_periods": given.n_periods}
    if given.one:
        name, device = given.one.split(":")
        print(json.dumps(_measure(name, device, size, given.threads)))
        return
    names = [*_chosen(given.strategies), *_engines_of(given.engines)]
    rows = [row for name in names for device in _devices_of(name) if (row := _apart(name, device, size, given.threads))]
    before = last("strategies", given.folder)
    facts = {"size": size, "rows": rows}
    news = _compared(facts, before)
    _show(rows, news)
    given.folder.mkdir(parents=True, exist_ok=True)
    _plot(rows, given.folder / "strategies.png")
    print(f"stored: {store('strategies', facts, given.folder)}, {given.folder / 'strategies.png'}")


def _chosen(names: str | None) -> list[str]:
    """The strategies asked for; ConfigError for one that there is not."""
    from barwise.console.config import conf_dir

    known = sorted(p.stem for p in Path(conf_dir(), "strategy").glob("*.yaml") if p.stem not in _NOT_MEASURED)
    if names is None:
        return known
    for name in names.split(","):
        if name not in known:
            raise ConfigError(f"--strategies={name}: must be among {', '.join(known)}")
    return names.split(",")


def _engines_of(names: str | None) -> list[str]:
    """lstm@ENGINE for each of the engines asked for; ConfigError for one that there is not."""
    from barwise.strategies.engines.known import ENGINES, engine_of

    if names == "all":
        return [f"lstm@{name}" for name, one in ENGINES.items() if one.lacking() is None]
    return [f"lstm@{engine_of(name).name}" for name in names.split(",")] if names else []


def _devices_of(name: str) -> list[str]:
    """The CPU, and the accelerators that this strategy can use here."""
    from barwise.devices.choose import missing_for_trees

    if name.startswith("lstm"):
        from barwise.devices.backend import present

        return present()
    return ["cpu", "cuda"] if name == "xgboost" and missing_for_trees("cuda") is None else ["cpu"]


def _apart(name: str, device: str, size: dict[str, int], threads: int | None) -> dict[str, Any] | None:
    """`measure` in a fresh process, whose peak memory is this strategy's own."""
    words = ["--one", f"{name}:{device}", *(f"--{k}={v}" for k, v in size.items())]
    words += [f"--threads={threads}"] if threads else []
    command = [sys.executable, "-m", "barwise", "benchmark", "strategies", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{name} on {device}: failed, {done.stderr.strip().splitlines()[-1] if done.stderr else 'no reason'}")
        return None
    row: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return row


def _measure(name: str, device: str, size: dict[str, int], threads: int | None) -> dict[str, Any]:
    """Fit on the first 80 % of a planted market and score the rest, through the parts of a run."""
    from barwise.backtest.metrics import correlations
    from barwise.experiment.compute import default_threads
    from barwise.experiment.fitting import fit_fold
    from barwise.experiment.recipe import parts_of
    from barwise.experiment.session import FitSession
    from barwise.features.matrix import build
    from barwise.panel import build_panel
    from barwise.runs.directory import peak_memory_mb
    from barwise.strategies.rows import scores_of

    base, _, engine = name.partition("@")
    words = [
        "data=synthetic", f"data.n_symbols={size['n_symbols']}", f"data.n_bars={size['n_periods']}", "data.ic=0.1",
        "validation=holdout", "validation.splitter.test_fraction=0.2",
        f"strategy={base}", f"device={device}", *_SETTINGS.get(base, []),
        *([f"strategy.engine={engine}"] if engine else []),
    ]  # fmt: skip
    parts = parts_of(compose(words))
    threads = threads or default_threads(parts.strategy)
    panel = build_panel(build(parts.data().bars, parts.features, threads), parts.labels)
    fold = parts.validation.folds(panel)[0]
    context = FitSession(None, device, threads, parts.seed).context(fold)
    before = peak_memory_mb()
    fitted: list[Any] = []
    train_seconds = once(lambda: fitted.extend(fit_fold(panel, fold, copy.deepcopy(parts.strategy), context)))
    model, scaler = fitted
    if engine and context.facts.get("engine") != engine:
        raise ConfigError(f"strategy.engine={engine} device={device}: torch trained; `barwise doctor` says why")
    rule = parts.signals.fit(scores_of(model, panel, fold.valid, scaler))
    found: list[Any] = []

    def predict() -> None:
        found[:] = [scores_of(model, panel, fold.test, scaler)]
        rule(found[0], panel.time[fold.test])

    predict_seconds = statistics.median(once(predict) for _ in range(3))
    scored = found[0]
    return {
        "strategy": name,
        "device": device,
        "threads": threads,
        "train_rows": len(fold.train),
        "train_seconds": train_seconds,
        "predict_seconds": predict_seconds,
        "signals_a_second": len(fold.test) / predict_seconds,
        "peak_mb": peak_memory_mb(),
        "fit_mb": peak_memory_mb() - before,
        "rank_ic": correlations(scored, panel.ret[fold.test], panel.time[fold.test])["rank_ic"],
    }


def _compared(facts: dict[str, Any], before: dict[str, Any] | None) -> list[str]:
    """What became slower or faster than in the last stored result, beyond noise; [] where the sizes differ."""
    if before is None or before.get("size") != facts["size"]:
        return []
    day = datetime.fromisoformat(before["at"]).strftime("%-d %B")
    earlier = {(row["strategy"], row["device"], row["threads"]): row for row in before["rows"]}
    news = []
    for row in facts["rows"]:
        old = earlier.get((row["strategy"], row["device"], row["threads"]))
        for name, what in (("train_seconds", "training"), ("predict_seconds", "inference")):
            change = row[name] / old[name] - 1.0 if old else 0.0
            if abs(change) > _NOISE:
                word = "slower" if change > 0 else "faster"
                news.append(f"{row['strategy']} {what} on {row['device']} {abs(change):.0%} {word} than on {day}")
    return news


def _show(rows: list[dict[str, Any]], news: list[str]) -> None:
    """The table, and what changed."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, width=max(100, Console().width))  # not a column less in a file
    table = Table(box=None)
    for name in ("strategy", "device", "threads", "train s", "score s", "signals/s", "peak MB", "rank corr."):
        left = name in ("strategy", "device")
        table.add_column(name, justify="left" if left else "right", min_width=22 if name == "strategy" else None)
    for row in rows:
        rank = "-" if row["rank_ic"] is None else f"{row['rank_ic']:.4f}"
        table.add_row(
            row["strategy"], row["device"], str(row["threads"]), f"{row['train_seconds']:.2f}",
            f"{row['predict_seconds']:.3f}", f"{row['signals_a_second']:,.0f}", f"{row['peak_mb']:,.0f}", rank,
        )  # fmt: skip
    console.print(table)
    for line in news:
        console.print(line)


def _plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Training and inference seconds, one bar a strategy and device."""
    from matplotlib.figure import Figure

    if not rows:
        raise BarwiseError("no strategy could be measured")
    colours = {"cpu": "#0072B2", "cuda": "#D55E00", "mps": "#009E73"}
    figure = Figure(figsize=(9, 0.5 + 0.35 * len(rows)), layout="constrained")
    labels = [f"{row['strategy']}, {row['device']}" for row in rows]
    for axes, (name, title) in zip(
        figure.subplots(1, 2, sharey=True),
        (("train_seconds", "training, s"), ("predict_seconds", "inference, s")),
        strict=True,
    ):
        values = [row[name] for row in rows]
        axes.barh(labels, values, color=[colours[row["device"]] for row in rows])
        axes.set_xscale("log")
        axes.set_xlabel(title)
        axes.grid(axis="x", alpha=0.3)
        axes.invert_yaxis() if name == "train_seconds" else None
    figure.savefig(path, dpi=110)
