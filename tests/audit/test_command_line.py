"""The audit as a user meets it: exit code 3 and one paragraph, a report by `python -m barwise audit`, and the stamp."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from barwise.__main__ import main
from barwise.errors import LeakError
from tests.conftest import train

OWN = {
    "features/mine": "features.centred_window",
    "strategy/mine": "strategies.StoppedOnTestRows",
    "backtest/mine": "others.AtTheBarsOwnOpen",
}
BEFORE = {"features/mine": "mine:\n  _partial_: true\n  ", "backtest/mine": "execution: next_open\n"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of the user's own groups, a leak in each."""
    for name, target in OWN.items():
        path = tmp_path / "own" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        body = f"_target_: tests.audit.{target}\n"
        path.write_text(BEFORE.get(name, "") + body)
    return tmp_path / "own"


OVERRIDES = {
    "features=[price,mine]": "feature centred of S000",
    "strategy=mine": "StoppedOnTestRows: what it learns from training rows changes when test rows are altered",
}


@pytest.mark.parametrize("override", OVERRIDES)
def test_train_refuses_with_exit_code_3_and_no_sharpe(override: str, folder: Path, tmp_path: Path):
    where = (f"output_dir={tmp_path}/out", f"hydra.run.dir={tmp_path}/out/run")
    done = train("--config-dir", str(folder), "experiment=smoke", "data.n_bars=700", override, *where)
    assert done.returncode == 3, done.stdout + done.stderr
    lines = done.stderr.strip().splitlines()
    assert (
        len(lines) == 1 and lines[0].startswith("barwise: refused by the audit: ") and OVERRIDES[override] in lines[0]
    )
    manifest = json.loads((tmp_path / "out" / "run" / "run.json").read_text())
    assert manifest["status"] == "refused" and OVERRIDES[override] in manifest["reason"]
    assert not [p for p in (tmp_path / "out" / "run").rglob("*") if p.name in ("metrics.json", "ledger.parquet")]
    filed = [p for p in (tmp_path / "out").rglob("*.json*") if "sharpe" in p.read_text().lower()]
    assert not filed and "sharpe" not in (done.stdout + done.stderr).lower()


def test_the_verb_files_a_report_and_refuses(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    from barwise.commands import audit

    words = [
        "experiment=smoke",
        "strategy=ridge",
        "features=[price,technical]",
        f"output_dir={tmp_path}/out",
        "threads=1",
    ]
    audit.main(words)
    assert "no leak found" in capsys.readouterr().out
    (clean,) = (tmp_path / "out" / "audits").iterdir()
    filed = json.loads((clean / "audit.json").read_text())
    assert filed["audit"]["passed"] and filed["audit"]["mode"] == "thorough" and filed["start_up"]["features"]["rsi_14"]
    page = (clean / "audit.html").read_text()
    assert (
        "No leak found" in page
        and "rsi_14" in page
        and "<script" not in page
        and "http" not in page.split("</head>")[1]
    )
    with pytest.raises(LeakError, match="feature centred of S000"):
        audit.main(["--config-dir", str(folder), *words, "features=[price,mine]"])
    assert "leak feature centred of S000" in capsys.readouterr().out
    leaky = max((tmp_path / "out" / "audits").iterdir())
    assert json.loads((leaky / "audit.json").read_text())["audit"]["passed"] is False
    assert "Refused: 1 leak" in (leaky / "audit.html").read_text()


def test_the_verb_asks_labels_of_ones_own_again(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Also what only a process that saw no later bar can tell: labels kept by what their bar holds."""
    from barwise.commands import audit
    from tests.audit import attacks

    where = ("--config-dir", str(folder), "experiment=smoke", f"output_dir={tmp_path}/out", "threads=1")
    (folder / "labels").mkdir()
    for target in ("others.large_moves", "attacks.kept_labels"):
        (folder / "labels" / "mine.yaml").write_text(f"_target_: tests.audit.{target}\n_partial_: true\n")
        words = [*where, "data.n_bars=700", "strategy=ridge", "labels=mine"]
        attacks.KEPT.clear()
        if target.startswith("others"):
            audit.main(words)
            assert "no leak found" in capsys.readouterr().out
        else:
            with pytest.raises(LeakError, match=r"the label of S000.* changes when the bars from"):
                audit.main(words)
    attacks.KEPT.clear()


def test_the_verb_has_the_exit_codes_of_train(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ["experiment=smoke", "strategy=ridge", f"output_dir={tmp_path}/out", "threads=1"]
    for given, code in (
        (["backtest=mine", "--config-dir", str(folder)], 3),
        (["features=nonsense"], 2),
        (["audit=none"], 2),
    ):
        with pytest.raises(SystemExit) as left:
            main(["audit", *words, *given])
        assert left.value.code == code, given
        assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_run_without_audit_says_so_on_every_report(smoke, capsys: pytest.CaptureFixture[str]):
    from barwise import load
    from barwise.commands import verdict
    from barwise.report.html import render
    from barwise.report.terminal import summary
    from barwise.runs.directory import RunDirectory

    folder = smoke("strategy=ridge", "audit=none", "threads=1")
    assert json.loads((folder / "run.json").read_text())["audit"] == {
        "mode": "none", "checks": {}, "findings": [], "passed": None, "not_audited": ["audit=none"], "suspicions": [],
        "implausible": None, "proven": None,
    }  # fmt: skip
    stamp = "Not audited: audit=none. "
    page = render(folder).read_text()
    assert (
        stamp in page
        and "not audited for look-ahead (audit=none)" in page
        and "audit=none: nothing was checked for look-ahead" in page
    )
    assert load(folder).verdict["sentence"].startswith(stamp)
    assert json.loads((folder / "verdict.json").read_text())["sentence"].count(stamp) == 1
    verdict.main([str(folder)])
    assert capsys.readouterr().out.splitlines()[0].count(stamp) == 1
    for quiet in (True, False):
        out = RunDirectory(folder, json.loads((folder / "run.json").read_text()))
        summary(out, load(folder).metrics, load(folder).verdict, quiet)
        assert stamp in " ".join(capsys.readouterr().out.split())
    assert stamp not in render(smoke("strategy=ridge", "threads=1")).read_text()
