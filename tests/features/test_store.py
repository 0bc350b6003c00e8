"""The store of feature matrices: what makes a new key, what is damaged is made again, many processes, a size cap."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from barwise.commands import cache as command
from barwise.data import synthetic
from barwise.data.hash import data_hash
from barwise.errors import ConfigError
from barwise.features.alpha158 import alpha158
from barwise.features.fingerprint import fingerprint
from barwise.features.matrix import build
from barwise.features.normalized import normalized
from barwise.features.prepare import prepared
from barwise.features.price import price
from barwise.features.store import Store
from barwise.features.store_writer import Made
from barwise.features.volume import volume
from tests.conftest import PATIENCE, ROOT

SETS = {"price": price}


@pytest.fixture(scope="module")
def market():
    return synthetic.load(n_symbols=2, n_bars=300)


def asked(market, store, sets=SETS):
    """What the store gives, and how often the matrix was made."""
    made = []

    def make(room, base=None):
        made.append(1)
        return Made(build(market.bars, sets, room=room), {"one": 1})

    stored = store.matrix(data_hash(market), market, sets, make)
    assert stored.facts == {"one": 1}
    return stored, len(made)


def wanted(market, store, sets=SETS):
    """The matrix, and how often it was made."""
    stored, made = asked(market, store, sets)
    return stored.matrix, made


def test_a_second_run_opens_what_the_first_made(market, tmp_path):
    store = Store(tmp_path)
    first, made = wanted(market, store)
    again, made_again = wanted(market, store)
    assert (made, made_again) == (1, 0)
    np.testing.assert_array_equal(first.X, build(market.bars, SETS).X)
    for name in ("X", "offsets", "warmup"):
        np.testing.assert_array_equal(getattr(again, name), getattr(first, name))
    assert again.names == first.names and [b.symbol for b in again.bars] == [b.symbol for b in first.bars]
    assert isinstance(again.X.base, np.memmap) and not again.X.flags.writeable


def test_a_symbol_that_was_left_out_stays_left_out(tmp_path):
    from dataclasses import replace

    market = synthetic.load(n_symbols=3, n_bars=300)
    market = replace(market, bars=(market.bars[0].take(slice(0, 5)), *market.bars[1:]))
    store = Store(tmp_path)
    sets = {"normalized": normalized}
    first, again = (wanted(market, store, sets)[0] for _ in range(2))
    assert [b.symbol for b in again.bars] == [b.symbol for b in market.bars[1:]]
    assert again.left_out == first.left_out and again.left_out[0][0] == market.bars[0].symbol


def key(data, sets):
    return fingerprint(data, sets).key


def test_a_changed_bar_set_or_parameter_makes_a_new_key(market):
    other = synthetic.load(n_symbols=2, n_bars=300, seed=1)
    keys = {
        key(data_hash(market), SETS),
        key(data_hash(other), SETS),
        key(data_hash(market), {"volume": volume}),
        key(data_hash(market), {"price": price, "volume": volume}),
        key(data_hash(market), {"alpha": partial(alpha158, windows=[5])}),
        key(data_hash(market), {"alpha": partial(alpha158, windows=[5, 6])}),
    }
    assert len(keys) == 6 and None not in keys


def test_a_name_is_the_same_in_each_process(tmp_path):
    sets = (
        "{'a': partial(alpha158, windows=[5]), 'n': normalized, 'b': lambda b: {n: b.close for n in {'x', 'y', 'z'}}}"
    )
    code = (
        "from functools import partial\nfrom barwise.features.alpha158 import alpha158\n"
        "from barwise.features.normalized import normalized\nfrom barwise.features.fingerprint import fingerprint\n"
        f"print(fingerprint('data', {sets}).key)"
    )
    keys = {subprocess.check_output([sys.executable, "-c", code], text=True) for _ in range(3)}
    assert len(keys) == 1 and "None" not in keys.pop()


def test_every_set_that_is_shipped_is_kept():
    from hydra import compose, initialize_config_dir

    from barwise.experiment.recipe import feature_sets

    names = sorted(path.stem for path in (ROOT / "conf" / "features").glob("*.yaml"))
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        for name in names:
            found = fingerprint("data", feature_sets(compose("config", [f"features={name}"])))
            assert found.key and not found.reasons, (name, found.reasons)


def flipped(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 4
    path.write_bytes(data)


def rewritten(folder: Path, **changes) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps({**meta, **changes}))


DAMAGES = {
    "empty": lambda folder, X: os.truncate(folder / "X.npy", 0),
    "cut": lambda folder, X: os.truncate(folder / "X.npy", 1000),
    "longer": lambda folder, X: (folder / "X.npy").open("ab").write(b"more"),
    "a flipped bit": lambda folder, X: flipped(folder / "X.npy", 700),
    "a flipped bit at the end": lambda folder, X: flipped(folder / "X.npy", -1),
    "a flipped bit of the header": lambda folder, X: flipped(folder / "X.npy", 30),
    "zeros": lambda folder, X: (folder / "X.npy").write_bytes(bytes((folder / "X.npy").stat().st_size)),
    "another shape": lambda folder, X: np.save(folder / "X.npy", np.zeros((3, 3), np.float32)),
    "another type": lambda folder, X: np.save(folder / "X.npy", np.asarray(X, dtype=np.float64)),
    "another order": lambda folder, X: np.save(folder / "X.npy", np.asfortranarray(X)),
    "another matrix of the same shape": lambda folder, X: np.save(folder / "X.npy", np.asarray(X) * np.float32(1.01)),
    "no X": lambda folder, X: (folder / "X.npy").unlink(),
    "a folder for X": lambda folder, X: [(folder / "X.npy").unlink(), (folder / "X.npy").mkdir()],
    "a pipe for X": lambda folder, X: [(folder / "X.npy").unlink(), os.mkfifo(folder / "X.npy")],
    "a link to zeros without end": lambda folder, X: linked(folder / "X.npy", "/dev/zero"),
    "a link to itself": lambda folder, X: linked(folder / "X.npy", "X.npy"),
    "half of meta": lambda folder, X: os.truncate(folder / "meta.json", 40),
    "empty meta": lambda folder, X: os.truncate(folder / "meta.json", 0),
    "a flipped bit of meta": lambda folder, X: flipped(folder / "meta.json", 50),
    "no meta": lambda folder, X: (folder / "meta.json").unlink(),
    "a pipe for meta": lambda folder, X: [(folder / "meta.json").unlink(), os.mkfifo(folder / "meta.json")],
    "a folder for meta": lambda folder, X: [(folder / "meta.json").unlink(), (folder / "meta.json").mkdir()],
    "symbols that there are not": lambda folder, X: rewritten(folder, kept=[0, 7]),
    "another warm-up": lambda folder, X: rewritten(folder, warmup=[1, 1]),
    "other facts": lambda folder, X: rewritten(folder, facts={}),
    "names of another length": lambda folder, X: rewritten(folder, names=["a"]),
    "a list for meta": lambda folder, X: (folder / "meta.json").write_text("[]"),
    "a number for meta": lambda folder, X: (folder / "meta.json").write_text("1e999"),
    "deep meta": lambda folder, X: (folder / "meta.json").write_text("[" * 100_000),
    "bytes that are no text": lambda folder, X: (folder / "meta.json").write_bytes(b"\xff\xfe{"),
    "a lone surrogate": lambda folder, X: (folder / "meta.json").write_text('{"key": "\\ud800"}'),
    "an empty folder": lambda folder, X: [path.unlink() for path in folder.iterdir()],
    "a file for the folder": lambda folder, X: [shutil.rmtree(folder), folder.write_text("no")],
    "a broken link for the folder": lambda folder, X: [shutil.rmtree(folder), folder.symlink_to("nowhere")],
}


def linked(path: Path, to: str) -> None:
    path.unlink()
    path.symlink_to(to)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_matrix_is_made_again_with_one_line(market, tmp_path, damage):
    store = Store(tmp_path, mapped=len(damage) % 2 == 0)  # half of them each way
    first, _ = wanted(market, store)
    (folder, _, _) = store.entries()[0]
    DAMAGES[damage](folder, np.array(first.X))
    command.main(["--folder", str(tmp_path)])  # looks at what is there, whatever that is
    again, made = wanted(market, store)
    assert made == 1
    for _ in range(2):
        stored, _ = asked(market, store)
        assert stored.report.status == "opened" and stored.report.warning is None
    np.testing.assert_array_equal(again.X, build(market.bars, SETS).X)


@pytest.mark.parametrize("damage", ["empty", "a flipped bit", "half of meta", "a pipe for X", "no meta"])
def test_the_line_names_the_matrix_and_what_is_wrong(market, tmp_path, damage):
    store = Store(tmp_path)
    first, _ = wanted(market, store)
    (folder, _, _) = store.entries()[0]
    DAMAGES[damage](folder, np.array(first.X))
    stored, _ = asked(market, store)
    line = stored.report.warning
    assert stored.report.status == "built" and line.startswith(f"the kept feature matrix {folder.name} is damaged (")
    assert "\n" not in line and line.endswith("it is built again") and ("X.npy" in line or "meta.json" in line)


def test_another_matrixs_folder_is_not_taken_for_this_one(market, tmp_path):
    store = Store(tmp_path)
    wanted(market, store)
    (folder, _, _) = store.entries()[0]
    wanted(market, store, {"price": partial(price, returns=[2, 5, 10, 20])})  # the same shape
    (other,) = {entry[0] for entry in store.entries()} - {folder}
    shutil.rmtree(folder)
    shutil.copytree(other, folder)
    assert wanted(market, store)[1] == 1
    shutil.copyfile(other / "X.npy", folder / "X.npy")
    again, made = wanted(market, store)
    assert made == 1
    np.testing.assert_array_equal(again.X, build(market.bars, SETS).X)


def test_files_are_on_the_disk_before_they_have_their_name(market, tmp_path, monkeypatch):
    done = []
    real_sync, real_rename = os.fsync, os.rename
    monkeypatch.setattr(
        os, "fsync", lambda handle: [done.append(os.readlink(f"/proc/self/fd/{handle}")), real_sync(handle)]
    )
    monkeypatch.setattr(os, "rename", lambda a, b: [done.append("renamed"), real_rename(a, b)])
    wanted(market, Store(tmp_path))
    named = done.index("renamed")
    assert {Path(path).name for path in done[:named]} >= {"X.npy", "meta.json"} and len(done[:named]) >= 3
    assert Path(done[-1]).name == "features" and len(done) > named + 1


def test_a_pickle_in_the_place_of_the_matrix_is_not_loaded(market, tmp_path):
    store = Store(tmp_path)
    wanted(market, store)
    np.save(store.entries()[0][0] / "X.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert wanted(market, store)[1] == 1


def test_of_several_processes_one_makes_it(tmp_path):
    code = (
        "import sys, time\n"
        "from barwise.data import synthetic\nfrom barwise.data.hash import data_hash\n"
        "from barwise.features.matrix import build\nfrom barwise.features.price import price\n"
        "from barwise.features.store import Store\nfrom barwise.features.store_writer import Made\n"
        "m = synthetic.load(n_symbols=2, n_bars=300); sets = {'price': price}\n"
        "def make(room, base=None):\n    print('made', flush=True); time.sleep(0.5)\n"
        "    return Made(build(m.bars, sets), {})\n"
        "x = Store(sys.argv[1]).matrix(data_hash(m), m, sets, make).matrix\nprint(float(x.X[-1].sum()))\n"
    )
    command_line = [sys.executable, "-c", code, str(tmp_path)]
    running = [subprocess.Popen(command_line, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.communicate(timeout=PATIENCE)[0].split() for process in running]
    assert sum("made" in words for words in said) == 1
    assert len({words[-1] for words in said}) == 1


def test_the_longest_unused_go_first(market, tmp_path, capsys):
    store = Store(tmp_path)
    for i, windows in enumerate(([5], [6], [7])):
        before = {entry[0] for entry in store.entries()}
        wanted(market, store, {"alpha": partial(alpha158, windows=windows)})
        (new,) = {entry[0] for entry in store.entries()} - before
        os.utime(new / "meta.json", (1000 + i, 1000 + i))
    sizes = [size for _, size, _ in store.entries()]
    oldest = store.entries()[0][0]
    small = Store(tmp_path, gb=(sum(sizes) - 1) / 2**30)
    assert small.trim() == 1 and oldest not in {e[0] for e in store.entries()} and len(store.entries()) == 2
    command.main(["--folder", str(tmp_path)])
    assert "2 matrices" in capsys.readouterr().out
    command.main(["--folder", str(tmp_path), "--clear"])
    assert "removed 2 matrices" in capsys.readouterr().out and store.entries() == []


def test_nothing_is_kept_with_gb_0_and_a_full_disk_is_no_error(market, tmp_path, monkeypatch):
    assert [wanted(market, Store(tmp_path, gb=0))[1] for _ in range(2)] == [1, 1] and not list(tmp_path.iterdir())

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    matrix, made = wanted(market, Store(tmp_path))
    assert made >= 1 and len(matrix.X) == 600 and not list((tmp_path / "features").glob("[0-9a-f]*"))


def test_start_up_drift_is_kept_with_the_matrix(market, tmp_path):
    sets, store = {"normalized": normalized}, Store(tmp_path)
    plain = prepared(market, data_hash(market), sets, 1, None)
    found = [prepared(market, data_hash(market), sets, 1, store) for _ in range(2)]
    for matrix, start_up in found:
        np.testing.assert_array_equal(matrix.X, plain[0].X)
        np.testing.assert_array_equal(matrix.warmup, plain[0].warmup)
        assert start_up == plain[1] and list(start_up.drift) == list(plain[1].drift)


def test_a_wrong_cap_is_one_line(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"^cache\.gb=-1: must be a number from 0 to 1e\+06"):
        Store(tmp_path, gb=-1)
