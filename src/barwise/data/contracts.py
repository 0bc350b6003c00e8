"""Contracts: point values, ticks, currencies and rolls of futures and foreign shares, in the account's own terms.

Prices are brought to the account's currency and over rolls by what was known at each bar, so that features, labels and
the ledger see the same returns; what is left for the ledger, ticks, commissions and rolls, rides beside them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from barwise.data.bars import PRICES, Bars, Market
from barwise.data.groups import NONE
from barwise.errors import DataError

COLUMNS = ("contract_rolls", "contract_tick", "contract_commission", "contract_units", "contract_rate", "contract_code")
"""Beside the prices: rolls so far, tick and commission in the account's terms, units of the prices' terms that one
contract is worth, the rate to the account's currency, and a number for the contract's name."""
_FIELDS = ("symbol", "multiplier", "tick", "currency", "fx", "commission")
_RATE = re.compile(r"(1\s*/\s*)?([^\s/]+)")
CONTRACT = "contract"  # the column of the bars that names the contract of each
_QUOTES = ("bid", "ask")


@dataclass(frozen=True)
class Contract:
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


def contracts(path: str | Path, setting: str = "data.contracts") -> dict[str, Contract]:
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


def _contract(where: str, row: Mapping[Any, Any]) -> Contract:
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
    return Contract(**given)


def names_in(known: Mapping[str, Contract]) -> list[str]:
    """The columns of the bars that contracts read: those of rates, and the one that names the contract of each bar."""
    return [*dict.fromkeys(name for name, _ in map(_rate_of, known.values()) if name), CONTRACT]


def _rate_of(contract: Contract) -> tuple[str | None, bool]:
    """The column of its rate to the account's currency, and whether that is the inverse."""
    match = _RATE.fullmatch(contract.fx) if contract.fx else None
    return (match[2], bool(match[1])) if match else (contract.fx, False)


def priced(market: Market, path: str | Path) -> Market:
    """The market in the account's terms: prices in its currency, without the jumps of rolls, volume in units.

    A roll is a bar whose column `contract` is another than the bar's before: later prices are scaled so that its open
    is the close before, since nothing is earned between two contracts. A column of rates that not every symbol has goes
    no further. DataError for a symbol that the file lacks.
    """
    known = contracts(path)
    check_known(market.symbols, known, path)
    found, rolls, unrated = [], 0, 0
    every = [name for name in names_in(known) if all(_has(b, name) for b in market.bars)]
    for bars in market.bars:
        own, without = _in_account(bars, known[bars.symbol], str(path))
        unrated += without
        if len(own):
            rolls += int(own.extra["contract_rolls"][-1]) if "contract_rolls" in own.extra else 0
            found.append(without_columns(own, set(names_in(known)) - set(every)))
    if not found:
        raise DataError(f"data.contracts={path}: no bar has a rate to the account's currency; begin the rates earlier")
    notes = [*market.facts.get("notes", ())]
    if unrated:
        notes.append(f"{path}: {unrated:,} bars before the first rate of their currency are left out")
    facts = {**market.facts, "contracts": str(path), "rolls": rolls, "notes": notes}
    return replace(market, bars=tuple(found), facts=facts)


def check_known(symbols: Iterable[str], known: Mapping[str, Contract], path: str | Path) -> None:
    """DataError for a symbol that the file lacks."""
    lacking = [name for name in symbols if name not in known]
    if lacking:
        more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
        raise DataError(f"data.contracts={path}: has no row of {', '.join(lacking[:3])}{more}; give each symbol one")


def _has(bars: Bars, name: str) -> bool:
    return bool(name in bars.extra and np.isfinite(bars.extra[name]).any())


def without_columns(bars: Bars, names: Iterable[str]) -> Bars:
    """The bars without these extra columns, and without the group of the contract's name."""
    extra = {name: values for name, values in bars.extra.items() if name not in {*names, CONTRACT}}
    groups = {name: codes for name, codes in bars.groups.items() if name != CONTRACT}
    names_kept = {name: words for name, words in bars.group_names.items() if name != CONTRACT}
    return replace(bars, extra=extra, groups=groups, group_names=names_kept)


def following(before: Bars, new: Bars, contract: Contract, path: str) -> Bars:
    """One later bar, as the exchange has it, in the account's terms; `before`: the bars so far, in those already.

    DataError where there is no rate yet.
    """
    if not len(before):
        found, without = _in_account(new, contract, path)
        if without:
            name = _rate_of(contract)[0]
            raise DataError(f"{new.symbol}: the bar of {new.time[0]} has no {name}, and there is no earlier rate")
        return found
    last = {name: before.extra[name][-1] for name in COLUMNS if name in before.extra}
    units = float(last.get("contract_units", contract.multiplier))
    return _in_account(new, contract, path, _Before(
        close=float(before.close[-1]), rate=float(last.get("contract_rate", 1.0)), factor=contract.multiplier / units,
        rolls=float(last.get("contract_rolls", 0.0)), code=float(last.get("contract_code", np.nan)),
    ))[0]  # fmt: skip


@dataclass(frozen=True)
class _Before:
    """What is known of the bar before the first: its close in the account's terms, the rate, what prices were scaled by
    over its rolls, how many these were, and the number of its contract."""

    close: float = np.nan
    rate: float = np.nan
    factor: float = 1.0
    rolls: float = 0.0
    code: float = np.nan


def _in_account(bars: Bars, contract: Contract, path: str, before: _Before | None = None) -> tuple[Bars, int]:
    """The bars in the account's terms, and how many at the beginning have no rate."""
    start = before or _Before()
    rate = _rates(bars, contract, path, start.rate)
    first = int(np.argmax(np.isfinite(rate))) if np.isfinite(rate).any() else len(bars)
    bars, rate = bars.take(slice(first, None)), rate[first:]
    if not len(bars):
        return bars, first
    earlier = np.append(start.rate if np.isfinite(start.rate) else rate[0], rate[:-1])  # known when the bar opened
    code = _codes_of(bars, start.code)
    turned = np.zeros(len(bars), bool) if code is None else _changed(code, start.code)
    factor = _scales(bars, turned, earlier, start)
    scale = rate * factor
    opened = bars.open * earlier * factor
    prices = {name: getattr(bars, name) * scale for name in PRICES[1:]} | {"open": opened}
    prices["high"], prices["low"] = np.maximum(prices["high"], opened), np.minimum(prices["low"], opened)
    extra = {name: values * scale if name in _QUOTES else values for name, values in bars.extra.items()}
    extra["contract_units"] = contract.multiplier / factor
    if code is not None:
        extra["contract_rolls"] = start.rolls + np.cumsum(turned).astype(np.float64)
        extra["contract_code"] = code
    if contract.fx is not None:
        extra["contract_rate"] = rate
    if contract.tick is not None:
        extra["contract_tick"] = contract.tick * scale
    if contract.commission:
        extra["contract_commission"] = contract.commission / contract.multiplier * scale
    return replace(bars, **prices, volume=bars.volume * contract.multiplier, extra=extra), first


def _scales(bars: Bars, turned: np.ndarray, earlier: np.ndarray, start: _Before) -> np.ndarray:
    """What the prices of each bar are scaled by, so that nothing is earned where the contract is another."""
    closed = np.append(start.close / (earlier[0] * start.factor), bars.close[:-1])
    step: np.ndarray = np.ones(len(bars))
    step[turned] = closed[turned] / bars.open[turned]
    return start.factor * np.cumprod(step)


def _changed(code: np.ndarray, before: float) -> np.ndarray:
    """The bars that are of another contract than the bar before; one that names none is of the last."""
    earlier = np.append(before, code[:-1])
    return np.asarray((code != earlier) & np.isfinite(code) & np.isfinite(earlier))


def _codes_of(bars: Bars, before: float = np.nan) -> np.ndarray | None:
    """A number for the name of each bar's contract, that of the bar before where it has none; None without names."""
    if CONTRACT in bars.groups:
        words = np.array([*map(_number_of, bars.group_names[CONTRACT]), np.nan])
        code = words[np.where(bars.groups[CONTRACT] == NONE, -1, bars.groups[CONTRACT])]
    elif CONTRACT in bars.extra:
        values, place = np.unique(bars.extra[CONTRACT], return_inverse=True)
        code = np.array([_number_of(f"{value:.15g}") if np.isfinite(value) else np.nan for value in values])[place]
    else:
        code = np.full(len(bars), np.nan)
    if not np.isfinite(before) and not np.isfinite(code).any():
        return None
    row = np.maximum.accumulate(np.where(np.isfinite(code), np.arange(len(code)), -1))
    return np.where(row >= 0, code[np.maximum(row, 0)], before)


def _number_of(name: str) -> float:
    """A whole number for a contract's name, the same wherever it is read; 202403 is 202403.0."""
    with suppress(ValueError):
        name = f"{float(name):.15g}"
    return float(int.from_bytes(hashlib.blake2b(name.encode(), digest_size=6).digest()))


def _rates(bars: Bars, contract: Contract, path: str, before: float) -> np.ndarray:
    """What one of the contract's currency is worth at each bar; the last one known where there is none."""
    name, inverse = _rate_of(contract)
    if name is None:
        return np.ones(len(bars))
    if name not in bars.extra:
        there = ", ".join(bars.extra) or "none"
        raise DataError(
            f"data.contracts={path}: {bars.symbol}: fx={contract.fx}: the bars have no column {name}; beside prices"
            f" they have {there}, and data.context=<file> adds some"
        )
    values = bars.extra[name]
    values = np.where(values > 0, values, np.nan)
    row = np.maximum.accumulate(np.where(np.isfinite(values), np.arange(len(bars)), -1))
    found = values[np.maximum(row, 0)]
    return np.where(row >= 0, 1.0 / found if inverse else found, before)
