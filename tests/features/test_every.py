"""`every`: feature sets on larger bars, each known only when it has closed; live as in batch."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from barwise.audit.features import features_look_back
from barwise.audit.findings import Audit
from barwise.console.arguments import compose
from barwise.console.progress import Progress
from barwise.data.bars import Bars, Market
from barwise.data.durations import duration
from barwise.data.resample import Size, combined, group
from barwise.errors import ConfigError, DataError
from barwise.experiment.recipe import feature_sets, parts_of
from barwise.experiment.run import run, walk
from barwise.experiment.session import FitSession
from barwise.features.aligned import align
from barwise.features.cross_section import cross_section
from barwise.features.every import Every
from barwise.features.fingerprint import fingerprint
from barwise.features.matrix import build, compute
from barwise.features.price import price
from barwise.features.store import Store
from barwise.features.store_writer import Made
from barwise.panel import build_panel
from barwise.runs.directory import RunDirectory
from barwise.serving.live import Live
from barwise.serving.model import serve
from barwise.serving.predict import predict
from tests.conftest import ROOT
from tests.features.intraday import pairs
from tests.planted import parts

SHORT = {"returns": [1, 2], "averages": [5], "volatilities": [5], "positions": [5]}
PRICE_1H = "{_target_: barwise.features.price.price, every: 1h, returns: [1, 2], averages: [5], volatilities: [5], positions: [5]}"  # noqa: E501


def hourly(one, every: str = "1h", stamp: str = "open", name: str = "larger") -> Every:
    return Every(name, one, Size(duration("every", every), stamp))


def agree(bars: Bars) -> dict[str, np.ndarray]:
    """Whether the bars two and six before the next one went the same way."""
    sign = np.sign(np.diff(np.log(bars.close), prepend=np.nan))
    return {"agree": np.roll(sign, 1) * np.roll(sign, 5) + 0.0 * np.arange(len(sign))}


def early(bars: Bars, ahead: int) -> dict[str, np.ndarray]:
    """A wrong join: row t has the hour that row t + `ahead` lies in, or has closed."""
    groups = group(bars.time, hourly(price).size)
    values = price(combined(bars, groups.number, groups.time), **SHORT)["returns_1"]
    known = groups.number if ahead > 1 else np.append(groups.known[ahead:], groups.known[-1:])
    return {"early": np.where(known >= 0, values[known], np.nan)}


def test_each_row_has_the_last_hour_that_has_closed():
    bars = pairs(40)[0]
    found = compute(bars, {"price_1h": hourly(partial(price, **SHORT))})
    assert list(found) == [f"{n}_1h" for n in price(bars, **SHORT)]
    closes = bars.close[11::12]
    wanted = np.repeat(closes[1:] / closes[:-1] - 1, 12)  # the hour h is known from its last bar on
    np.testing.assert_allclose(found["returns_1_1h"][23 + 12 : -1], wanted[12:-11][: len(bars) - 36])
    assert np.isnan(found["returns_1_1h"][: 23 + 12]).all()  # the first hour may lack bars: it is not used


def test_rows_do_not_change_with_what_comes_later():
    bars = pairs(60)[0]
    rows = np.sort(np.random.default_rng(1).choice(len(bars), 600, replace=False))  # bars missing everywhere
    bars = bars.take(rows)
    sets = {"a": hourly(partial(price, **SHORT)), "b": hourly(partial(price, **SHORT), "1d")}
    whole = compute(bars, sets)
    for n in (30, 111, 333, 599):
        part = compute(bars.take(slice(0, n)), sets)
        for name, values in part.items():
            np.testing.assert_allclose(values, whole[name][:n])


def heard(sets) -> list[str]:
    audit = Audit("quick", 0)
    audit.hear("features", features_look_back(audit, build(pairs(200), sets), sets))
    return [f.text for f in audit.findings if f.level == "leak"]


@pytest.mark.parametrize("ahead", [12, 1])
def test_an_hour_that_has_not_closed_is_a_leak(ahead):
    assert not heard({"right": hourly(partial(price, **SHORT))})
    assert "it uses bars that were not known yet" in heard({"wrong": partial(early, ahead=ahead)})[0]


def test_a_run_with_a_wrong_join_is_refused(tmp_path):
    from barwise.errors import LeakError

    chosen = parts("xgboost")
    leaky = replace(
        chosen, data=lambda: Market(tuple(pairs(150))), features={"wrong": partial(early, ahead=1)}, cache=None
    )
    out = RunDirectory(tmp_path)
    out.start()
    with pytest.raises(LeakError):
        run(leaky, out, Progress(quiet=True))


def worth(bars: list[Bars], sets) -> float:
    """Rank correlation of score and return out of sample."""
    chosen = parts("xgboost")
    panel = build_panel(build(bars, sets), chosen.labels)
    session = FitSession()
    table = walk(panel, chosen.validation.folds(panel), chosen.strategy, chosen.signals, session)
    known = np.isfinite(table.score) & np.isfinite(table.ret)
    ranks = [np.argsort(np.argsort(x[known])) for x in (table.score, table.ret)]
    return float(np.corrcoef(*ranks)[0, 1])


def test_what_only_the_hours_show_is_found_with_every_1h_and_by_nothing_else():
    bars = pairs(1000)
    assert worth(bars, {"hours": hourly(agree)}) > 0.08
    every = feature_sets(compose(["features=all"]))
    for others in ({"bars": agree}, {"hours": hourly(agree, "2h")}, {"halves": hourly(agree, "30min")}, every):
        assert abs(worth(bars, others)) < 0.03


def test_sets_across_symbols_see_the_hours_of_all():
    bars = pairs(80)
    one = partial(cross_section, returns=[1], window=10)
    found = build(bars, {"rank": hourly(one)})
    hours = [combined(b, *(lambda g: (g.number, g.time))(group(b.time, hourly(one).size))) for b in bars]
    wanted = one(align([h.take(slice(1, None)) for h in hours]))
    name = next(iter(wanted))
    own = found.X[:960, found.names.index(f"{name}_1h")]
    np.testing.assert_allclose(own[23::12], wanted[name][:, 0].astype(np.float32), equal_nan=True)


def test_the_store_tells_the_sizes_apart(tmp_path):
    sets = [{"p": one} for one in (partial(price, **SHORT), *(hourly(partial(price, **SHORT), e, s) for e, s in
            (("1h", "open"), ("2h", "open"), ("1h", "close"))))]  # fmt: skip
    keys = {fingerprint("bars", each).key for each in sets}
    assert len(keys) == 4 and None not in keys
    store, market = Store(tmp_path), Market(tuple(pairs(60)))

    def status() -> str:
        made = store.matrix(
            "bars", market, sets[1], lambda room, _=None: Made(build(market.bars, sets[1], 1, room), {})
        )
        return made.report.status

    assert [status(), status()] == ["built", "opened"]


def test_live_equals_the_batch(tmp_path):
    (tmp_path / "bars.csv").write_text(csv(pairs(120)))
    words = [
        "experiment=smoke", "data=files", "~data.n_symbols", "~data.n_bars", f"data.path={tmp_path / 'bars.csv'}",
        "data.timezone=UTC", f"+features.price_1h={PRICE_1H}", "strategy.n_estimators=5", "baseline=null",
    ]  # fmt: skip
    config = compose(words)
    out = RunDirectory(tmp_path / "run")
    (out.path / ".hydra").mkdir(parents=True)
    from omegaconf import OmegaConf

    OmegaConf.save(config, out.path / ".hydra" / "config.yaml", resolve=True)
    out.start()
    run(parts_of(config), out, Progress(quiet=True))
    out.update(status="done")
    served = serve(out.path)
    assert {"returns_1_1h", "ma_5_1h"} <= set(served.features)
    bars = pairs(150)
    batch = predict(served, Market(tuple(bars)), seen_too=True)
    session = Live(served)
    assert session.window is not None and session.window < 2_000
    session.warm(Market(tuple(b.take(slice(0, 1500)) for b in bars)))
    for i in range(1500, 1530):
        given = {b.symbol: {n: getattr(b, n)[i] for n in ("open", "high", "low", "close", "volume")} for b in bars}
        for name, answer in session.step(bars[0].time[i], given).items():
            row = np.flatnonzero((batch.symbol == name) & (batch.time == bars[0].time[i]))
            np.testing.assert_allclose(answer.score, batch.score[row], atol=1e-6)


def csv(bars: list[Bars]) -> str:
    rows = [
        f"{t},{b.symbol}," + ",".join(repr(float(getattr(b, n)[i])) for n in ("open", "high", "low", "close", "volume"))
        for b in bars
        for i, t in enumerate(b.time.astype("datetime64[s]"))
    ]
    return "time,symbol,open,high,low,close,volume\n" + "\n".join(rows) + "\n"


def test_without_volume_the_larger_bars_leave_out_what_needs_it():
    from barwise.features.volume import volume

    bars = replace(pairs(60)[0], volume=np.full(720, np.nan))
    sets = {"price": partial(price, **SHORT), "volume_1M": hourly(volume, "1M"), "volume_1h": hourly(volume)}
    assert set(compute(bars, sets)) >= {"returns_1"}
    assert "volume_ratio_1h" not in compute(bars, sets) and "volume_ratio_1M" not in compute(bars, sets)


@pytest.mark.parametrize(
    ("every", "said"),
    [
        ("5min", "features.price_1h.every=5min: the bars of EURUSD are of 5 minutes; it must be longer"),
        ("hourly", "features.price_1h.every=hourly: must be a length such as"),
    ],
)
def test_a_wrong_size_is_told_in_one_line(every, said):
    with pytest.raises(ConfigError, match=said):
        sets = feature_sets(compose([f"+features.price_1h={PRICE_1H.replace('1h', every)}"]))
        build(pairs(30), {"price_1h": sets["price_1h"]})


def test_too_few_larger_bars_are_told_as_that():
    with pytest.raises(DataError, match=r"ma_200_1h needs 200 bars of 1h"):
        build(pairs(30), {"price_1h": hourly(price)})


def test_the_shipped_set_is_on_weeks():
    from omegaconf import OmegaConf

    assert OmegaConf.load(ROOT / "conf" / "features" / "price_weekly.yaml").price_weekly.every == "1W"


@pytest.mark.slow
def test_two_years_of_five_minutes_of_three_pairs():
    """The whole: 450,000 bars; what only the hours show is found with them, and a wrong join of them is refused."""
    bars = pairs(24 * 5 * 104)
    found = worth(bars, {"hours": hourly(agree)})
    others = {"bars": agree, "halves": hourly(agree, "30min"), "two": hourly(agree, "2h"), "weeks": hourly(agree, "1W")}
    worths = {name: worth(bars, {name: one}) for name, one in others.items()}
    print(f"rank correlation with every: 1h {found:.4f}; without: {worths}")
    assert found > 0.08 and max(map(abs, worths.values())) < 0.01
    for ahead in (1, 12):
        audit = Audit("quick", 0)
        sets = {"wrong": partial(early, ahead=ahead)}
        audit.hear("features", features_look_back(audit, build(bars, sets), sets))
        assert [f.level for f in audit.findings] == ["leak"]
