"""The store of feature matrices: what makes a new key, what is damaged is made again, many processes, a size cap."""

from __future__ import annotations

import json
import os
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
from barwise.features.matrix import build
from barwise.features.normalized import normalized
from barwise.features.prepare import prepared
from barwise.features.price import price
from barwise.features.store import Store, key_of
from barwise.features.volume import volume

SETS = {"price": price}


@pytest.fixture(scope="module")
def market():
    return synthetic.load(n_symbols=2, n_bars=300)


def wanted(market, store, sets=SETS):
    """The matrix, and how often it was made."""
    made = []

    def make(room):
        made.append(1)
        return build(market.bars, sets, room=room), {"one": 1}

    matrix, facts = store.matrix(data_hash(market), market.bars, sets, make)
    assert facts == {"one": 1}
    return matrix, len(made)


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


def test_a_changed_bar_set_or_parameter_makes_a_new_key(market):
    other = synthetic.load(n_symbols=2, n_bars=300, seed=1)
    keys = {
        key_of(data_hash(market), SETS),
        key_of(data_hash(other), SETS),
        key_of(data_hash(market), {"volume": volume}),
        key_of(data_hash(market), {"price": price, "volume": volume}),
        key_of(data_hash(market), {"alpha": partial(alpha158, windows=[5])}),
        key_of(data_hash(market), {"alpha": partial(alpha158, windows=[5, 6])}),
    }
    assert len(keys) == 6 and None not in keys


def test_a_changed_line_of_the_users_code_or_of_what_it_uses_makes_a_new_key(tmp_path):
    (tmp_path / "my_help.py").write_text("FACTOR = 2\n")
    (tmp_path / "my_set.py").write_text(
        "import my_help\ndef mine(bars):\n    return {'x': bars.close * my_help.FACTOR}\n"
    )
    code = "import my_set; from barwise.features.store import key_of; print(key_of('data', {'mine': my_set.mine}))"

    def key() -> str:
        return subprocess.check_output([sys.executable, "-B", "-c", code], cwd=tmp_path, text=True).strip()

    first = key()
    assert key() == first != "None"
    (tmp_path / "my_help.py").write_text("FACTOR = 3\n")
    second = key()
    (tmp_path / "my_set.py").write_text((tmp_path / "my_set.py").read_text() + "# a comment\n")
    assert len({first, second, key()}) == 3


def test_what_has_no_source_or_no_plain_settings_is_made_each_time(market, tmp_path):
    scope: dict = {}
    exec("def made_up(bars):\n    return {'x': bars.close}\n", scope)
    for sets in ({"x": scope["made_up"]}, {"x": partial(alpha158, windows=[np.float64])}):
        assert key_of("data", sets) is None
    assert [wanted(market, Store(tmp_path), {"x": scope["made_up"]})[1] for _ in range(2)] == [1, 1]


@pytest.mark.parametrize("damage", ["cut", "shape", "type", "json", "symbols", "gone"])
def test_a_damaged_matrix_is_made_again(market, tmp_path, damage):
    store = Store(tmp_path)
    first, _ = wanted(market, store)
    (folder, _, _) = store.entries()[0]
    if damage == "cut":
        os.truncate(folder / "X.npy", 1000)
    elif damage == "shape":
        np.save(folder / "X.npy", np.zeros((3, 3), np.float32))
    elif damage == "type":
        np.save(folder / "X.npy", np.asarray(first.X, dtype=np.float64))
    elif damage == "json":
        (folder / "meta.json").write_text("{")
    elif damage == "symbols":
        meta = json.loads((folder / "meta.json").read_text())
        (folder / "meta.json").write_text(json.dumps({**meta, "kept": [0, 7]}))
    else:
        (folder / "X.npy").unlink()
    again, made = wanted(market, store)
    assert made == 1
    np.testing.assert_array_equal(again.X, build(market.bars, SETS).X)


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
        "from barwise.features.store import Store\n"
        "m = synthetic.load(n_symbols=2, n_bars=300); sets = {'price': price}\n"
        "def make(room):\n    print('made', flush=True); time.sleep(0.5); return build(m.bars, sets), {}\n"
        "x, _ = Store(sys.argv[1]).matrix(data_hash(m), m.bars, sets, make)\nprint(float(x.X[-1].sum()))\n"
    )
    command_line = [sys.executable, "-c", code, str(tmp_path)]
    running = [subprocess.Popen(command_line, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.communicate(timeout=60)[0].split() for process in running]
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
    with pytest.raises(ConfigError, match=r"^cache\.gb=-1: must be a number of gigabytes, 0 to keep nothing$"):
        Store(tmp_path, gb=-1)
