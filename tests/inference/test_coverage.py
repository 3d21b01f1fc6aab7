"""What simulation must show of the intervals and tests."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from segattr_lib.inference.coverage import (
    INTERVALS,
    resampled,
    simulated_coverage,
    simulated_rejections,
    standardised,
)

pytestmark = pytest.mark.filterwarnings("error")  # none leaks, however odd the data


def test_shapes_are_differences_of_mean_0_and_deviation_1_of_pairs_that_differ():
    table = pd.DataFrame({"a": [1.0, 2, 4, np.nan], "b": [0.0, 0, 0, 0], "c": [2.0, 3, 5, 0], "d": [0.0, 0, 0, 0]})
    shapes = standardised([table])
    assert len(shapes) == 4  # c is a + 1, and d is b
    np.testing.assert_allclose(shapes[0], np.array([-4, -1, 5]) / 21**0.5)  # 1, 2, 4 less 7/3, over the root of 7/3
    for shape in shapes:
        assert shape.mean() == pytest.approx(0) and shape.std(ddof=1) == pytest.approx(1)


def test_simulated_coverage_is_the_share_of_intervals_that_hold_0_and_ours_covers_where_others_do_not():
    shapes = [stats.expon.ppf((np.arange(100) + 0.5) / 100) - 1]
    coverage = simulated_coverage(shapes, 14, 2000, seed=1).set_index("interval")
    assert list(coverage.index) == list(INTERVALS)
    assert set(coverage["n"]) == {14} and set(coverage["nominal"]) == {0.95}
    for row in coverage.to_dict("records"):
        count = round(row["reached"] * 2000)
        assert (row["low"], row["high"]) == pytest.approx(
            tuple(stats.binomtest(count, 2000).proportion_ci(0.95, "wilson"))
        )
    reached = coverage["reached"]
    assert reached["studentised bootstrap"] > 0.934 and reached["percentile"] < 0.9 and reached["Student's t"] < 0.934
    drawn = resampled(shapes, 14, 2000, 1)
    assert np.isin(drawn, shapes[0]).all()
    t = stats.ttest_1samp(drawn, 0, axis=1).confidence_interval(0.95)
    assert reached["Student's t"] == np.mean((t.low <= 0) & (t.high >= 0))
    assert simulated_coverage(shapes, repeats=3)["n"].tolist() == [100] * 4
    pd.testing.assert_frame_equal(simulated_coverage(shapes, 14, 2000, seed=1).set_index("interval"), coverage)
    assert simulated_coverage([]).empty and simulated_rejections([], 0.5).empty


def test_simulation_shows_that_tests_hold_their_level_and_have_power():
    # the bounds: 99.9 % of binomial counts of 1000
    shapes = [stats.norm.ppf((np.arange(400) + 0.5) / 400)]
    table = simulated_rejections(shapes, 0.7, 25, 1000, seed=2).set_index(["effect", "test"])
    assert list(table.columns) == ["share", "low", "high", "nominal"] and len(table) == 4
    for (effect, _), row in table.iterrows():
        count = round(row["share"] * 1000)
        if effect == 0:
            assert row["nominal"] == pytest.approx(0.05)
            assert stats.binom.ppf(0.0005, 1000, 0.05) <= count <= stats.binom.ppf(0.9995, 1000, 0.05)
        else:  # a t test of normal differences of this mean has power .92
            assert np.isnan(row["nominal"]) and 0.85 < row["share"] < 0.95
        assert (row["low"], row["high"]) == pytest.approx(
            tuple(stats.binomtest(count, 1000).proportion_ci(0.95, "wilson"))
        )
