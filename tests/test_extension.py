"""The example of parts of one's own in docs/own-parts.md, word for word, in a folder outside the repo."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests import warm
from tests.conftest import ROOT

SECTION = (ROOT / "docs/own-parts.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the example, where the page says they are."""
    place = tmp_path_factory.mktemp("elsewhere")
    for text in re.findall(r"```(?:python|yaml)\n(.*?)```", SECTION, re.DOTALL):
        path = place / text.splitlines()[0].removeprefix("# ")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return place


def commands() -> list[str]:
    found = re.search(r"```sh\n(.*?)```", SECTION, re.DOTALL)
    assert found
    return found[1].splitlines()


def call(line: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    words = shlex.split(line)
    assert words.pop(0) == "python"
    return warm.run(words, cwd, {"PYTHONPATH": "own"})


def test_the_readmes_parts_train_and_serve(folder):
    export, contracts, train, predict = commands()
    assert export == "export PYTHONPATH=own"
    checked = call(contracts, folder)
    assert checked.returncode == 0 and "strategy/trend: 8 promises kept" in checked.stdout, checked.stderr
    trained = call(train, folder)
    assert trained.returncode == 0, trained.stdout + trained.stderr
    (run,) = (p.parent for p in folder.rglob("run.json"))
    served = call(predict.replace("RUN", str(run)), folder)
    assert served.returncode == 0 and len(served.stdout.splitlines()) > 10_000, served.stderr
    refused = call(f"python -m barwise predict {run} data=sample --all", folder)
    assert refused.returncode == 2 and "allow it by name: --allow trend." in refused.stderr


def test_contracts_hold_for_the_users_folder_too(folder):
    only = "--only features/night --only features/breadth --only labels/two_bars"
    done = call(f"python -m barwise contracts 'hydra.searchpath=[file://own/conf]' {only}", folder)
    assert done.returncode == 0 and done.stdout.count("promises kept") == 3, done.stderr
    trained = call("python -m barwise train 'hydra.searchpath=[file://own/conf]' 'features=[night,breadth]'", folder)
    assert trained.returncode == 0, trained.stdout + trained.stderr
