"""What a process of its own costs a trial, and how a sweep's pace compares with calling train.py for each trial."""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from barwise.benchmarks.measure import FOLDER, store
from barwise.console.arguments import Arguments
from barwise.console.config import conf_dir, yaml_of

if TYPE_CHECKING:
    from barwise.sweeps.pool import Job

_ROOT = Path(__file__).resolve().parents[3]


def main(words: list[str]) -> None:
    """Measure both, print a table, and store it."""
    parser = Arguments("benchmark sweeps", __doc__ or "")
    parser.add_argument("--trials", type=int, default=64, help="of each kind, 0 for none (64)")
    parser.add_argument("--pairs", type=int, default=16, help="trials run both warm and isolated (16)")
    parser.add_argument("--n_jobs", type=int, default=2, help="trials at once (2)")
    parser.add_argument("--strategy", default="xgboost", help="what the trials train (xgboost)")
    parser.add_argument("--beside", type=Path, help="another checkout, whose sweeps run in turns with this one's")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("overrides", nargs="*", help="of every trial, such as data=synthetic")
    given = parser.parse_args(words)
    if os.environ.get("OMP_NUM_THREADS") != "1":  # libraries read it when they are loaded, and some are by now
        os.execve(sys.executable, [sys.executable, "-m", "barwise", "benchmark", "sweeps", *words], _environment())
    fixed = [f"strategy={given.strategy}", "threads=1", *given.overrides]
    one = yaml_of(Path(conf_dir()) / "strategy" / f"{given.strategy}.yaml") or {}
    seeds = ["strategy.n_seeds=1"] if "n_seeds" in one else []  # a call by itself would average several
    with tempfile.TemporaryDirectory() as scratch:
        empty = _isolation_cost(fixed, 4 * given.pairs, Path(scratch) / "empty", (__name__, "nothing"))
        cost = _isolation_cost(fixed, given.pairs, Path(scratch), ("barwise.commands.train", "job"))
        print(f"isolation costs {cost['cost_median_s']:+.3f} s of {cost['isolated_s']:.2f}", flush=True)
        pace = None
        if given.trials:
            pace = _throughput(fixed, seeds, given.trials, given.n_jobs, Path(scratch), given.beside)
    facts = {"overrides": fixed, "empty": empty, "isolation": cost, "throughput": pace}
    _show(facts)
    print(f"stored: {store('sweeps', facts, given.folder)}")


def _isolation_cost(fixed: Sequence[str], pairs: int, scratch: Path, task: tuple[str, str]) -> dict[str, float]:
    """The same trials in turns: one after another in a process that has all imported, and each in one of its own."""
    from barwise.sweeps.pool import Pool

    warm: list[float] = []
    alone: list[float] = []
    cpu: tuple[list[float], list[float]] = ([], [])
    jobs = [replace(job, task=task) for job in _composed(fixed, 2 * (pairs + 1), scratch)]
    with Pool(n_jobs=1) as pool, _Warm() as one_after_another:
        for i in range(pairs + 1):  # the first pair pays for the imports, in both
            begin, used = time.perf_counter(), _cpu_seconds(one_after_another.pid)
            one_after_another.run(jobs[2 * i])
            warm.append(time.perf_counter() - begin)
            cpu[0].append(_cpu_seconds(one_after_another.pid) - used)
            server = next((x.process.pid for x in pool.servers.values()), None)
            begin, used = time.perf_counter(), _cpu_seconds(server)
            pool.start(jobs[2 * i + 1])
            while not (ended := pool.wait()):
                continue
            if ended[0].code:
                raise RuntimeError(f"the trial failed; {ended[0].job.folder} has why")
            alone.append(time.perf_counter() - begin)
            cpu[1].append(_cpu_seconds(server) - used)
    differences = [a - w for a, w in zip(alone[1:], warm[1:], strict=True)]
    return {
        "trials": pairs, "warm_s": statistics.median(warm[1:]), "isolated_s": statistics.median(alone[1:]),
        "cost_median_s": statistics.median(differences), "cost_mean_s": statistics.fmean(differences),
        "warm_cpu_s": statistics.median(cpu[0][1:]), "isolated_cpu_s": statistics.median(cpu[1][1:]),
        "cost_worst_s": max(differences), "first_isolated_s": alone[0],
    }  # fmt: skip


def _cpu_seconds(pid: int | None) -> float:
    """Processor seconds of a process and of those it started that have ended."""
    import psutil

    if pid is None:
        return 0.0
    used = psutil.Process(pid).cpu_times()
    return float(used.user + used.system + used.children_user + used.children_system)


class _Warm:
    """A process that runs one trial after another; of a session of its own, as trials are, for the scheduler's sake."""

    def __enter__(self) -> _Warm:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "barwise.benchmarks.sweeps"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            start_new_session=True, env=_environment(), text=True,
        )  # fmt: skip
        self.pid = self.process.pid
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()

    def run(self, job: Job) -> None:
        """Run one trial to its end."""
        order = {"argv": sys.argv, "config": job.config, "task": job.task, "imports": job.imports, "path": sys.path}
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("no pipes")
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        if not self.process.stdout.readline():
            raise RuntimeError("the warm process is gone")


def _serve() -> None:
    """The warm process: a job a line, an answer a line."""
    from barwise.sweeps.server import warm
    from barwise.sweeps.trial import run

    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    sys.stdout = io.StringIO()
    for line in sys.stdin.buffer:
        job = json.loads(line)
        warm(job)
        run(job)
        answers.write(b"done\n")


def nothing(config: Any) -> float:
    """A trial without work: what is left is the process, its directory and its log."""
    return 0.0


def _composed(fixed: Sequence[str], n: int, scratch: Path) -> Iterator[Any]:
    """`n` trials as the launcher would start them."""
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import RunMode

    from barwise.commands.train import job
    from barwise.sweeps.composed import TrialConfigs, sweep_of
    from barwise.sweeps.runner import Trial, TrialRunner, local_pool

    with initialize_config_dir(conf_dir(), version_base="1.3"):
        hydra = GlobalHydra.instance().hydra
        if hydra is None:
            raise RuntimeError("Hydra was not initialised")
        words = [*fixed, f"output_dir={scratch / 'isolation'}", "quiet=true", "sweep.name=isolation"]
        config = hydra.compose_config("config", words, RunMode.MULTIRUN)
        trials, task = TrialConfigs(config, hydra.config_loader), (job.__module__, job.__qualname__)
        isolation = TrialRunner(local_pool(1, None, "auto", None), sweep_of(config), trials, task)
        for i in range(n):
            yield isolation.job(Trial(i, (*words, f"seed={i // 2}")))


def _throughput(
    fixed: Sequence[str], seeds: Sequence[str], trials: int, n_jobs: int, scratch: Path, beside: Path | None
) -> dict[str, Any]:
    """A sweep, separate calls, separate calls, a sweep: half the trials each, so that a busy hour hits both kinds; the
    sweeps of another checkout in between."""
    half = max(1, trials // 2)
    there = ("beside",) if beside else ()
    seconds: dict[str, list[float]] = {"sweep": [], "calls": [], "beside": []}
    used: dict[str, list[float]] = {"sweep": [], "calls": [], "beside": []}
    memory = []
    for turn, kind in enumerate(("sweep", *there, "calls", "calls", *there, "sweep")):
        folder, before = scratch / str(turn), _ended_cpu()
        if kind == "calls":
            took = _separate([*fixed, *seeds], half, n_jobs, folder)
        else:
            took, sizes = _sweep(fixed, half, n_jobs, folder, beside if kind == "beside" and beside else _ROOT)
            memory += [sizes] if kind == "sweep" else []
        seconds[kind].append(took)
        used[kind].append((_ended_cpu() - before) / half)
        print(f"{half} trials, {kind}: {took:.0f} s, {used[kind][-1]:.2f} processor seconds each", flush=True)
    pace = {kind: 60 * half * len(took) / sum(took) for kind, took in seconds.items() if took}
    return {
        "trials": 2 * half, "n_jobs": n_jobs, "seconds": seconds, "cpu_s_a_trial": used, "trials_a_minute": pace,
        "ratio": pace["sweep"] / pace["calls"],
        "parent_mb": [{"after_a_quarter": s[len(s) // 4], "at_the_end": s[-1]} for s in memory if s],
    }  # fmt: skip


def _ended_cpu() -> float:
    """Processor seconds of the processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "160"}


def _sweep(fixed: Sequence[str], trials: int, n_jobs: int, folder: Path, root: Path) -> tuple[float, list[float]]:
    """Seconds of one sweep, and the parent's resident MB at every tenth of a second while trials end.

    What comes once all are done, the page of the sweep, takes its time and is left out of the parent's memory.
    """
    import psutil

    command = [
        sys.executable, str(root / "train.py"), "-m", *fixed, f"seed=range(0,{trials})", f"output_dir={folder}",
        f"hydra.launcher.n_jobs={n_jobs}", "sweep.name=pace",
    ]  # fmt: skip
    begin, sizes = time.perf_counter(), []
    paths = {} if root == _ROOT else {"PYTHONPATH": str(root / "src")}
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL, env={**_environment(), **paths})
    parent, first = psutil.Process(process.pid), folder / "sweeps" / "pace" / "leaderboard.csv"
    while process.poll() is None:
        if first.exists() and first.read_text().count(",done,") < trials:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                sizes.append(parent.memory_info().rss / 2**20)
        time.sleep(0.1)
    if process.returncode:
        raise RuntimeError(f"the sweep ended with {process.returncode}")
    return time.perf_counter() - begin, [s for s in sizes if s > 1]


def _separate(fixed: Sequence[str], trials: int, n_jobs: int, folder: Path) -> float:
    """Seconds of as many calls of train.py, `n_jobs` at a time."""

    def call(seed: int) -> None:
        command = [sys.executable, str(_ROOT / "train.py"), *fixed, f"seed={seed}", f"output_dir={folder}"]
        subprocess.run(command, cwd=_ROOT, stdout=subprocess.DEVNULL, env=_environment(), check=True)

    begin = time.perf_counter()
    with ThreadPoolExecutor(n_jobs) as pool:
        list(pool.map(call, range(trials)))
    return time.perf_counter() - begin


def _show(facts: dict[str, Any]) -> None:
    """The figures as a table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, show_header=False, title="sweeps", title_justify="left", title_style="bold")
    empty, cost, pace = facts["empty"], facts["isolation"], facts["throughput"]
    rows = [
        ("a process of its own, for a trial without work: median", f"{empty['cost_median_s']:+.3f} s"),
        ("the same, processor time", f"{empty['isolated_cpu_s'] - empty['warm_cpu_s']:+.3f} s"),
        ("a trial in a warm process, median", f"{cost['warm_s']:.3f} s"),
        ("the same in a process of its own", f"{cost['isolated_s']:.3f} s"),
        ("difference, median of the pairs", f"{cost['cost_median_s']:+.3f} s"),
    ]
    if pace:
        rows += [
            (
                f"trials a minute, {kind}; processor seconds each",
                f"{pace['trials_a_minute'][kind]:.1f}; {statistics.fmean(pace['cpu_s_a_trial'][kind]):.2f}",
            )
            for kind in pace["trials_a_minute"]
        ]
        rows.append(("a sweep's pace over that of calls", f"{pace['ratio']:.2f}"))
        for size in pace["parent_mb"]:
            sizes = f"{size['after_a_quarter']:.1f}, {size['at_the_end']:.1f}"
            rows.append(("parent, MB after a quarter, at the end", sizes))
    for row in rows:
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    _serve()
