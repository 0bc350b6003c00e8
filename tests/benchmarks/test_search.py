"""The benchmarks of search and blends tell what they promise, in small."""

from __future__ import annotations

import pytest

from barwise.benchmarks import blends, search
from barwise.strategies.search import Search


@pytest.mark.slow
def test_outside_shows_the_best_of_its_trials_and_inside_one():
    market = search._Halves(search._KINDS[0], 0, 400, 0.3)
    choose = Search(space=search._KINDS[0].space, trials=8, folds=2, patience=None, prune_below=None)
    inside, (outside, alone) = market.inside(choose), market.outside(choose)
    assert outside.p_value >= alone and outside.shown > 0 and 0 <= inside.p_value <= 1


@pytest.mark.slow
def test_blends_stand_beside_their_members(capsys):
    blends.main(["--markets", "1", "--symbols", "3", "--bars", "600", "--ic", "0.3"])
    said = capsys.readouterr().out
    assert "blend, ridge" in said and "of 1" in said
