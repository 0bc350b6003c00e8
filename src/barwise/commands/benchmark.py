"""python -m barwise benchmark NAME …: measures, each beside a baseline in the same run."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from barwise import benchmarks
from barwise.errors import ConfigError

SHARED = ("measure",)  # modules of the package that are no benchmark


def main(words: list[str]) -> None:
    """Run one benchmark; without a name, list them."""
    names = sorted(m.name for m in pkgutil.iter_modules(benchmarks.__path__) if m.name not in SHARED)
    if not words or words[0] in ("-h", "--help"):
        print("usage: python -m barwise benchmark NAME …   (NAME --help tells more)\n")
        for name in names:
            module = import_module(f"barwise.benchmarks.{name}")
            print(f"  {name:<12}{(module.__doc__ or '').strip().splitlines()[0]}")
        if words:
            raise SystemExit(0)
        return
    if words[0] not in names:
        raise ConfigError(f"benchmark {words[0]}: there is no such benchmark; there are {', '.join(names)}")
    import_module(f"barwise.benchmarks.{words[0]}").main(words[1:])
