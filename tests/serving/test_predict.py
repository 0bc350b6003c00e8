"""What was trained scores new bars as a longer run would, and refuses bars of another kind."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from barwise import __main__ as program
from barwise.data import files as source
from barwise.data.bars import Bars
from barwise.errors import ConfigError, DataError
from barwise.report.html import _document
from barwise.report.run import load
from barwise.serving.model import serve
from barwise.serving.predict import predict
from tests.serving.conftest import BARS, EARLY, write_csv

WARM = 199  # rows before the 200-bar average is defined


def shares(train: int, bars: int) -> str:
    """The holdout that trains on the first `train` defined bars of `bars`."""
    return f"validation.splitter.test_fraction={1 - train / (bars - WARM)}"


@pytest.mark.parametrize(
    "strategy",
    [
        "strategy=xgboost",
        pytest.param("strategy=logistic", marks=pytest.mark.slow),
        pytest.param("strategy=lightgbm strategy.min_data_in_leaf=10", marks=pytest.mark.slow),
    ],
)
def test_scores_are_those_of_a_longer_run_on_the_same_rows(strategy, trained, files):
    short = trained(*strategy.split(), shares(170, EARLY))
    longer = load(trained(*strategy.split(), shares(170, BARS), bars="all")).predictions
    found = predict(serve(short), source.load(str(files["all"])))
    table = pd.DataFrame(found.columns()).merge(longer, on=["time", "symbol"], suffixes=("", "_run"))
    assert len(table) == len(longer) and table["score"].notna().all()
    np.testing.assert_array_equal(table["score"], table["score_run"])
    np.testing.assert_array_equal(table["signal"], table["signal_run"])
    assert np.ptp(table["score"]) > 0 and len(table[table["time"] > load(short).predictions["time"].max()]) == 240


def test_only_bars_that_training_did_not_see_are_scored_unless_asked(trained, files):
    served = serve(trained(shares(170, EARLY)))
    market = source.load(str(files["all"]))
    found = predict(served, market)
    assert found.time.min() > served.last
    assert len(predict(served, market, seen_too=True).time) == 2 * BARS
    with pytest.raises(DataError, match="no bar is later than"):
        predict(served, type(market)(tuple(b.take(slice(0, 300)) for b in market.bars)))


def test_an_ensemble_is_the_mean_of_its_folds(trained, files):
    run = trained("validation=walk_forward", "validation.splitter.n_splits=2")
    market = source.load(str(files["all"]))
    parts = [predict(serve(run, name), market, seen_too=True) for name in ("fold-0", "fold-1")]
    both = predict(serve(run, "ensemble"), market, seen_too=True)
    np.testing.assert_array_equal(both.score, np.mean([p.score for p in parts], axis=0))
    np.testing.assert_array_equal(both.signal, np.mean([p.signal for p in parts], axis=0))
    assert not np.array_equal(parts[0].score, parts[1].score)
    assert [m.name for m in serve(run).members] == ["fold-0", "fold-1"]
    with pytest.raises(ConfigError, match="fold-7"):
        serve(run, "fold-7")


def altered(market: list[Bars], **change: object) -> list[Bars]:
    """The bars with columns replaced by functions of them."""
    from dataclasses import replace

    return [replace(b, **{k: f(getattr(b, k)) for k, f in change.items()}) for b in market]  # type: ignore[operator]


CENTS = dict.fromkeys(("open", "high", "low", "close"), lambda x: x * 100)
HOURS = {"time": lambda t: t[0] + np.arange(len(t)) * np.timedelta64(1, "h") + np.timedelta64(9000, "D")}


@pytest.mark.parametrize(("change", "line"), [(CENTS, "another unit"), (HOURS, "bars of 3600 seconds: the model was")])
def test_bars_of_another_unit_or_size_are_refused(change, line, trained, market, tmp_path):
    served = serve(trained(shares(170, EARLY)))
    path = write_csv(tmp_path / "new.csv", altered(market, **change))
    with pytest.raises(DataError, match=line):
        predict(served, source.load(str(path)))
    if change is CENTS:
        assert len(predict(served, source.load(str(path)), any_scale=True).time)


def test_columns_that_the_model_needs_are_named(trained, market, tmp_path):
    from dataclasses import replace

    def quoted(b: Bars) -> Bars:
        return replace(b, extra={"bid": b.close * 0.999, "ask": b.close * 1.001})

    path = tmp_path / "quoted.csv"
    text = write_csv(path, [quoted(b) for b in market]).read_text().splitlines()
    closes = [float(line.split(",")[5]) for line in text[1:]]
    lines = [f"{line},{c * 0.999!r},{c * 1.001!r}" for line, c in zip(text[1:], closes, strict=True)]
    path.write_text("\n".join([text[0] + ",bid,ask", *lines]) + "\n")
    run = trained("features=[microstructure]", f"data.path={path}")
    assert len(predict(serve(run), source.load(str(path))).time)
    with pytest.raises(DataError, match="spread, spread_pct, spread_ma cannot be made"):
        predict(serve(run), source.load(str(write_csv(tmp_path / "plain.csv", market))))
    plain = trained("features=[microstructure]")  # columns that the model does not know change nothing
    assert len(predict(serve(plain), source.load(str(path))).time)


def test_features_that_leave_their_range_are_named_with_a_drift_score(trained, market, tmp_path):
    wild = altered(market, **{k: lambda x: x * np.linspace(1, 4, len(x)) for k in CENTS})
    found = predict(serve(trained(shares(170, EARLY))), source.load(str(write_csv(tmp_path / "w.csv", wild))))
    assert "features leave what training saw: ma_" in found.warnings[-1] and "drift" in found.warnings[-1]
    outside, drift = found.drift["ma_50"]
    assert outside > 0.9 and drift > 1
    same = serve(trained(shares(170, EARLY)))
    X = np.random.default_rng(0).normal(size=(5000, len(same.features)))
    ranges = same.members[0].ranges
    deciles = np.quantile(X, np.arange(1, 10) / 10, axis=0).T
    normal = type(ranges)(ranges.features, X.min(axis=0), X.max(axis=0), deciles, 1.0, ranges.last, ())
    assert max(score for _, score in normal.drift(X).values()) < 0.01


def test_the_command_writes_each_format(trained, files, tmp_path, capsys):
    run = str(trained(shares(170, EARLY)))
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        program.main(["predict", run, "--out", str(tmp_path / name), f"data.path={files['all']}"])
        assert capsys.readouterr().out.strip() == str(tmp_path / name)
    lines = pd.read_json(tmp_path / "a.jsonl", lines=True, precise_float=True)
    frames = [pd.read_csv(tmp_path / "a.csv", parse_dates=["time"]), lines, pd.read_parquet(tmp_path / "a.parquet")]
    for frame in frames:
        assert list(frame) == ["time", "symbol", "score", "signal"]
        np.testing.assert_allclose(frame["score"].astype(float), frames[2]["score"], rtol=1e-12)
    program.main(["predict", run, f"data.path={files['all']}", "--drift", str(tmp_path / "d.json")])
    assert capsys.readouterr().out.startswith("time,symbol,score,signal\n")
    assert "drift" in json.loads((tmp_path / "d.json").read_text())["ma_50"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["nowhere", "data.path=x.csv"], "nowhere: is not a run's directory"),
        (["RUN"], "data.path=null: must name"),
        (["RUN", "data.path=nothing.csv"], "nothing.csv: is not there"),
        (["RUN", "data.path=x", "--out", "x.xlsx"], "--out x.xlsx: must end in one of"),
        (["RUN", "data.path=x", "--model", "best"], "--model best: must be"),
    ],
)
def test_a_mistake_is_one_line(words, line, trained, capsys):
    run = str(trained(shares(170, EARLY)))
    with pytest.raises(SystemExit) as stop:
        program.main(["predict", *(run if w == "RUN" else w for w in words)])
    out, err = capsys.readouterr()
    assert stop.value.code == 2 and out == "" and len(err.splitlines()) == 1 and line in err


def test_a_net_of_ones_own_is_served_only_when_it_is_allowed_by_name(files, tmp_path, monkeypatch):
    from tests.serving.conftest import train_here

    (tmp_path / "own_net.py").write_text(
        "from barwise.strategies.nets import GRUNet\n\n\nclass Mine(GRUNet):\n    '''A net of one's own.'''\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "run").mkdir()
    small = ["strategy=lstm", "strategy.epochs=1", "strategy.hidden_size=4", "strategy.lookback=3"]
    run = train_here(tmp_path / "run", f"data.path={files['early']}", *small, "strategy.net._target_=own_net.Mine")
    with pytest.raises(ConfigError, match=r"own_net\.Mine$"):
        serve(run)
    assert len(predict(serve(run, allow=["own_net.Mine"]), source.load(str(files["all"]))).time)
    with pytest.raises(ConfigError, match=r"own_net\.Mine$"):
        serve(run)


@pytest.mark.parametrize(
    "words", [[], ["strategy=meta", "strategy.cost_bps=0", "strategy.calibration=none"]], ids=["default", "meta"]
)
def test_why_is_written_and_sums_to_the_margin(words, trained, files, tmp_path, capsys):
    run = trained(shares(170, EARLY), *words)
    words = ["predict", str(run), f"data.path={files['all']}", "--out", str(tmp_path / "found.csv")]
    program.main([*words, "--explain", str(tmp_path / "why.parquet")])
    scores, why = pd.read_csv(tmp_path / "found.csv"), pd.read_parquet(tmp_path / "why.parquet")
    assert list(why["symbol"]) == list(scores["symbol"]) and why["margin"].notna().any()
    known = why[why["margin"].notna()]
    features = [name for name in known.columns if name.startswith("by_")]
    np.testing.assert_allclose(known["base"] + known[features].sum(axis=1), known["margin"], atol=1e-4)
    page = load(run).contributions
    one = page[page["symbol"] == page["symbol"][0]]
    assert one["contribution"].sum() + one["base"].iloc[0] == pytest.approx(one["margin"].iloc[0], abs=1e-4)
    assert page["symbol"].nunique() <= 10 and page["time"].nunique() == 1
    assert page["weight"].abs().min() > 0
    capsys.readouterr()


def test_a_model_that_does_not_know_says_so(trained, files, tmp_path):
    run = trained("strategy=ridge", shares(170, EARLY))
    served = serve(run)
    with pytest.raises(ConfigError, match=r"does not know what each feature adds; xgboost and lightgbm do"):
        predict(served, source.load(str(files["all"])), explain=True)
    assert "No contributions by feature: xgboost and lightgbm" in _document(load(run))
