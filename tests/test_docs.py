"""The documentation: its links lead somewhere, what it refers to is there, and a stranger can walk the tutorial."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import PATIENCE, ROOT

PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site make them."""
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.replace("`", "").lower()).strip().replace(" ", "-") for line in found}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path):
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", target):
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(there), f"{page.name}: {target}"


def test_the_reference_is_of_what_there_is():
    named = [name for page in PAGES for name in re.findall(r"^::: (\S+)$", page.read_text("utf-8"), re.MULTILINE)]
    assert len(named) > 25
    assert [name for name in named if find_spec(name) is None] == []


def test_every_page_is_in_the_navigation():
    listed = set(re.findall(r'"([\w/-]+\.md)"', (ROOT / "zensical.toml").read_text("utf-8")))
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    assert listed == pages


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150


def blocks(text: str) -> list[tuple[str, str]]:
    """(file, content) of each fenced block that begins with its file's name, and ("", command) of each command."""
    found = []
    for fenced, line in re.findall(r"```\w+\n(.*?)```|^ {4}(python [^\n]*)$", text, re.DOTALL | re.MULTILINE):
        name = re.match(r"# (\S+)\n", fenced)
        found.append((name[1], fenced) if name else ("", line.split("   #")[0]))
    return [one for one in found if one != ("", "")]


@pytest.mark.slow
def test_a_stranger_walks_the_tutorial(tmp_path: Path):
    """From an own CSV by an own feature, an audit and a sweep to a verdict and scores of new bars."""
    from barwise.data import synthetic

    bars = synthetic.load(n_symbols=1, n_bars=1_500).bars[0]
    rows = [
        ",".join(
            [
                str(bars.time[t])[:10],
                *(f"{getattr(bars, c)[t]:.4f}" for c in ("open", "high", "low", "close", "volume")),
            ]
        )
        for t in range(len(bars))
    ]
    for name, part in (("my_bars.csv", rows[:1_400]), ("newer.csv", rows)):
        (tmp_path / name).write_text("\n".join(["Date,Open,High,Low,Close,Volume", *part]) + "\n")
    (tmp_path / "train.py").write_text((ROOT / "train.py").read_text("utf-8"))
    steps = blocks((ROOT / "docs/tutorial.md").read_text("utf-8"))
    assert sum(not name for name, _ in steps) >= 8
    for name, text in steps:
        if name:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
            continue
        runs = sorted(p.parent for p in (tmp_path / "outputs").glob("2*/*/run.json"))
        words = [str(runs[-1]) if word == "RUN" else word for word in shlex.split(text)[1:]]
        done = subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True,
                              timeout=2 * PATIENCE, check=False)  # fmt: skip
        assert done.returncode == 0, f"{text}\n{done.stdout[-1500:]}{done.stderr[-1500:]}"
    peeking = (tmp_path / "own/gap.py").read_text().replace("move[1:] =", "move[:-1] =")
    (tmp_path / "own/gap.py").write_text(peeking)
    words = next(text for name, text in steps if "features=[normalized,my_gap]" in text)
    refused = subprocess.run([sys.executable, *shlex.split(words)[1:]], cwd=tmp_path, capture_output=True, text=True,
                             timeout=2 * PATIENCE, check=False)  # fmt: skip
    assert refused.returncode == 3 and "gap" in refused.stderr


@pytest.mark.slow
def test_the_site_is_built_without_network(tmp_path: Path):
    """In an environment of its own, as `make site` has it; its search finds what people look for."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    pinned = ["-c", str(ROOT / "constraints.txt"), "zensical", "mkdocstrings[python]"]
    subprocess.run([tmp_path / "venv/bin/pip", "install", "-q", *pinned], check=True)
    for name in ("docs", "src", "zensical.toml", "ARCHITECTURE.md"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)  # beside a link's target the site would lie
    done = subprocess.run(
        [tmp_path / "venv/bin/zensical", "build", "--clean"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0 and "No issues found" in done.stdout + done.stderr, done.stdout + done.stderr
    search = (tmp_path / "site/search.json").read_text("utf-8")
    assert all(word in search for word in ("purge", "device=mps", "alpha158"))
    pages = [page.read_text("utf-8") for page in (tmp_path / "site").rglob("*.html")]
    assert not [p for p in pages if re.search(r'(?:src|href)="https?://(?:fonts|cdn|unpkg)', p)]
