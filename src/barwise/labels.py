"""Labels: what a trade decided at bar t would earn, and what a strategy learns of it."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from barwise.console.settings import Number, OneOf, Whole, WideWindow, checked
from barwise.data.bars import Bars
from barwise.errors import require
from barwise.samples import NO_MOVE, Labels, direction

NAT = np.datetime64("NaT", "ns")
MOST = 10_000  # bars that a trade is held
Horizon = Annotated[int, Whole(1, MOST)]
Barrier = Annotated[float, Number(0.0, 1000.0, above=True)]
PRICE_OF = {"next_open": "open", "next_close": "close"}
WEIGHTINGS = ("uniform", "uniqueness")
Execution = Annotated[str, OneOf(tuple(PRICE_OF))]
Weighting = Annotated[str, OneOf(WEIGHTINGS)]


@checked("labels")
def next_return_sign(bars: Bars, execution: Execution = "next_open", within_session: bool = False) -> Labels:
    """Sign (-1, 0, +1) of the return from the execution price over one bar.

    For next_open: open(t+1) → open(t+2); for next_close: close(t+1) → close(t+2). `within_session`: a trade ends at the
    close of its session's last bar at the latest.

    >>> from barwise.data import synthetic
    >>> labels = next_return_sign(synthetic.load(n_symbols=1, n_bars=500).bars[0])
    >>> sorted(set(labels.y[:-2].tolist())), labels.y[-2:].tolist()  # the last two have no exit yet
    ([-1.0, 1.0], [nan, nan])
    """
    ret, end = held(bars, 1, execution, within_session)
    return Labels(direction(ret), ret, end, np.ones(len(bars)))


@checked("labels")
def forward_return(
    bars: Bars, horizon: Horizon = 5, execution: Execution = "next_open", weighting: Weighting = "uniform",
    within_session: bool = False,
) -> Labels:  # fmt: skip
    """The return from the execution price over `horizon` bars, to be learned as it is; with `within_session` to the
    close of the session's last bar at the latest."""
    ret, end = held(bars, horizon, execution, within_session)
    return Labels(ret.copy(), ret, end, weights(bars, end, weighting, np.ones(len(bars), bool)))


@checked("labels")
def triple_barrier(
    bars: Bars,
    horizon: Horizon = 10,
    up: Barrier = 2.0,
    down: Barrier = 2.0,
    volatility_window: WideWindow = 20,
    execution: Execution = "next_open",
    weighting: Weighting = "uniform",
    within_session: bool = False,
) -> Labels:
    """Which of three barriers a trade touches first: +1 the upper, -1 the lower, 0 the last bar.

    The barriers lie `up` and `down` times the past volatility (standard deviation of close returns over
    `volatility_window` bars, times √horizon) from the execution price; `ret` is earned at the barrier's price, or at
    the vertical's execution price (with `within_session`, at the close of the session's last bar at the latest). A bar
    that touches both counts as the lower: the path inside a bar is unknown.
    Source: López de Prado, Advances in Financial Machine Learning (2018), chapter 3.
    """
    ret, end = held(bars, horizon, execution, within_session)
    number = bars.extra["session_number"] if within_session else None
    entry = _ahead(getattr(bars, PRICE_OF[execution]), 1)
    width = past_volatility(bars.close, volatility_window) * np.sqrt(horizon)
    y = np.where(np.isfinite(ret), 0.0, np.nan)
    first = 1 if execution == "next_open" else 2  # a position bought at a bar's open lives through that bar
    open_ = np.isfinite(entry) & (min(up, down) * width > NO_MOVE)  # a price that stands still touches no barrier
    for step in range(first, horizon + 1 + (execution == "next_close")):
        low, high = _ahead(bars.low, step), _ahead(bars.high, step)
        if number is not None:  # bars of another session are of another trade
            open_ = open_ & (_ahead(number, step) == _ahead(number, 1))
        when = _ahead_time(bars.time, step)
        for side, touched, reach in (
            (-1.0, low <= entry * (1 - down * width), -down * width),
            (1.0, high >= entry * (1 + up * width), up * width),
        ):
            hit = open_ & touched
            opened = _ahead(bars.open, step)
            jump = opened / entry - 1  # a gap through the barrier fills at the open, not at the barrier
            through = np.where(step > 1, (jump - reach) * side > 0, False)
            y[hit], end[hit] = side, when[hit]
            ret[hit] = np.where(through, jump, reach)[hit]
            open_ = open_ & ~hit
    undefined = ~np.isfinite(width)
    y[undefined], ret[undefined], end[undefined] = np.nan, np.nan, NAT
    return Labels(y, ret, end, weights(bars, end, weighting, ~undefined))


def held(bars: Bars, horizon: int, execution: str, within_session: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return and end time of a trade decided at t and held for `horizon` bars; NaN and NaT where it has no end yet.

    `within_session`: it is closed at the close of the last bar of the session that it was opened in, at the latest.
    """
    require(execution in PRICE_OF, f"labels.execution={execution}: must be one of {', '.join(PRICE_OF)}")
    price = getattr(bars, PRICE_OF[execution])
    ret = _ahead(price, 1 + horizon) / _ahead(price, 1) - 1.0
    end = _ahead_time(bars.time, 1 + horizon)
    if not within_session:
        return ret, end
    last, number = session_end(bars), bars.extra["session_number"]
    over = _ahead(number, 1 + horizon) != _ahead(number, 1)  # NaN, outside all sessions, too
    early = over & (last > np.arange(len(bars)) + (execution == "next_close"))  # none is opened at the last close
    never = over & ~early
    ret[early] = bars.close[last[early]] / _ahead(price, 1)[early] - 1.0
    end[early] = bars.time[last[early]]
    ret[never], end[never] = np.nan, NAT
    return ret, end


def session_end(bars: Bars) -> np.ndarray:
    """The row of the last bar of the session that a trade decided at each bar is opened in, by the calendar; -1 where
    that bar is missing, or has not come yet. ConfigError without a calendar's columns."""
    require(
        "session_number" in bars.extra,
        "labels.within_session=true: needs the sessions of a calendar; set data.calendar=XNYS, or 24/7",
    )
    number = bars.extra["session_number"]
    final = bars.extra["session_left"] == 0
    ahead = np.append(np.where(final, np.arange(len(bars)), len(bars))[1:], len(bars))
    following = np.minimum.accumulate(ahead[::-1])[::-1]  # of the bars after t the first that is a session's last
    found = np.minimum(following, len(bars) - 1)
    same = (following < len(bars)) & (number[found] == _ahead(number, 1))
    return np.where(same, found, -1)


def past_volatility(close: np.ndarray, window: int) -> np.ndarray:
    """Standard deviation (ddof 1) of the last `window` close returns, known at t.

    >>> past_volatility(np.array([100.0, 101, 100, 102]), 2).round(4).tolist()
    [nan, nan, 0.0141, 0.0211]
    """
    returns = np.full(len(close), np.nan)
    returns[1:] = close[1:] / close[:-1] - 1.0
    return np.concatenate([returns[:1], trailing_deviation(returns[1:], window)])


def trailing_deviation(returns: np.ndarray, window: int) -> np.ndarray:
    """Standard deviation (ddof 1) of the last `window` returns, this one included; NaN until there are so many."""
    out = np.full(len(returns), np.nan)
    if len(returns) >= window:
        out[window - 1 :] = np.lib.stride_tricks.sliding_window_view(returns, window).std(axis=1, ddof=1)
    return out


def weights(bars: Bars, end: np.ndarray, weighting: str, begun: np.ndarray | None = None) -> np.ndarray:
    """Sample weights: uniform, or the average uniqueness of overlapping labels.

    Uniqueness of t: the mean over the bars of (t, end] of one over the number of labels alive at that bar; one that has
    `begun` and has no end yet is alive, so that a weight is known when its label is.
    Source: López de Prado (2018), chapter 4.
    """
    require(weighting in WEIGHTINGS, f"labels.weighting={weighting}: must be one of {', '.join(WEIGHTINGS)}")
    if weighting == "uniform":
        return np.ones(len(bars))
    known = ~np.isnat(end)
    first = np.arange(len(bars)) + 1
    last = np.searchsorted(bars.time, np.where(known, end, bars.time[0]), side="right")  # one past the last bar
    change = np.zeros(len(bars) + 1)
    np.add.at(change, first[known if begun is None else known | begun], 1)
    np.add.at(change, last[known], -1)
    alive = np.cumsum(change)[:-1]
    share = np.concatenate([[0.0], np.cumsum(np.where(alive > 0, 1.0 / np.maximum(alive, 1), 0.0))])
    out = np.ones(len(bars))
    out[known] = (share[last[known]] - share[first[known]]) / np.maximum(last[known] - first[known], 1)
    return out


def _ahead(values: np.ndarray, steps: int) -> np.ndarray:
    out = np.full(len(values), np.nan)
    if steps < len(values):
        out[: len(values) - steps] = values[steps:]
    return out


def _ahead_time(time: np.ndarray, steps: int) -> np.ndarray:
    out = np.full(len(time), NAT, dtype="datetime64[ns]")
    if steps < len(time):
        out[: len(time) - steps] = time[steps:]
    return out
