"""The verdict as one plain sentence that does not contradict itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from barwise.evidence.thresholds import EVIDENCE, WEAK

FOOTNOTE = (
    "Counted is every trial on record in this output_dir that saw one of these symbols at one of these times, whatever "
    "else it varied, from its start. What was tried in another folder, by hand or on paper is not on record."
)


@dataclass(frozen=True)
class Finding:
    """What the sentence is made of: p of the run that is judged, the median of `n_seeds`, after `n_trials`; its t of
    alpha on the market, `p_alpha`, how often the best of so many trials has such a t without skill, and its Sharpe
    ratio one bar later, None where undefined; how many more bars it needs."""

    p_value: float
    n_trials: int
    n_seeds: int = 1
    t_alpha: float | None = None
    delayed: float | None = None
    bars_needed: float | None = None
    n_models: int = 1  # that one run averages, each from a seed of its own
    p_alpha: float | None = None

    @property
    def of_market(self) -> bool:
        """Whether buy-and-hold explains it: no skill."""
        return self.p_alpha is not None and self.p_alpha > WEAK

    @property
    def of_the_moment(self) -> bool:
        """Whether trading one bar later loses it: no skill that an order could reach."""
        return self.delayed is not None and self.delayed <= 0

    @property
    def believed(self) -> bool:
        """Whether it is evidence of skill."""
        return max(self.p_value, self.p_alpha or 0.0) <= EVIDENCE and not self.of_the_moment


def sentence(found: Finding) -> str:
    """The verdict on one run whose audit was whole and found nothing."""
    shown = _counts(found)
    if found.p_value > WEAK:
        return f"No evidence of skill: {shown}."
    beyond = f"beyond the market's return p is {p_words(found.p_alpha or 0.0)} (t of alpha {found.t_alpha or 0.0:.2f})"
    if found.of_market:
        return f"No evidence of skill: {beyond}; {shown}."
    if found.of_the_moment:
        return f"No evidence of skill: one bar later it is gone (Sharpe {found.delayed:.2f}); {shown}."
    if found.p_value > EVIDENCE:
        more = found.bars_needed
        hint = f"; {more:,.0f} more bars would tell" if more else ""
        return f"Weak evidence of skill, not enough to trade on: {shown}{hint}."
    if not found.believed:
        return f"Weak evidence of skill, not enough to trade on: {beyond}; {shown}."
    return f"Evidence of skill: {shown}."


def _counts(found: Finding) -> str:
    """p, after how many trials, and of how many seeds."""
    one = "one seed" if found.n_models < 2 else f"the mean of {found.n_models} seeds"
    each = "seeds" if found.n_models < 2 else f"means of {found.n_models} seeds"
    seeds = one if found.n_seeds < 2 else f"the median of {found.n_seeds} {each}"
    return f"p {p_words(found.p_value)} after {counted(found.n_trials, 'trial')} on this market, {seeds}"


def p_words(p: float) -> str:
    """p with as many digits as show on which side of the limits it lies."""
    if p < 0.001:
        return "below 0.001"
    for digits in range(2 if p >= 0.1 else 3, 9):
        shown = round(p, digits)
        if all((shown <= limit) == (p <= limit) for limit in (EVIDENCE, WEAK)):
            break
    return f"{p:.{digits}f}"


def with_audit(sentence: str, audit: Mapping[str, Any]) -> str:
    """The sentence on a run whose audit, as run.json keeps it, left something out or found something odd: that first,
    and no word of evidence."""
    reasons = []
    unseen = list(audit.get("not_audited") or ())
    if sentence.startswith(("Evidence", "Weak evidence")) and _unproven(audit):
        unseen.append("not every test row was proven")
    if unseen:
        reasons.append(f"Not audited: {'; '.join(_bare(x) for x in unseen)}")
    if audit.get("suspicions"):
        reasons.append(f"Suspected of look-ahead: {'; '.join(_bare(x) for x in audit['suspicions'])}")
    if audit.get("implausible"):
        reasons.append(capital(_bare(str(audit["implausible"]))))
    if not reasons:
        return sentence
    if sentence.startswith(("Evidence", "Weak evidence")):
        rest = sentence.partition(": ")[2]
        return f"{'. '.join(reasons)}. No verdict on skill: {rest}"
    return f"{'. '.join(reasons)}. {sentence}"


def _unproven(audit: Mapping[str, Any]) -> bool:
    """Whether test rows were left that were not recomputed from their own past."""
    proven = audit.get("proven")
    if "proven" not in audit or audit.get("mode") == "none":
        return False
    return not isinstance(proven, Mapping) or float(proven.get("share") or 0.0) < 1.0


def _bare(words: str) -> str:
    """Without its full stop."""
    return words.strip().removesuffix(".")


def capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def counted(n: int, word: str) -> str:
    """`1 trial`, `2 trials`."""
    return f"{n} {word}{'' if n == 1 else 's'}"


def placebo(p: float | None) -> str:
    """The verdict on a run that learned shuffled labels."""
    if p is not None and p <= EVIDENCE:
        return f"A leak, or rare luck: trained on shuffled labels it still has p {p_words(p)}; not counted as a trial."
    shows = "nothing" if p is None else f"no skill, p {p_words(p)}"
    return f"As it should be: trained on shuffled labels it shows {shows}; not counted as a trial."


def seen(looks: list[dict[str, Any]], traded: int) -> str:
    """How often sealed bars were looked at: on record, and by trials that had no seal."""
    found = []
    if looks:
        ways = sorted({str(look.get("by", "unseal")) for look in looks})
        by = f" (by {', '.join(ways)})" if ways != ["unseal"] else ""
        found.append(f"opened {counted(len(looks), 'time')}{by}, last on {looks[-1]['when'][:10]}")
    if traded:
        found.append(f"seen by {counted(traded, 'trial')} without the seal")
    return " and ".join(found)
