"""docs/parity.md: each figure is as near to the other engine's as the page says, and the page has every one."""

from __future__ import annotations

import os

import numpy as np
import pytest

from tests import parity, qlib_models
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


def test_qlib_is_given_the_rows_that_we_learn_from():
    panel, fold = qlib_models.market(2, 300)
    frame = qlib_models.frame_of(panel, fold)
    names = list(panel.features)
    assert (frame.groupby("part").size()[["train", "valid"]] == [len(fold.train), len(fold.valid)]).all()
    assert frame["time"][frame["part"] == "test"].min() > panel.end[fold.train].max()
    learned = frame[frame["part"] == "train"]
    np.testing.assert_array_equal(learned["label"], panel.y[fold.train])
    np.testing.assert_allclose(learned[names].mean(), 0, atol=1e-3)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif("QLIB" not in os.environ, reason="QLIB names no Python that has pyqlib and torch")
def test_models_of_qlib_score_as_ours_do():
    for row in qlib_models.compared(os.environ["QLIB"]):
        assert np.mean(row["each other"]) > 0.9, row
        assert abs(np.mean(row["ours"]) - np.mean(row["theirs"])) < 0.03, row
