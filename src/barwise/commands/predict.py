"""python -m barwise predict RUN data.path=new.csv: scores and signals of new bars."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from barwise.console.arguments import Arguments, compose
from barwise.errors import ConfigError


def main(words: list[str]) -> None:
    """Write time, symbol, score and signal; what is odd about the bars goes to standard error."""
    parser = Arguments("predict", "Scores and signals of new bars, by the model of a finished run.")
    parser.add_argument("run", type=Path, metavar="RUN", help="the run's directory")
    parser.add_argument("data", nargs="*", metavar="data.KEY=VALUE", help="the bars, as for training; from files")
    parser.add_argument("--model", default="auto", help="auto (refit or else ensemble), last, refit, ensemble, fold-2")
    parser.add_argument("--ensemble", action="store_const", const="ensemble", dest="model", help="all folds, averaged")
    parser.add_argument("--out", type=Path, help="a .csv, .parquet or .jsonl file; CSV to standard output without it")
    parser.add_argument("--all", action="store_true", help="also bars that the model was trained on")
    parser.add_argument("--any-scale", action="store_true", help="score bars whose prices seem to be in another unit")
    parser.add_argument("--drift", type=Path, help="write every feature's drift to this JSON file")
    parser.add_argument("--explain", type=Path, metavar="FILE", help="write what each feature adds to each score")
    parser.add_argument("--orders", type=Path, metavar="FILE", help="write the next bar's weights and shares, as CSV")
    parser.add_argument("--held", type=Path, metavar="FILE", help="with --orders: a CSV of symbol and shares held")
    parser.add_argument("--capital", type=float, help="with --orders: of the account; backtest.capital without it")
    parser.add_argument("--allow", action="append", default=[], metavar="TARGET", help="a part of your own, by name")
    given = parser.parse_intermixed_args(words)

    from barwise.experiment.recipe import data_source
    from barwise.runs.csv_files import write_csv
    from barwise.runs.directory import write_json
    from barwise.serving.model import serve
    from barwise.serving.orders import desk_of
    from barwise.serving.predict import check_format, predict, write, write_table

    check_format(given.out)
    if given.explain:
        check_format(given.explain, "--explain")
    check_orders(given)
    served = serve(given.run, given.model, given.allow)
    found = predict(served, data_source(data_config(given.data))(), given.all, given.any_scale,
                    explain=given.explain is not None,
                    desk=desk_of(served, given.held, given.capital) if given.orders else None)  # fmt: skip
    for warning in found.warnings:
        print(f"barwise: {warning}", file=sys.stderr)
    if given.drift:
        write_json(given.drift, {name: {"outside": a, "drift": b} for name, (a, b) in found.drift.items()})
    if found.orders is not None:
        write_csv(given.orders, found.orders)
    if found.why is not None:
        write_table(found.why, given.explain, "--explain")
    text = write(found, given.out)
    print(text, end="") if text is not None else print(given.out)


def check_orders(given: Any) -> None:
    """ConfigError for what belongs to --orders without it, and for orders in another form."""
    if given.orders is None:
        lone = next((f"--{name}" for name in ("held", "capital") if getattr(given, name) is not None), None)
        if lone:
            raise ConfigError(f"{lone}: goes with --orders FILE; add that, or leave it out")
    elif given.orders.suffix.lower() != ".csv":
        raise ConfigError(f"--orders {given.orders}: must end in .csv")


def data_config(words: list[str]) -> DictConfig:
    """The configuration with these overrides; bars come from files unless `data=` says otherwise."""
    named = any(word.startswith("data=") for word in words)
    return compose(words if named else ["data=files", *words])
