"""ARCHITECTURE.md says what is there, and nothing names a document that is not."""

from __future__ import annotations

import re
import subprocess

from tests.conftest import ROOT

PAGE = (ROOT / "ARCHITECTURE.md").read_text()
KNOWN = re.compile(r"\b(SEED|DESIGN|STYLE|ALPHA158)\.md\b")


def test_the_way_to_a_ledger_is_twelve_files_that_are_there() -> None:
    names = re.findall(r"^\d+\. `([\w/.]+)`", PAGE, re.M)
    assert len(names) == 12 and names[0] == "train.py" and names[-1] == "backtest/ledger.py"
    assert all((ROOT / name).is_file() or (ROOT / "src" / "barwise" / name).is_file() for name in names)


def test_every_room_is_named() -> None:
    rooms = {p.stem for p in (ROOT / "src" / "barwise").iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()}
    for room in sorted(room for room in rooms if not room.startswith("_")):
        assert re.search(rf"`{room}/?`", PAGE), room


def test_nothing_names_a_document_that_is_not_in_the_repo() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    for name in listed:
        path = ROOT / name
        if path.suffix in (".py", ".md", ".yaml", ".toml") and path.is_file() and name != "tests/test_architecture.py":
            assert not KNOWN.search(path.read_text(encoding="utf-8")), name
