"""The look-ahead audit: proves, or refutes with the culprit's name, that nothing known later reached a decision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from barwise.audit.bars import STRETCH, Look
from barwise.audit.watch import Watch
from barwise.errors import LeakError

_SHOWN = 5  # leaks that the one paragraph of a refusal tells; it counts the rest
_READ = 3  # files that a sentence names
_LOOKS = {
    "quick": Look(symbols=3, pairs=1, holes=1, stretch=STRETCH),
    "thorough": Look(symbols=None, pairs=8, holes=4, stretch=None),
}


@dataclass(frozen=True)
class Finding:
    """One thing the audit found: a `leak` refuses the run, a `suspicion` warns and stands in the verdict, what was
    `not_audited` keeps the verdict from speaking of evidence, a `note` stands in the report."""

    check: str
    level: str
    text: str


@dataclass
class Audit:
    """How hard to look, and what was found.

    `mode`: quick (every run), thorough (`python -m barwise audit`) or none. `checks`: comparisons made by each check.
    `proven`: how many test rows (`rows` of `of`, their `share`) were recomputed from their own past; None where that
    was not tried. `implausible`: why the result is too good to be true. `watch`: what the user's code does beside
    computing.
    """

    mode: str = "quick"
    seed: int = 0
    findings: list[Finding] = field(default_factory=list)
    checks: dict[str, int] = field(default_factory=dict)
    proven: dict[str, Any] | None = None
    implausible: str | None = None
    watch: Watch = field(default_factory=Watch)

    @property
    def look(self) -> Look:
        return _LOOKS[self.mode]

    @property
    def thorough(self) -> bool:
        return self.mode == "thorough"

    def hear(self, check: str, found: Iterator[Finding | int]) -> None:
        """Collect a check's findings; a number says how many comparisons it made."""
        for item in found:
            if isinstance(item, Finding):
                self.findings += [item] if item not in self.findings else []
            else:
                self.checks[check] = self.checks.get(check, 0) + item

    def note_watched(self) -> None:
        """Put what the user's code was seen to do among the findings."""
        found = sorted(self.watch.found)
        if found:
            more = f" and {len(found) - _READ:,} more" if len(found) > _READ else ""
            text = f"parts of your own read {', '.join(found[:_READ])}{more}"
            others = [f for f in self.findings if f.check != "watch"]
            self.findings = [*others, Finding("watch", "not_audited", text)]

    def report(self) -> dict[str, Any]:
        """What run.json and the report say of the audit."""
        findings = [asdict(f) for f in self.findings]
        passed = None if self.mode == "none" else not self.leaks
        return {
            "mode": self.mode, "checks": dict(self.checks), "findings": findings, "passed": passed,
            "not_audited": self.not_audited, "suspicions": self.suspicions, "implausible": self.implausible,
            "proven": self.proven,
        }  # fmt: skip

    @property
    def not_audited(self) -> list[str]:
        """What the audit could not look into, each in a few words; it stands first in the verdict's sentence."""
        if self.mode == "none":
            return ["audit=none"]
        return [f.text for f in self.findings if f.level == "not_audited"]

    @property
    def suspicions(self) -> list[str]:
        return [f.text for f in self.findings if f.level == "suspicion"]

    @property
    def leaks(self) -> list[Finding]:
        return [f for f in self.findings if f.level == "leak"]

    @property
    def warnings(self) -> list[str]:
        """What the user must read, leaks and suspicions; or that nothing was checked."""
        if self.mode == "none":
            return ["audit=none: nothing was checked for look-ahead"]
        return [f.text for f in self.findings if f.level != "note"]

    def refuse(self) -> None:
        """Raise LeakError with what was found, if anything was."""
        if self.leaks:
            more = len(self.leaks) - _SHOWN
            words = [f.text for f in self.leaks[:_SHOWN]] + ([f"And {more} more."] if more > 0 else [])
            raise LeakError("refused by the audit: " + " ".join(words))
