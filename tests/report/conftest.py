"""One made-up finished run for all tests of the report."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.report.finished import write_run


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A done run's directory; read only."""
    return write_run(tmp_path_factory.mktemp("runs") / "2026-01-02" / "03-04-05")
