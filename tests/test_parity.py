"""docs/parity.md: each figure is as near to the other engine's as the page says, and the page has every one."""

from __future__ import annotations

import pytest

from tests import parity
from tests.conftest import ROOT


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_table_holds_and_the_page_has_it():
    page = (ROOT / "docs" / "parity.md").read_text(encoding="utf-8")
    found = parity.rows()
    assert len(found) >= 15
    for row in found:
        assert row.holds, row
        assert f"| {row.figure} | {row.other} |" in page
