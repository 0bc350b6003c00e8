"""What the evidence supports, given how often one tried."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from barwise.errors import DataError
from barwise.evidence import trials as ledger
from barwise.evidence.bootstrap import sharpe_interval
from barwise.evidence.deflated import Moments, expected_maximum, min_track_record, probability
from barwise.evidence.identity import identity_of
from barwise.evidence.max_z import MaxZ
from barwise.evidence.power import bars_needed, critical_sharpe, detectable_sharpe, exceedance, false_discovery_rate
from barwise.evidence.returns import excess_returns, market_returns
from barwise.evidence.sealed import spent
from barwise.evidence.sentence import FOOTNOTE, Finding, placebo, seen, sentence, with_audit
from barwise.evidence.sketch import sketch
from barwise.evidence.thresholds import EVIDENCE, LEVEL, SKILLED
from barwise.evidence.trials import Scope, Trials, number
from barwise.safety import shapes
from barwise.safety.files import inside, ledger_folder, read_json

_UNDEFINED = (
    "p_value", "z", "dsr", "psr", "sharpe_of_luck", "critical_sharpe", "detectable_sharpe", "bars_needed",
    "observed_fdr", "sharpe_low", "sharpe_high", "min_track_record", "p_alpha",
)  # fmt: skip


@dataclass(frozen=True)
class Record:
    """The trials that a run on one market is judged beside; what they share is computed once."""

    trials: Trials
    market: Mapping[str, Any] | None = None  # what buy-and-hold earned, as a sketch

    @cached_property
    def max_z(self) -> MaxZ:
        return MaxZ.of([t.get("net") for t in self.trials.values()])

    @cached_property
    def critical(self) -> float:
        """The z from which a run is evidence."""
        return self.max_z.critical_value(EVIDENCE)

    @cached_property
    def max_alpha(self) -> MaxZ:
        """The same of the trials' t of alpha on the market."""
        return MaxZ.of([t.get("net") for t in self.trials.values()], self.market)

    @cached_property
    def independent(self) -> tuple[float, float | None]:
        return ledger.independent(self.trials)

    def luck(self, own: float, bars: int) -> float:
        """The best Sharpe per bar that the trials would show by luck, for the deflated Sharpe ratio of a run of `bars`
        whose Sharpe estimator has the variance `own`.

        The variance over trials is that of trials as long as the run, each by its bars: Σ (n_i / n) (SR_i - mean)² /
        (M - 1) with the mean weighted by bars. Alike trials vary less, so that their correlation needs no further
        count; the variance is at least that of the estimator given the correlation, as a few trials may agree by luck.
        """
        sharpes, lengths = ledger.sharpes(self.trials)
        across = 0.0
        if len(sharpes) > 1:
            mean = float(np.average(sharpes, weights=lengths))
            across = float((lengths / bars * (sharpes - mean) ** 2).sum()) / (len(sharpes) - 1)
        rho = min(max(self.independent[1] or 0.0, 0.0), 1.0)
        return expected_maximum(len(self.trials), max(across, own * (1.0 - rho)))

    def judgement(self, moments: Moments, family: str | None = None) -> dict[str, Any]:
        """p of the run, or of the median of its seeds on record, and its deflated Sharpe ratio; per bar.

        `judged`: the entry of the median seed, None where the run stands for itself.
        """
        seeds = ledger.of_family(self.trials, family)
        judged = seeds[(len(seeds) - 1) // 2] if len(seeds) > 1 else None
        z = float(judged["z"]) if judged else moments.z
        own = moments.spread / (moments.n - 1)
        luck = self.luck(own, moments.n)
        return {
            "z": z, "p_value": self.max_z.p_value(z), "n_seeds": max(1, len(seeds)), "judged": judged,
            "dsr": probability(moments, luck), "sharpe_of_luck": luck,
        }  # fmt: skip


def verdict_of(folder: Path) -> dict[str, Any]:
    """The verdict on the run in `folder` as of now: later trials on its market count too.

    Empty where the run has no verdict.json; as filed where what it takes is gone, or the ledger of trials was cut and
    knows fewer than were filed: forgetting trials makes nothing truer.
    """
    filed = _json(folder / "verdict.json")
    run = _json(folder / "run.json")
    home = ledger_folder(folder, run.get("trials_folder"))
    if not filed or "data" not in run or home is None or not (folder / "ledger.parquet").is_file():
        return filed
    if "family" not in run:  # of an older version
        run = {**run, **identity_of(folder)}
    try:
        found = judged(folder, run, _json(folder / "metrics.json"))
        known = run.get("shuffle_labels") or str(run.get("trial")) in ledger.read(home, Scope.of(run["data"]))
    except (DataError, KeyError, TypeError, ValueError, AttributeError):  # or a run.json that is none of ours
        return filed
    return found if known and found["n_trials"] >= filed.get("n_trials", 0) else filed


def judged(folder: Path, run: Mapping[str, Any], metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The verdict on the run in `folder`, from its ledger and the ledger of trials that its manifest `run` names."""
    _, excess = excess_returns(folder)
    home = ledger_folder(folder, run.get("trials_folder"))
    if home is None:
        raise DataError(f"{folder}/run.json: trials_folder names no folder; give one relative to the run")
    trials = ledger.read(home, Scope.of(run["data"]))
    gates = gates_of(run, metrics)
    family = None if run.get("shuffle_labels") else run.get("family")
    models = (metrics.get("seeds") or {}).get("n") or 1
    held = market_returns(folder)
    market = None if held is None else sketch(*held)
    found = _verdict(excess, trials, run["data"]["periods_per_year"], **gates, family=family, n_models=int(models),
                    market=market)  # fmt: skip
    looks, seal = spent(home, run["data"]), run["data"].get("sealed")
    found["sealed_openings"] = len(looks)
    found["sealed_traded"] = ledger.beyond(trials, str(seal["from"])) if seal else 0
    if run.get("shuffle_labels"):
        found["sentence"] = placebo(found["p_value"])
    elif looks or found["sealed_traded"]:
        found["sentence"] = f"{found['sentence'][:-1]}; sealed bars were {seen(looks, found['sealed_traded'])}."
    found["sentence"] = with_audit(found["sentence"], run.get("audit") or {})
    return found


def _verdict(
    excess: np.ndarray, trials: Trials, per_year: float = 252.0, t_alpha: float | None = None,
    delayed: float | None = None, family: str | None = None, n_models: int = 1,
    market: Mapping[str, Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """What net returns above cash per bar support after `trials` on the same market; None where it is undefined.

    `p_value`: how often the best of so many trials without skill shows a `z` such as this run's, or that of the median
    of its seeds (`family`), which `t_alpha` and `delayed` are then of. `detectable_sharpe`: what so many bars and
    trials find with 80 % probability; `bars_needed`: how many more bars find a Sharpe ratio such as the one seen, 0 for
    evidence. `observed_fdr`: the share without skill of what shows as much, were one idea in ten to have a Sharpe ratio
    of 1; what the trials add to luck is in its p. `dsr` deflates by the best Sharpe ratio that luck is expected to show
    (`sharpe_of_luck`). `sharpe_low` and `sharpe_high` bound the middle 95 % of block bootstrap draws;
    `min_track_record`: bars that a Sharpe like this one needs to be above zero with probability 0.95, in a single
    trial. `n_models`: that each run averages, from seeds of their own. `market`: what buy-and-hold earned, as a sketch;
    `p_alpha` is how often the best of so many trials without skill has such a `t_alpha`. Sharpe ratios are annual.
    """
    record = Record(trials, market)
    effective, rho = record.independent
    found: dict[str, Any] = {
        "n_trials": max(1, len(trials)), "n_effective": effective, "correlation": rho, "n_bars": len(excess),
        "trials": ledger.statuses(trials), "n_seeds": 1, "footnote": FOOTNOTE, **dict.fromkeys(_UNDEFINED),
    }  # fmt: skip
    moments = Moments.of(excess)
    if len(excess) < 3 or not math.isfinite(moments.sharpe) or not math.isfinite(moments.spread):
        return {**found, "sentence": "No evidence of skill: the strategy did not trade, or never moved."}
    scale = math.sqrt(per_year)
    low, high = sharpe_interval(excess)
    about = record.judgement(moments, family)
    median = about.pop("judged")
    if median:
        t_alpha, delayed = number(median.get("t_alpha")), number(median.get("delayed"))
    found.update(
        about, psr=probability(moments), sharpe_of_luck=about["sharpe_of_luck"] * scale,
        sharpe_low=number(low * scale), sharpe_high=number(high * scale),
        critical_sharpe=number(critical_sharpe(moments, record.critical) * scale),
        detectable_sharpe=number(detectable_sharpe(moments, record.critical) * scale),
        min_track_record=number(min_track_record(moments, level=LEVEL)),
        p_alpha=None if t_alpha is None else record.max_alpha.p_value(t_alpha),
    )  # fmt: skip
    judged_as = _as_judged(moments, about["z"])
    found["bars_needed"] = _more_bars(judged_as, record.critical, about["z"])
    found["observed_fdr"] = number(false_discovery_rate(about["p_value"], exceedance(judged_as, SKILLED / scale)))
    judged = Finding(about["p_value"], found["n_trials"], about["n_seeds"], t_alpha, delayed, found["bars_needed"],
                     n_models, found["p_alpha"])  # fmt: skip
    return {**found, "sentence": sentence(judged)}


def gates_of(run: Mapping[str, Any], metrics: Mapping[str, Any]) -> dict[str, float | None]:
    """What a result is judged by beside p: the lesser t of alpha, on buy-and-hold and on a steady exposure to the same
    symbols (`run` is run.json), and the Sharpe ratio one bar later."""
    known = [t for t in (number(metrics.get("t_stat")), number(run.get("t_steady"))) if t is not None]
    return {"t_alpha": min(known) if known else None, "delayed": metrics.get("sharpe_delayed")}


def _as_judged(moments: Moments, z: float) -> Moments:
    """The moments of a run whose z is the judged one."""
    return replace(moments, sharpe=z * math.sqrt(moments.spread / (moments.n - 1)))


def _more_bars(judged: Moments, critical: float, z: float) -> int | None:
    """Further bars that a Sharpe ratio such as the one judged needs to be found; None where no number would do."""
    if z >= critical:
        return 0
    total = bars_needed(judged, critical)
    return max(1, math.ceil(total - judged.n)) if math.isfinite(total) else None


def _json(path: Path) -> dict[str, Any]:
    return shapes.checked(read_json(path), str(path), path.name) if inside(path.parent, path.name).is_file() else {}
