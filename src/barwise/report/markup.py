"""HTML from plain values; everything that is not Markup is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from barwise.report.style import CSS

# The page can load nothing, send nothing and run nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def _text(value: Any) -> Markup:
    """`value` as HTML: Markup as it is, anything else escaped."""
    return value if isinstance(value, Markup) else Markup(escape(str(value), quote=True))


def tag(name: str, content: Any = "", **attributes: Any) -> Markup:
    """One element; an attribute that is None is left out, `class_` is class, `data_x` is data-x."""
    given = ((k.rstrip("_").replace("_", "-"), v) for k, v in attributes.items() if v is not None)
    inside = "".join(f' {k}="{_text(v)}"' for k, v in given)
    return Markup(f"<{name}{inside}>{_text(content)}</{name}>")


def joined(parts: Iterable[Any]) -> Markup:
    """The parts one after the other."""
    return Markup("".join(_text(p) for p in parts))


def page(title: str, body: Markup) -> str:
    """One self-contained document: no script, no request."""
    head = joined(
        (
            Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
            Markup(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"><link rel="icon" href="data:,">'),
            Markup('<meta name="color-scheme" content="light dark">'),
            tag("title", title),
            tag("style", Markup(CSS)),
        )
    )
    inside = tag("body", tag("main", body), class_="barwise")
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n{inside}</html>\n'


def table(head: Sequence[Any], rows: Iterable[Sequence[Any]], left: int = 1, strong: Iterable[int] = ()) -> Markup:
    """A table whose first `left` columns are words and whose others are numbers, right-aligned."""

    def row(cells: Sequence[Any], name: str, bold: bool = False) -> Markup:
        made = (
            c
            if isinstance(c, Markup) and c.startswith(("<td", "<th"))
            else tag(name, c, class_=None if i < left else "n")
            for i, c in enumerate(cells)
        )
        return tag("tr", joined(made), class_="strong" if bold else None)

    bold = set(strong)
    body = joined(row(cells, "td", i in bold) for i, cells in enumerate(rows))
    top = tag("thead", row(head, "th")) if head else Markup("")
    return tag("div", tag("table", joined((top, tag("tbody", body)))), class_="scroll")


def facts(found: Mapping[str, Any]) -> Markup:
    """Names and values, one a line; nested values in words; what is None or empty is left out."""
    rows = (
        tag("tr", joined((tag("th", str(k).strip("_").replace("_", " "), scope="row"), tag("td", words(v)))))
        for k, v in found.items()
        if v is not None and v != {} and v != []
    )
    return tag("table", tag("tbody", joined(rows)), class_="facts")


def words(value: Any) -> Any:
    """A value as a reader wants it: lists with commas, mappings as `a: 1; b: 2`, floats short."""
    if isinstance(value, Markup):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, Mapping):
        return "; ".join(f"{str(k).strip('_').replace('_', ' ')}: {words(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(str(words(v)) for v in value)
    return "–" if value is None else str(value)
