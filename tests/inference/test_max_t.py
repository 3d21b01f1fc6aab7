"""Verdicts over all pairs: every flip enumerated, cases by hand, and what simulation must show."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from made import ways_like
from scipy import stats

from segattr_lib.inference.comparison import CONTRADICTED, HOLDS, UNDECIDED, compare
from segattr_lib.inference.max_t import AllPairs, all_pairs, cross_fitted
from segattr_lib.registry import UserError

pytestmark = pytest.mark.filterwarnings("error")  # none leaks, however odd the data


def test_the_p_of_one_pair_is_the_sign_flips():
    table = ways_like(12, ways=2, lead=0.5)
    tested = all_pairs(table)
    assert tested.p.loc["way0", "way1"] == compare(table, "way0", "tdd")["sign_flip"][0]  # all flips, by enumeration
    assert tested.p.loc["way1", "way0"] == tested.p.loc["way0", "way1"]
    many = ways_like(40, ways=2, lead=0.3)
    plain = compare(many, "way0", "tdd")["sign_flip"][0]
    assert all_pairs(many).p.loc["way0", "way1"] == pytest.approx(plain, abs=4 * (2 * plain / 9999) ** 0.5)


def test_max_t_lies_between_the_raw_p_and_bonferronis_and_falls_as_t_grows():
    table = ways_like(13, lead=1.5, ways=5)
    tested = all_pairs(table)
    names, pairs = list(table), list(combinations(table, 2))
    raw = pd.Series({pair: all_pairs(table[list(pair)]).p.loc[pair] for pair in pairs})
    adjusted = pd.Series({pair: tested.p.loc[pair] for pair in pairs})
    t = pd.Series({(a, b): abs(stats.ttest_rel(table[a], table[b]).statistic) for a, b in pairs})
    assert (adjusted >= raw).all() and (adjusted <= np.minimum(len(pairs) * raw.max(), 1)).all()
    small = raw < 0.05
    assert small.any() and (adjusted[small] <= 1.5 * len(pairs) * raw[small]).all() and (adjusted > raw).any()
    assert adjusted[t.sort_values().index].is_monotonic_decreasing
    # the enumeration itself: all signs, the largest |t| of all pairs
    signs = np.array(list(product((-1, 1), repeat=13)))
    values = np.stack([table[a] - table[b] for a, b in pairs])
    means = np.abs(signs @ values.T) / 13
    spread = np.sqrt((values**2).mean(1) - means**2)
    largest = (means / spread).max(1)
    observed = np.abs(values.mean(1)) / values.std(1)
    np.testing.assert_allclose(adjusted, [(largest >= size - 1e-9).mean() for size in observed])
    assert names == list(tested.p.index)
    pd.testing.assert_frame_equal(all_pairs(-table, -1).difference, tested.difference)


def test_max_t_verdicts_by_hand():
    difference = pd.DataFrame([[0, 1, 1], [-1, 0, 1], [-1, -1, 0]], list("abc"), list("abc"), dtype=float)
    p = pd.DataFrame([[1, 0.01, 0.01], [0.01, 1, 0.2], [0.01, 0.2, 1]], list("abc"), list("abc"))
    tested = AllPairs(difference, p, 12)
    assert tested.highest == "a"
    assert [tested.verdict(way) for way in "abc"] == [HOLDS, CONTRADICTED, CONTRADICTED]
    assert tested.verdict("b", ["c"]) == UNDECIDED and tested.verdict("a", level=0.995) == UNDECIDED
    assert [AllPairs(difference, p, 11).verdict(way) for way in "abc"] == [UNDECIDED] * 3
    assert AllPairs(difference.loc[["a"], ["a"]], p.loc[["a"], ["a"]], 50).verdict("a") == UNDECIDED  # of one way


def test_all_pairs_of_equal_constant_and_missing_values():
    table = ways_like(14, ways=3).assign(same=lambda frame: frame["way0"], above=lambda frame: frame["way0"] + 1)
    table.loc[2, "way1"] = np.nan
    tested = all_pairs(table)
    assert tested.n == 13 and tested.p.loc["way0", "same"] == 1
    assert tested.p.loc["above", "way0"] == 2 / 2**13  # always above by 1: only all signs alike reach it
    with pytest.raises(UserError, match="None of 14 images has a value of each of way0, none"):
        all_pairs(table.assign(none=np.nan)[["way0", "none"]])
    with pytest.raises(UserError, match="28 rows hold 14 images"):
        all_pairs(pd.concat([table, table]))


@pytest.mark.slow
@pytest.mark.parametrize("n", [12, 50, 200])
def test_of_ten_equal_ways_a_best_is_called_in_at_most_5_percent(n, monkeypatch):
    monkeypatch.setattr("segattr_lib.inference.max_t.RESAMPLES", 999)
    repeats = 600
    called = decided = 0
    for seed in range(repeats):
        tested = all_pairs(ways_like(n, seed), seed=seed)
        called += tested.verdict(tested.highest) != UNDECIDED
        decided += bool((tested.p <= 0.05).any(axis=None))
    # of all verdicts on any pair at most 5 %: 99.9 % of binomial counts
    assert called <= decided <= stats.binom.ppf(0.9995, repeats, 0.05)
    assert all_pairs(ways_like(n, lead=3.0)).verdict("way0") == HOLDS


def test_the_cross_fitted_value_of_the_best_of_ten_equal_ways_is_their_mean(few):
    repeats = 400
    away = np.array([[cross_fitted(table).mean(), table.mean().max()] for table in map(equal, range(repeats))])
    error = away.std(axis=0, ddof=1) / repeats**0.5
    assert abs(away[:, 0].mean()) < 3.5 * error[0]
    assert away[:, 1].mean() > 20 * error[1]  # what is chosen and read on the same images is not


def equal(seed: int) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(20, 10)))


def test_cross_fitting_by_hand():
    # a is best on every image but the last, whose half may choose b: on the others' halves a always is
    table = pd.DataFrame({"a": [1.0, 1.0, 1.0, 0.0], "b": [0.0, 0.0, 0.0, 0.5], "c": np.nan})
    values = cross_fitted(table[["a", "b"]])
    assert values[3] == 0.0 and list(values.index) == [0, 1, 2, 3]
    assert (values[:3] == 1).all()  # half of the last and another: .5 to .25 for a
    lower = cross_fitted(-table[["a", "b"]], -1)
    pd.testing.assert_series_equal(lower, -values, check_names=False)
    single = cross_fitted(table.loc[[0], ["a", "b"]])
    assert single.isna().all()
    pd.testing.assert_series_equal(values, cross_fitted(table[["a", "b"]]))
