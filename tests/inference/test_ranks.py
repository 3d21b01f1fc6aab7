"""Ranks: scipy called directly, the published example, and the diagram of both."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from made import graded
from scipy import stats

from segattr_lib.inference.ranks import friedman_ranks
from segattr_lib.registry import UserError

pytestmark = pytest.mark.filterwarnings("error")  # none leaks, however odd the data


def test_friedman_is_scipys_over_complete_images_and_ranks_follow_the_direction():
    table = graded()
    table.iloc[3, 1] = np.nan
    complete = table.drop(index="image 3")
    ranked = friedman_ranks(table, "tdd")
    wanted = stats.friedmanchisquare(*(complete[name] for name in complete))
    assert (ranked.statistic, ranked.p) == pytest.approx(tuple(wanted)) and (ranked.n, ranked.missing) == (19, 1)
    ranks = {
        name: np.mean([sorted(row, reverse=True).index(row[name]) + 1 for _, row in complete.iterrows()])
        for name in complete
    }
    assert ranked.mean_rank.to_dict() == pytest.approx(ranks) and ranked.mean_rank.is_monotonic_increasing
    lower = friedman_ranks(table, "odd_abs")
    assert lower.mean_rank.to_dict() == pytest.approx({name: 5 - rank for name, rank in ranks.items()})
    assert lower.p == pytest.approx(ranked.p)


def test_equal_values_share_their_rank_and_methods_that_are_all_equal_have_no_p():
    table = pd.DataFrame({"gpa": [1.0, 2.0], "ega": [1.0, 1.0], "dea": [0.0, 3.0]})
    assert friedman_ranks(table, "tdd").mean_rank.to_dict() == {"gpa": 1.75, "dea": 2.0, "ega": 2.25}
    equal = friedman_ranks(table * 0, "tdd")
    assert np.isnan(equal.p) and set(equal.mean_rank) == {2.0}


def test_the_critical_difference_is_that_of_the_published_example():
    # four classifiers on 14 data sets: q = 2.569 at .05 (Demšar 2006, section 3.2.2 and table 5)
    ranked = friedman_ranks(graded(14), "tdd")
    assert ranked.critical_difference == pytest.approx(2.569 * (4 * 5 / (6 * 14)) ** 0.5, abs=1e-3)
    assert ranked.critical_difference == pytest.approx(1.25, abs=0.01)
    # with many images, two methods of three differ where a normal test at the level would have it
    assert friedman_ranks(graded(14), "tdd", level=0.9).critical_difference < ranked.critical_difference


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_two_methods_differ_where_their_ranks_are_further_apart_than_the_critical_difference(level):
    """Nemenyi's p: of the range of four normal deviates, studentised by the spread that ranks have (Demšar 2006)."""
    ranked = friedman_ranks(graded(14).assign(edges=lambda table: table["dea"] + 1.5), "tdd", level)
    assert list(ranked.nemenyi) == list(ranked.nemenyi.index) == list(ranked.mean_rank.index)
    for first, second in combinations(ranked.mean_rank.index, 2):
        apart = abs(ranked.mean_rank[first] - ranked.mean_rank[second])
        p = ranked.nemenyi.loc[first, second]
        assert p == ranked.nemenyi.loc[second, first]
        assert p == pytest.approx(stats.studentized_range.sf(apart / (5 * 6 / (12 * 14)) ** 0.5, 5, np.inf))
        assert (p < 1 - level) == (apart > ranked.critical_difference)
    apart = ranked.nemenyi < 1 - level
    assert apart.any(axis=None) and (~apart).to_numpy().sum() > 5


@pytest.mark.parametrize(
    ("table", "metric"),
    [(graded(), "odd"), (graded()[["dea", "ega"]], "tdd"), (graded().assign(half=np.nan), "tdd")],
    ids=["no direction", "two methods", "a method without values"],
)
def test_what_cannot_be_ranked_is_refused(table, metric):
    with pytest.raises(UserError, match=r"Nothing to rank: .*expected a direction, three methods, an image"):
        friedman_ranks(table, metric)
