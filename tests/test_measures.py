"""One measure each: what is computed has its words, and every table is read off them."""

from __future__ import annotations

import json

from barwise.report.terminal import overall_table
from barwise.runs.measures import LEAST_IS_BEST, MEASURES, OBJECTIVES, shown_in

BESIDE = {"baselines", "folds", "paths", "seeds"}  # of metrics.json: no single number


def test_every_metric_has_its_measure_and_the_other_way_round(smoke) -> None:
    metrics = json.loads((smoke() / "metrics.json").read_text())
    assert {m.name for m in MEASURES} == set(metrics) - BESIDE


def test_what_is_compared_and_shown_is_read_off_them() -> None:
    names = {m.name for m in MEASURES}
    assert names >= set(OBJECTIVES) > set(LEAST_IS_BEST) == {"annual_volatility", "turnover"}
    values = dict.fromkeys(names, 1.0)
    table = overall_table({**values, "baselines": {}})
    assert table.row_count == len(shown_in("terminal")) > len(shown_in("dashboard")) > 0
