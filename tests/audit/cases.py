"""The corpus: what each careless user changes in an honest experiment, which guard finds it, and what it must name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

import numpy as np

from barwise.backtest.ledger import Backtest
from barwise.data import synthetic
from barwise.data.bars import Market, Universe
from barwise.experiment.parts import Parts
from barwise.features.price import price
from barwise.labels import next_return_sign
from barwise.panel import Labeler
from barwise.signals import Quantile
from barwise.validation.folds import Validation
from barwise.validation.splits import PurgedKFold, WalkForward
from tests.audit import features, others, panels, strategies

LOOKS_BACK, ACROSS, NO_LABEL = "features_look_back", "panels_look_back", "features_are_no_label"
ROWS = "rows_look_back"
WAITS, EARNED, OVER = "labels_wait", "labels_can_be_earned", "labels_are_over"
COMPARED, COMPARED_EARNED = "compared_labels_wait", "compared_labels_can_be_earned"
LEARNING, FOLDS, DIVIDES, TRADES = "learning_ignores_later_rows", "folds_are_purged", "splitter_divides", "trades_wait"


@dataclass(frozen=True)
class Leak:
    """`change`: parts of the experiment. `words`: in the refusal. `guards`: checks of the audit that find it."""

    change: Mapping[str, Any]
    words: tuple[str, ...]
    guards: tuple[str, ...]
    market: str = "days"
    also: tuple[str, ...] = field(default=())  # guards that may find it too, and must be out for the leak to pass


def feature(made: Any, name: str, *guards: str, market: str = "days", also: tuple[str, ...] = ()) -> Leak:
    change = {"features": {"price": price, "mine": made}}
    placed = LOOKS_BACK in guards or ACROSS in guards
    also = (*also, ROWS) if placed else also
    dated = ("20", "-") if placed else ()
    place = ("S000",) if placed else ()
    return Leak(change, (f"feature {name} ", *place, *dated), guards, market, also)


def strategy(made: type, *words: str) -> Leak:
    return Leak({"strategy": made()}, (made.__name__, *(words or ("the score of S000",))), (LEARNING,))


LEAKS: dict[str, Leak] = {
    "centred rolling window": feature(features.centred_window, "centred", LOOKS_BACK),
    "shift(-1)": feature(features.shifted_back, "tomorrow", LOOKS_BACK),
    "back-fill of the warm-up": feature(features.back_filled, "filled", LOOKS_BACK),
    "back-fill of gaps": feature(features.back_filled_quotes, "quote", LOOKS_BACK, market="quotes"),
    "interpolated gaps": feature(features.interpolated_quotes, "between", LOOKS_BACK, market="quotes"),
    "full-sample z-score": feature(features.z_scored, "z", LOOKS_BACK),
    "global min-max": feature(features.min_max_scaled, "scaled", LOOKS_BACK),
    "distance from the lowest low": feature(features.distance_from_low, "above_low", LOOKS_BACK),
    "resampled, labelled left": feature(features.weekly_labelled_left, "week", LOOKS_BACK),
    "smoother run backwards": feature(features.smoothed_backwards, "smooth", LOOKS_BACK),
    "daily high on each bar of the day": feature(features.day_high, "day_high", LOOKS_BACK, market="hours"),
    "target encoding of a feature": feature(features.target_encoded, "weekday", LOOKS_BACK),
    "low-pass over the whole series": feature(features.low_passed, "trend", LOOKS_BACK),
    "rank among all bars of all symbols": feature(panels.ranked_over_all, "rank", ACROSS),
    "mean of tomorrow's cross-section": feature(panels.tomorrows_mean, "breadth", ACROSS, also=(NO_LABEL,)),
    "beta to the market over all bars": feature(panels.whole_sample_beta, "beta", ACROSS),
    "first component of all bars": feature(panels.first_component, "component", ACROSS),
    "missing symbols filled from the next bar": feature(panels.filled_backwards, "lead", ACROSS, market="gaps"),
    "cross-section of today's members": feature(panels.todays_members, "above", ACROSS, market="members"),
    "weight by how long a symbol will trade": feature(panels.by_survival, "mean", ACROSS, market="gaps"),
    "feature that is the label": feature(features.label_itself, "target", NO_LABEL, market="labelled"),
    "feature that names the label's class": Leak(
        {"features": {"price": price, "mine": features.label_renamed}, "labels": others.large_moves},
        ("feature state is the label under other names",),
        (NO_LABEL,),
        market="classes",
    ),
    "label that ends too early": Leak(
        {"labels": others.ends_too_early}, ("the label of S000", "its end"), (WAITS,), also=(EARNED, OVER)
    ),
    "label of a return that is over": Leak(
        {"labels": others.known_already},
        ("the label of S000", "ends no later than the bar"),
        (WAITS,),
        also=(EARNED, NO_LABEL),
    ),
    "label from a price that is gone": Leak(
        {"labels": others.from_a_price_that_is_gone}, ("the label of S000", "no trade at the next open"), (EARNED,)
    ),
    "label scaled by all returns": Leak(
        {"labels": others.scaled_by_all_returns}, ("the label of S000",), (WAITS,), also=(OVER,)
    ),
    "labels of another execution": Leak({"labels": others.at_the_close}, ("execution=next_close",), (EARNED,)),
    "labels ranked among later members": Leak(
        {"labels": others.ranked_among_later_members},
        ("the label of S000", "changes with the bars"),
        (COMPARED,),
        market="members",
        also=(OVER,),
    ),
    "labels neutral over all dates": Leak(
        {"labels": others.neutral_over_all_dates},
        ("the label of S000", "changes with the bars"),
        (COMPARED,),
        also=(OVER,),
    ),
    "labels that end before those they are compared with": Leak(
        {"labels": others.ends_with_its_own}, ("the label of S000", "its end"), (COMPARED,), market="gaps"
    ),
    "labels of a return that nobody earns": Leak(
        {"labels": others.earns_its_excess}, ("the label of S000", "no trade at the next open"), (COMPARED_EARNED,)
    ),
    "signals neutral over all dates": Leak(
        {"signals": others.NeutralOverAllDates()}, ("NeutralOverAllDates", "20"), (LEARNING,)
    ),
    "scaler fit before the split": strategy(strategies.ScaledOnAllRows),
    "feature selection on all rows": strategy(strategies.SelectedOnAllRows),
    "target encoding on all rows": strategy(strategies.EncodedOnAllRows),
    "early stopping on test rows": strategy(strategies.StoppedOnTestRows),
    "tuned on test rows": strategy(strategies.TunedOnTestRows),
    "scores smoothed backwards": strategy(strategies.SmoothedBackwards),
    "scores ranked over the whole test": strategy(strategies.RankedOverTheTest),
    "scores that read the label": strategy(strategies.ReadsTheLabel),
    "signals by a quantile of all scores": Leak({"signals": others.MostExtreme()}, ("MostExtreme", "20"), (LEARNING,)),
    "splitter with test rows in training": Leak(
        {"validation": Validation(others.TestRowsInTraining())}, ("TestRowsInTraining", "fold 0 puts 20"), (DIVIDES,)
    ),
    "same-bar execution, at the open": Leak(
        {"backtest": others.AtTheBarsOwnOpen()}, ("AtTheBarsOwnOpen", "the bar it was made at"), (TRADES,)
    ),
    "same-bar execution, at the close": Leak(
        {"backtest": others.AtTheBarsOwnClose()}, ("AtTheBarsOwnClose", "the bar it was made at"), (TRADES,)
    ),
}


def honest(market: str = "days", **change: Any) -> Parts:
    """A small experiment without a leak, and what is changed in it."""
    parts = Parts(
        data=lambda: MARKETS[market](),
        features={"price": price},
        labels=next_return_sign,
        validation=Validation(WalkForward(n_splits=2)),
        strategy=strategies.Honest(),
        signals=Quantile(),
        backtest=Backtest(),
    )
    return replace(parts, **change)


def overlapping(**change: Any) -> Parts:
    """Labels of twenty bars, tested in blocks with training on both sides."""
    return honest(labels=others.twenty_bars, validation=Validation(PurgedKFold(3), embargo=5), **change)


@cache
def days() -> Market:
    return synthetic.load(n_symbols=2, n_bars=700)


@cache
def hours() -> Market:
    """Seven bars a day."""
    market = days()
    step = np.arange(700)
    time = np.datetime64("2000-01-03T10", "ns") + (step // 7 * 24 + step % 7) * np.timedelta64(1, "h")
    return Market(tuple(replace(b, time=time) for b in market.bars))


@cache
def quotes() -> Market:
    """A bid on two bars of three."""
    return Market(tuple(replace(b, extra={"bid": np.where(np.arange(700) % 3, b.close, np.nan)}) for b in days().bars))


@cache
def gaps() -> Market:
    """Three symbols, each without a bar on one day of nine; the third leaves early."""
    bars = synthetic.load(n_symbols=3, n_bars=700).bars
    kept = [np.flatnonzero(np.arange(700 if i < 2 else 640) % 9 != i) for i in range(3)]
    return Market(tuple(b.take(rows) for b, rows in zip(bars, kept, strict=True)))


@cache
def members() -> Market:
    """One of three symbols leaves the universe halfway."""
    bars = synthetic.load(n_symbols=3, n_bars=700).bars
    time = bars[0].time
    ends = (time[-1], time[-1], time[350])
    return Market(
        bars, universe=Universe("members", {b.symbol: ((time[0], end),) for b, end in zip(bars, ends, strict=True)})
    )


@cache
def labelled(labeler: Labeler = next_return_sign) -> Market:
    """With the label among the columns, as a table from elsewhere may have it."""
    return Market(tuple(replace(b, extra={"target": labeler(b).y}) for b in days().bars))


MARKETS = {
    "days": days,
    "hours": hours,
    "quotes": quotes,
    "gaps": gaps,
    "members": members,
    "labelled": labelled,
    "classes": partial(labelled, others.large_moves),
}
