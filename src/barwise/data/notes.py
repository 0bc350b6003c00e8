"""What reading decided, left out or doubts: lines that stand in run.json, and that `look` shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

_NAMED = 3  # files that a line names; it counts the rest


@dataclass
class Notes:
    """Two lists of (file, text), in the order in which they came up; `columns`: {column of a file: what became of it}.

    What is doubtful or left out is a warning, what was decided a note.
    """

    told: list[tuple[str, str]] = field(default_factory=list)
    warned: list[tuple[str, str]] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)

    def note(self, where: str, text: str) -> None:
        """A decision that a user may want to know."""
        self.told.append((where, text))

    def warn(self, where: str, text: str) -> None:
        """A doubt, or something left out, that a user should see."""
        self.warned.append((where, text))

    def add(self, other: Notes) -> None:
        """All of `other` after what is here."""
        self.told += other.told
        self.warned += other.warned
        self.columns.update(other.columns)

    def notes(self) -> list[str]:
        """One line per decision, whatever the number of files it was made for."""
        return _lines(self.told)

    def warnings(self) -> list[str]:
        """One line per doubt."""
        return _lines(self.warned)


def _lines(found: Iterable[tuple[str, str]]) -> list[str]:
    """`A.csv: newest first`; the same text of several files is one line that names the first of them."""
    files: dict[str, list[str]] = {}
    for where, text in found:
        names = files.setdefault(text, [])
        if where not in names[-1:]:
            names.append(where)
    return [f"{listed(names)}: {text}" for text, names in files.items()]


def listed(names: list[str], most: int = _NAMED) -> str:
    """`A, B, C and 9 more`."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
