"""python -m barwise look PATH: what was read, before anything is trained on it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from barwise.console.arguments import Arguments, compose

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console

    from barwise.data.bars import Bars, Market

_SYMBOLS = 10  # that the terminal lists
_ROWS = 5
_WIDTH, _HEIGHT = 72, 8  # characters of the plot
_BLOCKS = " ▁▂▃▄▅▆▇█"


def main(words: list[str]) -> None:
    """Read the bars that `train.py` would read, and print them; nothing is trained, nothing is filed."""
    parser = Arguments("look", "What is in a file or a folder, or in any data source, as train.py would read it.")
    parser.add_argument("path", nargs="?", metavar="PATH", help="a file, folder or glob; without one, data=… says")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="as for train.py: data.timezone=UTC, …")
    parser.add_argument("--png", type=Path, metavar="FILE", help="draw the closes of up to ten symbols into FILE")
    given = parser.parse_args(words)
    overrides = list(given.overrides)
    if given.path is not None:
        is_path = Path(given.path).exists() or "=" not in given.path
        overrides = ["data=files", f"data.path={given.path}", *overrides] if is_path else [given.path, *overrides]
    market = _market_of(overrides)
    if given.png:  # first, so that a reader who has had enough of the text does not lose it
        _draw(market, given.png)
    _show(market)
    if given.png:
        print(f"picture: {given.png}")


def _market_of(overrides: list[str]) -> Market:
    """The bars that `train.py` would have with these overrides, checked; with none, the sample."""
    from barwise.data.checks import check_market
    from barwise.experiment.recipe import data_source

    return check_market(data_source(compose(overrides))())


def _show(market: Market) -> None:
    """The market on the terminal."""
    from rich.console import Console

    console = Console(highlight=False)
    _overview(console, market)
    _columns(console, market.facts)
    _symbols(console, market)
    _rows(console, market.bars[0])
    console.print("\n".join(_plot(market.bars[0])), markup=False)
    for kind, style in (("notes", "dim"), ("warnings", "yellow")):
        for line in _lines(market, kind):
            console.print(f"{kind[:-1]}: {line}", style=style, soft_wrap=True, markup=False)
    if not _lines(market, "warnings"):
        console.print("no warnings", style="dim")


def _lines(market: Market, kind: str) -> list[str]:
    from barwise.data.calendar import spacing_warning

    found = [str(line) for line in market.facts.get(kind, ())]
    spacing = spacing_warning(market.times()) if kind == "warnings" and not market.periods_per_year else None
    return [*found, spacing] if spacing else found


def _overview(console: Console, market: Market) -> None:
    from barwise.data.calendar import bar_size_name, periods_per_year

    times = market.times()
    per_year = market.periods_per_year or periods_per_year(times)
    longest = max(market.bars, key=len)
    count = len(market.bars)
    rows = {
        "source": str(market.facts.get("path") or market.facts.get("name") or "?"),
        "symbols": f"{count:,}",
        "bars": f"{sum(map(len, market.bars)):,}, {len(times):,} distinct times",
        "from, to": f"{_stamp(times[0])} to {_stamp(times[-1])}",
        "bar size": bar_size_name(longest.time),
        "periods a year": f"{per_year:,.6g}" + (_source(market)),
        "time zone": "dates, without a zone" if _dates(times) else str(market.facts.get("timezone") or "UTC"),
        **_calendar(market.facts.get("calendar") or {}),
        "prices": "adjusted" if market.facts.get("adjusted") else "as the source has them",
    }
    width = max(map(len, rows))
    for name, value in rows.items():
        console.print(f"[bold]{name:<{width}}[/]  ", end="")
        console.print(value, markup=False, soft_wrap=True)


def _source(market: Market) -> str:
    """Where the number of periods a year comes from, if it is not the times."""
    if market.facts.get("calendar"):
        return " (by the calendar)"
    return " (as set)" if market.periods_per_year else ""


def _calendar(found: Mapping[str, Any]) -> dict[str, str]:
    """Sessions by the calendar, and the bars that it expects."""
    if not found:
        return {}
    sessions = f"{found['sessions']:,} sessions of {found['session_minutes']:,.5g} minutes"
    short = f", {found['short_sessions']:,} of them shorter" if found["short_sessions"] else ""
    bars = f"{found['expected_bars']:,} expected, {found['missing_bars']:,} missing, {found['bars_outside']:,} outside"
    empty = f"; {found['sessions_without_bars']:,} sessions without a bar" if found["sessions_without_bars"] else ""
    return {"calendar": f"{found['name']} ({found['timezone']}): {sessions}{short}", "its bars": bars + empty}


def _columns(console: Console, facts: Mapping[str, Any]) -> None:
    columns = facts.get("columns")
    if columns:
        told = ", ".join(f"{name} → {what}" if name != what else name for name, what in columns.items())
        console.print(f"columns: {told}", markup=False, soft_wrap=True)


def _symbols(console: Console, market: Market) -> None:
    from rich.table import Table

    table = Table(box=None)
    for name in ("symbol", "bars", "first", "last", "lowest", "highest", "last close"):
        table.add_column(name, justify="left" if name == "symbol" else "right")
    for bars in market.bars[:_SYMBOLS]:
        prices = (f"{value:,.6g}" for value in (bars.low.min(), bars.high.max(), bars.close[-1]))
        table.add_row(_plain(bars.symbol), f"{len(bars):,}", _stamp(bars.time[0]), _stamp(bars.time[-1]), *prices)
    console.print(table)
    if len(market.bars) > _SYMBOLS:
        console.print(f"and {len(market.bars) - _SYMBOLS:,} more symbols")


def _rows(console: Console, bars: Bars) -> None:
    from rich.table import Table

    from barwise.data import sessions
    from barwise.data.bars import COLUMNS

    table = Table(box=None, title=f"first bars of {_plain(bars.symbol)}", title_justify="left", title_style="bold")
    extra = [name for name in bars.extra if name not in sessions.COLUMNS][:4]
    for name in ("time", *COLUMNS, *map(_plain, extra)):
        table.add_column(name, justify="right")
    for i in range(min(_ROWS, len(bars))):
        values = [getattr(bars, name)[i] for name in COLUMNS] + [bars.extra[name][i] for name in extra]
        table.add_row(_stamp(bars.time[i]), *(f"{v:,.8g}" for v in values))
    console.print(table)


def _dates(times: np.ndarray) -> bool:
    return bool((times == times.astype("datetime64[D]")).all())


def _stamp(time: Any) -> str:
    """A time without what is zero: a date, a minute or a second."""
    second = str(time.astype("datetime64[s]"))
    return second.removesuffix("T00:00:00").removesuffix(":00").replace("T", " ")


def _plot(bars: Bars) -> list[str]:
    """The closes as lines of block characters: a title, then `HEIGHT` rows of at most `WIDTH` columns, oldest left."""
    import numpy as np

    edges = np.linspace(0, len(bars), min(_WIDTH, len(bars)) + 1).astype(int)
    values = np.array([bars.close[a:b].mean() for a, b in pairwise(edges)])
    low, high = float(values.min()), float(values.max())
    level = (values - low) / (high - low) * (_HEIGHT * 8 - 1) + 1 if high > low else np.full(len(values), _HEIGHT * 4.0)
    lines = [f"close of {bars.symbol}, {low:,.6g} to {high:,.6g}"]
    for row in reversed(range(_HEIGHT)):
        lines.append("".join(_BLOCKS[int(np.clip(round(v) - 8 * row, 0, 8))] for v in level).rstrip())
    return lines


def _draw(market: Market, path: Path) -> None:
    """The closes of up to ten symbols, each from 1, on a log scale, as a PNG."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    figure = Figure(figsize=(10, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for bars in market.bars[:_SYMBOLS]:
        axes.plot(bars.time, bars.close / bars.close[0], label=bars.symbol.replace("$", r"\$"), linewidth=1)
    axes.set_yscale("log")
    for places in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        places(FuncFormatter(lambda value, _: f"{value:g}"))  # 0.6, not 6 × 10⁻¹
    axes.set_ylabel("close, first bar = 1")
    axes.grid(alpha=0.3)
    if len(market.bars) > 1:
        axes.legend(loc="upper left", fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, format="png")


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
