"""Features written as formulas in YAML or on the command line: parsed into a few known steps, never evaluated as code.

features.formulas.rsi_gap="rsi(close, 14)/100 - rank(close, 20)"
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import bottleneck as bn
import numpy as np

from barwise.data.bars import COLUMNS
from barwise.errors import ConfigError
from barwise.features import rolling
from barwise.features.cross_section import mean as cross_mean
from barwise.features.cross_section import rank as cross_rank

_LONGEST, _DEEPEST, _WIDEST = 2_000, 60, 10_000  # characters, steps one in another, bars of a window
Array = np.ndarray


class _Function(NamedTuple):
    """`make` of as many arrays as `arrays` says, and of a window or not; `example` is shown where it is misused."""

    make: Callable[..., Array]
    arrays: int
    window: bool
    example: str


def _delayed(x: Array, n: int) -> Array:
    """The value `n` bars before."""
    return rolling.before(x, n)


def _place(x: Array, n: int) -> Array:
    """Share of the other `n` - 1 of the last n values that lie below, ties counted half."""
    if n > len(x) or n < 2:
        return np.full(len(x), np.nan)
    found: Array = (bn.move_rank(x, n) + 1.0) / 2.0
    return found


def _ema(x: Array, n: int) -> Array:
    """TA-Lib's exponential average over `n` bars."""
    import talib

    found: Array = talib.EMA(np.ascontiguousarray(x, np.float64), timeperiod=max(n, 2))
    return found


def _rsi(x: Array, n: int) -> Array:
    """Wilder's RSI, 0 to 100."""
    from barwise.features.technical import relative_strength

    return relative_strength(np.ascontiguousarray(x, np.float64), max(n, 2))


_TIME: Mapping[str, _Function] = {
    "delay": _Function(_delayed, 1, True, "delay(close, 5)"),
    "delta": _Function(lambda x, n: x - rolling.before(x, n), 1, True, "delta(close, 5)"),
    "change": _Function(rolling.change, 1, True, "change(close, 5)"),
    "mean": _Function(rolling.mean, 1, True, "mean(close, 20)"),
    "std": _Function(rolling.std, 1, True, "std(close, 20)"),
    "sum": _Function(lambda x, n: rolling.mean(x, n) * n, 1, True, "sum(volume, 20)"),
    "zscore": _Function(
        lambda x, n: rolling.ratio(x - rolling.mean(x, n), rolling.std(x, n)), 1, True, "zscore(close, 20)"
    ),
    "skew": _Function(rolling.skew, 1, True, "skew(change(close, 1), 20)"),
    "highest": _Function(rolling.highest, 1, True, "highest(high, 20)"),
    "lowest": _Function(rolling.lowest, 1, True, "lowest(low, 20)"),
    "rank": _Function(_place, 1, True, "rank(close, 20)"),
    "corr": _Function(rolling.correlation, 2, True, "corr(close, volume, 20)"),
    "slope": _Function(rolling.slope, 2, True, "slope(volume, close, 20)"),
    "ema": _Function(_ema, 1, True, "ema(close, 20)"),
    "rsi": _Function(_rsi, 1, True, "rsi(close, 14)"),
}
_BAR: Mapping[str, _Function] = {
    "abs": _Function(np.abs, 1, False, "abs(x)"),
    "sign": _Function(np.sign, 1, False, "sign(x)"),
    "log": _Function(np.log, 1, False, "log(volume)"),
    "sqrt": _Function(np.sqrt, 1, False, "sqrt(x)"),
    "min": _Function(np.minimum, 2, False, "min(open, close)"),
    "max": _Function(np.maximum, 2, False, "max(open, close)"),
    "where": _Function(lambda c, x, y: np.where(np.isnan(c), np.nan, np.where(c != 0, x, y)), 3, False,
                      "where(close > open, 1, 0)"),
}  # fmt: skip
_ACROSS = {"rank": "rank(close)", "demean": "demean(x)", "market_mean": "market_mean(x)",
          "group_mean": "group_mean(x, sector)"}  # fmt: skip
_BINARY: Mapping[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: rolling.ratio, ast.Pow: np.power,
}  # fmt: skip
_COMPARED: Mapping[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Gt: operator.gt, ast.Lt: operator.lt, ast.GtE: operator.ge, ast.LtE: operator.le, ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}  # fmt: skip


class Formulas:
    """A feature set of formulas by the names of their columns, over the bars' own columns: open, high, low, close,
    volume and any further column of numbers.

    + - * / ** and comparisons (1 or 0); per bar abs, sign, log, sqrt, min, max, where; over a symbol's last n bars
    delay, delta, change, mean, std, sum, zscore, skew, highest, lowest, rank, corr, slope, ema, rsi; among the members
    of the bar rank(x), demean(x), market_mean(x), group_mean(x, sector). What is divided by 0 or not defined is NaN.
    ConfigError for a formula that is none.

    >>> from barwise.data import synthetic
    >>> bars = synthetic.load(n_symbols=1, n_bars=300).bars[0]
    >>> found = Formulas(gap="open / delay(close, 1) - 1")(bars)["gap"]
    >>> bool(np.isnan(found[0])), bool(found[1] == bars.open[1] / bars.close[0] - 1)
    (True, True)
    """

    def __init__(self, **columns: str) -> None:
        if not columns:
            raise ConfigError("features.formulas: has no formula; +features.formulas.name='change(close, 5)' adds one")
        for name, text in columns.items():
            if not _is_name(name) or not isinstance(text, str):
                raise ConfigError(f"features.formulas.{name}={text!s:.40}: must be a formula, such as change(close, 5)")
        self.columns = dict(columns)
        self.across_symbols = any([_parse(name, text).across for name, text in self.columns.items()])

    def __call__(self, bars: Any) -> dict[str, Array]:
        return {name: _finite(_Evaluation(name, bars).of(_parse(name, text))) for name, text in self.columns.items()}


class _Formula(NamedTuple):
    """A formula as Python's own grammar reads it; nothing of it is ever compiled. `across`: it compares symbols."""

    tree: ast.expr
    across: bool


def _parse(name: str, text: str) -> _Formula:
    """The formula in `text`. ConfigError for anything but names, numbers, operators and the functions there are."""
    where = f"features.formulas.{name}"
    if not text.strip() or len(text) > _LONGEST:
        raise ConfigError(f"{where}: must be a formula of up to {_LONGEST:,} characters, such as change(close, 5)")
    try:
        found = ast.parse(text.strip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = getattr(error, "msg", None) or str(error)
        raise ConfigError(f"{where}={text:.80}: cannot be read: {reason}") from None
    if len(found) != 1 or not isinstance(found[0], ast.Expr):
        raise ConfigError(f"{where}={text:.80}: cannot be read: it is no single formula")
    tree = found[0].value
    return _Formula(tree, _check(tree, where, text, 0))


def _check(node: ast.expr, where: str, text: str, depth: int) -> bool:
    """Whether the formula compares symbols; ConfigError for a step that there is not."""

    def wrong(what: str) -> ConfigError:
        return ConfigError(f"{where}={text:.80}: {what}")

    if depth > _DEEPEST:
        raise wrong(f"has more than {_DEEPEST} steps one in another")
    match node:
        case ast.Constant(value=value) if isinstance(value, int | float) and not isinstance(value, bool):
            if abs(value) > 1e15:
                raise wrong(f"{value:.3g} is beyond what prices are made of")
            return False
        case ast.Name():
            return False
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=inner):
            return _check(inner, where, text, depth + 1)
        case ast.BinOp(op=op, left=left, right=right) if type(op) in _BINARY:
            return any([_check(one, where, text, depth + 1) for one in (left, right)])
        case ast.Compare(ops=[op], left=left, comparators=[right]) if type(op) in _COMPARED:
            return any([_check(one, where, text, depth + 1) for one in (left, right)])
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            arrays, across = _arguments(name, args, wrong)
            return any([_check(one, where, text, depth + 1) for one in arrays]) or across
        case ast.Call(func=ast.Name(id=name)):
            raise wrong(f"{name} takes its values in order, without names")
    raise wrong(f"{ast.unparse(node):.40} is no step of a formula; names, numbers, + - * / **, comparisons and"
                f" {', '.join(sorted({*_TIME, *_BAR, *_ACROSS}))} are")  # fmt: skip


def _arguments(name: str, args: list[ast.expr], wrong: Callable[[str], ConfigError]) -> tuple[list[ast.expr], bool]:
    """The arguments that are values, and whether the function compares symbols."""
    if name in _ACROSS and (name != "rank" or len(args) == 1):
        grouped = name == "group_mean"
        if len(args) != 1 + grouped or (grouped and not isinstance(args[1], ast.Name)):
            raise wrong(f"{name} is written {_ACROSS[name]}")
        return args[:1], True
    known = _TIME.get(name) or _BAR.get(name)
    if known is None:
        raise wrong(f"there is no {name}; there are {', '.join(sorted({*_TIME, *_BAR, *_ACROSS}))}")
    if len(args) != known.arrays + known.window:
        raise wrong(f"{name} is written {known.example}")
    if known.window:
        n = args[-1].value if isinstance(args[-1], ast.Constant) else None
        if not isinstance(n, int) or isinstance(n, bool) or not 1 <= n <= _WIDEST:
            raise wrong(
                f"{name} looks over {ast.unparse(args[-1]):.20} bars; it must be a whole number from 1 to {_WIDEST:,}"
            )
    return args[: known.arrays], False


class _Evaluation:
    """One formula on a symbol's bars, or on all symbols' side by side."""

    def __init__(self, name: str, bars: Any) -> None:
        self.name, self.bars = name, bars  # told apart by their shape: (bar,) or (bar, symbol)
        self.length = bars.close.shape

    def of(self, formula: _Formula) -> Array:
        """The column."""
        with np.errstate(all="ignore"):
            return np.broadcast_to(np.asarray(self.value(formula.tree), np.float64), self.length)

    def value(self, node: ast.expr) -> Any:
        """What a checked step gives: an array, or a number."""
        match node:
            case ast.Constant(value=number):
                return np.float64(number)  # type: ignore[arg-type]
            case ast.Name(id=name):
                return self.column(name)
            case ast.UnaryOp(op=op, operand=inner):
                return -self.value(inner) if isinstance(op, ast.USub) else self.value(inner)
            case ast.BinOp(op=op, left=left, right=right):
                return _BINARY[type(op)](self.value(left), self.value(right))
            case ast.Compare(ops=[op], left=left, comparators=[right]):
                a, b = self.value(left), self.value(right)
                return np.where(np.isnan(a) | np.isnan(b), np.nan, _COMPARED[type(op)](a, b))
            case ast.Call(func=ast.Name(id=name), args=args):
                return self.call(name, args)
        raise ConfigError(f"features.formulas.{self.name}: {ast.unparse(node):.40} is no step of a formula")

    def call(self, name: str, args: list[ast.expr]) -> Any:
        """A function on its arrays."""
        if name in _ACROSS and (name != "rank" or len(args) == 1):
            return self.across(name, self.full(args[0]), args)
        known = _TIME.get(name) or _BAR[name]
        arrays = [self.full(one) if known.window else self.value(one) for one in args[: known.arrays]]
        if not known.window:
            return known.make(*arrays)
        n = int(args[-1].value)  # type: ignore[attr-defined]
        if self.bars.close.ndim == 2:
            return self.bars.each(lambda *own: known.make(*own, n), *arrays)
        return known.make(*arrays, n)

    def full(self, node: ast.expr) -> Array:
        """A value as an array of the bars' shape, which windows may look over."""
        return np.array(np.broadcast_to(np.asarray(self.value(node), np.float64), self.length))

    def across(self, name: str, x: Array, args: list[ast.expr]) -> Array:
        """A function among the members of each bar."""
        market = self.bars
        if market.close.ndim != 2:
            raise ConfigError(f"features.formulas.{self.name}: {name} compares symbols, and one is given by itself")
        members = np.where(market.inside, x, np.nan)
        if name == "rank":
            return cross_rank(x, members)
        average = np.broadcast_to(cross_mean(members), x.shape)
        if name == "group_mean":
            average = self._group_mean(market, members, args[1].id)  # type: ignore[attr-defined]
        return np.where(market.has, x - average if name == "demean" else average, np.nan)

    def _group_mean(self, market: Any, members: Array, group: str) -> Array:
        if group not in market.groups:
            there = ", ".join(market.groups) or "none"
            raise ConfigError(f"features.formulas.{self.name}: {group} is no group of the source; it has {there}")
        codes, found = market.groups[group], np.full(members.shape, np.nan)
        for code in range(len(market.group_names[group])):
            own = codes == code
            found[own] = np.broadcast_to(cross_mean(np.where(own, members, np.nan)), members.shape)[own]
        return found

    def column(self, name: str) -> Array:
        """A column of the bars. ConfigError where there is none of that name."""
        found: Array | None = getattr(self.bars, name) if name in COLUMNS else self.bars.extra.get(name)
        if found is None:
            there = ", ".join((*COLUMNS, *self.bars.extra))
            raise ConfigError(f"features.formulas.{self.name}: {name} is no column of the bars; they have {there}")
        return np.asarray(found, np.float64)


def _finite(values: Array) -> Array:
    found = np.array(values)
    found[~np.isfinite(found)] = np.nan
    return found


def _is_name(text: object) -> bool:
    """Whether a key of the configuration may name a column."""
    return isinstance(text, str) and re.fullmatch(r"[A-Za-z]\w{0,60}", text) is not None
