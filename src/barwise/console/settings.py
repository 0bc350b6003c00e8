"""Settings: which values each may have, declared where it is taken and checked here.

    def forward_return(bars: Bars, horizon: Annotated[int, Whole(1, 10_000)] = 5) -> Labels: ...

A part of the user's own is checked by its plain annotations (`window: int`), or not at all where it has none.
"""

from __future__ import annotations

import difflib
import inspect
import math
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from numbers import Integral, Real
from typing import Annotated, Any, Literal, TypeVar, Union, cast

from barwise.errors import ConfigError, require

LONGEST = 100_000  # bars of a window: a year of minutes, and what TA-Lib takes at most
Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Whole:
    """Whole numbers from `least` to `most`."""

    least: int = -(10**12)
    most: int = 10**12

    def __contains__(self, value: object) -> bool:
        return isinstance(value, Integral) and not isinstance(value, bool) and self.least <= int(value) <= self.most

    def __str__(self) -> str:
        return f"a whole number of {self.least} or more, {self.most} at most"


@dataclass(frozen=True)
class Number:
    """Numbers from `least` to `most`; `above`, `below`: the bound itself is none of them. NaN never is."""

    least: float = -math.inf
    most: float = math.inf
    above: bool = False
    below: bool = False

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, Real) or isinstance(value, bool):
            return False
        number: Any = value  # whole numbers of any length too, which no float holds
        low = number > self.least if self.above else number >= self.least
        return bool(low and (number < self.most if self.below else number <= self.most))

    def __str__(self) -> str:
        if math.isinf(self.least) and math.isinf(self.most):
            return "a number"
        low = f"a number {'above' if self.above else 'from'} {self.least:g}"
        if math.isinf(self.most):
            return low if self.above else f"{low} on"
        return f"{low}{', below' if self.below else ', at most' if self.above else ' to'} {self.most:g}"


@dataclass(frozen=True)
class OneOf:
    """One of some words."""

    allowed: tuple[Any, ...]

    def __contains__(self, value: object) -> bool:
        return any(value is one or (type(value) is type(one) and value == one) for one in self.allowed)

    def __str__(self) -> str:
        return f"one of {', '.join(map(shown, self.allowed))}"


@dataclass(frozen=True)
class Is:
    """Whatever is of one of these types, told as `word`."""

    types: tuple[type, ...]
    word: str

    def __contains__(self, value: object) -> bool:
        return isinstance(value, self.types)

    def __str__(self) -> str:
        return self.word


@dataclass(frozen=True)
class _Text:
    """Words; a number too, which YAML makes of 700 and 2005."""

    def __contains__(self, value: object) -> bool:
        return isinstance(value, str) or (value in Number() and math.isfinite(cast(float, value)))

    def __str__(self) -> str:
        return "a text"


@dataclass(frozen=True)
class Several:
    """A list, each of whose entries is one of `kinds`."""

    kinds: tuple[Any, ...]

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            return False
        return not self.kinds or all(any(one in kind for kind in self.kinds) for one in value)

    def __str__(self) -> str:
        each = " or ".join(map(str, self.kinds)) or "anything"
        return (
            "whole numbers" + each[len("a whole number") :] if each.startswith("a whole number") else f"a list: {each}"
        )


_PLAIN: dict[Any, Any] = {
    int: Whole(), float: Number(), bool: Is((bool,), "true or false"), str: _Text(),
    type(None): Is((type(None),), "null"), None: Is((type(None),), "null"),
}  # fmt: skip
_MARKETS = ("Bars", "AlignedBars", "Context")  # what a part is called with, no setting of it
_LISTS, _TABLES = (list, tuple, Sequence), (dict, Mapping)

Window = Annotated[int, Whole(1, LONGEST)]
WideWindow = Annotated[int, Whole(2, LONGEST)]  # of what has a spread
Share = Annotated[float, Number(0.0, 1.0)]
Fraction = Annotated[float, Number(0.0, 1.0, above=True, below=True)]
Seed = Annotated[int, Whole(0, 2**32 - 1)]


def kinds_of(annotation: Any) -> tuple[Any, ...]:
    """What an annotation admits; nothing where anything goes."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        own = tuple(x for x in inner[1:] if isinstance(x, Whole | Number | OneOf | Is | Several))
        return own or kinds_of(inner[0])
    if origin is Literal:
        return (OneOf(inner),)
    if origin in (Union, types.UnionType):
        found = [kinds_of(one) for one in inner]
        return tuple(kind for kinds in found for kind in kinds) if all(found) else ()
    if annotation in _LISTS or origin in _LISTS:
        return (Several(kinds_of(inner[0]) if inner else ()),)
    if annotation in _TABLES or origin in _TABLES:
        return (Is((Mapping,), "a mapping"),)
    return (_PLAIN[annotation],) if annotation in _PLAIN else ()


def check_value(name: str, value: Any, kinds: Any, default: Any = inspect.Parameter.empty) -> None:
    """ConfigError, one line, unless `value` is one of `kinds` (a kind, several, or an annotation)."""
    if not isinstance(kinds, tuple):
        kinds = kinds_of(Annotated[Any, kinds]) or kinds_of(kinds)
    if not kinds or any(value in kind for kind in kinds):
        return
    usual = (
        "" if default is inspect.Parameter.empty or default is None else f"; the shipped default is {shown(default)}"
    )
    raise ConfigError(f"{name}={shown(value)}: must be {' or '.join(map(str, kinds))}{usual}")


def check(function: Callable[..., Any], where: str, given: Mapping[str, Any], config: bool = False) -> None:
    """ConfigError for the first of `given` that the function does not take, or that lies out of its range.

    `config`: what is given is configuration, in which a value may be a part that is yet to be made.
    """
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return
    if config and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        check_names(where, given, [name for name, p in parameters.items() if p.annotation not in _MARKETS])
    for name, value in given.items():
        if name not in parameters or (config and isinstance(value, Mapping) and "_target_" in value):
            continue
        if parameters[name].default is not None or value is not None:
            kinds = _kinds_for(function, parameters[name])
            check_value(f"{where}.{name}", value, kinds, parameters[name].default)


def _kinds_for(function: Callable[..., Any], parameter: inspect.Parameter) -> tuple[Any, ...]:
    """What a parameter of the function admits; nothing where anything goes."""
    return kinds_of(_evaluated(function, parameter.annotation))


def check_names(where: str, given: Iterable[str], known: Iterable[str]) -> None:
    """ConfigError for the first name that is not known, with the nearest that is."""
    there = list(known)
    for name in given:
        if name not in there:
            near = difflib.get_close_matches(str(name), there, n=1)
            guess = f" did you mean {near[0]}?" if near else ""
            what = f"{where}.{shown(name)}" if where else shown(name)
            raise ConfigError(
                f"{what}: there is no such key;{guess} {where or 'the configuration'} has {', '.join(there) or 'none'}"
            )


def check_node(where: str, node: Any) -> None:
    """`check` of every part in a configuration, which is plain data: each mapping that has a `_target_`."""
    if isinstance(node, Mapping):
        if isinstance(node.get("_target_"), str):
            given = {k: v for k, v in node.items() if not (str(k).startswith("_") and str(k).endswith("_"))}
            found = located(node["_target_"])
            if found is not None:
                check(found, where, given, config=True)
        for key, value in node.items():
            check_node(f"{where}.{key}", value)
    elif isinstance(node, list):
        for i, value in enumerate(node):
            check_node(f"{where}[{i}]", value)


def located(target: str) -> Callable[..., Any] | None:
    """What a `_target_` names; None where it names nothing that can be called."""
    from hydra.utils import get_object

    try:
        found = get_object(target)
    except Exception:  # what instantiating it will say better
        return None
    return found if callable(found) else None


def checked(where: str) -> Callable[[Function], Function]:
    """A decorator: each call's arguments lie in the ranges that the annotations declare, or ConfigError is raised."""

    def decorate(function: Function) -> Function:
        parameters = inspect.signature(function).parameters
        names = [n for n, p in parameters.items() if _takes_one(p)]
        admitted: dict[str, tuple[Any, ...]] = {}  # by the first call: an annotation may name what stands further down

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if not admitted:
                admitted.update((name, _kinds_for(function, parameters[name])) for name in names)
            for name, value in (*zip(names, args, strict=False), *kwargs.items()):
                if admitted.get(name) and (value is not None or parameters[name].default is not None):
                    check_value(f"{where}.{name}", value, admitted[name], parameters[name].default)
            return function(*args, **kwargs)

        call.__checks__ = function  # type: ignore[attr-defined]  # a fingerprint of code reads that one alone
        return cast(Function, call)

    return decorate


def _takes_one(parameter: inspect.Parameter) -> bool:
    """Whether it takes one value."""
    return parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)


def check_fields(part: Any, where: str) -> None:
    """`check` of a dataclass's own fields, for its `__post_init__`."""
    check(type(part), where, {name: getattr(part, name) for name in inspect.signature(type(part)).parameters})


def shown(value: Any, most: int = 60) -> str:
    """A value as a setting is written: null, true, false; long ones cut, control characters escaped."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = str(list(value) if isinstance(value, tuple) else value)
    text = re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", lambda m: repr(m.group())[1:-1], text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def refuse_other_names(where: str, given: Iterable[str], names: Mapping[str, str]) -> None:
    """ConfigError for a setting by another name than ours: of two that mean one thing a library ignores one."""
    for name in given:
        require(
            name not in names, f"{where}.{name}: is {names.get(name)} by another name; set {where}.{names.get(name)}"
        )


def _evaluated(function: Callable[..., Any], annotation: Any) -> Any:
    """An annotation that may be written as a text; nothing where it names what is not there at run time."""
    if not isinstance(annotation, str):
        return annotation
    inner = inspect.unwrap(function)
    inner = inner if not inspect.isclass(inner) else inspect.unwrap(inner.__init__)
    module = inspect.getmodule(function)
    names = {**vars(typing), **(vars(module) if module else {}), **getattr(inner, "__globals__", {})}
    holder = types.SimpleNamespace(__annotations__={"one": annotation})
    try:
        return typing.get_type_hints(holder, names, include_extras=True)["one"]
    except Exception:
        return Any
