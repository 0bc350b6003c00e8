"""The script and style of sweep.html: draws the charts, in the reader's colours, and sorts the table."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable


def policy(scripts: Iterable[str]) -> str:
    """What the page may do: run `scripts`, each known by its hash, and nothing that a name or a value brings along.

    Plotly needs inline styles, compiles what it draws with WebGL (unsafe-eval: for scripts that run already), and
    makes pictures as data or blobs; nothing is fetched, sent or embedded.
    """
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{one}'" for one in hashes)
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src {allowed} 'unsafe-eval'; "
        "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
    )


STYLE = """
.barwise .caption{color:var(--muted);margin:.1rem 0 .6rem}
.barwise .tall{max-height:34rem;overflow:auto}
.barwise #trials thead th{position:sticky;top:0;background:var(--page);z-index:1}
.barwise #trials button{all:unset;cursor:pointer;color:inherit}
.barwise #trials button:focus-visible{outline:2px solid var(--link)}
.barwise #trials th[aria-sort=ascending] button::after{content:" \\25B2"}
.barwise #trials th[aria-sort=descending] button::after{content:" \\25BC"}
.barwise .chart{width:100%;min-height:300px}
"""

SCRIPT = """
"use strict";
(function () {
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const colour = name => getComputedStyle(document.body).getPropertyValue("--" + name).trim();
  function look(layout) {
    const ink = colour("ink"), line = colour("line"), narrow = innerWidth < 640;
    const base = {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: {color: ink, size: narrow ? 11 : 13},
      margin: {l: narrow ? 40 : 60, r: narrow ? 20 : 60, t: 60, b: 50},
      legend: {orientation: "h", y: 1.02, yanchor: "bottom", x: 0},
      colorway: ["blue", "orange", "green", "red", "purple", "sky", "yellow", "muted"].map(colour),
      hoverlabel: {namelength: -1}
    };
    const all = Object.assign(base, layout);
    if (narrow) all.margin.l = Math.min(all.margin.l, 70);
    for (const key of new Set([...Object.keys(all).filter(k => /^[xy]axis/.test(k)), "xaxis", "yaxis"]))
      all[key] = Object.assign({gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true}, all[key]);
    return all;
  }
  function draw() {
    const bar = matchMedia("(hover)").matches ? "hover" : false;  // on a phone it would hide the legend
    for (const [name, chart] of Object.entries(charts))
      Plotly.react("chart-" + name, chart.data, look(structuredClone(chart.layout)),
                   {responsive: true, displaylogo: false, displayModeBar: bar});
  }
  draw();
  dark.addEventListener("change", draw);

  const table = document.getElementById("trials");
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
    const number = head.dataset.kind === "number";
    const down = head.getAttribute("aria-sort") === "descending" ||
                 (head.getAttribute("aria-sort") === null && !number);
    heads.forEach(h => h.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "ascending" : "descending");
    const rows = [...table.tBodies[0].rows];
    const key = row => row.cells[column].dataset.sort;
    rows.sort((a, b) => {
      const x = key(a), y = key(b);
      if (x === "" || y === "") return (x === "") - (y === "");
      const order = number ? Number(x) - Number(y) : x.localeCompare(y, undefined, {numeric: true});
      return down ? order : -order;
    });
    table.tBodies[0].append(...rows);
  }));
})();
"""
