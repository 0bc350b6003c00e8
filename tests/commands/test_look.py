"""`python -m barwise look`: what was read, before anything is trained on it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from barwise.__main__ import main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two symbols in files with awkward names, one with a bad tick."""
    monkeypatch.chdir(tmp_path)
    days = pd.bdate_range("2020-01-01", periods=300)
    close = 100 * np.exp(0.01 * np.cumsum(np.random.default_rng(0).normal(size=300)))
    frame = pd.DataFrame({"Date": days, "Open": close, "High": close, "Low": close, "Close": close, "Volume": 1e6})
    frame["Volume"] += np.arange(300)
    (tmp_path / "my bars").mkdir()
    frame.to_csv(tmp_path / "my bars" / "it's.csv", index=False)
    frame.loc[200, ["Open", "High", "Low", "Close"]] *= 100
    frame.to_csv(tmp_path / "my bars" / "B [1].csv", index=False)
    return tmp_path


def test_it_tells_what_was_read(folder, capsys):
    main(["look", "my bars", "--png", "look.png"])
    told = capsys.readouterr().out
    for words in ("symbols         2", "600, 300 distinct times", "2020-01-01 to 2021-02-23", "1 day", "it's", "B [1]",
                  "bad ticks: B [1] 2020-10-07", "first bars of", "█"):  # fmt: skip
        assert words in told, words
    assert (folder / "look.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(p.name for p in folder.iterdir()) == ["look.png", "my bars"]  # nothing is filed


def test_it_takes_settings_and_any_source(folder, capsys):
    main(["look", "my bars/it's.csv", "data.start=2020-06-01", "data.periods_per_year=250"])
    assert "2020-06-01 to 2021-02-23" in capsys.readouterr().out
    main(["look", "data=synthetic", "data.n_symbols=2", "data.n_bars=50"])
    told = capsys.readouterr().out
    assert "synthetic" in told and "no warnings" in told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing.csv"], "data.path=nothing.csv: is not there"),
        (["my bars", "data.symbols=C"], "data.symbols=C: is not in my bars"),
        (["--what"], "unrecognized arguments"),
    ],
)
def test_a_mistake_is_one_line(folder, capsys, words, said):
    with pytest.raises(SystemExit) as ended:
        main(["look", *words])
    told = capsys.readouterr().err
    assert ended.value.code == 2 and said in told and told.count("\n") == 1
