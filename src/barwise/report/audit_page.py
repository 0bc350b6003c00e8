"""audit.html: what the thorough audit looked at and what it found, on one page without network or script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from barwise.report.markup import facts, joined, page, table, tag

_MEANS = {
    "features": "each feature again on bars cut off or altered after a bar: the rows up to it must stay the same;"
    " and its rank correlation with the label",
    "labels": "each label is known at its end, not before, and worth what a trade at the next price can earn",
    "folds": "no training label's stretch meets a test row's, embargo kept, no time on both sides of a split",
    "execution": "a probe whose price moves only on the signal's own bar and before the next open earns nothing",
    "learning": "fitted again with other test rows, scaler and strategy are the same; no score or signal changes"
    " with later bars, or with labels not known yet",
}


def document(filed: Mapping[str, Any]) -> str:
    """The page for what audit.json holds."""
    audit, start_up = filed["audit"], filed["start_up"]
    leaks = [f for f in audit["findings"] if f["level"] == "leak"]
    verdict = "No leak found" if audit["passed"] else f"Refused: {len(leaks)} leak{'s' if len(leaks) > 1 else ''}"
    styles = {"leak": "alert"}
    found = [
        tag("p", f"{f['level'].capitalize()}: {f['text']}", class_=styles.get(f["level"], "note"))
        for f in audit["findings"]
    ]
    checks = [
        [name, tag("td", _MEANS.get(name, ""), class_="why"), f"{count:,}"] for name, count in audit["checks"].items()
    ]
    drift = [
        [name, f"{d['defined']:,}", "never" if d["settled"] is None else f"{d['settled']:,}", f"{d['at_first']:.3f}"]
        for name, d in start_up["features"].items()
    ]
    about = {
        "overrides": filed["overrides"], "strategy": filed["strategy"], "feature sets": filed["sets"],
        "features": filed["features"], **{f"data {k}": v for k, v in filed["data"].items()},
        "data hash": filed["data_hash"],
    }  # fmt: skip
    warm = f"Warm-up: {start_up['bars']} bars" + (f", for {start_up['slowest']}." if start_up["slowest"] else ".")
    body = [
        tag("header", joined((tag("p", f"barwise · {audit['mode']} audit"), tag("h1", verdict), *found))),
        tag("h2", "What was compared"),
        table(("check", "what must hold", "comparisons"), checks, left=2),
        tag("h2", "Start-up drift"),
        tag(
            "p",
            f"{warm} From there on, a value lies within 1 % of a standard deviation of what a longer history gives.",
        ),
        table(("feature", "bars to its first value", "bars until settled", "first value off by (deviations)"), drift)
        if drift
        else tag("p", "No feature depends on where its history starts.", class_="missing"),
        tag("h2", "Of what"),
        facts(about),
    ]
    return page(f"audit: {verdict.lower()}", joined(body))
