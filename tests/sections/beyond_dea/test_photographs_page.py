"""Maps of single pictures beside blind selections: the null is the run's own, and p is counted by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scenes import rows_of, toy

from segattr_lib.attribution import method_key
from segattr_lib.metrics import metric_key
from segattr_lib.sections.beyond_dea.photographs import fitted, look, maps_beside_blind


def test_the_fit_of_the_blind_selections_is_the_chance_that_the_run_itself_subtracts():
    group = toy(2, 32, null_every=4)
    seen = look(group, ["background", "thing"], 0.2, "mean")
    assert seen.names == ["image 0", "image 1"] and seen.seen == ["thing", "thing"]
    assert len(seen.blind) == 2 * 22
    asked = [metric_key(name) for name in ("tdd", "border", "chance_tdd")]
    rows = rows_of([row for name in ("ega", "ria") for row in group.rows_of(method_key(name), asked)[0]])
    beside = maps_beside_blind(rows, seen.blind, 0.2, "mean").set_index(["sample_id", "method"])
    chances = rows[rows["metric"] == "chance_tdd"].set_index(["sample_id", "method"])["value"]
    np.testing.assert_allclose(beside["chance"], chances.reindex(beside.index), atol=1e-5)


def test_p_counts_the_blind_selections_that_lie_as_far_above_their_fit():
    blind = pd.DataFrame({"sample_id": "a", "border": 1.0, "tdd": np.arange(10) / 10})
    assert fitted(blind, np.array([1.0, 5.0])) == pytest.approx(0.45)  # beyond the draws the value at their end
    values = {"ega": 0.75, "ria": 2.0, "gpa": -1.0}
    rows = [
        {"sample_id": "a", "method": method, "metric": metric, "value": number, "fill": fill}
        for method, value in values.items()
        for metric, number, fill in (("tdd", value, "mean"), ("border", 1.0, None))
    ]
    table = maps_beside_blind(rows_of(rows), blind, 0.2, "mean").set_index("method")
    assert table["p"].to_dict() == pytest.approx({"ega": 3 / 11, "ria": 1 / 11, "gpa": 1.0})
    assert table["p_holm"].to_dict() == pytest.approx({"ega": 6 / 11, "ria": 3 / 11, "gpa": 1.0})
