"""Bars in files, and small finished runs made in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from barwise.console.arguments import compose
from barwise.console.progress import Progress
from barwise.data import synthetic
from barwise.data.bars import Bars
from barwise.experiment.recipe import parts_of
from barwise.experiment.run import run
from barwise.runs.directory import RunDirectory

BARS = 560
EARLY = 440  # bars that the runs are trained on
Train = Callable[..., Path]
TRAINED: dict[tuple[str, ...], Path] = {}


def write_csv(path: Path, bars: list[Bars]) -> Path:
    """One long CSV file whose numbers are read back as they were."""
    rows = ["time,symbol,open,high,low,close,volume"]
    for b in bars:
        columns = (b.open, b.high, b.low, b.close, b.volume)
        rows += [
            f"{time},{b.symbol}," + ",".join(repr(float(c[i])) for c in columns)
            for i, time in enumerate(b.time.astype("datetime64[s]"))
        ]
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="session")
def market() -> list[Bars]:
    """Two symbols whose next return can be told a little."""
    return list(synthetic.load(n_symbols=2, n_bars=BARS, ic=0.2).bars)


@pytest.fixture(scope="session")
def files(market: list[Bars], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """`early` bars, `all` bars, and `late` ones alone."""
    folder = tmp_path_factory.mktemp("bars")
    parts = {"early": slice(0, EARLY), "all": slice(0, BARS), "late": slice(EARLY, BARS)}
    return {name: write_csv(folder / f"{name}.csv", [b.take(rows) for b in market]) for name, rows in parts.items()}


@pytest.fixture(scope="session")
def trained(files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Train:
    """A finished run of the given overrides on the early bars, made once a session, whichever folder's tests ask."""

    def train(*overrides: str, bars: str = "early") -> Path:
        key = (bars, *overrides)
        if key not in TRAINED:
            TRAINED[key] = train_here(tmp_path_factory.mktemp("run"), f"data.path={files[bars]}", *overrides)
        return TRAINED[key]

    return train


def train_here(folder: Path, *overrides: str) -> Path:
    """What train.py leaves behind, without a process of its own."""
    small = ["experiment=smoke", "data=files", "~data.n_symbols", "~data.n_bars", "validation=holdout", "threads=1"]
    cfg = compose([*small, *overrides])
    (folder / ".hydra").mkdir()
    OmegaConf.save(cfg, folder / ".hydra" / "config.yaml")
    out = RunDirectory(folder)
    out.start(overrides=list(overrides), seed=cfg.seed)
    run(parts_of(cfg), out, Progress(quiet=True))
    out.finish("done")
    return folder
