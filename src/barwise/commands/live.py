"""python -m barwise live RUN: bars from standard input or a growing file, a score and signal for each."""

from __future__ import annotations

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
    parser.add_argument("--state", type=Path, help="go on from this file if it is there, and write it at the end")
    parser.add_argument("--model", default="auto", help="auto (refit or else last), last, refit, ensemble, fold-2")
    parser.add_argument("--orders", type=Path, metavar="FILE", help="rewrite this CSV after each bar, as predict does")
    parser.add_argument("--held", type=Path, metavar="FILE", help="with --orders: a CSV of symbol and shares held")
    parser.add_argument("--capital", type=float, help="with --orders: of the account; backtest.capital without it")
    parser.add_argument("--allow", action="append", default=[], metavar="TARGET", help="your own part, by name")
    given = parser.parse_intermixed_args(words)

    from barwise.commands.predict import check_orders, data_config
    from barwise.errors import ConfigError, DataError
    from barwise.experiment.recipe import data_source
    from barwise.runs.csv_files import write_csv
    from barwise.serving.live import live
    from barwise.serving.orders import LiveDesk, desk_of
    from barwise.serving.predict import json_line
    from barwise.serving.tail import bars_in, by_time, follow, lines_of

    check_orders(given)
    if given.follow and given.bars is None:
        raise ConfigError("--follow: names no file; add --bars PATH, standard input is followed as it is")
    if given.bars is not None and not given.bars.is_file():
        raise DataError(f"--bars {given.bars}: is not there")
    history = data_source(data_config(given.data))() if given.data else None
    state = given.state if given.state and given.state.exists() else None
    session = live(given.run, history, given.model, given.allow, state)
    desk = LiveDesk(desk_of(session.served, given.held, given.capital)) if given.orders else None
    where = str(given.bars or "standard input")
    source = follow(given.bars, given.idle) if given.follow else lines_of(given.bars)
    try:
        for group in by_time(bars_in(source, where, given.symbol, session.groups), session.across):
            try:
                answers = session.step(group[0].time, {line.symbol: line.columns for line in group})
            except DataError as error:
                raise DataError(f"{where} line {group[-1].number}: {error}") from None
            orders = desk.orders(session, answers.values()) if desk else None
            if orders is not None:
                write_csv(given.orders, orders)
            for a in answers.values():
                print(json_line(a.time, a.symbol, a.score, a.signal, unusual=a.unusual), flush=True)
    finally:
        if given.state:
            session.save(given.state)
