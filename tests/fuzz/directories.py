"""Run directories with something wrong in them: `python -m tests.fuzz.directories RUN FOLDER FIRST N DRAWN` reads N.

Each is a copy of the finished run RUN, with the ledger of trials beside it, in which a file or two were changed; it is
then looked at as `leaderboard`, `report`, `verdict`, `compare` and a notebook look at it. Prints a JSON object {number:
what it ended in} of those that ended in anything but an answer or a barwise error of one line; each of DRAWN is drawn.
"""

from __future__ import annotations

import io
import json
import random
import shutil
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from tests.fuzz.files import damaged
from tests.fuzz.guard import Hung, bounded, ended

VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1.5, 1e308, 10**30, float("nan"), float("inf"), "", "x", "x" * 5000, "\ud800", "[/red]", "<b>",
    "\x1b[2J", [], [[]], [None], [1, "a"], {}, {"a": {"b": []}}, {"x" * 300: 1}, "2024-13-45", "../../..",
    "${oc.env:HOME}",
)  # fmt: skip
LEFT_OUT = ("model", "tensorboard", "report.html", "train.log")
JSON = ("run.json", "metrics.json", "verdict.json", "curves.json")
OTHERS = (".hydra/config.yaml", ".hydra/overrides.yaml", ".hydra/hydra.yaml", "ledger.parquet", "predictions.parquet",
          "importance.parquet", "factor/about.parquet", "factor/decay.parquet", "factor/by.parquet",
          "contributions.parquet", "../trials.jsonl", "../sealed.jsonl")  # fmt: skip


def places(node: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in nested JSON."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [at, *(place for key, value in inner for place in places(value, (*at, key)))]


def replaced(node: Any, at: tuple[Any, ...], value: Any) -> Any:
    """`node` with `value` at that place."""
    if not at:
        return value
    node[at[0]] = replaced(node[at[0]], at[1:], value)
    return node


def odd_json(text: str, rng: random.Random) -> bytes:
    """The same JSON with other values in a few places."""
    node = json.loads(text)
    for _ in range(rng.randint(1, 3)):
        chosen = rng.choice(places(node))
        node = replaced(node, chosen[: rng.randint(1, 3)], rng.choice(VALUES))
        if not isinstance(node, dict | list):
            break
    return json.dumps(node).encode()


def mutate(run: Path, rng: random.Random) -> str:
    """Change a file or two of the run, and say which."""
    done = []
    for _ in range(rng.randint(1, 2)):
        name = rng.choice((*JSON, *JSON, *OTHERS))
        path = run / name
        if not path.is_file():
            continue
        try:
            lines = path.read_text().splitlines() if name.endswith("l") else [path.read_text()]
        except UnicodeDecodeError:
            lines = []
        if name.endswith(("json", "jsonl")) and lines and rng.random() < 0.7:
            try:
                path.write_bytes(b"\n".join([odd_json(line, rng) for line in lines]))
                done.append(f"odd {name}")
                continue
            except (ValueError, TypeError):
                pass
        path.write_bytes(damaged(path.read_bytes(), rng))
        done.append(f"damaged {name}")
    return ", ".join(done)


def looked_at(run: Path, other: Path, draw: bool) -> list[Callable[[], object]]:
    """What a user may do with the directory; the page's figures take longest."""
    from barwise.__main__ import _run_verb
    from barwise.commands.resume import remaining
    from barwise.report import html, sections
    from barwise.report.run import load

    ways: list[Callable[[], object]] = [
        lambda: _run_verb("leaderboard", [str(run.parent)]),
        lambda: _run_verb("verdict", [str(run)]),
        lambda: _run_verb("compare", [str(run), str(other)]),
        lambda: repr(load(run)),
        lambda: load(run)._repr_html_(),
        lambda: html._attempted(lambda: html._head(load(run))),
        lambda: [html._tables(load(run), anchor) for anchor in sections.TABLES],
        lambda: remaining(run),
    ]
    if draw:
        ways.append(lambda: _run_verb("report", [str(run)]))
        ways.append(lambda: _run_verb("report", [str(run.parent)]))
    return ways


def main(run: Path, folder: Path, first: int, count: int, drawn: int) -> None:
    bad: dict[int, str] = {}
    for number in range(first, first + count):
        rng = random.Random(number)
        place = folder / str(number) / "run"
        shutil.copytree(run, place, ignore=shutil.ignore_patterns(*LEFT_OUT))
        for name in ("trials.jsonl", "sealed.jsonl"):
            if (run.parent / name).is_file():
                shutil.copy(run.parent / name, place.parent / name)
        what = mutate(place, rng)
        for k, way in enumerate(looked_at(place, run, number % drawn == 0)):
            try:
                with bounded(seconds=60), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                    fault = ended(way)
            except Hung:
                fault = "hung"
            except SystemExit as end:
                fault = f"exit {end.code}"
            if fault:
                bad[number] = f"{what}, way {k}: {fault}"
        shutil.rmtree(place.parent)
    print(json.dumps(bad))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:]))
