# ruff: noqa: E501 - a case a line is a table
"""Every remedy that a message of the readers prints can be run as printed, and leads to a right result."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from barwise.data.bars import Bars, Market
from barwise.data.files import load
from barwise.errors import BarwiseError

SOURCE = Path(__file__).resolve().parents[2] / "src" / "barwise" / "data"
SETTING = re.compile(r"'data\.(?:[^']|'\"'\"')+'|data\.\w[\w.]*=[^\s;,)]+")
DAYS = pd.bdate_range("2024-01-02", periods=40)
CLOSE = 100 + np.cumsum(np.random.default_rng(0).normal(0, 1, 40))


def table(form: str = "%Y-%m-%d", head: str = "date,open,high,low,close,volume", days: pd.DatetimeIndex = DAYS,
          row: Callable[[str, float], str] | None = None) -> str:  # fmt: skip
    row = row or (lambda day, c: f"{day},{c:.2f},{c + 1:.2f},{c - 1:.2f},{c + 0.5:.2f},1000")
    return "\n".join([head, *(row(d.strftime(form), c) for d, c in zip(days, CLOSE, strict=False))]) + "\n"


def replaced(text: str, *changes: tuple[int, str]) -> str:
    rows = text.split("\n")
    for number, line in changes:
        rows[number] = line
    return "\n".join(rows)


def dated(first: str, count: int = 40) -> Callable[[Bars], bool]:
    return lambda b: len(b) == count and str(b.time[0])[:10] == first


AUTUMN = [*pd.date_range("2024-11-02 18:00", periods=8, freq="h"), pd.Timestamp("2024-11-03 01:00"),
          *pd.date_range("2024-11-03 02:00", periods=12, freq="h")]  # fmt: skip
BELOW = CLOSE.copy()
# name: (text of the file, what its message says, per remedy printed: whether the bars are right)
REFUSED: dict[str, tuple[str, str, list[Callable[[Bars], bool]]]] = {
    "a bad row": (
        replaced(table(), (5, "2024-01-08,1,2,0.5,,1")), "close is not a finite number", [dated("2024-01-02", 39)]),
    "a negative price": (
        replaced(table(), (5, "2024-01-08,9,10,-4,-3,1")), "a return needs prices above 0", [dated("2024-01-02", 39)]),
    "futures below zero": (
        replaced(table(), *((i, f"{DAYS[i - 1]:%Y-%m-%d},-2,-1,-4,-3,1") for i in range(1, 12))),
        "adjusted by ratios, or", [lambda b: len(b) == 29 and bool((b.close > 0).all())]),
    "CRSP's mids": (
        replaced(table(), (5, "2024-01-08,100,101,99,-100.5,1")), "CRSP marks a mid",
        [lambda b: len(b) == 40 and b.close[4] == 100.5]),
    "day or month": (
        table("%m/%d/%Y", days=pd.date_range("2024-02-01", periods=6)), "could be 2024-01-02 or 2024-02-01",
        [lambda b: str(b.time[1])[:10] == "2024-02-02", lambda b: str(b.time[1])[:10] == "2024-02-02"]),
    "dots in doubt": (
        table("%d.%m.%Y", "Datum;Open;High;Low;Close;Volume",
              row=lambda day, c: f"{day};{c:.3f};{c + 1:.3f};{c - 1:.3f};{c + 0.5:.3f};1").replace(",", ";"),
        "could be 100.126 or 100126", [lambda b: b.close[0] < 200, lambda b: b.close[0] > 1e5]),
    "commas in doubt": (
        table("%Y-%m-%d", "date;open;high;low;close;volume",
              row=lambda day, c: f"{day};{c:.3f};{c + 1:.3f};{c - 1:.3f};{c + 0.5:.3f};1").replace(".", ","),
        "could be 100.126 or 100126", [lambda b: b.close[0] < 200, lambda b: b.close[0] > 1e5]),
    "the doubled hour": (
        table("%Y-%m-%d %H:%M", days=AUTUMN), "so a clock does in autumn",
        [lambda b: len(b) == 21 and bool((np.diff(b.time) == np.timedelta64(1, "h")).all())]),
    "unknown names": (
        table(head="Wann,Eins,Zwei,Drei,Vier,Menge"), "no column for time, open, high, low, close", [dated("2024-01-02")]),
    "unknown names with signs": (
        table(head="<when>,my open,Top,Bottom,it's last,Menge"), "no column for", [dated("2024-01-02")]),
    "two times": (
        table(head="date,timestamp,open,high,low,close,volume",
              row=lambda d, c: f"{d},{pd.Timestamp(d) - pd.Timedelta('9D'):%Y-%m-%d},{c:.2f},{c + 1:.2f},{c - 1:.2f},{c:.2f},1"),
        "could both be time", [lambda b: len(b) == 40]),
    "two closes": (
        table(head="date,open,high,low,close,Close,volume", row=lambda d, c: f"{d},{c:.2f},{c + 1:.2f},{c - 1:.2f},{c:.2f},{c:.2f},1"),
        "could both be close", [dated("2024-01-02")]),
}  # fmt: skip
WARNED: dict[str, tuple[str, str, list[Callable[[Bars], bool]]]] = {
    "no names": (
        "\n".join(table().split("\n")[1:]), "no row of names: read as", [dated("2024-01-02")]),
    "a feed in billionths": (
        table(row=lambda d, c: f"{d},{c * 1e9:.0f},{(c + 1) * 1e9:.0f},{(c - 1) * 1e9:.0f},{c * 1e9:.0f},1"),
        "counts in 1e-9", [lambda b: 50 < b.close[0] < 150]),
    "splits beside an adjusted close": (
        table(head="date,open,high,low,close,volume,adj close",
              row=lambda d, c: f"{d},{c:.2f},{c + 1:.2f},{c - 1:.2f},{c:.2f},1,{c / (1 if d > '2024-01-20' else 2):.2f}"),
        "mends prices and volume", [lambda b: b.close[0] < 60]),
}  # fmt: skip


def settings_in(message: str) -> list[dict[str, Any]]:
    """Each alternative that a message prints, as the arguments of `load`; several for one file belong together."""
    words = [shlex.split(found)[0] for found in SETTING.findall(message)]
    groups: list[list[str]] = []
    for word in words:
        name = word.split("=")[0]
        if groups and name.startswith("data.columns.") and groups[-1][-1].startswith("data.columns."):
            groups[-1].append(word)
        else:
            groups.append([word])
    return [_arguments(group) for group in groups]


def _arguments(words: list[str]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for override in OverridesParser.create().parse_overrides(words):  # Hydra's own grammar
        _, name, *below = override.key_or_group.split(".")
        value = override.value()
        value = str(value) if name == "start" else [str(v) for v in value] if isinstance(value, list) else value
        if below:
            out.setdefault(name, {})[below[0]] = str(value)
        else:
            out[name] = value
    return out


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_refusal_advises_works_as_printed(tmp_path: Path, case: str):
    text, said, right = REFUSED[case]
    (tmp_path / "A.csv").write_text(text)
    with pytest.raises(BarwiseError) as caught:
        load(str(tmp_path / "A.csv"))
    message = str(caught.value).replace(str(tmp_path), "")
    assert said in message and "\n" not in message
    ways = settings_in(message)
    assert len(ways) == len(right), message
    results = [load(str(tmp_path / "A.csv"), **way) for way in ways]
    if case == "day or month":  # one of the two is right, and which is the user's to know
        assert any(check(market.bars[0]) for check, market in zip(right, results, strict=True))
        return
    for check, market, way in zip(right, results, ways, strict=True):
        assert check(market.bars[0]), way


@pytest.mark.parametrize("case", WARNED)
def test_what_a_note_or_warning_advises_works_as_printed(tmp_path: Path, case: str):
    text, said, right = WARNED[case]
    (tmp_path / "A.csv").write_text(text)
    first: Market = load(str(tmp_path / "A.csv"))
    line = next(line for line in [*first.facts["notes"], *first.facts["warnings"]] if said in line)
    for check, way in zip(right, settings_in(line.replace(str(tmp_path), "")), strict=True):
        assert check(load(str(tmp_path / "A.csv"), **way).bars[0]), way


def test_every_setting_that_the_readers_print_is_tried_here():
    printed: set[str] = set()
    for file in [*(SOURCE / "readers").glob("*.py"), SOURCE / "files.py"]:
        text = file.read_text()
        printed |= set(re.findall(r"data\.(\w+)(?:\.\w+)?=[\w{]", text)) | set(
            re.findall(r"setting\(f?[\"'](\w+)", text)
        )
    of_settings = {"path", "columns", "header", "adjusted", "timezone", "day_first", "decimal", "negative", "on_bad",
                   "on_jump", "start", "price_scale"}  # fmt: skip
    assert printed <= of_settings, "a new setting is advised: try it above"


@pytest.mark.parametrize(
    "text",
    [
        table(row=lambda d, c: f"{d},eleven,{c + 1:.2f},{c - 1:.2f},{c:.2f},1"),
        table(row=lambda d, c: f"{d},{c:.2f},{c - 3:.2f},{c - 1:.2f},{c:.2f},1"),
        table("%Y-%m", row=lambda d, c: f"{d},{c:.2f},{c + 1:.2f},{c - 1:.2f},{c:.2f},1"),
    ],
)
def test_leaving_rows_out_is_not_offered_where_most_are_odd_or_share_their_time(tmp_path: Path, text: str):
    (tmp_path / "A.csv").write_text(text)
    with pytest.raises(BarwiseError) as caught:
        load(str(tmp_path / "A.csv"))
    assert "on_bad=drop" not in str(caught.value)
    with pytest.raises(BarwiseError):
        load(str(tmp_path / "A.csv"), on_bad="drop")
