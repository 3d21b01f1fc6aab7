"""Ranks: scipy called directly, the published example, and the diagram of both."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from made import graded
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from scipy import stats

from segattr_lib.inference.ranks import Friedman, friedman_ranks
from segattr_lib.registry import UserError
from segattr_lib.report.charts import critical_difference, method_colours

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


@pytest.mark.parametrize("critical", [0.05, 0.5, 1.0, 1.3, 2.0, 9.0])
def test_bars_join_the_largest_sets_no_two_of_which_are_told_apart(critical):
    ranks = pd.Series({"ria": 1.2, "dea": 1.6, "ega": 2.5, "gpa": 3.7, "random": 3.7, "edges": 5.6})
    sets = [set(some) for count in range(2, 7) for some in combinations(ranks.index, count)]
    close = [some for some in sets if ranks[list(some)].max() - ranks[list(some)].min() < critical]
    largest = [some for some in close if not any(some < other for other in close)]
    p = {name: np.where((ranks - rank).abs() < critical, 0.5, 0.01) for name, rank in ranks.items()}
    nemenyi = pd.DataFrame(p, ranks.index)
    (axes,) = critical_difference(Friedman(ranks, 9, 0, 1.0, 1.0, nemenyi, critical, 0.95)).axes
    assert sorted(map(sorted, bars(axes))) == sorted(sorted(ranks[list(some)]) for some in largest)


def bars(axes: Axes) -> list[list[float]]:
    """The mean ranks that each bar joins, the best bar first."""
    return [sorted(line.get_xdata()) for line in axes.lines if line.get_linewidth() == 4]


def test_the_diagram_places_every_rank_and_joins_what_is_alike():
    ranked = friedman_ranks(graded(30).rename(columns={"gpa": "ria(grid=7)"}), "tdd")
    (axes,) = critical_difference(ranked).axes
    dots = [artist for artist in axes.collections if isinstance(artist, PathCollection)]
    placed = sorted(tuple(dot.get_offsets()[0]) for dot in dots)
    np.testing.assert_allclose(placed, [(rank, 0) for rank in ranked.mean_rank])
    colours = {dot.get_offsets()[0, 0]: tuple(dot.get_facecolor()[0]) for dot in dots}
    for key, rank in ranked.mean_rank.items():
        name = key.partition("(")[0]
        assert colours[rank] == method_colours([name])[name]
    labels = [text.get_text().strip() for text in axes.texts]
    assert labels[0] == f"DEA  {ranked.mean_rank['dea']:.2f}"
    assert f"RIA (grid=7)  {ranked.mean_rank['ria(grid=7)']:.2f}" in labels
    assert f"critical difference {ranked.critical_difference:.2f}" in labels
    joined = bars(axes)
    assert joined and all(max(ranks) - min(ranks) < ranked.critical_difference for ranks in joined)
    (scale,) = [artist for artist in axes.collections if isinstance(artist, LineCollection)]
    assert np.ptp(scale.get_segments()[0][:, 0]) == pytest.approx(ranked.critical_difference)
    assert axes.get_xlim() == (1, 4) and {text.get_color() for text in axes.texts} == {"black"}
