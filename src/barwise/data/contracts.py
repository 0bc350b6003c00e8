"""Contracts: point values, ticks, currencies and rolls of futures and foreign shares, in the account's own terms.

Prices are brought to the account's currency and over rolls by what was known at each bar, so that features, labels and
the ledger see the same returns; what is left for the ledger, ticks, commissions and rolls, rides beside them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from barwise.data.bars import PRICES, Bars, Market
from barwise.data.groups import NONE
from barwise.errors import DataError

COLUMNS = ("contract_rolls", "contract_tick", "contract_commission")
_FIELDS = ("symbol", "multiplier", "tick", "currency", "fx", "commission")
_RATE = re.compile(r"(1\s*/\s*)?([^\s/]+)")
_CONTRACT = "contract"  # the column of the bars that names the contract of each
_QUOTES = ("bid", "ask")


@dataclass(frozen=True)
class _Contract:
    """What one symbol's file row says.

    `multiplier`: units that one contract is of; volume is counted in units. `tick`: the least change of a price, None
    for any. `currency` of the prices, and `fx`: the column of the bars, or of `data.context`, that says what one of it
    is worth in the account's, 1/COLUMN for the inverse. `commission`: a contract and side, in that currency.
    """

    multiplier: float = 1.0
    tick: float | None = None
    currency: str | None = None
    fx: str | None = None
    commission: float = 0.0


def _contracts(path: str | Path, setting: str = "data.contracts") -> dict[str, _Contract]:
    """By symbol, what the CSV or Parquet file at `path` says; DataError for anything that is no contract."""
    where = f"{setting}={path}"
    file = Path(str(path)).expanduser()
    if file.suffix not in (".csv", ".parquet") or not file.is_file():
        raise DataError(
            f"{where}: must be a CSV or Parquet file with a column symbol, and some of {', '.join(_FIELDS[1:])}"
        )
    try:
        table = pd.read_parquet(file) if file.suffix == ".parquet" else pd.read_csv(file, dtype={"symbol": str})
    except Exception as error:  # the readers raise a dozen kinds
        raise DataError(f"{where}: cannot be read: {' '.join(str(error).split())[:120]}") from None
    strange = [str(name) for name in table.columns if name not in _FIELDS]
    if strange or "symbol" not in table.columns:
        what = f"a column {strange[0]}" if strange else "no column symbol"
        raise DataError(f"{where}: has {what}; its columns are {', '.join(_FIELDS)}")
    names = table["symbol"].astype(str).str.strip()
    twice = names[names.duplicated()]
    if len(twice):
        raise DataError(f"{where}: has {twice.iloc[0]} twice; one row a symbol")
    found = {
        name: _contract(f"{where}: {name}", row) for name, row in zip(names, table.to_dict("records"), strict=True)
    }
    own = sorted({c.currency for c in found.values() if c.currency and not c.fx})
    if len(own) > 1:
        raise DataError(
            f"{where}: {' and '.join(own)} have no fx; all but the account's currency need a column of rates"
        )
    return found


def _contract(where: str, row: Mapping[Any, Any]) -> _Contract:
    given = {name: row[name] for name in _FIELDS[1:] if name in row and not pd.isna(row[name])}
    for name in ("multiplier", "tick", "commission"):
        if name in given:
            try:
                number = float(given[name])
            except (TypeError, ValueError):
                number = np.nan
            least = 0.0 if name == "commission" else np.nextafter(0.0, 1.0)
            if not np.isfinite(number) or number < least:
                allowed = "a number of 0 or more" if name == "commission" else "a number above 0"
                raise DataError(f"{where}: {name}={given[name]}: must be {allowed}")
            given[name] = number
    for name in ("currency", "fx"):
        if name in given:
            given[name] = str(given[name]).strip()
    if "fx" in given and not _RATE.fullmatch(given["fx"]):
        raise DataError(f"{where}: fx={given['fx']}: must be a column of rates such as EURUSD, or 1/USDJPY")
    return _Contract(**given)


def priced(market: Market, path: str | Path) -> Market:
    """The market in the account's terms: prices in its currency, without the jumps of rolls, volume in units.

    A roll is a bar whose column `contract` is another than the bar's before: later prices are scaled so that its open
    is the close before, since nothing is earned between two contracts. DataError for a symbol that the file lacks.
    """
    known = _contracts(path)
    lacking = [b.symbol for b in market.bars if b.symbol not in known]
    if lacking:
        more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
        raise DataError(f"data.contracts={path}: has no row of {', '.join(lacking[:3])}{more}; give each symbol one")
    found, rolls, unrated = [], 0, 0
    for bars in market.bars:
        own, without = _in_account(bars, known[bars.symbol], str(path))
        unrated += without
        if len(own):
            rolls += int(own.extra["contract_rolls"][-1]) if "contract_rolls" in own.extra else 0
            found.append(own)
    if not found:
        raise DataError(f"data.contracts={path}: no bar has a rate to the account's currency; begin the rates earlier")
    notes = [*market.facts.get("notes", ())]
    if unrated:
        notes.append(f"{path}: {unrated:,} bars before the first rate of their currency are left out")
    facts = {**market.facts, "contracts": str(path), "rolls": rolls, "notes": notes}
    return replace(market, bars=tuple(found), facts=facts)


def _in_account(bars: Bars, contract: _Contract, path: str) -> tuple[Bars, int]:
    """The bars in the account's terms, and how many at the beginning have no rate."""
    rate: np.ndarray = np.ones(len(bars)) if contract.fx is None else _rates(bars, contract.fx, path)
    first = int(np.argmax(np.isfinite(rate))) if np.isfinite(rate).any() else len(bars)
    bars, rate = bars.take(slice(first, None)), rate[first:]
    if not len(bars):
        return bars, first
    turned = _rolled(bars)
    factor: np.ndarray = np.ones(len(bars))
    if turned.any():
        factor[turned] = bars.close[np.flatnonzero(turned) - 1] / bars.open[turned]
        factor = np.cumprod(factor)
    scale = rate * factor
    opened = bars.open * np.append(rate[:1], rate[:-1]) * factor  # the rate that was known when the bar opened
    prices = {name: getattr(bars, name) * scale for name in PRICES[1:]} | {"open": opened}
    prices["high"], prices["low"] = np.maximum(prices["high"], opened), np.minimum(prices["low"], opened)
    extra = {name: values * scale if name in _QUOTES else values for name, values in bars.extra.items()}
    if _CONTRACT in bars.groups or _CONTRACT in bars.extra:
        extra["contract_rolls"] = np.cumsum(turned).astype(np.float64)
    if contract.tick is not None:
        extra["contract_tick"] = contract.tick * scale
    if contract.commission:
        extra["contract_commission"] = contract.commission / contract.multiplier * scale
    return replace(bars, **prices, volume=bars.volume * contract.multiplier, extra=extra), first


def _rolled(bars: Bars) -> np.ndarray:
    """The bars that are of another contract than the bar before; one that names none is of the last."""
    if _CONTRACT in bars.groups:
        code, none = bars.groups[_CONTRACT], NONE
        known = code != none
    elif _CONTRACT in bars.extra:
        code = bars.extra[_CONTRACT]
        known = np.isfinite(code)
    else:
        return np.zeros(len(bars), bool)
    row = np.maximum.accumulate(np.where(known, np.arange(len(bars)), -1))
    last = code[np.maximum(row, 0)]
    found = np.zeros(len(bars), bool)
    found[1:] = (last[1:] != last[:-1]) & (row[:-1] >= 0)
    return found


def _rates(bars: Bars, fx: str, path: str) -> np.ndarray:
    """What one of the contract's currency is worth at each bar; the last one known where there is none."""
    match = _RATE.fullmatch(fx)
    name = match[2] if match else fx
    if name not in bars.extra:
        there = ", ".join(bars.extra) or "none"
        raise DataError(
            f"data.contracts={path}: {bars.symbol}: fx={fx}: the bars have no column {name}; beside prices they have"
            f" {there}, and data.context=<file> adds some"
        )
    values = bars.extra[name]
    values = np.where(values > 0, values, np.nan)
    row = np.maximum.accumulate(np.where(np.isfinite(values), np.arange(len(bars)), -1))
    found = np.where(row >= 0, values[np.maximum(row, 0)], np.nan)
    return 1.0 / found if match and match[1] else found
