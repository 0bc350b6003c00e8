"""Figures as inline SVG that follows the page's colours, light or dark."""

from __future__ import annotations

import io
import re
from itertools import pairwise
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

INK, MUTED = "#1f2328", "#6e7781"
# Okabe and Ito's colours, which the colour-blind can tell apart (jfly.uni-koeln.de/color, 2008)
BLUE, ORANGE, _GREEN, RED, _PURPLE, _SKY, _YELLOW = (
    "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#f0e442",
)  # fmt: skip
CYCLE = (BLUE, ORANGE, _GREEN, _PURPLE, RED, _SKY)
_VARIABLES = {
    INK: "currentColor", MUTED: "var(--muted)", BLUE: "var(--blue)", ORANGE: "var(--orange)", _GREEN: "var(--green)",
    RED: "var(--red)", _PURPLE: "var(--purple)", _SKY: "var(--sky)", _YELLOW: "var(--yellow)",
}  # fmt: skip
STYLE: Any = {
    "font.size": 9, "axes.titlesize": 9, "axes.labelsize": 9, "xtick.labelsize": 8.5, "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5, "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": MUTED, "xtick.color": MUTED,
    "ytick.color": MUTED, "xtick.labelcolor": INK, "ytick.labelcolor": INK, "axes.facecolor": "none",
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": MUTED, "grid.alpha": 0.22,
    "grid.linewidth": 0.6, "axes.axisbelow": True, "lines.linewidth": 1.3, "legend.frameon": False,
    "figure.facecolor": "white", "axes.unicode_minus": True, "path.simplify_threshold": 0.3,
}  # fmt: skip
_PROLOGUE = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_DROPPED = re.compile(r"<metadata>.*?</metadata>|<!--.*?-->|<style type=\"text/css\">.*?</style>", re.DOTALL)
_FONT = re.compile(r"font: (?:\w+ )*?([\d.]+px) [^;\"]*")
_PATH = re.compile(r' d="([^"]*)"', re.DOTALL)
_DECIMALS = re.compile(r"(\d+\.\d)\d+")
_SIZE = re.compile(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', re.DOTALL)


def svg(figure: Figure, name: str, label: str) -> str:
    """`figure` as one <svg> element: ids start with `name`, `label` is read aloud, colours are the page's."""
    from html import escape

    buffer = io.StringIO()
    with matplotlib.rc_context({**STYLE, "svg.fonttype": "none", "svg.hashsalt": name}):
        _settle(figure)
        figure.savefig(buffer, format="svg", facecolor="none", metadata={"Date": None})
    text = _DROPPED.sub("", _PROLOGUE.sub("", buffer.getvalue()))
    text = _PATH.sub(_shorter, text)
    text = _FONT.sub(r"font-size: \1", text)
    text = re.sub(r' id="([^"]*)"', rf' id="{name}-\1"', text)
    text = re.sub(r"url\(#", f"url(#{name}-", re.sub(r'href="#', f'href="#{name}-', text))
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    opening = f'<svg viewBox="\\1" role="img" aria-label="{escape(label, quote=True)}" xmlns:xlink="{_XLINK}">'
    return re.sub(r">\s+<", "><", _SIZE.sub(opening, text, count=1)).strip()


def _settle(figure: Figure) -> None:
    """Lay the figure out once and for all; savefig would draw it a second time for that."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")


def _shorter(path: re.Match[str]) -> str:
    """A path's coordinates to a tenth of a point, on one line."""
    coordinates = _DECIMALS.sub(r"\1", path.group(1)).split()
    return f' d="{" ".join(coordinates)}"'


_XLINK = "http://www.w3.org/1999/xlink"  # a name, never fetched


def thin(x: np.ndarray, y: np.ndarray, limit: int = 900) -> tuple[np.ndarray, np.ndarray]:
    """At most about `limit` of the points: lowest and highest of each stretch, so that no spike is lost."""
    if len(x) <= limit:
        return x, y
    edges = np.linspace(0, len(x), limit // 2 + 1).astype(int)
    kept = {0, len(x) - 1}
    filled = np.nan_to_num(np.asarray(y, dtype=float))
    for begin, end in pairwise(edges):
        kept.update((begin + int(filled[begin:end].argmin()), begin + int(filled[begin:end].argmax())))
    chosen = np.array(sorted(kept))
    return x[chosen], y[chosen]
