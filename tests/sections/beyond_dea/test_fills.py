"""Maps made with every fill and judged by every fill."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scenes import rows_of
from scipy import stats

from segattr_lib.inference.intervals import studentised_interval
from segattr_lib.sections.beyond_dea.fills import cross_table, operator_agreement, own_operator

FILLS = ["zeros", "blur", "mean"]
LEVEL = {"zeros": 0.4, "blur": 0.1, "mean": 0.2}


def crossed(own: float) -> pd.DataFrame:
    """Each judge has a level on each image, to which the maker adds only if it is the judge: then `own`."""
    rng = np.random.default_rng(3)
    rows = []
    for name, judge in product(("z", "a", "m"), FILLS):
        level = LEVEL[judge] + rng.random()
        for maker in FILLS:
            about = {"sample_id": name, "variant": f"fill={maker}", "fill": judge}
            rows.append({**about, "value": level + own * (maker == judge)})
            rows.append({**about, "value": 9.0, "k": 0.4})  # neither another k nor another metric counts
            rows.append({**about, "value": 9.0, "metric": "odd_abs"})
    return rows_of(rows)


def test_makers_stand_in_rows_and_judges_in_columns():
    rows = crossed(0.1)
    table = cross_table(rows, "tdd", 0.2)
    assert list(table.index) == FILLS and list(table.columns) == FILLS
    mine = rows[(rows["metric"] == "tdd") & (rows["k"] == 0.2)]
    for maker, judge in product(FILLS, FILLS):
        values = mine[(mine["variant"] == f"fill={maker}") & (mine["fill"] == judge)]["value"]
        assert len(values) == 3 and table.loc[maker, judge] == pytest.approx(values.mean())


@pytest.mark.parametrize("own", [0.1, -0.2, 0.0])
def test_what_a_map_gains_under_its_own_operator_is_counted_under_the_same_judge(own):
    gains = own_operator(crossed(own), "tdd", 0.2)
    assert list(gains.index) == ["z", "a", "m"]
    np.testing.assert_allclose(gains, own, atol=1e-12)


def judged(n: int, mean: np.ndarray) -> pd.DataFrame:
    """Three methods on n images of very different difficulty: blur orders them as zeros does, mean by `mean` (n, 3)."""
    values = 10 * np.arange(n)[:, None] + np.array([0.1, 0.2, 0.3])
    by_fill = {"zeros": values, "blur": np.exp(values / 100), "mean": 10 * np.arange(n)[:, None] + mean}
    return rows_of(
        [
            {"sample_id": f"i{image}", "method": method, "fill": fill, "value": table[image, place]}
            for fill, table in by_fill.items()
            for image in range(n)
            for place, method in enumerate(("ria", "ega", "random"))
        ]
    )


def test_judges_agree_by_how_they_order_the_methods_of_an_image_whatever_the_images():
    opposite = np.tile([0.3, 0.2, 0.1], (14, 1))
    opposite[0] = [0.1, 0.2, 0.3]
    opposite[1] = 0.5  # all equal: no order
    rows = judged(14, opposite)
    rows.loc[(rows["sample_id"] == "i5") & (rows["method"] == "ega") & (rows["fill"] == "mean"), "value"] = np.nan
    table = operator_agreement(rows, "tdd", 0.2).set_index(["fill", "other"])
    assert list(table.index) == [("zeros", "blur"), ("zeros", "mean"), ("blur", "mean")]
    assert table.loc[("zeros", "blur"), ["spearman", "low", "high", "n", "pooled"]].tolist() == [1, 1, 1, 14, 1]
    against = table.loc[("zeros", "mean")]
    values = np.array([1.0] + [-1.0] * 11)  # i1 has no order, i5 two methods alone
    assert against["n"] == 12 and against["spearman"] == pytest.approx(values.mean())
    assert [against["low"], against["high"]] == pytest.approx(studentised_interval(values), nan_ok=True)
    assert against["pooled"] > 0.98  # between the images the judges agree, and pooling shows nothing else
    wide = rows.pivot_table(index=["sample_id", "method"], columns="fill", values="value").dropna()
    assert against["pooled"] == pytest.approx(stats.spearmanr(wide["zeros"], wide["mean"])[0])


def test_the_agreement_of_judges_within_images_is_scipys_and_few_images_have_no_interval():
    rng = np.random.default_rng(0)
    rows = judged(8, rng.random((8, 3)))
    row = operator_agreement(rows, "tdd", 0.2).set_index(["fill", "other"]).loc[("blur", "mean")]
    wide = rows.pivot_table(index=["sample_id", "method"], columns="fill", values="value")
    alike = [stats.spearmanr(image["blur"], image["mean"])[0] for _, image in wide.groupby("sample_id")]
    assert row["spearman"] == pytest.approx(np.mean(alike)) and row["n"] == 8
    assert np.isnan([row["low"], row["high"]]).all()
