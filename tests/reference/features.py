"""The plain feature sets, slow and plain: pandas and loops, division by zero as documented by barwise."""

from __future__ import annotations

import numpy as np
import pandas as pd

from barwise.data.bars import Bars


def frame(bars: Bars) -> pd.DataFrame:
    columns = {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}
    return pd.DataFrame(columns | dict(bars.extra))


def finite(x: pd.Series) -> pd.Series:
    return x.where(np.isfinite(x))


def place(value: pd.Series, low: pd.Series, high: pd.Series) -> pd.Series:
    return finite((value - low) / (high - low)).where(high != low, 0.5)


def change(x: pd.Series, n: int = 1) -> pd.Series:
    return finite(x.pct_change(n, fill_method=None))


def std(x: pd.Series, n: int, ddof: int = 1) -> pd.Series:
    return x.rolling(n).apply(lambda w: 0.0 if (w == w[0]).all() else np.std(w, ddof=ddof), raw=True)


def mean(x: pd.Series, n: int) -> pd.Series:
    return x.rolling(n).apply(np.mean, raw=True)


def corr(x: pd.Series, y: pd.Series, n: int) -> pd.Series:
    out = pd.Series(np.nan, x.index)
    for t in range(n - 1, len(x)):
        a, b = x.iloc[t - n + 1 : t + 1], y.iloc[t - n + 1 : t + 1]
        if a.notna().all() and b.notna().all() and a.nunique() > 1 and b.nunique() > 1:
            out.iloc[t] = np.corrcoef(a, b)[0, 1]
    return out


def price(df: pd.DataFrame) -> dict[str, pd.Series]:
    out, close = {}, df["close"]
    for n in (1, 5, 10, 20):
        out[f"returns_{n}"] = close.pct_change(n)
        out[f"log_returns_{n}"] = np.log(close / close.shift(n))
    for n in (10, 20, 50, 200):
        out[f"ma_{n}"] = mean(close, n)
        out[f"ma_ratio_{n}"] = close / out[f"ma_{n}"]
    for n in (10, 20, 50):
        out[f"volatility_{n}"] = std(close.pct_change(), n)
    for n in (20, 50):
        out[f"price_position_{n}"] = place(close, df["low"].rolling(n).min(), df["high"].rolling(n).max())
    return out


def volume(df: pd.DataFrame) -> dict[str, pd.Series]:
    average, dollars = mean(df["volume"], 20), df["close"] * df["volume"]
    return {
        "volume_ma_20": average,
        "volume_ratio": finite(df["volume"] / average),
        "dollar_volume": dollars,
        "dollar_volume_ma": mean(dollars, 20),
        "volume_price_corr": corr(df["close"].pct_change(), change(df["volume"]), 20),
    }


def ema(x: np.ndarray, n: int, first: int) -> np.ndarray:
    """TA-Lib's: the mean of n values ending at row `first`, then the recursion."""
    out = np.full(len(x), np.nan)
    if first < len(x):
        out[first] = np.mean(x[first - n + 1 : first + 1])
        for t in range(first + 1, len(x)):
            out[t] = out[t - 1] + 2.0 / (n + 1) * (x[t] - out[t - 1])
    return out


def wilder(x: np.ndarray, n: int) -> np.ndarray:
    """Mean of x[1 : n + 1] at row n, then (previous * (n - 1) + x) / n; x[0] is not used."""
    out = np.full(len(x), np.nan)
    if n < len(x):
        out[n] = np.mean(x[1 : n + 1])
        for t in range(n + 1, len(x)):
            out[t] = (out[t - 1] * (n - 1) + x[t]) / n
    return out


def rsi(close: pd.Series, n: int = 14) -> pd.Series:
    step = close.diff().to_numpy()
    gain, loss = wilder(np.maximum(step, 0), n), wilder(np.maximum(-step, 0), n)
    with np.errstate(invalid="ignore"):
        out = np.where(gain + loss == 0, 50.0, 100.0 * gain / (gain + loss))
    return pd.Series(out)


def macd(close: pd.Series) -> tuple[pd.Series, pd.Series, pd.Series]:
    x = close.to_numpy()
    line = ema(x, 12, 25) - ema(x, 26, 25)
    signal = np.full(len(x), np.nan)
    signal[25:] = ema(line[25:], 9, 8)
    line = np.where(np.isnan(signal), np.nan, line)
    return pd.Series(line), pd.Series(signal), pd.Series(line - signal)


def technical(df: pd.DataFrame) -> dict[str, pd.Series]:
    close = df["close"]
    line, signal, hist = macd(close)
    middle, spread = mean(close, 20), 2 * std(close, 20, ddof=0)
    upper, lower = middle + spread, middle - spread
    before = close.shift()
    true_range = pd.concat([df["high"], before], axis=1).max(axis=1) - pd.concat([df["low"], before], axis=1).min(
        axis=1
    )
    return {
        "rsi_14": rsi(close),
        "macd": line,
        "macd_signal": signal,
        "macd_hist": hist,
        "bb_upper": upper,
        "bb_middle": middle,
        "bb_lower": lower,
        "bb_width": (upper - lower) / middle,
        "bb_position": place(close, lower, upper),
        "atr_14": pd.Series(wilder(true_range.to_numpy(), 14)),
    }


def microstructure(df: pd.DataFrame) -> dict[str, pd.Series]:
    out = {}
    if "bid" in df and "ask" in df:
        out["spread"] = df["ask"] - df["bid"]
        out["spread_pct"] = out["spread"] / ((df["bid"] + df["ask"]) / 2)
        out["spread_ma"] = mean(out["spread"], 20)
    out["hl_range"] = df["high"] - df["low"]
    out["hl_range_pct"] = out["hl_range"] / df["close"]
    out["close_position"] = place(df["close"], df["low"], df["high"])
    return out


def lagged(df: pd.DataFrame) -> dict[str, pd.Series]:
    close = df["close"]
    returns = close.pct_change()
    out = {f"return_lag_{i}": close.pct_change(i) for i in range(1, 21)}
    for n in (5, 10, 20):
        out[f"mean_return_{n}"] = mean(returns, n)
        out[f"std_return_{n}"] = std(returns, n)
        out[f"skew_return_{n}"] = returns.rolling(n).apply(skew, raw=False)
    out["rsi"], out["macd"] = rsi(close), macd(close)[0]
    out["volume_ratio"] = finite(df["volume"] / mean(df["volume"], 20))
    return out


def skew(window: pd.Series) -> float:
    return float("nan") if window.nunique() == 1 else window.skew()


def normalized(df: pd.DataFrame) -> dict[str, pd.Series]:
    close, dollars, returns = df["close"], df["close"] * df["volume"], df["close"].pct_change()
    month = mean(df["volume"], 20)
    p, t, m = price(df), technical(df), microstructure(df)
    out = {f"return_{n}": close.pct_change(n) / n**0.5 for n in (1, 2, 3, 5, 10, 20, 60)}
    out |= {f"ma_gap_{n}": p[f"ma_ratio_{n}"] - 1 for n in (10, 20, 50, 200)}
    out |= {f"volatility_{n}": std(returns, n) for n in (5, 20, 60)}
    out["volatility_ratio"] = finite(out["volatility_5"] / out["volatility_60"])
    out |= {name: p[name] for name in ("price_position_20", "price_position_50")}
    out["volume_ratio"] = finite(df["volume"] / month) - 1
    out["volume_trend"] = finite(mean(df["volume"], 5) / mean(df["volume"], 60)) - 1
    out["log_dollar_volume"] = np.log((1 + finite(dollars / mean(dollars, 60))) / 2)
    out["volume_price_corr"] = corr(returns, finite(df["volume"].diff() / month), 20)
    out["rsi_14"] = t["rsi_14"] / 100 - 0.5
    out |= {name: t[name] / close for name in ("macd", "macd_signal", "macd_hist")}
    out |= {"bb_width": t["bb_width"], "bb_position": t["bb_position"] - 0.5, "atr_14": t["atr_14"] / close}
    out["overnight"] = df["open"] / close.shift() - 1
    out["intraday"] = close / df["open"] - 1
    out["range"], out["close_position"] = m["hl_range_pct"], m["close_position"]
    if "spread" in m:
        out["spread"] = m["spread_pct"]
        out["spread_ratio"] = finite(m["spread"] / m["spread_ma"])
    return out
