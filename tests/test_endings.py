"""What ends a run badly ends it in one line, with a state that is true and nothing left over."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from barwise.commands.resume import _after, remaining
from barwise.console.messages import one_line
from barwise.console.printing import printable
from barwise.console.shortages import _REMEDIES, shortage
from barwise.errors import DataError, LeakError
from barwise.evidence import sealed, trials
from barwise.runs import directory as runs
from barwise.runs import jsonlines
from barwise.runs.directory import RunDirectory, replacing, write_bytes, write_json, write_parquet, write_text
from tests import warm
from tests.conftest import train


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


PLACES = {  # where a run is to leave its files, and the line
    "a file": ("x", "no folder can be made there (File exists); name another one"),
    "below a file": ("x/y", "a part of it is a file and no folder; name a folder: output_dir=DIR"),
    "below a link to itself": ("loop/y", "its links lead nowhere; name a folder: output_dir=DIR"),
    "a name too long": ("n" * 300, "the name is too long; name a shorter one: output_dir=DIR"),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_place_where_no_folder_can_be_is_one_line(tmp_path: Path, place: str):
    (tmp_path / "x").write_text("mine")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    name, said = PLACES[place]
    with pytest.raises((OSError, DataError)) as caught:
        jsonlines.append(tmp_path / name / "trials.jsonl", {"a": 1})
    code, line = one_line(caught.value)
    assert code == 2 and line.startswith(str(tmp_path)) and line.endswith(said)
    assert (tmp_path / "x").read_text() == "mine"
    early = one_line(FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "/proc/x"), started=False)
    assert early == (2, "/proc/x: no folder can be made there (No such file or directory); name one: output_dir=DIR")


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.endswith(".tmp")]


WRITERS: dict[str, Callable[[Path], None]] = {
    "bytes": lambda path: write_bytes(path, b"new"),
    "text": lambda path: write_text(path, "new"),
    "json": lambda path: write_json(path, {"new": 1}),
    "parquet": lambda path: write_parquet(path, {"new": np.arange(3)}),
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("point", ["the file beside it", "the name"])
def test_a_file_is_whole_or_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: str, point: str):
    path = tmp_path / "x"
    path.write_text("old")
    if point == "the name":
        monkeypatch.setattr(os, "replace", full)
    else:
        monkeypatch.setattr(Path, "write_bytes", full)
        monkeypatch.setattr("pyarrow.parquet.write_table", full)
    with pytest.raises(OSError) as caught:
        WRITERS[writer](path)
    assert one_line(caught.value) == (2, f"{path}: no space left on the disk; make room")
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["x"]


def test_what_a_library_says_of_a_full_disk_names_the_file(tmp_path: Path):
    with pytest.raises(OSError) as caught, replacing(tmp_path / "model") as beside:
        beside.write_bytes(b"half")
        raise RuntimeError("I/O error: No space left on device (os error 28)")
    assert one_line(caught.value)[1] == f"{tmp_path / 'model'}: no space left on the disk; make room"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", _REMEDIES)
def test_each_reason_that_a_file_cannot_be_written_is_one_line(number: int):
    code, line = one_line(OSError(number, os.strerror(number), "/x/y"), started=False)
    assert code == 2 and line.startswith("/x/y: ") and "overrides" not in line


def test_memory_that_gave_out_is_one_line():
    for error in (MemoryError(), RuntimeError("CUDA out of memory. Tried"), ValueError("std::bad_alloc")):
        assert one_line(error)[0] == 2 and "out of memory" in one_line(error)[1]
    assert shortage(RuntimeError("anything else")) is None


def test_a_message_is_cut_and_escaped_where_it_is_printed():
    shown = printable("a\x1b[2J\n\tb\udcff\u202e " + "n" * 5000 + " the remedy")
    assert shown.startswith(r"a\x1b[2J b\udcff\u202e nnn") and shown.endswith("nnn the remedy") and "…" in shown
    assert shown.isprintable() and len(shown) < 400
    assert len(printable("word " * 10**6)) <= 2000
    assert printable("data.path=É: “so” – 5 × 3 …") == "data.path=É: “so” – 5 × 3 …"


def test_a_lone_surrogate_is_written_escaped(tmp_path: Path):
    write_text(tmp_path / "x", "a\udcffb")
    assert (tmp_path / "x").read_text() == "a\\udcffb"


FULL_FROM = range(30)  # of the write points of a run, which are fewer


@contextlib.contextmanager
def full_from(monkeypatch: pytest.MonkeyPatch, first: int) -> Iterator[list[Path]]:
    """From the `first` file on nothing can be written: a disk that has become full. Yields what was asked for."""
    asked: list[Path] = []
    real = runs.replacing

    @contextlib.contextmanager
    def fake(path: Path) -> Iterator[Path]:
        asked.append(path)
        if len(asked) > first:
            raise OSError(errno.ENOSPC, "full", str(path))
        with real(path) as beside:
            yield beside

    with monkeypatch.context() as patched:
        patched.setattr(runs, "replacing", fake)
        yield asked


@pytest.mark.parametrize("first", [pytest.param(n, marks=[pytest.mark.slow] if n % 7 else []) for n in FULL_FROM])
def test_a_disk_that_fills_up_at_any_point_leaves_a_true_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
):
    from barwise.console.arguments import compose
    from barwise.console.progress import Progress
    from barwise.experiment.recipe import parts_of
    from barwise.experiment.run import run

    words = ("experiment=smoke", "audit=none", "baseline=null", "strategy.n_estimators=5")
    parts = parts_of(compose([*words, f"output_dir={tmp_path}", "cache.gb=0"]))
    out = RunDirectory(tmp_path / "run")
    with full_from(monkeypatch, first) as asked:
        try:
            with out.ending():
                out.start()
                run(parts, out, Progress(quiet=True))
            assert len(asked) <= first
        except OSError as error:
            assert shortage(error), error
    assert not leftovers(tmp_path)
    if first:  # with no room for the first file there is no state
        state = json.loads((out.path / "run.json").read_text())
        assert state["status"] == ("failed" if len(asked) > first else "done")
        assert (len(asked) > first) == bool(state["reason"])


@pytest.mark.parametrize("kb", [1, 6, pytest.param(12, marks=pytest.mark.slow)])
def test_a_limit_on_file_sizes_is_one_line_that_goes_on(tmp_path: Path, kb: int):
    done = warm.run(["train.py", "experiment=smoke", f"output_dir={tmp_path}", "cache.gb=0"], files=kb * 1024)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    assert "larger than a file may be; raise the limit (ulimit -f)" in done.stderr
    assert not leftovers(tmp_path)
    states = [json.loads(path.read_text()) for path in tmp_path.rglob("run.json")]
    assert [state["status"] for state in states] == (["failed"] if kb > 1 else [])
    if kb > 1:
        command = done.stderr.partition("to go on: python ")[2].split()
        assert train(*command[1:]).returncode == 0  # as it was printed


def test_a_page_that_cannot_be_written_does_not_fail_the_run(tmp_path: Path):
    done = warm.run(
        ["train.py", "experiment=smoke", f"output_dir={tmp_path}", "quiet=true", "tracking=none"],
        pages=True, files=150 * 1024,
    )  # fmt: skip
    assert done.returncode == 0 and len(done.stderr.splitlines()) == 1, done.stderr
    state = next(path for path in tmp_path.rglob("run.json"))
    assert json.loads(state.read_text())["status"] == "done"
    assert f"its page is not: python -m barwise report {state.parent}" in done.stderr


def test_output_that_nothing_takes_is_one_line(smoke):
    with open("/dev/full", "w") as nowhere:
        words = [sys.executable, "-m", "barwise", "leaderboard", str(smoke())]
        done = subprocess.run(words, stdout=nowhere, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("barwise: the output: no space left on the disk")


def test_how_a_run_ended_is_said_once_and_truly(tmp_path: Path):
    for error, status in ((LeakError("a leak"), "refused"), (DataError("no bars"), "failed"), (None, "done")):
        out = RunDirectory(tmp_path / status)
        heard: list[str] = []
        with contextlib.suppress(LeakError, DataError), out.ending(lambda s, _, heard=heard: heard.append(s)):
            out.start()
            if error:
                raise error
        state = json.loads((out.path / "run.json").read_text())
        assert (state["status"], state["reason"]) == (status, str(error) if error else None)
        assert heard == ([status] if error else [])


def test_rerun_files_a_refused_run_as_refused(smoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from barwise.serving import rerun

    def leak(*_: object, **__: object) -> None:
        raise LeakError("the future is in it")

    monkeypatch.setattr(rerun, "run_experiment", leak)
    with pytest.raises(LeakError):
        rerun.rerun(smoke(), tmp_path / "again")
    state = json.loads((tmp_path / "again" / "run.json").read_text())
    assert (state["status"], state["reason"]) == ("refused", "the future is in it")


def test_a_run_that_is_done_without_its_page_says_how_to_get_it(tmp_path: Path):
    out = RunDirectory(tmp_path / "a run")
    out.start()
    assert remaining(out.path) == f"python train.py 'resume={out.path}'"
    out.finish("done")
    assert remaining(out.path) == f"python -m barwise report '{out.path}'"
    assert _after(out.path) == f"its page is not: {remaining(out.path)}"
    (out.path / "report.html").touch()
    assert _after(out.path) == "there is nothing left to do"


def test_a_torn_line_is_left_out_and_told_and_the_next_one_is_whole(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    path = tmp_path / "x.jsonl"
    jsonlines.append(path, {"a": 1})
    with path.open("a") as file:
        file.write('{"a": 2, "b')
    jsonlines.append(path, {"a": 3})
    assert jsonlines.read(path) == [{"a": 1}, {"a": 3}]
    assert jsonlines.read(path) == [{"a": 1}, {"a": 3}]
    assert capfd.readouterr().err == f"barwise: {path}: 1 line is damaged and left out\n"


def test_a_line_is_written_in_one_piece_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "x.jsonl"
    jsonlines.append(path, {"a": 1})
    before, write = path.read_bytes(), os.write
    monkeypatch.setattr(
        os, "write", lambda file, data: write(file, data[: len(data) // 2])
    )  # the disk has room for half
    with pytest.raises(OSError) as caught:
        jsonlines.append(path, {"a": 2})
    assert path.read_bytes() == before and one_line(caught.value)[1].startswith(f"{path}: no space left")


def test_half_a_line_in_either_ledger_stops_nobody(tmp_path: Path):
    stretch = {"run": "r", "symbols": ["A"], "from": "2020-01-01", "to": "2021-01-01"}
    sealed.record(tmp_path, stretch)
    trials.enter(tmp_path, {"trial": "t", "problem": "p", "market": "m", "sharpe": 0.1})
    odd = ('{"half', "[]", "null", '{"symbols": 5}', '{"trial": []}', '{"trial": "t", "sharpe": "x"}', "\udcff")
    for name in (sealed._NAME, trials._NAME):
        with (tmp_path / name).open("ab") as file:
            file.write("\n".join(odd).encode("utf-8", "surrogateescape"))
    sealed.record(tmp_path, stretch)
    trials.enter(tmp_path, {"trial": "u", "problem": "p", "market": "m", "net": {"minutes": 3}})
    assert len(sealed._openings(tmp_path, ["A"], "2020-06-01", "2020-07-01")) == 2
    known = trials._latest(trials.lines(tmp_path))
    assert set(known) == {"t", "u"} and trials.independent(known)[0] == 2.0


def test_nothing_is_appended_through_a_link(tmp_path: Path):
    (tmp_path / "target").write_text("mine\n")
    (tmp_path / "x.jsonl").symlink_to(tmp_path / "target")
    with pytest.raises(DataError, match="is a link"):
        jsonlines.append(tmp_path / "x.jsonl", {"a": 1})
    assert (tmp_path / "target").read_text() == "mine\n"


def test_events_on_a_full_disk_neither_wait_nor_raise_until_they_are_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from barwise.runs.tensorboard import Board

    board = Board(tmp_path / "tensorboard")
    board.scalar("fold-0/loss", 1.0, 0)
    monkeypatch.setattr("tensorboardX.event_file_writer.EventsWriter.write_event", full)
    for step in range(100):  # more than the queue of the library's thread took
        board.scalar("fold-0/loss", 1.0, step)
    with pytest.raises(OSError, match="tensorboard"):
        board.close()
