"""Who imports whom: the contracts of pyproject.toml hold, and break where they should."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT

LINT = "from importlinter.cli import lint_imports_command as main; main()"
LAYERS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", LINT, "--no-cache", "--no-logo"]
    environment = {"PYTHONPATH": str(folder / "src"), "PATH": ""}
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def tiny(folder: Path, **modules: str) -> Path:
    """A package named barwise with the rooms of ours, and `modules` (room__module: its text) in them."""
    layers = LAYERS["contracts"][0]["layers"]
    rooms = {name.strip("() ") for layer in layers for part in layer.split("|") for name in part.split(":")}
    for room in rooms | {"strategies.base", "strategies.lgbm", "strategies.sklearn", "strategies.xgb"}:
        path = folder / "src" / "barwise" / room.replace(".", "/")
        path.mkdir(parents=True, exist_ok=True)
        (path / "__init__.py").touch()
    (folder / "src" / "barwise" / "__init__.py").touch()
    for name, text in modules.items():
        (folder / "src" / "barwise" / f"{name.replace('__', '/')}.py").write_text(text)
    (folder / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    return folder


def test_the_contracts_hold_here() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("modules", "broken"),
    [
        ({"data__a": "import barwise.features"}, "rooms below"),
        ({"data__a": "def f():\n    import barwise.features"}, "rooms below"),
        (
            {"data__a": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import barwise.features"},
            "rooms below",
        ),
        ({"data__a": "import barwise.data.b", "data__b": "def f():\n    import barwise.data.a"}, "no circle"),
        ({"data__a": "def f():\n    import torch"}, "stay clear of torch"),
        ({"data__a": "import barwise.safety.b", "safety__b": "def f():\n    import lightning"}, "stay clear of torch"),
    ],
)
def test_what_breaks_a_contract_is_told(tmp_path: Path, modules: dict[str, str], broken: str) -> None:
    done = lint(tiny(tmp_path, **modules))
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if line.endswith("BROKEN")]
    assert broken in line


def test_what_keeps_them_passes(tmp_path: Path) -> None:
    done = lint(tiny(tmp_path, features__a="import barwise.data"))
    assert done.returncode == 0, done.stdout + done.stderr
