"""Whatever changes what a set computes: the store gives the new matrix, never the old one."""

from __future__ import annotations

import importlib
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from barwise.data import synthetic
from barwise.data.hash import data_hash
from barwise.features.matrix import build
from barwise.features.store import Store
from barwise.features.store_writer import Made
from tests.features.ways import INVENTED, NAMED, Way

NEVER_TWICE = ("the clock", "pandas' clock", "chance", "numpy's chance", "a generator", "a global that calls change")


@pytest.fixture(scope="module")
def market():
    return synthetic.load(n_symbols=2, n_bars=150)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder of the user's that modules are imported from, with a site-packages beside it; forgotten afterwards."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(tmp_path / "site-packages"))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    forget(tmp_path)


def forget(place: Path) -> None:
    """As in a new process: nothing of the user's has been imported."""
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        paths = [str(getattr(spec, "origin", "")), *map(str, getattr(spec, "submodule_search_locations", None) or ())]
        if any(path.startswith(str(place)) for path in paths):
            del sys.modules[name]
    importlib.invalidate_caches()
    sys.path_importer_cache.clear()


def written(place: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)


def imported(place: Path, expression: str):
    """The set that an expression such as `pack.mine.feature` gives."""
    forget(place)
    module = "pack.sub.mine" if "pack.sub" in expression else "pack.mine" if "pack." in expression else "mine"
    root = importlib.import_module(module)
    scope = {"partial": partial, module.partition(".")[0]: sys.modules[module.partition(".")[0]]}
    assert root is sys.modules[module]
    return eval(expression, scope)


def stored(store: Store, market, one):
    sets = {"mine": one}
    return store.matrix(
        data_hash(market), market, sets, lambda room, base=None: Made(build(market.bars, sets, room=room), {})
    )


@pytest.mark.parametrize("way", [*NAMED, *INVENTED], ids=lambda way: way.name)
def test_a_change_is_noticed_or_the_set_is_not_kept(way: Way, market, place, monkeypatch):
    store = Store(place / "cache")
    written(place, way.files)
    first = stored(store, market, imported(place, way.make))
    again = stored(store, market, imported(place, way.make))
    if way.why:
        assert first.report.status == again.report.status == "not kept"
        assert way.why in " ".join(first.report.why) and first.report.why[0].startswith("features.mine: ")
    else:
        assert (first.report.status, again.report.status) == ("built", "opened"), first.report.why
        np.testing.assert_array_equal(again.matrix.X, first.matrix.X)
    if way.name in NEVER_TWICE:
        return
    written(place, way.after)
    for name, value in way.env.items():
        monkeypatch.setenv(name, value)
    found = stored(store, market, imported(place, way.remake or way.make)).matrix.X
    fresh = build(market.bars, {"mine": imported(place, way.remake or way.make)}).X
    assert not np.array_equal(fresh, first.matrix.X, equal_nan=True), "the change changes nothing"
    np.testing.assert_array_equal(found, fresh)


def test_there_are_as_many_ways_as_were_tried_and_more():
    assert len(NAMED) >= 33 and len(INVENTED) >= 15
    assert len({way.name for way in (*NAMED, *INVENTED)}) == len(NAMED) + len(INVENTED)


def test_a_file_that_is_edited_during_a_sweep_stores_the_code_that_ran(market, place):
    store = Store(place / "cache")
    text = "def feature(bars):\n    return {'x': bars.close * 3}\n"
    written(place, {"mine.py": text})
    old = imported(place, "mine.feature")
    written(place, {"mine.py": text.replace("3", "20")})  # the running sweep's later trials still have the old code
    trial = stored(store, market, old)
    later = stored(store, market, imported(place, "mine.feature"))
    assert (trial.report.status, later.report.status) == ("built", "built")
    np.testing.assert_allclose(later.matrix.X, trial.matrix.X * 20 / 3, rtol=1e-6)


def test_a_comment_makes_no_new_matrix(market, place):
    store = Store(place / "cache")
    written(place, {"mine.py": "def feature(bars):\n    return {'x': bars.close * 3}\n"})
    stored(store, market, imported(place, "mine.feature"))
    written(place, {"mine.py": "# words\n\n\ndef feature(bars):\n    return {'x': bars.close * 3}  # more\n"})
    assert stored(store, market, imported(place, "mine.feature")).report.status == "opened"


@pytest.mark.parametrize("library", ["pandas", "scipy", "numpy", "talib", "bottleneck", "sklearn"])
@pytest.mark.parametrize("how", ["imported", "installed"])
def test_another_version_of_a_library_makes_a_new_matrix(market, place, library, how, monkeypatch):
    from barwise.features import fingerprint

    name = {"scipy": "scipy.signal", "sklearn": "sklearn.decomposition"}.get(library, library)
    what = {
        "pandas": "Series",
        "scipy": "detrend",
        "numpy": "log",
        "talib": "RSI",
        "bottleneck": "move_mean",
        "sklearn": "PCA",
    }
    text = f"from {name} import {what[library]} as used\ndef feature(bars):\n    used\n    return {{'x': bars.close}}\n"
    written(place, {"mine.py": text})
    sets = {"mine": imported(place, "mine.feature")}
    before = fingerprint.fingerprint("data", sets)
    assert before.key and before == fingerprint.fingerprint("data", sets)
    if how == "imported":
        monkeypatch.setattr(sys.modules[library], "__version__", "99.0", raising=False)
    else:
        real = fingerprint._found

        class Other:
            version = "99.0"

            def read_text(self, name):
                return ""

        monkeypatch.setattr(fingerprint, "_found", lambda top: Other() if top == library else real(top))
    assert fingerprint.fingerprint("data", sets).key not in (None, before.key)


def test_a_library_that_was_installed_while_the_process_ran_is_not_trusted(market, place, monkeypatch):
    from barwise.features import fingerprint

    monkeypatch.setattr(fingerprint, "_IMPORTED", 0.0)  # all of them are later than that
    named = fingerprint.fingerprint("data", {"price": len})
    assert named.key is None and "numpy was installed anew since it was imported" in named.reasons


def test_a_setting_of_talibs_for_the_whole_process_makes_a_new_matrix(market, place):
    import talib

    from barwise.features.fingerprint import fingerprint
    from barwise.features.technical import technical

    before = fingerprint("data", {"technical": technical})
    try:
        talib.set_unstable_period("RSI", 20)
        assert fingerprint("data", {"technical": technical}).key not in (None, before.key)
    finally:
        talib.set_unstable_period("RSI", 0)
    assert fingerprint("data", {"technical": technical}) == before


def test_a_library_that_is_patched_by_the_users_code_is_followed(market, place, monkeypatch):
    from barwise.features.fingerprint import fingerprint

    written(
        place,
        {"mine.py": "import numpy as np\ndef feature(bars):\n    return {'x': np.mean(bars.close) + bars.close}\n"},
    )
    one = imported(place, "mine.feature")
    keys = [fingerprint("data", {"mine": one}).key]
    for k in (3, 20):
        monkeypatch.setattr(np, "mean", lambda x, k=k: k)
        keys.append(fingerprint("data", {"mine": one}).key)
    assert len(set(keys)) == 3 and None not in keys


def test_the_order_of_extra_columns_is_part_of_the_name(market):
    from dataclasses import replace

    from barwise.features.context import context

    orders = [["vix", "rate"], ["rate", "vix"]]
    markets = [
        replace(market, bars=tuple(replace(b, extra={k: b.close for k in order}) for b in market.bars))
        for order in orders
    ]
    assert data_hash(markets[0]) == data_hash(markets[1])
    from barwise.features.fingerprint import fingerprint

    keys = {fingerprint("data", {"context": context}, m.bars).key for m in markets}
    assert len(keys) == 2


def test_every_field_of_the_bars_is_in_their_hash(market):
    from dataclasses import fields, replace

    from barwise.data.bars import Bars

    (bars, *_) = market.bars
    bars = replace(bars, groups={"sector": np.zeros(len(bars), int)}, group_names={"sector": ("a", "b")})
    changed = {
        "symbol": "other", "extra": {"bid": bars.close}, "groups": {"sector": np.ones(len(bars), int)},
        "group_names": {"sector": ("a", "c")},
    }  # fmt: skip
    hashes = {data_hash(replace(market, bars=(bars,)))}
    given = [one for one in fields(Bars) if one.init]
    for one in given:
        value = changed.get(one.name)
        if value is None:
            value = getattr(bars, one.name).copy()
            value[3] += value[3] - value[2]
        hashes.add(data_hash(replace(market, bars=(replace(bars, **{one.name: value}),))))
    assert len(hashes) == 1 + len(given)


def test_a_difference_that_the_name_does_not_tell_is_an_alert_and_built_anew(market, place, monkeypatch):
    store = Store(place / "cache")
    scale = [1.0]

    class Hidden:  # as a compiled library would: what changes is nowhere in Python
        def __call__(self, bars):
            return {"x": bars.close * scale[0]}

    monkeypatch.setattr("barwise.features.walk.Walk.digest", lambda self, value: "the same")
    first = stored(store, market, Hidden())
    assert stored(store, market, Hidden()).report.alert is None
    scale[0] = 1.01
    found = stored(store, market, Hidden())
    assert found.report.status == "built" and "x is " in found.report.alert and "built again" in found.report.alert
    np.testing.assert_allclose(found.matrix.X, first.matrix.X * 1.01, rtol=1e-5)
    assert stored(store, market, Hidden()).report.status == "opened"


def test_what_is_not_the_same_when_computed_twice_is_not_kept(market, place, monkeypatch):
    monkeypatch.setattr("barwise.features.walk.Walk.refuse", lambda self, what: None)
    written(place, {"mine.py": "import random\ndef feature(bars):\n    return {'x': bars.close * random.random()}\n"})
    found = stored(Store(place / "cache"), market, imported(place, "mine.feature"))
    assert found.report.status == "not kept" and "computed twice" in found.report.why[0]


def test_the_draw_is_another_each_time_and_leaves_the_runs_random_numbers_alone(market, monkeypatch):
    from barwise.features import spot_check
    from barwise.features.volume import volume

    sets = {"volume": volume}
    matrix = build(market.bars, sets)
    seen = []
    real = spot_check.Checker.part
    monkeypatch.setattr(spot_check.Checker, "part", lambda self, *a: seen.append(real(self, *a)) or seen[-1])
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    for _ in range(3):
        spot_check.Checker(matrix, market, sets, {"volume": None}, 0.01).run()
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    assert len({str(part[1]) for part in seen if part}) > 3


def test_the_check_ends_within_its_budget(monkeypatch):
    """On a clock that counts a second for a thousand rows: building took 240 s, and 2 % of that may be spent."""
    from barwise.features import spot_check
    from barwise.features.price import price

    market, now = synthetic.load(n_symbols=40, n_bars=6000), [0.0]
    matrix = build(market.bars, {"price": price})

    def slow(bars):
        now[0] += len(bars) / 1000
        return price(bars)

    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    for windows in ({"price": None}, {"price": 512}, {"price": 4096}):
        found = spot_check.Checker(matrix, market, {"price": slow}, windows, 240.0).run()
        assert 0 < found.seconds <= 0.02 * 240 and found.rows and found.difference is None
