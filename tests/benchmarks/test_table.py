"""The honest table is made in pieces: what was trained is taken up, unless the code is another."""

from __future__ import annotations

import numpy as np
import pytest

from barwise.benchmarks import table, table_markets
from barwise.data import synthetic

SMALL = table_markets.TableMarket("small", lambda: synthetic.load(n_symbols=2, n_bars=500, seed=1, ic=0.2).bars)


def test_it_goes_on_from_what_is_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(table, "MARKETS", (SMALL,))
    monkeypatch.setattr(
        table, "_STRATEGIES", {"ridge": (), "lightgbm": ("strategy.n_estimators=20", "strategy.min_data_in_leaf=5")}
    )
    monkeypatch.setattr(table, "_SETS", ("price",))
    made = []
    trial = table._Prepared.trial
    monkeypatch.setattr(table._Prepared, "trial", lambda self, *of: made.append(of) or trial(self, *of))
    words = ["--seeds", "2", "--folder", str(tmp_path)]
    table.main([*words, "--budget", "-1"])
    assert not made and "3 trials are left" in capsys.readouterr().out
    table.main([*words, "--markets", "0", "--seeds", "1"])
    assert [of[1:] for of in made] == [("ridge", 0), ("lightgbm", 0)]
    page = tmp_path / "page.md"
    page.write_text(f"words\n{table._MARK}stale")
    table.main([*words, "--page", str(page)])
    assert [of[1:] for of in made] == [("ridge", 0), ("lightgbm", 0), ("lightgbm", 1)]
    whole = page.read_text()
    assert whole.startswith("words\n") and "stale" not in whole
    assert "| small | lightgbm | price | 2 |" in whole and "| small | ridge | price | 1 |" in whole
    table.main([*words, "--page", str(page)])
    assert len(made) == 3 and page.read_text() == whole, "kept trials give the same lines"
    monkeypatch.setattr(table, "_code", lambda: "another")
    with pytest.raises(ValueError, match="made anew"):
        monkeypatch.setattr(table._Prepared, "trial", _made_anew)
        table.main(words)


def test_what_never_trades_is_no_evidence():
    time = np.datetime64("2020-01-01", "ns") + np.arange(300) * np.timedelta64(1, "D")
    net = np.random.default_rng(0).normal(0.0, 0.01, 300)
    found = [table._Trial(f"{name} | price", time, x, 0.0, None, None, 0.1) for name, x in (("a", net), ("b", 0 * net))]
    rows = list(table._rows("m", found))
    assert len(rows) == 2 and rows[0].startswith("| m | b | price |") and "never traded" in rows[0]
    assert "| a | price | 1 |" in rows[1] and len({row.count("|") for row in rows}) == 1


def _made_anew(*of):
    raise ValueError("made anew")
