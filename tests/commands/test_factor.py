"""`python -m barwise factor`: the table of features, audited, with pages; mistakes end in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from barwise.commands.factor import _examined, main
from barwise.console.arguments import compose
from barwise.errors import ConfigError, LeakError
from barwise.evidence.sealed import _NAME
from barwise.factor.inference import false_discovery

SMALL = ["data=synthetic", "data.n_symbols=24", "data.n_bars=300", "data.ic=0.2", "threads=1", "cache.gb=0"]


def test_the_pattern_stands_first_and_pages_are_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    main([*SMALL, "features=[price]", f"output_dir={tmp_path}", "--page", "returns_5"])
    printed = capsys.readouterr().out
    (path,) = tmp_path.glob("factors/*/factors.csv")
    table = pd.read_csv(path)
    assert table["feature"][0].endswith("returns_5") and abs(table["t"][0]) > 3  # what the market follows
    assert (np.diff(table["icir"].abs()) <= 0).all()
    np.testing.assert_allclose(table["fdr"], false_discovery(table["p"].to_numpy()))
    assert "at a false discovery rate of 5 %" in printed and "no longer out of sample" in printed
    (page,) = tmp_path.glob("factors/*/returns_5.html")
    text = page.read_text()
    assert "Quantile spread" in text and text.count("<svg") == 3 and "Not shown" not in text
    assert not (tmp_path / _NAME).exists()


def test_its_row_is_the_run_of_the_study(tmp_path: Path):
    cfg = compose([*SMALL, "features=[price]", f"output_dir={tmp_path}", "audit=none"])
    table, pages, note = _examined(cfg, 5, ["returns_5"])
    row = int(np.flatnonzero(table["feature"] == "returns_5")[0])
    decay = pages["returns_5"]["decay"]
    five = int(np.flatnonzero(decay["horizon"] == 5)[0])
    for name in ("rank_ic", "icir", "t", "low", "high", "ic", "n"):
        assert table[name][row] == pytest.approx(decay[name][five], abs=1e-12)
    assert table["autocorrelation"][row] == pytest.approx(pages["returns_5"]["turnover"]["rank_autocorrelation"][0])
    assert "not audited" in note and "24 symbols" in note


def test_a_feature_of_the_future_is_refused(tmp_path: Path):
    path = tmp_path / "own" / "features" / "mine.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("mine:\n  _partial_: true\n  _target_: tests.audit.features.shifted_back\n")
    words = [*SMALL, "data.n_symbols=3", "features=[price,mine]", f"output_dir={tmp_path}/out"]
    with pytest.raises(LeakError, match="tomorrow"):
        main([*words, "--config-dir", str(tmp_path / "own")])
    assert not (tmp_path / "out").exists()


def test_mistakes_end_in_one_line(tmp_path: Path):
    words = [*SMALL, "data.n_symbols=2", "features=[price]", "audit=none", f"output_dir={tmp_path}/out"]
    with pytest.raises(ConfigError, match="--page nothing: is no feature; there are returns_1,"):
        main([*words, "--page", "nothing"])
    with pytest.raises(ConfigError, match="--horizon 0: must be from 1 to 250 bars"):
        main([*words, "--horizon", "0"])
    assert not (tmp_path / "out").exists()
