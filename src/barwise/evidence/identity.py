"""Which trial a run is: its configuration without what only watches, absent keys as their defaults, and own code."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from barwise.console.config import conf_dir, yaml_of
from barwise.data.shape import DEFAULTS as SHAPE
from barwise.errors import DataError
from barwise.evidence.aliases import renamed
from barwise.evidence.keys import digest, market_of
from barwise.evidence.own_code import code_of, parsed
from barwise.evidence.sealed import all_symbols
from barwise.runs.run import RunFiles

_NOT_A_TRIAL = (  # where it runs, what it prints, who watches
    "audit", "cache", "console", "device", "factor", "fold_jobs", "hydra", "importance", "measures", "monitor",
    "objective", "output_dir", "pages", "quiet", "report", "resume", "sweep", "threads", "tracking",
)  # fmt: skip
_SYMBOLS = ("symbols", "tickers")
_PATHS = ("path", "universe", "context", "contracts")
_FLAGS = ("_convert_", "_recursive_")  # how a part is made
_ALWAYS = ("data", "features", "labels", "validation", "strategy", "signals", "backtest", "seed")  # never absent


def identity(
    data: Mapping[str, Any], config: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Which market, trial and family (the trial whatever its seed) a run is, from run.json's `data` and the composed
    configuration; `code`: a hash of the source of the user's own parts, None without any."""
    config = renamed(config)
    code = code_of({key: node for key, node in config.items() if key != "measures"})
    what = _canonical(config, defaults or {})
    seedless = {k: v for k, v in what.items() if k != "seed"}
    own = [code] if code else []
    return {
        "market": market_of(all_symbols(data), str(data["bar_size"])),
        "trial": digest([what, *own]),
        "family": digest([seedless, *own]),
        "code": code,
    }


def rehearse(config: Mapping[str, Any]) -> None:
    """Read the sources that `identity` reads of such a configuration: a process forked afterwards has them."""
    _canonical(renamed(config), {})


def seen(data: Mapping[str, Any]) -> dict[str, Any]:
    """Which bars a trial saw, for its entry."""
    found = {"symbols": all_symbols(data), "first": str(data["first"]), "last": str(data["last"])}
    seal = data.get("sealed")
    return {**found, **({"sealed": [str(seal["from"]), str(seal["to"])]} if seal else {})}


def _canonical(config: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """`config` without what makes no trial, in one form however it is written, and without what it would be if the key
    were absent.

    A group or key that a later version adds counts as its default, so that it makes no old trial new. Which symbols
    there are is the market's to say.
    """
    kept = {k: v for k, v in config.items() if k not in _NOT_A_TRIAL}
    if isinstance(kept.get("data"), Mapping):
        data = {k: v for k, v in kept["data"].items() if k not in _SYMBOLS and not (k in SHAPE and _same(v, SHAPE[k]))}
        kept["data"] = {k: _from_here(v) if k in _PATHS and isinstance(v, str) else v for k, v in data.items()}
    found = {k: _bare(v) for k, v in kept.items()}
    return {k: v for k, v in found.items() if k in _ALWAYS or k not in defaults or not _same(v, _bare(defaults[k]))}


def _bare(node: Any) -> Any:
    """`node` in one form: without arguments that equal the defaults of its `_target_`; a list of one value is
    that value, 5.0 is 5, and a mapping of nothing but nulls is null."""
    if isinstance(node, list | tuple):
        values = [_bare(v) for v in node]
        return values[0] if len(values) == 1 and not isinstance(values[0], Mapping | list) else values
    if isinstance(node, float) and node.is_integer():
        return int(node)
    if not isinstance(node, Mapping):
        return node
    usual = {**_parameters(node.get("_target_")), "_partial_": False}
    found = {str(k): _bare(v) for k, v in node.items() if k not in _FLAGS}
    found = {k: v for k, v in found.items() if k not in usual or not _same(v, _bare(usual[k]))}
    return found if any(v is not None for v in found.values()) or "_target_" in node else None


def _from_here(path: str) -> str:
    """A path as seen from the working directory where it lies below it, else whole; no detours."""
    whole = Path(os.path.abspath(os.path.expanduser(path)))
    return os.path.relpath(whole) if whole.is_relative_to(Path.cwd()) else str(whole)


def _same(value: Any, default: Any) -> bool:
    """Whether a value of the configuration is a parameter's default; 1 is not True."""
    return type(value) is type(default) and bool(value == default)


def _parameters(target: Any) -> Mapping[str, Any]:
    """The defaults of a part that barwise ships, from its source, so that every process finds the same."""
    module, _, name = str(target or "").rpartition(".")
    return _signatures(module).get(name, {}) if module.startswith("barwise.") else {}


@cache
def _signatures(module: str) -> dict[str, dict[str, Any]]:
    """The plain defaults of each function and class (its constructor, or its fields) of one of barwise's modules."""
    path = Path(__file__).parents[1].joinpath(*module.split(".")[1:])
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    tree = parsed(path)
    found = {}
    for node in tree.body if tree else ():
        if isinstance(node, ast.ClassDef):
            made = next((x for x in node.body if isinstance(x, ast.FunctionDef) and x.name == "__init__"), None)
            fields = [x for x in node.body if isinstance(x, ast.AnnAssign) and x.value is not None]
            found[node.name] = (
                _of_arguments(made.args) if made else dict(_literals((x.target, x.value) for x in fields))
            )
        elif isinstance(node, ast.FunctionDef):
            found[node.name] = _of_arguments(node.args)
    return found


def _of_arguments(args: ast.arguments) -> dict[str, Any]:
    """Plain defaults by the name of their argument."""
    places = [*args.posonlyargs, *args.args]
    last = places[len(places) - len(args.defaults) :]
    return dict(
        _literals([*zip(last, args.defaults, strict=True), *zip(args.kwonlyargs, args.kw_defaults, strict=True)])
    )


def _literals(pairs: Iterable[tuple[ast.AST, ast.expr | None]]) -> Iterator[tuple[str, Any]]:
    """Names with their values, where these are plain."""
    for name, value in pairs:
        try:
            if value is not None:
                yield getattr(name, "arg", getattr(name, "id", "")), ast.literal_eval(value)
        except ValueError:
            continue


def shipped_defaults(conf: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """What each top-level key of `config` would be without overrides, as the YAML of the folder `conf` says."""
    from barwise.runs.run import filled

    main = yaml_of(conf / "config.yaml")
    found = {k: v for k, v in main.items() if k not in ("defaults", "hydra")}
    for item in main.get("defaults", ()):
        (group, name), *_ = item.items() if isinstance(item, Mapping) else [("", None)]
        folder, _, key = group.partition("@")
        path = conf / folder / f"{name}.yaml"
        if name and path.is_file() and " " not in group:
            found[key or folder] = yaml_of(path) or {}
    return {k: filled(v, config) for k, v in found.items()}


def completed(folder: Path, entries: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """`entries` of the ledger in `folder`; one of an older version with what its run's directory tells."""
    for entry in entries:
        yield entry if "symbols" in entry else {**entry, **_recovered(folder, str(entry.get("run", "")))}


def _recovered(folder: Path, run: str) -> dict[str, Any]:
    """Symbols, times and identity of a run that an older version filed; empty where its directory is gone.

    It is looked for below `folder` alone: the ledger may have been moved with its runs.
    """
    for place in (folder.joinpath(*Path(run).parts[-depth:]) for depth in (3, 2, 1)):
        if run and (place / "run.json").is_file():
            return identity_of(place)
    return {}


def identity_of(run: Path) -> dict[str, Any]:
    """What an entry would say of the run in directory `run`; empty where it never saw its bars or cannot be read."""
    try:
        found = RunFiles.of(run)
        data, config = found.manifest.get("data"), found.config
        return {**identity(data, config, shipped_defaults(Path(conf_dir()), config)), **seen(data)} if data else {}
    except (DataError, OSError, KeyError, TypeError):
        return {}
