"""Where a run comes from: data, audit, machine and configuration as it recorded them, and how to make it again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from barwise.errors import DataError
from barwise.report.markup import Markup, facts, joined, table, tag
from barwise.report.run import Run
from barwise.runs.measures import shown
from barwise.safety.files import YAML_LIMIT, inside, read_text

_STAMP = "not audited for look-ahead (audit=none)"  # on the verdict of a run that was not
_OLD_WEIGHTS = ("weighting", "volatility_window")  # of the backtest: what portfolios are in place of
_DATA_FIRST = ("name", "first", "last", "periods_per_year", "bars")


def about(run: Run) -> Markup:
    """Data, features, labels, validation and audit as the run recorded them."""
    data = dict(run.manifest.get("data") or {})
    for key in ("first", "last"):
        if data.get(key):
            data[key] = str(data[key]).replace("T00:00:00.000000000", "")
    features = run.manifest.get("features") or []
    rows, config = run.manifest.get("rows") or {}, run.config
    parts = [
        ("Data", {**{k: data.pop(k) for k in _DATA_FIRST if k in data}, **data, "hash": run.manifest.get("data_hash")}),
        ("Features", {"sets": list(config.get("features") or {}), "count": len(features), "names": features, **{
            f"rows {k}": v for k, v in rows.items()}}),
        ("Labels", config.get("labels") or {}),
        ("Validation", {**(config.get("validation") or {}), "folds": len(run.manifest.get("folds") or [])}),
        ("Signals, portfolio, costs", _traded(config)),
        ("Warm-up", _start_up_words(run.manifest.get("start_up") or {})),
        ("Audit", _audit_words(run.manifest.get("audit") or {})),
    ]  # fmt: skip
    return joined(tag("div", joined((tag("h3", title), facts(found)))) for title, found in parts if found)


def _traded(config: Mapping[str, Any]) -> dict[str, Any]:
    """How scores became positions and what these paid: what is set, without what a portfolio overrules."""
    parts = {name: config.get(name) for name in ("signals", "portfolio", "costs")}
    found = {
        name: {k: v for k, v in part.items() if v is not None} if isinstance(part, Mapping) else part
        for name, part in parts.items()
    }
    old = _OLD_WEIGHTS if found["portfolio"] else ()
    return {**found, **{k: v for k, v in (config.get("backtest") or {}).items() if k not in old}}


def _start_up_words(found: Mapping[str, Any]) -> dict[str, Any]:
    """The warm-up, and each feature that depends on where its history starts."""
    drifting = {
        name: f"first value off by {line['at_first']:.2f} deviations, "
        + ("never settled" if line["settled"] is None else f"settled after {line['settled']} bars")
        for name, line in (found.get("features") or {}).items()
    }
    about = {"bars at least": found.get("bars"), "slowest feature": found.get("slowest")}
    return {**about, "depend on where history starts": drifting} if found else {}


def _audit_words(found: Mapping[str, Any]) -> dict[str, Any]:
    """What the audit compared and found, and what it means."""
    if not found:
        return {"result": "this run kept no audit"}
    result = {True: "no leak found", False: "refused", None: _STAMP}[found.get("passed")]
    findings = [f"{f['level']}: {f['text']}" for f in found.get("findings") or []]
    return {"result": result, "mode": found.get("mode"), "comparisons": found.get("checks"), "findings": findings}


def machine(run: Run) -> Markup:
    """Device, stages, versions, revision."""
    m = run.manifest
    device, git = m.get("device") or {}, m.get("git") or {}
    revision = f"{git.get('revision', '')}{' with local changes' if git.get('dirty') else ''}" if git else None
    general = {
        "device": f"{device.get('used')}: {device.get('reason')}" if device else None,
        "device asked for": device.get("requested"), "threads": m.get("threads"), "seed": str(m.get("seed")),
        "started": m.get("started"), "finished": m.get("finished"), "status": m.get("status"),
        "reason": m.get("reason"), "machine": m.get("machine"), "git": revision, "versions": m.get("versions"),
        "alerts": m.get("alerts") or "none", "warnings": m.get("warnings") or "none",
    }  # fmt: skip
    seconds, memory = m.get("seconds") or {}, m.get("peak_memory_mb") or {}
    if not seconds:
        return facts(general)
    total = sum(seconds.values())
    rows = [[k, shown(v, "{:.2f}"), shown(memory.get(k), "{:,.0f}")] for k, v in seconds.items()]
    peak = max(memory.values(), default=None)
    rows.append(["all", shown(total, "{:.2f}"), shown(peak, "{:,.0f}")])
    return joined(
        (facts(general), table(("stage", "seconds", "peak memory so far (MB)"), rows, strong=[len(rows) - 1]))
    )


def configuration(run: Run) -> Markup:
    """The composed configuration as it was filed."""
    path = inside(run.folder, ".hydra", "config.yaml")
    if not path.is_file():
        raise DataError(run.why(".hydra/config.yaml"))
    return tag("pre", read_text(path, YAML_LIMIT), tabindex=0)


def again(run: Run) -> Markup:
    """The command that makes this run again, and what must be the same for the same numbers."""
    command = shlex.join(["python", "train.py", *run.overrides])
    git, data_hash = run.manifest.get("git") or {}, run.manifest.get("data_hash")
    same = ["Same configuration, data, seed, versions and threads give the same metrics.json."]
    if git.get("revision"):
        same.append(
            f"Revision {str(git['revision'])[:12]}"
            + (", with local changes that are not kept." if git.get("dirty") else ".")
        )
    if data_hash:
        same.append(f"Data hash {str(data_hash)[:16]}.")
    check = f"python -m barwise rerun {shlex.quote(str(run.folder))}   # once more, and compare the metrics"
    return joined((tag("pre", f"{command}\n{check}", tabindex=0), tag("p", " ".join(same))))
