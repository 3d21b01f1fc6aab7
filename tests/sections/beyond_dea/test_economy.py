"""What fewer passes reach, as a share of what the fixed map has."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scenes import rows_of

from segattr_lib.inference.intervals import studentised_interval
from segattr_lib.sections.beyond_dea.economy import budget_curve, faithfulness, reach, relative


def test_a_share_of_itself_is_1_and_of_half_of_it_2():
    rng = np.random.default_rng(0)
    values = rng.random(20)
    table = pd.DataFrame({"twice": 2 * values, "whole": values, "other": rng.random(20), "against": -values})
    table.loc[20] = [np.nan, 5, 5, 5]  # an image that one of them lacks is none of their pairs
    shares = relative(table, "whole").set_index("method")
    assert list(shares.index) == list(table.columns) and set(shares["n"]) == {20}
    for name, share in (("whole", 1), ("twice", 2), ("against", -1)):
        assert shares.loc[name, ["share", "low", "high"]].tolist() == pytest.approx([share] * 3, abs=1e-12)
    assert shares.loc["whole", ["share", "low", "high"]].tolist() == [1, 1, 1]
    other = shares.loc["other"]
    assert other["share"] == pytest.approx(table["other"][:20].mean() / values.mean())
    assert (other["low"], other["high"]) == studentised_interval(table["other"][:20].to_numpy(), per=values)
    wider = relative(table, "whole", level=0.99).set_index("method").loc["other"]
    assert wider["low"] < other["low"] < other["high"] < wider["high"]


PASSES = {"adaptive_ria(budget=9)": 9, "ria(grid=4)": 17, "ria(grid=2)": 5}
EARNED = {"adaptive_ria(budget=9)": 0.3, "ria(grid=4)": 0.4, "ria(grid=2)": 0.1}


def budgets() -> pd.DataFrame:
    """TDD is earned + image + k, half as much under blur; excess TDD a tenth of it, |ODD| the fifth."""
    rows = []
    for name, (place, offset) in product(EARNED, enumerate((0.0, 0.1, 0.2, 0.3))):
        method, text = name.rstrip(")").split("(")
        about = {"sample_id": f"i{place}", "method": method, "variant": text}
        tdd = EARNED[name] + offset
        for k, fill in product((0.1, 0.2, 0.6), ("mean", "blur")):
            weight = 1 if fill == "mean" else 0.5
            rows.append({**about, "k": k, "fill": fill, "value": weight * (tdd + k)})
            rows.append({**about, "metric": "odd_abs", "k": k, "fill": fill, "value": weight * tdd / 5 + (k != 0.2)})
        rows.append({**about, "metric": "excess_tdd", "value": tdd / 10})
        rows.append({**about, "metric": "passes", "k": None, "fill": None, "value": PASSES[name]})
    return rows_of(rows)


MEASURED = {"TDD, mean ↑": (1, 0.3), "TDD, blur ↑": (0.5, 0.15), "excess TDD ↑": (0.1, 0), "|ODD| ↓": (0.2, 0)}


def test_faithfulness_is_a_mean_over_every_k_under_each_fill_and_one_k_of_the_rest():
    measures = faithfulness(budgets(), 0.2)
    assert list(measures) == list(MEASURED)
    for panel, (weight, added) in MEASURED.items():
        assert set(measures[panel].columns) == set(EARNED)
        for name, earned in EARNED.items():
            wanted = [weight * (earned + offset) + added for offset in (0, 0.1, 0.2, 0.3)]
            assert measures[panel][name].tolist() == pytest.approx(wanted)


def test_a_budget_curve_has_a_line_a_method_in_the_order_of_passes():
    curve = budget_curve(budgets(), 0.2)
    assert curve["passes"].is_monotonic_increasing and len(curve) == 3 * 4
    for row in curve.itertuples():
        weight, added = MEASURED[row.panel]
        assert row.passes == PASSES[row.method]
        assert row.line == row.method.split("(")[0]
        assert row.mean == pytest.approx(weight * (EARNED[row.method] + 0.15) + added)
        assert np.isnan([row.low, row.high]).all() and row.n == 4


def test_reach_is_a_share_of_the_method_named_at_its_passes():
    shares = reach(budgets(), 0.2, "ria(grid=4)")
    assert list(shares["panel"].unique()) == list(MEASURED) and len(shares) == 3 * 4
    for row in shares.itertuples():
        weight, added = MEASURED[row.panel]
        mean, whole = (weight * (EARNED[name] + 0.15) + added for name in (row.method, "ria(grid=4)"))
        assert row.share == pytest.approx(mean / whole)
        assert row.passes == PASSES[row.method]
        assert np.isnan([row.low, row.high]).all() and row.n == 4
