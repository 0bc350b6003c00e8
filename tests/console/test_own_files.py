"""A folder of one's own beside conf/: a file in it that would never be read is a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from barwise.commands import audit
from barwise.errors import ConfigError
from tests.conftest import ROOT, train

OWN = "gap:\n  _target_: barwise.features.price.price\n  _partial_: true\n"


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    (tmp_path / "conf/features").mkdir(parents=True)
    (tmp_path / "conf/features/gap.yaml").write_text(OWN)
    return tmp_path / "conf"


@pytest.mark.parametrize("words", [[], ["-m", "seed=1,2"], ["-m", "hydra/sweeper=study", "seed=1,2"]])
def test_a_file_with_a_shipped_name_is_refused_where_hydra_would_take_the_shipped_one(conf, words, tmp_path: Path):
    where = [f"output_dir={tmp_path}/out", f"hydra.run.dir={tmp_path}/run", f"hydra.sweep.dir={tmp_path}/sweep"]
    done = train(f"hydra.searchpath=[file://{conf}]", "experiment=smoke", "features=[price,gap]", *words, *where)
    assert done.returncode == 2 and not (tmp_path / "out").exists()
    (line,) = done.stderr.strip().splitlines()
    assert line.endswith("as the shipped features/gap has its name; give it another one, such as features/my_gap.yaml")
    assert str(conf / "features/gap.yaml") in line and not list(tmp_path.glob("sweep/*/run.json"))


def test_what_the_line_says_to_do_helps(conf, tmp_path: Path):
    (conf / "features/gap.yaml").rename(conf / "features/my_gap.yaml")
    where = [f"output_dir={tmp_path}/out", f"hydra.run.dir={tmp_path}/run", f"hydra.searchpath=[file://{conf}]"]
    done = train("experiment=smoke", "features=[my_gap]", *where)
    assert done.returncode == 0, done.stderr


def test_a_copy_that_says_the_same_does_no_harm_and_a_changed_one_does(conf):
    shipped = (ROOT / "conf/features/gap.yaml").read_bytes()
    (conf / "features/gap.yaml").write_bytes(shipped)
    words = ["--config-dir", str(conf), "experiment=smoke", "features=[price,gap]", "audit=quick"]
    audit.main(words)
    (conf / "features/gap.yaml").write_bytes(shipped + b"  #\n")
    with pytest.raises(ConfigError, match="would never be read"):
        audit.main(words)
