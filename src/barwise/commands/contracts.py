"""python -m barwise contracts: every part in conf/ and in a folder of your own keeps to its contract."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from omegaconf import DictConfig

from barwise.console.arguments import Arguments
from barwise.console.quoting import hydra_value
from barwise.data import sample
from barwise.errors import BarwiseError, ConfigError

_BASE = ("experiment=smoke", "threads=1", "device=cpu")
_NETS = ("strategy.epochs=1", "strategy.hidden_size=8", "strategy.lookback=5")
_MORE = {  # what a part needs beside its name to be tried in seconds
    "validation/dates": (
        "validation.valid_fraction=null",
        "validation.splitter.train_until=2001-05",
        "validation.splitter.valid_until=2001-08",
    ),
    "exits/barriers": ("labels=triple_barrier",),
    "strategy/net": ("strategy=lstm", *_NETS),
    "strategy/lstm": _NETS,
    "monitor/profiler": ("strategy=lstm", *_NETS),
    "validation/rolling": ("validation.splitter.window=150",),
    "search/optuna": ("search.trials=2", "search.folds=2"),
    "search/space": ("search=optuna", "search.trials=2", "search.folds=2"),
    "features/session": ("data.calendar=24/7",),
}


_SAMPLE = Path(sample.__file__).parent / "sample" / "stocks.parquet"
_GIVEN = {  # what a source of data is to read
    "data/files": (f"data.path={hydra_value(str(_SAMPLE))}",),
    "data/frame": (f"data.frame={{_target_:pandas.read_parquet,_partial_:true,path:{hydra_value(str(_SAMPLE))}}}",),
    "data/query": ("data.sql=" + hydra_value(f"select * from '{_SAMPLE}'"),),
}


def _out_of_reach(option: str) -> str | None:
    """Why a part cannot be tried here; None where it can."""
    if option in ("data/yfinance", "data/ccxt"):
        return "it needs the network"
    if option == "data/query" and find_spec("duckdb") is None:
        return "it needs DuckDB, which is not installed"
    if option.endswith("/catboost") and find_spec("catboost") is None:
        return "it needs CatBoost, which is not installed"
    return None


def main(words: list[str]) -> None:
    """Print each part with the number of promises tried; ends with the first that is broken."""
    parser = Arguments("contracts", "Check every part of conf/, and of a folder of your own, against its contract.")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="such as hydra.searchpath=[file://own/conf]")
    parser.add_argument("--only", action="append", default=[], metavar="GROUP/NAME", help="this part alone")
    parser.add_argument("--allow", action="append", default=[], metavar="TARGET", help="a net of your own, by name")
    given = parser.parse_intermixed_args(words)

    from barwise.contracts import Broken, check
    from barwise.experiment.recipe import parts_of

    found = [x for x in _options(given.overrides) if not given.only or x in given.only]
    missing = sorted(set(given.only) - set(found))
    if missing:
        raise ConfigError(f"--only {missing[0]}: there is no such part; `python -m barwise contracts` lists them")
    for option in found:
        reason = _out_of_reach(option)
        if reason:
            print(f"{option}: not tried: {reason}", flush=True)
            continue
        try:
            tried = check(option.rpartition("/")[0], parts_of(_composed(option, given.overrides)), given.allow)
        except BarwiseError as error:
            raise Broken(f"{option}: {error}") from error
        print(f"{option}: {tried} promises kept", flush=True)


def _options(overrides: list[str]) -> Iterator[str]:
    """group/name of each part in conf/ and in the folders of `hydra.searchpath`."""
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    from barwise.console.config import conf_dir
    from barwise.contracts import CONTRACTS

    with initialize_config_dir(conf_dir(), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        for group in CONTRACTS:
            for name in loader.get_group_options(group, config_name="config", overrides=overrides):
                yield f"{group}/{name}"


def _composed(option: str, overrides: list[str]) -> DictConfig:
    """A small experiment with this part."""
    from barwise.console.arguments import compose

    group, _, name = option.rpartition("/")
    value = f"[{name}]" if group == "features" else name
    if group == "data":  # which the small experiment has its own settings of
        return compose([*_BASE[1:], f"data={name}", *_GIVEN.get(option, ()), *overrides])
    more = (*_MORE.get(option, _MORE.get(group, ())), *_of_its_strategy(group, name))
    others = [word for word in overrides if not word.startswith(f"{group}=")]  # the part itself is what is tried
    return compose([*_BASE, *more, f"{group}={value}", *others])


def _of_its_strategy(group: str, name: str) -> tuple[str, ...]:
    """A space is named for the strategy whose settings it holds."""
    return (f"strategy={name}", *_MORE.get(f"strategy/{name}", ())) if group == "search/space" else ()
