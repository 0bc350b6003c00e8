"""One measure each: what is computed has its words, and every table is read off them."""

from __future__ import annotations

import json

from barwise.report.terminal import _overall_table
from barwise.runs.measures import LEAST_IS_BEST, MEASURES, OBJECTIVES, fold_correlation, measures, shown_in

BESIDE = {"baselines", "folds", "paths", "seeds"}  # of metrics.json: no single number


def test_every_metric_has_its_measure_and_the_other_way_round(smoke) -> None:
    metrics = json.loads((smoke() / "metrics.json").read_text())
    assert {m.name for m in MEASURES} == set(metrics) - BESIDE


def test_what_is_compared_and_shown_is_read_off_them() -> None:
    names = {m.name for m in MEASURES}
    assert names >= set(OBJECTIVES) > set(LEAST_IS_BEST) == {"annual_volatility", "turnover"}
    values = dict.fromkeys(names, 1.0)
    table = _overall_table({**values, "baselines": {}})
    assert table.row_count == len(shown_in("terminal")) > len(shown_in("dashboard")) > 0


def test_where_signals_rank_the_correlation_across_symbols_comes_first():
    names = [m.name for m in measures(ranks=True)]
    assert names.index("rank_ic_cross") < names.index("ic") < names.index("rank_ic")
    assert sorted(names) == sorted(m.name for m in MEASURES) and measures() == MEASURES
    for place in ("terminal", "notebook", "dashboard"):
        shown = [m.name for m in shown_in(place, ranks=True)]
        assert shown.index("rank_ic_cross") < shown.index("rank_ic")
        assert "rank_ic_cross" not in [m.name for m in shown_in(place)]
    assert fold_correlation(True)[0] == "rank_ic_cross" and fold_correlation(False)[0] == "rank_ic"
