"""What a stranger's files can do beside a run's models: names, links, pipes, pages, who signed what."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from barwise import __main__ as program
from barwise.errors import DataError
from barwise.runs.csv_files import _cell, write_csv
from barwise.safety import files, signature
from barwise.safety.apart import apart
from barwise.serving import model_files
from barwise.serving.model import serve
from barwise.sweeps.leaderboard import Leaderboard
from barwise.sweeps.page import render_sweep
from tests.conftest import PATIENCE

FOLD = Path("model") / "fold-0"


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()


def link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


STRANGE: list[Callable[[Path], None]] = [pipe, device, folder, link]


@pytest.mark.parametrize("make", STRANGE)
def test_the_reader_takes_regular_files_alone(make, tmp_path):
    make(tmp_path / "x")
    for read in (files.read_json, files.read_yaml, files.read_text, lambda p: files.read_bytes(p, 10)):
        with pytest.raises((DataError, IsADirectoryError), match=r"regular file|is a link|directory"):
            read(tmp_path / "x")
    (tmp_path / "big").write_bytes(b"x" * 11)
    with pytest.raises(DataError, match="more than"):
        files.read_bytes(tmp_path / "big", 10)
    assert files.read_bytes(tmp_path / "big", 11) == b"x" * 11


def test_leaderboard_and_sweep_page_wait_for_nothing(copy, tmp_path):
    """Another process reads, so that a test which would wait for ever ends."""
    run, sweep = copy("xgboost"), tmp_path / "sweep"
    shutil.copytree(run, sweep / "sound")
    for name in ("run.json", "metrics.json", "ledger.parquet"):
        for make in STRANGE:
            place = shutil.copytree(run, sweep / f"{name}-{make.__name__}") / name
            place.unlink()
            make(place)
    code = f"from barwise.__main__ import main; main(['leaderboard', {str(sweep)!r}]); main(['report', {str(sweep)!r}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and "root:x:0" not in (sweep / "sweep.html").read_text()
    assert (sweep / "leaderboard.csv").read_text().count("not shown") == len(STRANGE)


@pytest.mark.parametrize("home", ["/etc", 7, None, ["x"], "a" * 9999, "\0", "../nowhere", "model", {}])
def test_the_folder_of_trials_is_a_folder_relative_to_the_run(home, copy):
    run = copy("xgboost")
    manifest = json.loads((run / "run.json").read_text()) | {"trials_folder": home, "problem": "x", "trial": "x"}
    (run / "run.json").write_text(json.dumps(manifest))
    (run / "verdict.json").write_text('{"sentence": "as filed", "n_trials": 1}')
    board = Leaderboard(run)
    board.update(write=False)
    assert [row.status for row in board.rows] == ["done"]
    program.main(["verdict", str(run)])
    assert files.ledger_folder(run, "/etc") is None
    assert files.ledger_folder(run, "..") == run.parent


def test_a_linked_run_is_a_row_that_says_so(copy, tmp_path):
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "0").symlink_to(copy("xgboost"))
    board = Leaderboard(tmp_path / "sweep")
    board.update(write=False)
    assert [row.status for row in board.rows] == ["not shown"] and "is a link" in str(board.rows[0].reason)


def test_a_folder_named_like_a_script_is_a_folder(copy, tmp_path):
    name = "javascript:alert(1)//"
    shutil.copytree(copy("xgboost"), tmp_path / "sweep" / name.rstrip("/"))
    shutil.copytree(tmp_path / "run", tmp_path / "sweep" / "1")
    page = render_sweep(tmp_path / "sweep").read_text()
    links = re.findall(r'href="([^"]*)"', re.sub(r"(?s)<script>.*?</script>", "", page))
    assert links and all(one.startswith(("./", "data:,")) for one in links)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    allowed = next(part for part in policy.group(1).split(";") if "script-src" in part)
    assert "unsafe-inline" not in allowed and allowed.count("sha256-") == page.count("<script>") == 2


@pytest.mark.parametrize("text", ["=1+1", "+SUM(A1)", "-2+3", "@x", "\t=1", "\r=1", " =1", "-x", "=-0.3"])
def test_a_formula_in_a_cell_is_text(text):
    assert _cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["-0.3", "+1e-5", "-inf", "seed=1", "a-b", "", None, -0.3, 7, True])
def test_other_cells_stay_as_they_are(value):
    assert _cell(value) == value


def test_numbers_and_formulas_in_leaderboard_csv(copy, tmp_path):
    import csv

    run = tmp_path / "sweep" / "=cmd()"
    shutil.copytree(copy("xgboost"), run)
    metrics = json.loads((run / "metrics.json").read_text()) | {"sharpe": -0.3}
    (run / "metrics.json").write_text(json.dumps(metrics))
    program.main(["leaderboard", str(tmp_path / "sweep")])
    with (tmp_path / "sweep" / "leaderboard.csv").open(newline="") as file:
        row = next(csv.DictReader(file))
    assert row["trial"] == "'=cmd()" and row["sharpe"] == "-0.3"


def test_symbols_that_are_formulas_are_text_in_every_csv(tmp_path):
    names = np.array(["=1+1", "+A", "-B", "@C", " =D", "E", "-1"], dtype=object)
    others = {"score": -np.arange(7.0), "=x": [None, -1, 2.5, True, "=y", "a", float("nan")]}
    write_csv(tmp_path / "x.csv", {"time": np.full(7, "2020-01-01", "datetime64[ns]"), "symbol": names, **others})
    head, *rows = (tmp_path / "x.csv").read_text().splitlines()
    assert head == "time,symbol,score,'=x"
    assert [row.split(",")[1] for row in rows] == ["'=1+1", "'+A", "'-B", "'@C", "' =D", "E", "-1"]
    assert [row.split(",")[3] for row in rows] == ["", "-1", "2.5", "True", "'=y", "a", ""]


def test_there_is_one_writer_of_csv():
    """Whatever else writes a CSV in the product forgets the quotes."""
    package = Path(program.__file__).parent
    writers = [
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"\.to_csv\(|csv\.(Dict)?[wW]riter\(", path.read_text()) and "benchmarks" not in path.parts
    ]
    assert writers == ["runs/csv_files.py"]


# whose a model is


def test_a_run_of_ones_own_is_not_tried(copy, monkeypatch):
    run = copy("xgboost")
    monkeypatch.setattr(model_files, "apart", lambda *given: pytest.fail("was tried"))
    assert signature.signed(run / FOLD)
    serve(run)


@pytest.mark.parametrize("change", ["content", "new file", "other key", "no signature", "signature of another fold"])
def test_what_was_changed_is_a_strangers(change, copy, monkeypatch, tmp_path):
    run = copy("xgboost")
    place = run / FOLD
    if change == "content":
        (place / "signals.json").write_text((place / "signals.json").read_text() + " ")
    elif change == "new file":
        (place / "model.ubj").write_bytes(b"x")
    elif change == "other key":
        monkeypatch.setenv("BARWISE_CACHE", str(tmp_path / "cache"))
        signature.sign(run)
    elif change == "no signature":
        (place / signature._NAME).unlink()
    else:
        (place / signature._NAME).write_text('{"hmac-sha256": "' + "0" * 64 + '"}')
    assert not signature.signed(place)


def test_a_key_that_others_could_read_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv("BARWISE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a").write_text("a")
    signature.sign(tmp_path / "x")
    assert signature.signed(tmp_path / "x") and signature._key_file().stat().st_mode & 0o777 == 0o600
    signature._key_file().chmod(0o644)
    assert not signature.signed(tmp_path / "x")


@pytest.mark.parametrize("strategy", ["xgboost", "lightgbm", "forest", pytest.param("lstm", marks=pytest.mark.slow)])
def test_a_strangers_model_is_tried_and_served_the_same(strategy, copy, monkeypatch):
    run, called = copy(strategy), []
    monkeypatch.setattr(model_files, "apart", lambda *given: called.append(given) or apart(*given))
    for found in (run / "model").glob("*/signature.json"):
        found.unlink()
    serve(run)
    assert len(called) == 1


def kills_itself(given: dict[str, object]) -> None:
    os.kill(os.getpid(), 11)


def takes_memory(given: dict[str, object]) -> None:
    bytearray(3 * 1024**3)


def never_ends(given: dict[str, object]) -> None:
    while True:
        pass


def raises(given: dict[str, object]) -> None:
    raise DataError("one line")


def writes(given: dict[str, object]) -> None:
    Path(str(given["place"])).write_text("x" * 10_000)


@pytest.mark.parametrize(
    ("function", "line"),
    [(kills_itself, "ended with SIGSEGV"), (takes_memory, "takes more than 1024 MB"), (raises, "one line"),
     (never_ends, "took more than 1 s"), (writes, "ended with")],
)  # fmt: skip
def test_what_a_process_of_its_own_does_ends_in_one_line(function, line, monkeypatch, tmp_path):
    monkeypatch.setattr("barwise.safety.apart._SECONDS", 1 if function is never_ends else 60)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    with pytest.raises(DataError, match=line) as error:
        apart(f"{__name__}:{function.__name__}", {"place": str(tmp_path / "x")}, (), 0)
    assert len(str(error.value).splitlines()) == 1


def test_a_repository_around_the_installation_is_not_asked(tmp_path):
    """git status runs what core.fsmonitor of the repository names."""
    import barwise

    mark, installed = tmp_path / "was-here", tmp_path / "venv" / "site-packages"
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "monitor").write_text(f"#!/bin/sh\ntouch {mark}\n")
    (tmp_path / "monitor").chmod(0o755)
    subprocess.run(["git", "-C", str(tmp_path), "config", "core.fsmonitor", str(tmp_path / "monitor")], check=True)
    shutil.copytree(Path(barwise.__file__).parent, installed / "barwise", ignore=shutil.ignore_patterns("*.parquet"))
    code = f"import sys; sys.path.insert(0, {str(installed)!r})\n"
    code += "from barwise.runs.directory import git_revision, __file__ as f\n"
    done = subprocess.run([sys.executable, "-c", code + "print(f, git_revision())"], capture_output=True, text=True,
                          timeout=PATIENCE, check=True)  # fmt: skip
    assert str(installed) in done.stdout and done.stdout.strip().endswith("None") and not mark.exists()


def test_git_is_asked_for_the_revision_alone_whatever_a_branch_is_called(tmp_path):
    import barwise

    package = tmp_path / "src" / "barwise"
    shutil.copytree(Path(barwise.__file__).parent, package, ignore=shutil.ignore_patterns("*.parquet"))
    git = ("git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b")
    for words in (["init", "-q", "-b", "$(touch${IFS}was-here)/<b>"], ["commit", "-q", "--allow-empty", "-m", "=1+1"]):
        subprocess.run([*git, *words], check=True)
    code = f"import sys; sys.path.insert(0, {str(package.parent)!r})\n"
    code += "from barwise.runs.directory import git_revision; print(*git_revision().items())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert re.fullmatch(r"\('revision', '[0-9a-f]{40}'\) \('dirty', (True|False)\)", done.stdout.strip())
    assert not list(tmp_path.rglob("was-here"))


def test_texts_in_tensorboard_are_code_whatever_a_name_says():
    from barwise.report.dashboard import _texts

    evil = "![x](http://example.invalid/x.png)"
    found = _texts({"sentence": f"Not audited: S1\n\n{evil}\n<script>"}, {"data": {f"```\n{evil}": f"```\n{evil}"}})
    assert found["verdict"] == f"    Not audited: S1 {evil} <script>"
    first, *inner, last = found["configuration"].splitlines()
    assert first == last == "```" and not any(line.lstrip().startswith("```") for line in inner)
    assert _texts({}, {})["verdict"] == "    no verdict"


def test_temporary_places_have_random_names_of_their_own(tmp_path, monkeypatch):
    """Nothing in a folder that all may write to, such as /tmp, can be foreseen, or read by others."""
    from barwise.audit.process import CleanProcess

    package = Path(program.__file__).parent
    said = {p.name: p.read_text() for p in package.rglob("*.py") if "benchmarks" not in p.parts}
    assert [name for name, text in said.items() if re.search(r"[\"']/(var/)?tmp\b|gettempdir|mktemp\(", text)] == []
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("threading.active_count", lambda: 1)
    process = CleanProcess({})
    try:
        (place,) = tmp_path.iterdir()
        assert place.stat().st_mode & 0o777 == 0o700 and str(place) == process.folder
    finally:
        process.close()


def test_a_study_that_is_a_link_or_damaged_is_one_line(tmp_path):
    import pickle
    import sqlite3

    from barwise.errors import ConfigError
    from barwise.sweeps.study import Plan, address, opened
    from tests.safety.hostile import Payload

    plan = Plan("tpe", 20, 3, 0, ("maximize",))
    study, _ = opened(address(None, tmp_path), "s", plan)
    for i in range(5):  # samplers of Optuna's that we do not use keep pickles there
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        study._storage.set_trial_system_attr(trial._trial_id, "cma:optimizer", pickle.dumps(Payload()).hex())
        study.tell(trial, i)
    opened(address(None, tmp_path), "s", plan)[0].ask().suggest_float("x", 0, 1)
    with sqlite3.connect(tmp_path / "study.db") as base:
        base.execute("update trial_system_attributes set value_json = ?", (pickle.dumps(Payload()),))
    with pytest.raises(ConfigError, match="cannot be read"):
        opened(address(None, tmp_path), "s", plan)
    assert not Path("/tmp/barwise-was-here").exists()
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "study.db").symlink_to(tmp_path / "study.db")
    with pytest.raises(DataError, match="is a link"):
        address(None, tmp_path / "linked")


@pytest.mark.parametrize("kind", ["extension", "nested", "python", "zone"])
def test_columns_of_a_table_are_numbers_times_and_text(kind, tmp_path):
    import pickle

    import pyarrow as pa
    import pyarrow.parquet as pq

    from barwise.safety.tables import read_table
    from tests.safety.hostile import Payload

    evil = {b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": pickle.dumps(Payload())}
    columns = {
        "extension": pa.table({"x": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0" * 16], pa.binary(16)))}),
        "nested": pa.table({"x": pa.array([[[1] * 10]])}),
        "python": pa.table([pa.array([1])], pa.schema([pa.field("x", pa.int64(), metadata=evil)])),
        "zone": pa.table({"x": pa.array([1], pa.timestamp("ns", tz="Nowhere/Land"))}),
    }
    pq.write_table(columns[kind], tmp_path / "x.parquet")
    if kind == "python":  # taken as what it is stored as
        assert read_table(tmp_path / "x.parquet")["x"].tolist() == [1]
    else:
        with pytest.raises(DataError, match=r"numbers, times and text|cannot be read"):
            read_table(tmp_path / "x.parquet")
    assert not Path("/tmp/barwise-was-here").exists()


@pytest.mark.parametrize(
    "address", ["postgresql://me@example.invalid/db", "ray://example.invalid:10001", "file:///etc"]
)
def test_an_address_in_a_strangers_configuration_is_not_called(address, copy, tmp_path, monkeypatch, capsys):
    from tests.safety import hostile

    run = copy("xgboost")
    hostile.config(monitor={"_target_": "barwise.devices.monitor.Monitor", "profile": address})(run)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        program.main(["rerun", str(run)])
    assert "is not called" in capsys.readouterr().err
