"""python -m barwise benchmark NAME …: measures, each beside a baseline in the same run; of a checkout only."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from importlib.util import find_spec

from barwise.errors import ConfigError

_PACKAGE = "barwise.benchmarks"  # found by name: it is of the checkout and not of the wheel
_SHARED = ("measure",)  # modules of the package that are no benchmark


def main(words: list[str]) -> None:
    """Run one benchmark; without a name, list them. ConfigError where barwise was installed without them."""
    found = find_spec(_PACKAGE)
    if found is None:
        raise ConfigError(
            "benchmark: the benchmarks are not installed with barwise; run python -m barwise benchmark in a checkout of"
            " its repository, where `make run` has made the environment"
        )
    names = sorted(m.name for m in pkgutil.iter_modules(found.submodule_search_locations) if m.name not in _SHARED)
    if not words or words[0] in ("-h", "--help"):
        print("usage: python -m barwise benchmark NAME …   (NAME --help tells more)\n")
        for name in names:
            module = import_module(f"{_PACKAGE}.{name}")
            print(f"  {name:<12}{(module.__doc__ or '').strip().splitlines()[0]}")
        if words:
            raise SystemExit(0)
        return
    if words[0] not in names:
        raise ConfigError(f"benchmark {words[0]}: there is no such benchmark; there are {', '.join(names)}")
    import_module(f"{_PACKAGE}.{words[0]}").main(words[1:])
