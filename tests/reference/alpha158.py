"""Alpha158 by plain pandas, one window function at a time: slow, and as the definitions word it."""

from __future__ import annotations

import numpy as np
import pandas as pd

E = 1e-12


def plain_alpha158(o: pd.Series, h: pd.Series, l: pd.Series, c: pd.Series, v: pd.Series) -> pd.DataFrame:
    """All 158 columns."""
    w = (h + l + c) / 3
    out = {
        "KMID": (c - o) / o, "KLEN": (h - l) / o, "KMID2": (c - o) / (h - l + E),
        "KUP": (h - np.maximum(o, c)) / o, "KUP2": (h - np.maximum(o, c)) / (h - l + E),
        "KLOW": (np.minimum(o, c) - l) / o, "KLOW2": (np.minimum(o, c) - l) / (h - l + E),
        "KSFT": (2 * c - h - l) / o, "KSFT2": (2 * c - h - l) / (h - l + E),
        "OPEN0": o / c, "HIGH0": h / c, "LOW0": l / c, "VWAP0": w / c,
    }  # fmt: skip
    change, flow = c.diff(), v.diff()
    moved = (c / c.shift() - 1).abs() * v
    known = change.notna()
    for d in (5, 10, 20, 30, 60):
        roll = c.rolling(d)
        out[f"ROC{d}"], out[f"MA{d}"], out[f"STD{d}"] = c.shift(d) / c, roll.mean() / c, roll.std() / c
        lines = np.array([line(x) for x in windows(c, d)])
        out[f"BETA{d}"], out[f"RSQR{d}"], out[f"RESI{d}"] = lines[:, 0] / c, lines[:, 1], lines[:, 2] / c
        top, bottom = h.rolling(d).max(), l.rolling(d).min()
        out[f"MAX{d}"], out[f"MIN{d}"] = top / c, bottom / c
        out[f"QTLU{d}"], out[f"QTLD{d}"] = roll.quantile(0.8) / c, roll.quantile(0.2) / c
        out[f"RANK{d}"] = roll.rank(pct=True)
        out[f"RSV{d}"] = (c - bottom) / (top - bottom + E)
        first = np.array([np.nan if x is None else np.argmax(x) + 1 for x in windows(h, d)])
        last = np.array([np.nan if x is None else np.argmin(x) + 1 for x in windows(l, d)])
        out[f"IMAX{d}"], out[f"IMIN{d}"], out[f"IMXD{d}"] = first / d, last / d, (first - last) / d
        out[f"CORR{d}"] = together(c, np.log(v + 1), d)
        out[f"CORD{d}"] = together(c / c.shift(), np.log(v / v.shift() + 1), d)
        rose = (change > 0).where(known).rolling(d).mean()
        fell = (change < 0).where(known).rolling(d).mean()
        out[f"CNTP{d}"], out[f"CNTN{d}"], out[f"CNTD{d}"] = rose, fell, rose - fell
        for name, x in (("", change), ("V", flow)):
            up, down = x.clip(lower=0).rolling(d).sum(), (-x).clip(lower=0).rolling(d).sum()
            whole = x.abs().rolling(d).sum() + E
            out[f"{name}SUMP{d}"], out[f"{name}SUMN{d}"] = up / whole, down / whole
            out[f"{name}SUMD{d}"] = (up - down) / whole
        out[f"VMA{d}"], out[f"VSTD{d}"] = v.rolling(d).mean() / (v + E), v.rolling(d).std() / (v + E)
        out[f"WVMA{d}"] = moved.rolling(d).std() / (moved.rolling(d).mean() + E)
    return pd.DataFrame(out)


def windows(x: pd.Series, d: int) -> list[np.ndarray | None]:
    """The window that ends at each row, None where it is not full."""
    values = x.to_numpy()
    return [None if t + 1 < d else values[t + 1 - d : t + 1] for t in range(len(values))]


def line(y: np.ndarray | None) -> tuple[float, float, float]:
    """Slope, R² and last residual of the least-squares line on 1 … d."""
    if y is None:
        return np.nan, np.nan, np.nan
    x = np.arange(1, len(y) + 1)
    slope, level = np.polyfit(x, y, 1)
    spread = ((y - y.mean()) ** 2).sum()
    rest = y - (level + slope * x)
    if np.ptp(y) == 0:
        return 0.0, np.nan, 0.0
    return slope, 1 - (rest**2).sum() / spread, rest[-1]


def together(x: pd.Series, y: pd.Series, d: int) -> np.ndarray:
    """Pearson correlation window by window; NaN where one does not vary."""
    found = []
    for a, b in zip(windows(x, d), windows(y, d), strict=True):
        if a is None or b is None or np.isnan(a).any() or np.isnan(b).any() or np.ptp(a) == 0 or np.ptp(b) == 0:
            found.append(np.nan)
        else:
            found.append(np.corrcoef(a, b)[0, 1])
    return np.array(found)
