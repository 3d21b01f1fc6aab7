"""The diagram of ranks: where each method stands, and which are joined."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection

from segattr_lib.inference.ranks import Friedman, friedman_ranks
from segattr_lib.report.style import method_colours
from segattr_lib.sections.beyond_dea.significance import critical_difference

pytestmark = pytest.mark.filterwarnings("error")  # none leaks, however odd the data


def graded(n: int) -> pd.DataFrame:
    """Methods that share the images' difficulty; each a little better than the one before."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(n, 1)) + 0.5 * rng.normal(size=(n, 4)) + 0.2 * np.arange(4)
    return pd.DataFrame(values, columns=["ria(grid=7)", "ega", "ria", "dea"], index=[f"image {i}" for i in range(n)])


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
    ranked = friedman_ranks(graded(30), "tdd")
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
