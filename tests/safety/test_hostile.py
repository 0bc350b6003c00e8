"""A run directory from a stranger: refused with one line, nothing run, memory bounded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from barwise import __main__ as program
from tests.conftest import PATIENCE
from tests.safety import hostile as h

MARK = Path("/tmp/barwise-was-here")
SYSTEM = {"_target_": "os.system", "command": f"touch {MARK}"}
GETTER = {"_target_": "hydra.utils.get_method", "path": "os.system"}
WALK = {"_target_": "barwise.data.files.glob.os.system", "command": f"touch {MARK}"}
CALLED = {"_target_": "barwise.features.price.price", "_args_": [SYSTEM]}
FOREST = {"_target_": "barwise.strategies.sklearn.SklearnStrategy", "estimator": SYSTEM}

PREDICT = {  # name: (strategy, how it is tampered with, what the line says)
    "pickle for XGBoost": ("xgboost", h.pickled("model.json"), "is no XGBoost model that can be read"),
    "pickle for XGBoost as of earlier": ("xgboost", h.pickled_earlier, "is no XGBoost model that can be read"),
    "pickle for LightGBM": ("lightgbm", h.pickled("model.txt"), "is no LightGBM model that can be read"),
    "XGBoost parent outside": ("xgboost", h.xgboost("trees.parents.1", 10**6), "a node whose parent is another"),
    "XGBoost parent outside, earlier": ("xgboost", h.xgboost_earlier_parent, "a node whose parent is another"),
    "XGBoost word for a number": ("xgboost", h.xgboost("trees.split_conditions.0", "x"), "other things than numbers"),
    "XGBoost column outside": ("xgboost", h.xgboost("trees.split_indices.0", 999), "splits on column 999"),
    "XGBoost objective of another": ("xgboost", h.xgboost("objective.name", "survival:cox"), "its objective"),
    "XGBoost part that is not known": ("xgboost", h.xgboost("extra", {}), "it has other parts than XGBoost writes"),
    "LightGBM cut in its parameters": ("lightgbm", h.lightgbm_cut, "it is cut short"),
    "LightGBM letter in a leaf": ("lightgbm", h.lightgbm_bytes(b"leaf_value=", b"x"), "leaf_value is no list"),
    "LightGBM zeros in its features": ("lightgbm", h.lightgbm_bytes(b"feature_infos=", b"\0\0"), "control character"),
    "LightGBM other machines": ("lightgbm", h.replaced("model.txt", b"[machines: ]", b"[machines: example:1]"),
                                "name other files or machines"),
    "pickle for CatBoost": ("catboost", h.pickled("catboost.json"), "is no CatBoost model that can be read"),
    "CatBoost column outside": ("catboost", h.catboost("splits.0.float_feature_index", 999), "splits on column 999"),
    "CatBoost border of none": ("catboost", h.catboost("splits.0.border", 1e9), "splits at no border"),
    "CatBoost leaf too many": ("catboost", h.catboost("leaf_values", [0.0] * 10**5), "leaves of other classes"),
    "CatBoost part that is not known": ("catboost", h.catboost("splits.0.ctr", {}), "other parts than barwise keeps"),
    "pickle for a net": ("lstm", h.pickled("model.safetensors"), "is no safetensors file"),
    "pickle for a forest": ("forest", h.pickled("model.skops"), "is no skops archive"),
    "target os.system": ("xgboost", h.config(features={"x": SYSTEM}), "may name only parts that barwise ships"),
    "target of a getter": ("xgboost", h.config(signals=GETTER), "may name only parts that barwise ships"),
    "target through a module": ("xgboost", h.config(features={"x": WALK}), "may name only parts that barwise ships"),
    "target inside a strategy": ("xgboost", h.config(strategy=FOREST), "may name only parts that barwise ships"),
    "target in an argument": ("xgboost", h.config(features={"x": CALLED}), "features._args_: is not allowed"),
    "interpolation": ("xgboost", h.config(signals={"_target_": "${oc.env:HOME}"}), "is not filled in"),
    "YAML that builds objects": ("xgboost", h.text(".hydra/config.yaml", "!!python/object/apply:os.system [id]"),
                                 "is not YAML that can be read"),
    "YAML alias bomb": ("xgboost", h.text(".hydra/config.yaml", h.BOMB), "has a YAML alias"),
    "YAML too deep": ("xgboost", h.text(".hydra/config.yaml", h.DEEP[:60_000]), "levels deep"),
    "JSON too deep": ("xgboost", h.text("model/fold-0/signals.json", h.DEEP), "is not JSON that can be read"),
    "JSON too large": ("xgboost", h.text("run.json", '{"a": "' + "x" * 2**25 + '"}'), "more than the 16 MB"),
    "link to a fold": ("xgboost", h.linked_fold, "is a link"),
    "link to a device": ("xgboost", h.linked("model/fold-0/ranges.json", "/dev/zero"), "is a link"),
    "link to a file outside": ("xgboost", h.linked("run.json", "/etc/passwd"), "is a link"),
    "a pipe": ("xgboost", h.pipe, "is not a regular file"),
    "huge shape": ("lstm", h.huge_shape, "claims the shape"),
    "huge header": ("lstm", h.huge_header, "is no safetensors file"),
    "tensors that overlap": ("ridge", h.overlapping, "tensors overlap"),
    "huge net": ("lstm", h.settings(hidden_size=500_000), "settings and weights of the net do not fit"),
    "endless net": ("lstm", h.settings(num_layers=10**9), "num_layers=1000000000 is more than"),
    "net from elsewhere": ("lstm", h.settings(net="barwise.strategies.xgb.XGBoostStrategy"), "none of barwise's nets"),
    "XGBoost child outside": ("xgboost", h.xgboost_child, "has a child 1000000"),
    "XGBoost child is the root": ("xgboost", h.xgboost_cycle, "has a child 0"),
    "XGBoost array too long": ("xgboost", h.xgboost_length, "is no XGBoost model that can be read"),
    "XGBoost class outside": ("xgboost", h.xgboost_group, "a tree is of an unknown class"),
    "XGBoost classes of another": ("xgboost", h.replaced("model.ubj", b"num_classSL\0\0\0\0\0\0\0\x013",
                                   b"num_classSL\0\0\0\0\0\0\0\x011"), "of other classes"),
    "LightGBM classes of another": ("lightgbm", h.replaced("model.txt", b"num_class:3", b"num_class:9"),
                                    "its objective and its trees differ in classes"),
    "settings of another": ("xgboost", h.settings(classes="no", sigma="x"), ""),
    "LightGBM child outside": ("lightgbm", h.lightgbm("left_child=", "left_child=5000"), "arrays of different lengths"),
    "LightGBM tree sizes": ("lightgbm", h.lightgbm_sizes, "its tree sizes are not those of its trees"),
    "LightGBM categories": ("lightgbm", h.lightgbm("num_cat=", "num_cat=1000000"), "a tree splits on categories"),
    "forest child outside": ("forest", h.repacked(h.forged_nodes({"left_child": 10**9})), "has a child 1000000000"),
    "forest column outside": ("forest", h.repacked(h.forged_nodes({"feature": 10**9})), "splits on column 1000000000"),
    "boosting child outside": ("hist", h.repacked(h.forged_nodes({"left": 10**9, "is_leaf": 0})), "has a child"),
    "function in an archive": ("forest", h.repacked(h.schema('"ObjectNode"', '"MethodNode"')),
                               "has a MethodNode, which could call code"),
    "class in an archive": ("forest", h.repacked(h.schema('"sklearn.tree._classes"', '"subprocess"')),
                            "holds subprocess."),
    "support vectors": ("forest", h.repacked(h.schema("sklearn.ensemble._forest", "sklearn.svm._classes")),
                                      "is not on the list of models that are safe to load"),
    "path in an archive": ("forest", h.repacked(h.same, (("../../evil.npy", 0),)), "holds '../../evil.npy'"),
    "zip bomb": ("forest", h.repacked(h.same, (("bomb.npy", 2**28),)), "would unpack to"),
    "array header in an archive": ("ridge", h.repacked(h.wide_npy), "claims the shape"),
    "thresholds that are attributes": ("xgboost", h.text("model/fold-0/signals.json", '{"__class__": 1}'),
                                       "is nothing that a signal rule learns"),
    "ranges of other features": ("xgboost", h.text("model/fold-0/ranges.json", '{"features": [[1, 2]]}'),
                                 "does not hold the ranges of a fold"),
}  # fmt: skip


@pytest.mark.parametrize("name", PREDICT)
def test_predict_refuses_with_one_line_and_runs_nothing(name, copy, files, watched):
    strategy, tamper, line = PREDICT[name]
    run = copy(strategy)
    tamper(run)
    found = watched(["predict", str(run), f"data.path={files['all']}"])
    assert found.code == 2, found.err
    assert found.out == "" and len(found.err.splitlines()) == 1 and line in found.err and len(found.err) < 600
    assert found.executed == [] and not MARK.exists()


@pytest.mark.parametrize("strategy", ["xgboost", "lightgbm", "catboost", "forest", "hist", "lstm", "ridge"])
def test_the_same_runs_untouched_are_served(strategy, copy, files, watched):
    found = watched(["predict", str(copy(strategy)), f"data.path={files['all']}"])
    assert found.code == 0 and len(found.out.splitlines()) > 10 and found.executed == []


REPORT = {
    "rows without end": (h.parquet_bomb, "at most 200000000 cells are read"),
    "one word a hundred thousand times": (h.word_bomb, "a symbol has 1000000 characters"),
    "alias bomb": (h.text(".hydra/config.yaml", h.BOMB), "has a YAML alias"),
    "linked configuration": (h.linked(".hydra/config.yaml", "/etc/passwd"), "is a link"),
    "linked metrics": (h.linked("metrics.json", "/etc/passwd"), "is a link"),
}


@pytest.mark.parametrize("name", REPORT)
def test_a_report_says_what_it_does_not_read(name, copy, watched):
    tamper, line = REPORT[name]
    run = copy("xgboost")
    tamper(run)
    found = watched(["report", str(run)])
    told = found.err if found.code else (run / "report.html").read_text()
    assert found.code == 0 or (found.code == 2 and len(told.splitlines()) == 1)
    assert line in told and found.executed == [] and "root:" not in told


def test_names_and_values_are_escaped_in_a_report(copy):
    run = copy("xgboost")
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    raw = (run / "run.json").read_text().replace("S0000", evil.replace('"', "'"))
    (run / "run.json").write_text(raw)
    h.config(note=evil, **{evil: evil})(run)
    import pandas as pd

    frame = pd.read_parquet(run / "predictions.parquet")
    frame["symbol"] = frame["symbol"].replace("S0000", evil)
    frame.to_parquet(run / "predictions.parquet")
    program.main(["report", str(run)])
    page = (run / "report.html").read_text()
    assert "<script" not in page and "<img src=x" not in page and "&lt;script&gt;" in page


BOMBS = [
    "JSON too large", "YAML alias bomb", "huge shape", "huge header", "huge net", "XGBoost array too long", "zip bomb",
    "array header in an archive", "rows without end", "one word a hundred thousand times",
]  # fmt: skip


@pytest.mark.slow
def test_memory_is_bounded(trained, files, tmp_path):
    """All bombs one after the other in one process, which is allowed 400 MB over its imports."""
    import shutil

    from tests.safety.conftest import STRATEGIES

    runs = []
    for i, name in enumerate(BOMBS):
        strategy, tamper, _ = PREDICT.get(name) or ("xgboost", *REPORT[name])
        runs.append(["report" if name in REPORT else "predict", str(tmp_path / str(i))])
        shutil.copytree(trained(*STRATEGIES[strategy]), tmp_path / str(i))
        tamper(tmp_path / str(i))
    done = subprocess.run([sys.executable, "-c", CHILD, json.dumps(runs), str(files["all"])], capture_output=True,
                          text=True, timeout=PATIENCE, check=True)  # fmt: skip
    before, after, codes = json.loads(done.stdout.splitlines()[-1])
    assert after - before < 400, f"{after - before} MB for {BOMBS}"
    assert codes[:8] == [2] * 8, done.stderr


CHILD = """
import json, resource, sys, contextlib, io
from barwise import __main__ as program
from tests.conftest import PATIENCE
import torch, xgboost, skops.io, pandas, pyarrow.parquet, matplotlib.figure
import barwise.serving.predict, barwise.report.html
runs, bars = json.loads(sys.argv[1]), sys.argv[2]
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before, codes = peak(), []
for verb, run in runs:
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            program.main([verb, run, *([f"data.path={bars}"] if verb == "predict" else [])])
            codes.append(0)
        except SystemExit as stop:
            codes.append(stop.code)
print(json.dumps([before, peak(), codes]))
"""


LGBM = {"_target_": "barwise.strategies.lgbm.LightGBMStrategy", "machines": "example:1", "num_machines": 2}
CACHE = {
    "_target_": "barwise.strategies.sklearn.SklearnStrategy",
    "estimator": {"_target_": "sklearn.pipeline.Pipeline", "steps": [], "memory": "cache"},
}
STEP = {
    "_target_": "barwise.strategies.sklearn.SklearnStrategy",
    "estimator": {"_target_": "sklearn.preprocessing.FunctionTransformer", "func": SYSTEM},
}
AGAIN = {
    "data by os.system": (h.config(data=SYSTEM), "may name only parts that barwise ships"),
    "labels by a getter": (h.config(labels=GETTER), "may name only parts that barwise ships"),
    "splitter from elsewhere": (h.config(validation={"_target_": "sklearn.utils.Bunch"}), "may name only parts"),
    "a library's network setting": (h.config(strategy=LGBM), "strategy.machines: is no setting that barwise ships"),
    "a cache of pickles": (h.config(strategy=CACHE), "strategy.estimator.memory: a cache of pickles"),
    "a function inside an estimator": (h.config(strategy=STEP), "may name only parts that barwise ships"),
    "an object as a device": (h.config(device={"name": "${oc.env:HOME}"}), "device"),
}


@pytest.mark.parametrize("verb", ["rerun", pytest.param("refit", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", AGAIN)
def test_running_it_again_refuses_the_same(name, verb, copy, tmp_path, watched):
    tamper, line = AGAIN[name]
    run = copy("xgboost")
    tamper(run)
    found = watched([verb, str(run)], tmp_path)
    assert found.code == 2, found.err
    assert found.out == "" and len(found.err.splitlines()) == 1 and line in found.err
    assert found.executed == [] and not MARK.exists() and not (tmp_path / "outputs").exists()


def test_a_forged_state_of_a_live_session_is_refused(copy, market, tmp_path):
    from safetensors import safe_open
    from safetensors.numpy import load_file, save_file

    import barwise
    from barwise.data.bars import Market
    from barwise.errors import DataError

    run = copy("xgboost")
    session = barwise.live(run, Market(tuple(b.take(slice(0, 300)) for b in market)))
    session.save(tmp_path / "state")
    with safe_open(tmp_path / "state", framework="numpy") as file:
        facts = file.metadata()
    arrays = load_file(tmp_path / "state")
    for change in (
        {"0.rows": arrays["0.rows"][:, :3]},
        {"0.close": arrays["0.close"][:5]},
        {"0.seen": np.zeros(2, bool)},
    ):
        save_file(
            {**arrays, **{k: np.ascontiguousarray(v) for k, v in change.items()}}, tmp_path / "bad", metadata=facts
        )
        with pytest.raises(DataError, match="is no state of a live session"):
            barwise.live(run, state=tmp_path / "bad")
    save_file(arrays, tmp_path / "bad", metadata={**facts, "symbols": "{}"})
    with pytest.raises(DataError, match="is no state"):
        barwise.live(run, state=tmp_path / "bad")
