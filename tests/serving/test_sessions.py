"""A run with a calendar, served: live bars get their session from the run, and scores are those of the batch."""

from __future__ import annotations

import numpy as np
import pytest

from barwise.console.arguments import compose
from barwise.console.progress import Progress
from barwise.data.bars import Market
from barwise.errors import ConfigError
from barwise.experiment.recipe import parts_of
from barwise.experiment.run import run
from barwise.runs.directory import RunDirectory
from barwise.serving.live import Live
from barwise.serving.model import serve
from barwise.serving.predict import predict
from tests.data.trading import bars_at, session_bars
from tests.features.test_every import csv

PRICES = ("open", "high", "low", "close", "volume")


def trained(folder, bars, *more: str):
    (folder / "bars.csv").write_text(csv(bars))
    words = [
        "experiment=smoke", "data=files", "~data.n_symbols", "~data.n_bars", f"data.path={folder / 'bars.csv'}",
        "data.timezone=UTC", "strategy.n_estimators=5", "baseline=null", *more,
    ]  # fmt: skip
    config = compose(words)
    out = RunDirectory(folder / "run")
    (out.path / ".hydra").mkdir(parents=True)
    from omegaconf import OmegaConf

    OmegaConf.save(config, out.path / ".hydra" / "config.yaml", resolve=True)
    out.start()
    run(parts_of(config), out, Progress(quiet=True))
    out.update(status="done")
    return out.path


def test_live_bars_have_the_sessions_of_the_run(tmp_path):
    bars = [session_bars("XNYS", "2023-10-16", "2023-12-08", 30, name, s) for s, name in enumerate(("A", "B"))]
    past = [b.take(slice(0, 13 * 26)) for b in bars]  # to a day before Thanksgiving
    path = trained(tmp_path, past, "features=[session,gap]", "data.calendar=XNYS", "data.session=regular",
                   "labels.within_session=true", "portfolio.flat_overnight=true")  # fmt: skip
    served = serve(path)
    batch = predict(served, Market(tuple(bars)), seen_too=True)
    session = Live(served)
    session.warm(Market(tuple(past)))
    rows = range(13 * 26, len(bars[0]))
    assert any(str(t).startswith("2023-11-24") for t in bars[0].time[list(rows)])  # the half day
    early = session.step(bars[0].time[13 * 26] - np.timedelta64(1, "h"), {"A": prices(bars[0], 0)})
    assert np.isnan(early["A"].score) and early["A"].signal == 0.0  # before hours: let go of
    for i in rows:
        answers = session.step(bars[0].time[i], {b.symbol: prices(b, i) for b in bars})
        for name, answer in answers.items():
            row = np.flatnonzero((batch.symbol == name) & (batch.time == bars[0].time[i]))
            np.testing.assert_allclose(answer.score, batch.score[row], atol=1e-6)


def prices(bars, i: int) -> dict[str, float]:
    return {name: float(getattr(bars, name)[i]) for name in PRICES}


@pytest.mark.slow
def test_a_run_of_contracts_is_predicted_and_not_served_live(tmp_path):
    days = np.datetime64("2021-01-04", "ns") + np.arange(700) * np.timedelta64(1, "D")
    bars = bars_at(days.astype("datetime64[ns]"), "F")
    contracts = tmp_path / "contracts.csv"
    contracts.write_text("symbol,multiplier,tick\nF,50,0.01\n")
    path = trained(tmp_path, [bars], f"data.contracts={contracts}")
    with pytest.raises(ConfigError, match="score them with `python -m barwise predict`"):
        Live(serve(path))
    with pytest.raises(ConfigError, match="give these bars a file of contracts"):
        predict(serve(path), Market((bars,)), seen_too=True)
