"""Parts that look ahead where an audit of a few rows would not see it; each is refused, or stamped as not audited."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from barwise.backtest.grid import Grid
from barwise.backtest.ledger import Backtest, Ledger
from barwise.data.bars import Bars
from barwise.labels import forward_return
from barwise.samples import Labels, Samples
from barwise.strategies.base import FitContext
from tests.audit.strategies import Honest

KEPT: dict[Any, Any] = {}
TABLE: dict[np.datetime64, float] = {}


def tomorrow(bars: Bars) -> np.ndarray:
    """What the next bar earns."""
    return np.append(bars.close[1:] / bars.close[:-1] - 1, 0.0)


def today(bars: Bars) -> np.ndarray:
    return np.append(0.0, bars.close[1:] / bars.close[:-1] - 1)


# State between calls.


def statistics_by_symbol(bars: Bars) -> dict[str, np.ndarray]:
    """Mean and deviation of all bars, kept from the first call on."""
    mean, std = KEPT.setdefault(bars.symbol, (bars.close.mean(), bars.close.std()))
    return {"z": (bars.close - mean) / std}


def smoothed_by_time(bars: Bars) -> dict[str, np.ndarray]:
    """A centred mean, kept by symbol and time: later calls get what the first one made."""
    smooth = np.convolve(bars.close, np.ones(5) / 5, mode="same") / bars.close
    kept = [KEPT.setdefault((bars.symbol, t), s) for t, s in zip(bars.time.tolist(), smooth, strict=True)]
    return {"smooth": np.array(kept)}


def trend_of_the_first_call(bars: Bars) -> dict[str, np.ndarray]:
    """A line fitted through all bars, in a module's global."""
    if bars.symbol not in KEPT:
        KEPT[bars.symbol] = np.polyfit(bars.time.astype(float), bars.close, 1)
    return {"above": bars.close / np.polyval(KEPT[bars.symbol], bars.time.astype(float))}


# Leaks that few rows show.


def on_one_symbol(bars: Bars) -> dict[str, np.ndarray]:
    return {"hint": tomorrow(bars) if bars.symbol.endswith("1") else today(bars)}


def on_few_bars(bars: Bars) -> dict[str, np.ndarray]:
    """One bar in two hundred, known by its date."""
    rare = bars.time.astype("datetime64[D]").astype(int) % 200 == 7
    return {"hint": np.where(rare, tomorrow(bars), today(bars))}


def when_it_is_wild(bars: Bars) -> dict[str, np.ndarray]:
    return {"hint": np.where(np.abs(today(bars)) > 0.02, tomorrow(bars), today(bars))}


def in_long_series(bars: Bars) -> dict[str, np.ndarray]:
    return {"hint": tomorrow(bars) if len(bars) > 650 else today(bars)}


def beside_a_giant(bars: Bars) -> dict[str, np.ndarray]:
    """One value of 1e9 makes all others small."""
    hint = tomorrow(bars)
    hint[len(hint) // 3] = 1e9
    return {"hint": hint}


# What cannot be looked into.


def from_a_file(path: str, bars: Bars) -> dict[str, np.ndarray]:
    return {"vendor": np.resize(np.fromfile(path), len(bars))}


def looked_up_by_date(bars: Bars) -> dict[str, np.ndarray]:
    return {"vendor": bars.close / bars.open - 1 + np.array([TABLE.get(t, 0.0) for t in bars.time])}


def noise_of_two_rows(bars: Bars) -> dict[str, np.ndarray]:
    return {"noise": np.random.default_rng(0).normal(size=(2, len(bars)))[1]}


def noise_without_a_seed(bars: Bars) -> dict[str, np.ndarray]:
    return {"noise": np.random.default_rng().normal(size=len(bars))}


# Labels at scoring.


class Sly(Honest):
    """Adds what it should not know to honest scores, where `when` says so."""

    def fit(self, train: Samples, valid: Samples, context: FitContext) -> Self:
        self.folder_ = context.folder is not None
        return super().fit(train, valid, context)

    def predict(self, samples: Samples) -> np.ndarray:
        score = super().predict(samples)
        more = np.nan_to_num(self.known(samples)) if self.when(samples) else 0.0
        return np.clip(score + 0.1 * np.sign(more), -1, 1)

    def when(self, samples: Samples) -> bool:
        return True

    def known(self, samples: Samples) -> np.ndarray:
        return samples.panel.ret[samples.rows]


class MeanLabelOfTheBar(Sly):
    def known(self, samples: Samples) -> np.ndarray:
        panel = samples.panel
        return np.array([np.nansum(panel.ret[panel.time == t]) for t in samples.time])


class PurgedLabels(Sly):
    """Labels of rows before the block whose stretch reaches into it."""

    def known(self, samples: Samples) -> np.ndarray:
        panel = samples.panel
        over = (panel.time < samples.time.min()) & ~(panel.end < samples.time.min())
        return np.full(len(samples), np.nansum(panel.ret[over]))


class NextRows(Sly):
    def known(self, samples: Samples) -> np.ndarray:
        later = np.minimum(samples.rows + 1, len(samples.panel) - 1)
        return np.asarray(samples.panel.X[later])[:, 0]


class OnlyWithAFolder(Sly):
    def when(self, samples: Samples) -> bool:
        return self.folder_


class OnlyWhereThePanelIsLarge(NextRows):
    def when(self, samples: Samples) -> bool:
        return len(samples.panel) > 1_000


class OnlyWithSeveralSymbols(NextRows):
    def when(self, samples: Samples) -> bool:
        return len(samples.panel.symbols) > 1 and len(np.unique(samples.panel.symbol)) > 1


class OnOneDateInTen(NextRows):
    def known(self, samples: Samples) -> np.ndarray:
        found = super().known(samples)
        return np.where(samples.time.astype("datetime64[D]").astype(int) % 10 == 0, found, 0.0)


class Remembers(Honest):
    """Knows the label of each row that any of its kind was ever fitted on."""

    def fit(self, train: Samples, valid: Samples, context: FitContext) -> Self:
        for rows, y in ((train.rows, train.y), (valid.rows, valid.y)):
            KEPT.update(zip((train.panel.time[rows].tolist()), y.tolist(), strict=True))
        return super().fit(train, valid, context)

    def predict(self, samples: Samples) -> np.ndarray:
        score = super().predict(samples)
        return np.clip(score + 0.1 * np.array([KEPT.get(t, 0.0) for t in samples.time.tolist()]), -1, 1)


class Unseeded(Honest):
    def learn(self, X: np.ndarray, y: np.ndarray) -> None:
        super().learn(X, y + np.random.default_rng().normal(size=len(y)))


# Label weights, and rules.


def weighed_by_what_comes(bars: Bars) -> Labels:
    """Labels weigh by the volatility of all bars after them."""
    found = forward_return(bars, horizon=1)
    move = np.abs(tomorrow(bars))
    weight = 1 + np.cumsum(move[::-1])[::-1] / move.sum()
    return Labels(found.y, found.ret, found.end, weight)


class LooksUpReturns:
    """Trades by a table of what each day earned."""

    def fit(self, scores: np.ndarray) -> Self:
        return self

    def __call__(self, score: np.ndarray, time: np.ndarray) -> np.ndarray:
        return np.sign([TABLE.get(t, s) for t, s in zip(time, score, strict=True)])

    def facts(self) -> dict[str, float]:
        return {}


class AtTheBetterPrice(Backtest):
    """Buys at the lower of open and close, and sells there too."""

    def trade(self, grid: Grid, *rest: Any) -> Ledger:
        return super().trade(replace(grid, open=np.minimum(grid.open, grid.close)), *rest)


class SaysNothing(Backtest):
    """A ledger without positions."""

    def trade(self, grid: Grid, *rest: Any) -> Ledger:
        return replace(super().trade(grid, *rest), positions=None)


class KnowsTheEnd(Backtest):
    """Costs that are lower where the price will end high; its books balance."""

    def trade(self, grid: Grid, *rest: Any) -> Ledger:
        paid = self.slippage_bps * (0.5 if np.nansum(grid.close[-1]) > 150.0 else 1.5)
        return Backtest.trade(replace(self, slippage_bps=paid), grid, *rest)


def vendor_file(folder: Path, bars: tuple[Bars, ...]) -> str:
    path = folder / "vendor.bin"
    tomorrow(bars[0]).tofile(path)
    return str(path)
