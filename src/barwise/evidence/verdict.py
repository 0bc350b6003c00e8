"""What the evidence supports, given how often one tried."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from barwise.errors import DataError
from barwise.evidence import trials as ledger
from barwise.evidence.bootstrap import sharpe_interval
from barwise.evidence.deflated import Moments, expected_maximum, min_track_record, probability
from barwise.evidence.returns import excess_returns
from barwise.evidence.sealed import spent
from barwise.safety.files import inside, ledger_folder, read_json

LEVEL = 0.95  # the usual level of a one-sided test


def verdict_of(folder: Path) -> dict[str, Any]:
    """The verdict on the run in `folder` as of now: later trials on its problem count too.

    Empty where the run has no verdict.json; as filed where what it takes is gone, or the ledger of trials was cut and
    knows fewer than were filed: forgetting trials makes nothing truer.
    """
    filed = _json(folder / "verdict.json")
    run = _json(folder / "run.json")
    home = ledger_folder(folder, run.get("trials_folder"))
    if not filed or "problem" not in run or home is None or not (folder / "ledger.parquet").is_file():
        return filed
    try:
        found = judged(folder, run, _json(folder / "metrics.json"))
    except (DataError, KeyError, TypeError, ValueError, AttributeError):  # or a run.json that is none of ours
        return filed
    known = run.get("shuffle_labels") or str(run.get("trial")) in ledger.read(home, str(run["problem"]))
    return found if known and found["n_trials"] >= filed.get("n_trials", 0) else filed


def judged(folder: Path, run: Mapping[str, Any], metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The verdict on the run in `folder`, from its ledger and the ledger of trials that its manifest `run` names."""
    _, excess = excess_returns(folder)
    home, problem = ledger_folder(folder, run.get("trials_folder")), str(run["problem"])
    if home is None:
        raise DataError(f"{folder}/run.json: trials_folder names no folder; give one relative to the run")
    found = verdict(
        excess, ledger.read(home, problem), run["data"]["periods_per_year"], metrics.get("t_stat"),
        metrics.get("sharpe_delayed"),
    )  # fmt: skip
    found["n_trials_other_labels"] = ledger.with_other_labels(home, str(run["market"]), problem)
    looks, seal = spent(home, run["data"]), run["data"].get("sealed")
    found["sealed_openings"] = len(looks)
    found["sealed_traded"] = ledger.beyond(home, str(run["market"]), str(seal["from"])) if seal else 0
    if run.get("shuffle_labels"):
        found["sentence"] = placebo(found["dsr"])
    elif looks or found["sealed_traded"]:
        found["sentence"] = f"{found['sentence'][:-1]}; sealed bars were {seen(looks, found['sealed_traded'])}."
    return found


def seen(looks: list[dict[str, Any]], traded: int) -> str:
    """How often sealed bars were looked at: on record, and by trials that had no seal."""
    found = []
    if looks:
        found.append(f"opened {counted(len(looks), 'time')}, last on {looks[-1]['when'][:10]}")
    if traded:
        found.append(f"seen by {counted(traded, 'trial')} without the seal")
    return " and ".join(found)


def counted(n: int, word: str) -> str:
    return f"{n} {word}{'' if n == 1 else 's'}"


def placebo(dsr: float | None) -> str:
    """The verdict on a run that learned shuffled labels."""
    if dsr is not None and dsr > LEVEL:
        return f"A leak, or rare luck: trained on shuffled labels it still shows DSR {dsr:.2f}; not counted as a trial."
    shows = "nothing" if dsr is None else f"no skill, DSR {dsr:.2f}"
    return f"As it should be: trained on shuffled labels it shows {shows}; not counted as a trial."


def verdict(
    excess: np.ndarray, trials: Mapping[str, Mapping[str, Any]], per_year: float = 252.0, t_alpha: float | None = None,
    delayed: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """What net returns above cash per bar support after the trials on the same problem; None where it is undefined.

    `dsr` deflates by the best Sharpe that so many independent trials would show by luck (`sharpe_of_luck`). Their
    variance is at least the estimator's own: a handful of alike trials must not look certain. `sharpe_low` and
    `sharpe_high` bound the middle 95 % of block bootstrap draws; `min_track_record` is the bars that a Sharpe like
    this one needs to be above zero with probability 0.95, in a single trial. Sharpe ratios are annual.
    """
    effective, rho = ledger.independent(trials)
    found: dict[str, Any] = {
        "n_trials": max(1, len(trials)), "n_effective": effective, "correlation": rho,
        "trials": ledger.statuses(trials), "n_bars": len(excess), "min_track_record": None,
        "dsr": None, "psr": None, "sharpe_of_luck": None, "sharpe_low": None, "sharpe_high": None,
    }  # fmt: skip
    moments = Moments.of(excess)
    if len(excess) < 3 or not math.isfinite(moments.sharpe) or not math.isfinite(moments.spread):
        return {**found, "sentence": "No evidence: the strategy did not trade, or never moved."}
    seen, own = ledger.sharpes(trials), moments.spread / (moments.n - 1)
    luck = expected_maximum(effective, max(float(np.var(seen, ddof=1)) if len(seen) > 1 else 0.0, own))
    scale = math.sqrt(per_year)
    low, high = sharpe_interval(excess)
    found.update(
        psr=probability(moments), dsr=probability(moments, luck), sharpe_of_luck=luck * scale,
        sharpe_low=finite(low * scale), sharpe_high=finite(high * scale),
        min_track_record=finite(min_track_record(moments, level=LEVEL)),
    )  # fmt: skip
    return {**found, "sentence": sentence(found["dsr"], found["n_trials"], t_alpha, delayed)}


def sentence(dsr: float, n_trials: int, t_alpha: float | None, delayed: float | None = None) -> str:
    """The verdict as one sentence; 0.95 is the usual level of a one-sided test, and 1.645 its t.

    A Sharpe that buy-and-hold explains is the market's, not skill: `t_alpha` is the t of alpha on it. `delayed`, the
    Sharpe of trading one bar later, tells of skill that a slow order loses.
    """
    trials = f"DSR {dsr:.2f} after {counted(n_trials, 'trial')} on this problem"
    if dsr <= 0.8:
        return f"No evidence of skill: {trials}."
    if t_alpha is not None and t_alpha < 1.645:
        return f"No evidence of skill beyond buy-and-hold: t of alpha {t_alpha:.2f}, though {trials}."
    if delayed is not None and delayed <= 0:
        trials += f", but one bar later it is gone (Sharpe {delayed:.2f})"
    if dsr <= LEVEL:
        return f"Weak evidence of skill, not enough to trade on: {trials}."
    return f"Evidence of skill: {trials}."


def finite(value: float) -> float | None:
    """`value`, or None where it is not a finite number."""
    return float(value) if math.isfinite(value) else None


def _json(path: Path) -> dict[str, Any]:
    found = read_json(path) if inside(path.parent, path.name).is_file() else {}
    return found if isinstance(found, dict) else {}
