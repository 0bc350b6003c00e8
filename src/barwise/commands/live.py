"""python -m barwise live RUN: bars from standard input or a growing file, a score and signal for each."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from barwise.console.arguments import Arguments


def main(words: list[str]) -> None:
    """Read bars line by line and answer each with a line of JSON; the state is saved when the lines end."""
    parser = Arguments("live", "Score bars as they come: CSV with a header or JSON lines in, JSON lines out.")
    parser.add_argument("run", type=Path, metavar="RUN", help="the run's directory")
    parser.add_argument("data", nargs="*", metavar="data.KEY=VALUE", help="past bars to begin with, as for predict")
    parser.add_argument("--bars", type=Path, help="a file to read bars from; standard input without it")
    parser.add_argument("--follow", action="store_true", help="wait for lines that are added to --bars")
    parser.add_argument("--idle", type=float, help="with --follow: stop after so many seconds without a line")
    parser.add_argument("--symbol", help="the symbol of lines that name none")
    parser.add_argument("--state", type=Path, help="go on from this file if it is there; written as it goes")
    parser.add_argument("--paper", type=Path, metavar="FOLDER", help="keep the ledger of the run's backtest there")
    parser.add_argument("--strict", action="store_true", help="end at what is no bar, which is skipped otherwise")
    parser.add_argument("--model", default="auto", help="auto (refit or else ensemble), last, refit, ensemble, fold-2")
    parser.add_argument("--orders", type=Path, metavar="FILE", help="rewrite this CSV after each bar, as predict does")
    parser.add_argument("--held", type=Path, metavar="FILE", help="with --orders: a CSV of symbol and shares held")
    parser.add_argument("--capital", type=float, help="with --orders: of the account; backtest.capital without it")
    parser.add_argument("--contracts", type=Path, metavar="FILE", help="data.contracts of the run, where it lies now")
    parser.add_argument("--allow", action="append", default=[], metavar="TARGET", help="your own part, by name")
    given = parser.parse_intermixed_args(words)

    from barwise.commands.predict import check_orders, data_config
    from barwise.console.printing import notice
    from barwise.console.stopping import stoppable
    from barwise.errors import ConfigError, DataError
    from barwise.experiment.recipe import data_source
    from barwise.runs.csv_files import write_csv
    from barwise.serving.live import Answer, live
    from barwise.serving.orders import LiveDesk, desk_of
    from barwise.serving.paper import Paper
    from barwise.serving.predict import json_line
    from barwise.serving.service import Service
    from barwise.serving.tail import bars_in, by_time, follow, lines_of

    stoppable()
    check_orders(given)
    if given.follow and given.bars is None:
        raise ConfigError("--follow: names no file; add --bars PATH, standard input is followed as it is")
    if given.bars is not None and not given.bars.is_file():
        raise DataError(f"--bars {given.bars}: is not there")
    history = data_source(data_config(given.data))() if given.data else None
    state = given.state if given.state and given.state.exists() else None
    session = live(given.run, history, given.model, given.allow, state, given.contracts)

    def answer(a: Answer) -> None:
        print(json_line(a.time, a.symbol, a.score, a.signal, unusual=a.unusual), flush=True)

    desk = LiveDesk(desk_of(session.served, given.held, given.capital)) if given.orders else None

    def order(answers: Iterable[Answer]) -> None:
        orders = desk.orders(session, answers) if desk else None
        if orders is not None:
            write_csv(given.orders, orders)

    allow = tuple(given.allow)
    paper = Paper.of(given.run, given.paper, allow) if given.paper else None
    service = Service(
        session, answer, lambda text: notice(f"alert: {text}"), str(given.bars or "standard input"), given.state, paper,
        given.strict, given.model in ("auto", "refit"), allow, state is not None, after=order,
    )  # fmt: skip
    source = follow(given.bars, given.idle) if given.follow else lines_of(given.bars)
    lines = bars_in(source, service.where, given.symbol, session.groups, service.refuse)
    service.run(by_time(lines, session.across or desk is not None, session.whole))
