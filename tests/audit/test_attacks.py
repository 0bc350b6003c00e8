"""Parts that hide what they know: refused or stamped by a run and by a command, and found by their own guard."""

from __future__ import annotations

import gc
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from joblib import Parallel, delayed
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from barwise.audit import audit as checks
from barwise.audit import in_run, process, recompute
from barwise.audit.own import is_users
from barwise.audit.process import CleanProcess
from barwise.audit.scores import Scoring
from barwise.audit.watch import Watch, watched
from barwise.backtest.ledger import Backtest
from barwise.console.progress import Progress
from barwise.data.bars import Market
from barwise.errors import LeakError
from barwise.experiment import proving
from barwise.experiment import run as experiment
from barwise.experiment.parts import Parts
from barwise.experiment.run import run
from barwise.features.price import price
from barwise.portfolio.portfolio import Portfolio
from barwise.runs.directory import RunDirectory
from barwise.strategies.sklearn import SklearnStrategy
from barwise.strategies.xgb import XGBoostStrategy
from barwise.validation.folds import Validation
from barwise.validation.splits import PurgedKFold
from tests.audit import attacks
from tests.audit.cases import days, honest
from tests.conftest import train

ROWS = ("features", "watch", "tables", "threads")
SCORES = ("scores", "watch", "tables")
BOOK = ("book",)


@dataclass(frozen=True)
class Attack:
    """`words`: of the refusal, or of what was not audited. `guards`: those that must be out for it to pass."""

    parts: Callable[[Path], dict[str, Any]]
    words: str
    guards: tuple[str, ...]
    stamped: bool = False


def feature(made: Any, words: str, stamped: bool = False, **change: Any) -> Attack:
    return Attack(lambda folder: {"features": {"price": price, "mine": made}, **change}, words, ROWS, stamped)


def filed(made: Any, name: str) -> Attack:
    def parts(folder: Path) -> dict[str, Any]:
        path = f"/dev/shm/barwise-{os.getpid()}" if name == "/dev/shm" else str(folder / name)
        Path(path).unlink(missing_ok=True)
        return {"features": {"price": price, "mine": partial(made, path)}}

    return Attack(parts, "read ", ROWS, stamped=True)


def strategy(made: Any, words: str, stamped: bool = False, **change: Any) -> Attack:
    return Attack(lambda folder: {"strategy": made(), **change}, words, SCORES, stamped)


def part(words: str, guards: tuple[str, ...], stamped: bool = False, **change: Any) -> Attack:
    return Attack(lambda folder: change, words, guards, stamped)


def table(folder: Path) -> str:
    """What each day earned, as a file."""
    bars, path = days().bars[0], folder / "table.bin"
    earned = np.roll(attacks.tomorrow(bars), -1)
    np.array([bars.time.astype(np.int64).astype(float), earned]).T.tofile(path)
    return str(path)


def one() -> Market:
    return Market(days().bars[:1])


def pipeline() -> SklearnStrategy:
    return SklearnStrategy(make_pipeline(attacks.Recalls(), LogisticRegression()), scale=False)


FRAME = "the program that runs it"
CUT, KEPT, LATER = "it uses bars that were not known yet", "it keeps what it saw", "it knows later bars"
MOVED, REMEMBERS = "a score changes when later bars are not there yet", "it remembers"
PARTS = {"validation": Validation(PurgedKFold(3))}
ATTACKS: dict[str, Attack] = {
    "through a view": feature(attacks.through_a_view, CUT),
    "through frames": feature(attacks.through_frames, CUT),
    "through shared memory": feature(attacks.through_shared_memory, KEPT),
    "through a file that looks like code": filed(attacks.through_a_file, "cache.py"),
    "through a file in memory": filed(attacks.through_a_file, "/dev/shm"),
    "through a pipe": feature(attacks.through_a_pipe, KEPT),
    "a thread beside": feature(attacks.thread_at_import, "threads run beside parts of your own", stamped=True),
    "kept on a class": feature(attacks.by_class_attribute, CUT),
    "kept in a closure": feature(attacks.by_closure, CUT),
    "kept by weak references": feature(attacks.by_weak_reference, CUT),
    "kept in the environment": feature(attacks.by_environment, ""),
    "kept by identity": feature(attacks.by_identity, CUT),
    "by the number of calls": feature(attacks.by_call, ""),
    "by the process": feature(attacks.by_process, CUT),
    "by the caller": feature(attacks.by_caller, CUT),
    "a table in a table": feature(attacks.from_a_nested_table, "keeps a table of 700 rows", stamped=True),
    "seldom": feature(attacks.seldom, CUT),
    "seldom, on one symbol": feature(attacks.seldom, CUT, data=one),
    "across symbols, by content": feature(attacks.across_by_content, CUT),
    "the rows below the reader": strategy(attacks.HiddenRows, MOVED),
    "the array below a view": strategy(attacks.BelowTheView, MOVED),
    "labels of a caller's": strategy(attacks.ThroughFrames, f"{FRAME} (sys._getframe", stamped=True),
    "a caller of a traceback's": strategy(attacks.ThroughATraceback, f"{FRAME} (tb_frame", stamped=True),
    "blocks kept by content": strategy(attacks.KeptByContent, REMEMBERS, data=one),
    "blocks that overrule bars": strategy(attacks.KeptAfterwards, "it keeps what it saw", data=one),
    "in early folds": strategy(attacks.EarlyFolds, REMEMBERS, data=one),
    "days in a file": Attack(lambda f: {"strategy": attacks.ReadsAFile(table(f))}, "table.bin", SCORES, stamped=True),
    "days in a table": strategy(attacks.LooksUpDates, "strategy keeps a table of 700 rows", stamped=True),
    "under our name": strategy(attacks.LooksUpDatesOfBase, "strategy keeps a table of 700 rows", stamped=True),
    "a step that recalls labels": strategy(pipeline, "remembers", **PARTS),
    "labels in other folds' files": strategy(attacks.FilesOfOtherFolds, REMEMBERS, **PARTS),
    "a rule that keeps blocks": part("it keeps what it saw", ("rule",), signals=attacks.RuleKeepsBlocks()),
    "a rule that asks its caller": part("", ("rule", "watch"), signals=attacks.RuleThroughFrames()),
    "a rule that seldom looks": part("changes with scores of later bars", ("rule",), signals=attacks.RuleSeldom()),
    "net that is not gross less cost": part("net is not gross less cost", BOOK, backtest=attacks.RosyNet()),
    "good days alone": part("are not all bars from its first", BOOK, backtest=attacks.OnlyGoodDays()),
    "declared flows": part("", BOOK, backtest=attacks.FreeMoney()),
    "the best fill of each bar": part("by its own word", BOOK, stamped=True, backtest=attacks.BestFills()),
    "a ledger of its own": part("excess is not net less", BOOK, backtest=attacks.OwnLedger()),
    "positions kept by time": part(LATER, BOOK, backtest=attacks.Hindsight()),
    "positions kept by content": part(LATER, BOOK, backtest=attacks.HindsightByContent()),
    "positions that seldom know": part(LATER, BOOK, backtest=attacks.HindsightSeldom()),
    "costs that know": part(LATER, BOOK, backtest=Backtest(costs=attacks.KindCosts())),
    "weights in large markets": part("", BOOK, backtest=Backtest(portfolio=Portfolio(attacks.in_large_markets))),
    "weights kept by content": part(LATER, BOOK, backtest=Backtest(portfolio=Portfolio(attacks.kept_weights))),
    "labels that reach on": part("changes with", ("labels",), labels=attacks.reaching_labels),
    "labels kept by content": part("changes when the bars from", ("labels",), labels=attacks.kept_labels),
    "months that it likes": part("be picked", ("folds",), stamped=True, validation=Validation(attacks.GoodTimes())),
}  # fmt: skip
QUICK = ("the rows below the reader", "labels kept by content", "months that it likes")
EACH = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in ATTACKS]


@pytest.fixture(autouse=True)
def nothing_kept(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    name = getattr(request.node, "callspec", None)
    monkeypatch.setattr(attacks, "PID", os.getpid())
    for kept in (attacks.KEPT, attacks.HEARD, attacks.Table.values["all"]):
        kept.clear()
    attacks.COUNT[0] = 0
    attacks.SHARED[:] = bytes(len(attacks.SHARED))
    bars = days().bars[0]
    if name is not None and "table" in str(name.params.get("name")) + str(name.params.get("name") == "under our name"):
        close = name.params["name"] == "a table in a table"
        key = bars.close if close else bars.time.astype(np.int64).astype(float)
        later = attacks.tomorrow(bars) if close else np.roll(attacks.tomorrow(bars), -1)
        attacks.Table.values["all"].update(zip(key.tolist(), later.tolist(), strict=True))
    yield
    for kept in (attacks.KEPT, attacks.HEARD, attacks.Table.values["all"]):
        kept.clear()


def parts_of(name: str, folder: Path) -> Parts:
    if name == "a thread beside":
        attacks.start_a_thread()
    return honest(**ATTACKS[name].parts(folder))


def started(folder: Path) -> RunDirectory:
    out = RunDirectory(folder / "run")
    out.start()
    return out


def seen(parts: Parts, out: RunDirectory) -> tuple[str, list[str]]:
    """The refusal, and what was not audited."""
    refused = ""
    try:
        run(parts, out, Progress(quiet=True))
    except LeakError as error:
        refused = str(error)
    return refused, json.loads((out.path / "run.json").read_text())["audit"]["not_audited"]


@pytest.mark.parametrize("name", EACH)
def test_it_is_refused_or_stamped(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(experiment, "may_be_evidence", lambda excess: True)
    attack, out = ATTACKS[name], started(tmp_path)
    refused, unseen = seen(parts_of(name, tmp_path), out)
    attacks.stop_threads()
    assert bool(refused) is not attack.stamped, refused
    assert attack.words in (" ".join(unseen) if attack.stamped else refused)
    assert attack.stamped or not (out.path / "metrics.json").exists()


def without(guards: tuple[str, ...], patch: pytest.MonkeyPatch) -> None:
    """Take guards of the audit out."""

    def nothing(*_: Any, **__: Any) -> Iterator[Any]:
        return iter(())

    if "features" in guards:
        for name in ("rows_look_back", "features_look_back", "panels_look_back", "features_are_no_label"):
            patch.setattr(checks, name, nothing)
    if "scores" in guards:
        patch.setattr(checks, "learning_ignores_later_rows", nothing)
        patch.setattr(in_run, "rescored", lambda *_, **__: Scoring())
        patch.setattr(in_run, "_same_at_first", nothing)
    if "rule" in guards:
        patch.setattr(checks, "learning_ignores_later_rows", nothing)
        patch.setattr(in_run, "_signals_look_back", nothing)
        patch.setattr(in_run, "_cut_signals", nothing)
    if "book" in guards:
        patch.setattr(checks, "weights_wait", nothing)
        for name in ("ledger_adds_up", "ledger_looks_back", "book_again"):
            patch.setattr(proving, name, nothing)
    if "labels" in guards:
        for name in ("labels_wait", "labels_are_over"):
            patch.setattr(checks, name, nothing)
    if "folds" in guards:
        patch.setattr(checks, "nothing_is_left_out", nothing)
    if "threads" in guards:
        patch.setattr(checks, "_nothing_can_be_kept", nothing)
    if "tables" in guards:
        patch.setattr(recompute, "tables_of", lambda *_: [])
    if "watch" in guards:
        patch.setattr(experiment, "watched", nullcontext)
        patch.setattr(process, "listen", nothing)
    patch.setattr(experiment, "may_be_evidence", lambda excess: False)


@pytest.mark.parametrize("name", EACH)
def test_it_passes_without_its_guard(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    without(ATTACKS[name].guards, monkeypatch)
    refused, unseen = seen(parts_of(name, tmp_path), started(tmp_path))
    attacks.stop_threads()
    assert not refused and not unseen


COMMANDS = {  # group: what the YAML says beside the target
    "features": "mine:\n  _partial_: true\n  ", "labels": "_partial_: true\nexecution: ${backtest.execution}\n",
    "strategy": "", "signals": "", "backtest": "execution: next_open\n",
}  # fmt: skip
TARGETS = {
    "features": ("through_a_view", "through_shared_memory", "by_class_attribute", "by_closure", "by_weak_reference",
                 "by_environment", "by_identity", "by_call", "by_process", "by_caller", "seldom", "across_by_content",
                 "through_frames", "through_a_pipe"),
    "strategy": ("HiddenRows", "BelowTheView", "ThroughFrames", "ThroughATraceback", "KeptByContent", "KeptAfterwards",
                 "EarlyFolds", "FilesOfOtherFolds"),
    "signals": ("RuleKeepsBlocks", "RuleThroughFrames", "RuleSeldom"),
    "backtest": ("RosyNet", "OnlyGoodDays", "FreeMoney", "BestFills", "OwnLedger", "Hindsight", "HindsightByContent",
                 "HindsightSeldom"),
    "labels": ("reaching_labels", "kept_labels"),
}  # fmt: skip
SLY = {
    "features": ("statistics_by_symbol", "smoothed_by_time", "trend_of_the_first_call", "on_one_symbol", "on_few_bars",
                 "when_it_is_wild", "in_long_series", "beside_a_giant", "noise_of_two_rows", "noise_without_a_seed"),
    "strategy": ("MeanLabelOfTheBar", "PurgedLabels", "NextRows", "OnlyWithAFolder", "OnlyWhereThePanelIsLarge",
                 "OnlyWithSeveralSymbols", "OnOneDateInTen", "Remembers", "Unseeded"),
    "labels": ("weighed_by_what_comes",),
    "signals": ("LooksUpReturns",),
    "backtest": ("AtTheBetterPrice", "SaysNothing", "KnowsTheEnd"),
}  # fmt: skip
FEW = ("seldom", "BelowTheView")
STARTED = [
    pytest.param(group, f"{module}.{name}", marks=() if name in FEW else pytest.mark.slow)
    for module, all_ in (("attacks", TARGETS), ("sly", SLY))
    for group, names in all_.items()
    for name in names
]


@pytest.mark.parametrize(("group", "target"), STARTED)
def test_the_command_refuses_it_or_speaks_of_no_evidence(
    group: str, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The leak is a file of the user's beside a YAML that names it; nothing else is known of it."""
    module, name = target.split(".")
    own = tmp_path / "own"
    (own / "conf" / group).mkdir(parents=True)
    (own / "mine.py").write_text(f"from tests.audit.{module} import *\nfrom tests.audit.{module} import {name}\n")
    body = COMMANDS[group]
    text = f"{body}_target_: mine.{name}\n" if group != "labels" else f"_target_: mine.{name}\n_partial_: true\n"
    (own / "conf" / group / "mine.yaml").write_text(text)
    where = (f"output_dir={tmp_path}/out", f"hydra.run.dir={tmp_path}/out/run")
    chosen = "features=[price,mine]" if group == "features" else f"{group}=mine"
    words = ["--config-dir", str(own / "conf"), "experiment=smoke", "data.n_bars=700", "threads=1", chosen, *where]
    words += [] if group == "strategy" else ["strategy=ridge"]
    monkeypatch.setenv("PYTHONPATH", str(own))
    done = train(*words)
    manifest = json.loads((tmp_path / "out" / "run" / "run.json").read_text())
    if done.returncode == 3:
        (line,) = done.stderr.strip().splitlines()
        assert line.startswith("barwise: refused by the audit: ") and manifest["status"] == "refused"
        filed = [p for p in (tmp_path / "out").rglob("*.json*") if "sharpe" in p.read_text().lower()]
        assert not filed and "sharpe" not in (done.stdout + done.stderr).lower()
        return
    assert done.returncode == 0, done.stderr
    sentence = json.loads((tmp_path / "out" / "run" / "verdict.json").read_text())["sentence"]
    assert not sentence.startswith(("Evidence", "Weak evidence")) and "No" in sentence


def test_what_is_ours_is_told_by_where_code_lies_and_not_by_what_it_says():
    assert is_users(attacks.LooksUpDatesOfBase()) and is_users(pipeline()) and is_users(lambda: None)
    assert is_users(Backtest(costs=attacks.KindCosts())) and is_users(
        Backtest(portfolio=Portfolio(attacks.kept_weights))
    )
    assert not is_users(XGBoostStrategy()) and not is_users(Backtest(portfolio=Portfolio()))
    assert not is_users(SklearnStrategy(make_pipeline(LogisticRegression()), scale=True)) and not is_users(price)


def test_who_looks_into_the_program_is_told_of_and_a_library_that_does_is_not():
    import inspect
    import logging
    import warnings

    import pandas as pd

    watch = Watch()

    def honest_part() -> None:
        logging.getLogger("own").info("a line")
        warnings.warn("one", stacklevel=2)
        pd.DataFrame({"a": [1.0]}).assign(b=2).describe()

    with pytest.warns(UserWarning), watched(watch):
        honest_part()
    assert not watch.found

    def sly_part() -> None:
        inspect.currentframe()
        gc.get_referrers(watch)

    with watched(watch):
        sly_part()
    assert len(watch.found) == 2


def test_workers_that_an_estimator_left_behind_keep_no_process_from_being_forked():
    """As after a run of estimators that fit in processes, in the same notebook."""
    assert Parallel(n_jobs=2, backend="loky")(delayed(abs)(-i) for i in range(4)) == [0, 1, 2, 3]
    assert threading.active_count() > 1
    clean = CleanProcess({"look": lambda given: given})
    try:
        assert clean.forked and not clean.threads
    finally:
        clean.close()
    assert Parallel(n_jobs=2, backend="loky")(delayed(abs)(-i) for i in range(4)) == [0, 1, 2, 3]
    process._end_idle_workers()


def test_a_thread_that_waits_for_addresses_keeps_no_process_from_being_forked():
    """fsspec's, which goes on after bars were read at an address."""
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, name="fsspecIO", daemon=True)
    thread.start()
    clean = CleanProcess({"look": lambda given: given})
    try:
        assert clean.forked and not clean.threads
    finally:
        clean.close()
        stop.set()
        thread.join()


def test_the_clean_process_hears_nothing_of_its_parent():
    """Neither by memory that processes share nor by a pipe that was open before."""
    shared = np.frombuffer(attacks.SHARED, dtype=np.float64)
    shared[0] = 1.0
    read, write = os.pipe()
    os.set_blocking(read, False)

    def look(given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"kept": np.array(float(shared[0])), "heard": np.array(len(os.read(read, 8)))}

    clean = CleanProcess({"look": look})
    try:
        with pytest.raises(KeyError):
            clean.ask("what it cannot do", {}, {})
        shared[0] = 2.0
        os.write(write, b"12345678")
        answer = clean.ask("look", {})[0]
    finally:
        clean.close()
        os.close(read)
        os.close(write)
        shared[0] = 0.0
    assert answer["kept"] == 1.0 and answer["heard"] == 0
