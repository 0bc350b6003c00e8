"""The benchmark of reading measures each reader on the same files."""

from __future__ import annotations

from pathlib import Path

import pytest

from barwise.benchmarks import files


def test_it_times_ours_beside_bare_readers(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    files.main(
        [
            "--n_rows",
            "200",
            "--n_files",
            "2",
            "--n_bars",
            "20",
            "--repeats",
            "1",
            "--no-memory",
            "--folder",
            str(tmp_path),
        ]
    )
    said = capsys.readouterr().out
    assert "one file of 200 rows" in said and "barwise" in said and "1.00 times pandas" in said
    assert (tmp_path / "files.json").exists()
