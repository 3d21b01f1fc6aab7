"""Paired tests: cases solved by hand, every flip enumerated, scipy called directly."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from made import compared, graded
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgba
from scipy import stats
from statsmodels.stats.multitest import multipletests

from segattr_lib.inference.comparison import MEASURES, compare, sign_flip_p
from segattr_lib.inference.holm import holm
from segattr_lib.inference.intervals import studentised_interval
from segattr_lib.registry import UserError
from segattr_lib.report.charts import interval_plot
from segattr_lib.seeds import generator

pytestmark = pytest.mark.filterwarnings("error")  # none leaks, however odd the data

SYMMETRIC = ["n", "missing", "wilcoxon", "sign_flip", "wilcoxon_holm", "sign_flip_holm"]


def test_the_sign_flip_p_is_the_share_of_all_flips_at_least_as_far_from_zero():
    differences = np.array([0.5, -0.1, 0.9, 0.4, 0.3, -0.2, 0.8, 0.0])
    means = np.array([np.mean(differences * flips) for flips in product((-1, 1), repeat=8)])
    wanted = np.mean(np.abs(means) >= abs(differences.mean()) - 1e-12)
    assert compared(differences)["sign_flip"] == pytest.approx(wanted) and 0 < wanted < 0.1


def test_with_many_images_the_flips_are_drawn_and_the_exact_p_is_near():
    differences = np.random.default_rng(0).normal(size=14) + 0.4
    signs = 1 - 2 * ((np.arange(2**14)[:, None] >> np.arange(14)) & 1)
    exact = np.mean(np.abs(signs @ differences) >= abs(differences.sum()) - 1e-9)
    drawn = compared(differences)["sign_flip"]
    assert drawn != exact and drawn == pytest.approx(exact, abs=4 * (exact * (1 - exact) / 9999) ** 0.5 * 2**0.5)
    assert compared(differences, seed=1)["sign_flip"] != drawn


@pytest.mark.parametrize("n", [2, 9, 10, 25, 80])
def test_the_sign_flip_p_is_scipys_of_the_same_draws(n: int):
    rng = np.random.default_rng(n)
    shifted = rng.normal(size=(3, n)) + np.array([[0.0], [0.2], [-1.0]])
    ours = sign_flip_p(np.concatenate([shifted, shifted.round(), 0 * shifted[:1]]), 999, 4)
    for place, differences in enumerate([*shifted, *shifted.round(), np.zeros(n)]):
        scipys = stats.permutation_test(
            (differences,),
            np.mean,
            permutation_type="samples",
            vectorized=True,
            n_resamples=999,
            rng=generator(4, "", "sign flip"),
        )
        assert ours[place] == scipys.pvalue == sign_flip_p(differences, 999, 4)


def test_the_tests_are_scipys_and_the_shares_add_up(few):
    table = graded()
    rows = compare(table, [("dea", "ega"), ("ria", "gpa")], "tdd", level=0.9)
    for row in rows.to_dict("records"):
        differences = (table[row["method"]] - table[row["over"]]).to_numpy()
        won = int((differences > 0).sum())
        assert row["difference"] == pytest.approx(differences.mean())
        assert row["wilcoxon"] == stats.wilcoxon(table[row["method"]], table[row["over"]]).pvalue
        assert row["d_z"] == pytest.approx(stats.ttest_1samp(differences, 0).statistic / len(differences) ** 0.5)
        assert (row["low"], row["high"]) == studentised_interval(differences, 0.9)
        assert row["win_rate"] == won / 20
        wilson = stats.binomtest(won, 20).proportion_ci(0.9, "wilson")
        assert (row["win_low"], row["win_high"]) == pytest.approx(tuple(wilson))
        assert (row["level"], row["metric"], row["direction"], row["n"]) == (0.9, "tdd", 1, 20)


def test_wilcoxon_ranks_zeros_as_pratt_has_it():
    differences = np.array([0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0, -5.0, 6.0, 7.0])
    p = compared(differences)["wilcoxon"]
    assert p == stats.wilcoxon(differences, zero_method="pratt").pvalue
    assert p != stats.wilcoxon(differences).pvalue


def test_effects_and_wins_solved_by_hand(few):
    four = compared([3.0, 1.0, -2.0, 4.0])  # ranks 3, 1, -2, 4
    assert four["difference"] == 1.5
    assert four["d_z"] == pytest.approx(1.5 / 7**0.5)  # squared deviations 2.25, .25, 12.25, 6.25, over 3
    assert four["rank_biserial"] == pytest.approx((8 - 2) / 10)
    assert four["win_rate"] == 0.75
    tied = compared([0.0, 0.0, -1.0, 1.0, 2.0])  # ranks 1.5, 1.5, -3.5, 3.5, 5: ties count for neither
    assert tied["rank_biserial"] == pytest.approx((3.5 + 5 - 3.5) / 15)
    assert tied["win_rate"] == pytest.approx((2 + 2 / 2) / 5)


def test_a_win_is_a_better_value_in_the_metrics_direction_and_the_difference_stays_as_it_is(few):
    differences = [-0.3, -0.1, -0.2, 0.1]
    lower, higher, neither = (compared(differences, metric) for metric in ("odd_abs", "tdd", "odd"))
    assert (lower["win_rate"], higher["win_rate"]) == (0.75, 0.25)
    assert (lower["direction"], higher["direction"], neither["direction"]) == (-1, 1, 0)
    assert neither[["win_rate", "win_low", "win_high"]].isna().all()
    same = ["difference", "low", "high", "d_z", "rank_biserial", *SYMMETRIC]
    assert lower[same].equals(higher[same]) and lower[same].equals(neither[same])
    assert lower["difference"] < 0 and lower["rank_biserial"] < 0


def test_the_pair_the_other_way_round_says_the_opposite(few):
    table = graded(25)
    there, back = (compare(table, [pair], "tdd").loc[0] for pair in (("dea", "ega"), ("ega", "dea")))
    assert there[SYMMETRIC].equals(back[SYMMETRIC])
    for column in ("difference", "d_z", "rank_biserial"):
        assert there[column] == pytest.approx(-back[column])
    assert (there["low"], there["high"]) == pytest.approx((-back["high"], -back["low"]))
    assert there["win_rate"] == pytest.approx(1 - back["win_rate"])
    assert there["win_low"] == pytest.approx(1 - back["win_high"])


@pytest.mark.parametrize("count", [1, 2, 7, 40])
def test_holm_is_statsmodels(count: int):
    p = np.random.default_rng(count).random(count).round(2)  # with ties
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-12)


def test_holm_by_hand_over_the_pairs_that_are_tests():
    # sorted .005, .01, .03, .04 times 4, 3, 2, 1 and never falling: .02, .03, .06, .06
    adjusted = holm(np.array([0.01, 0.04, np.nan, 0.03, 0.005]))
    np.testing.assert_allclose(adjusted, [0.03, 0.06, np.nan, 0.06, 0.02])
    assert np.isnan(holm(np.array([np.nan, np.nan]))).all()


def test_each_tests_ps_are_adjusted_over_the_whole_family(few):
    table = graded().assign(lost=np.nan)
    pairs = compare(table, "dea", "tdd")
    assert pairs["over"].tolist() == ["gpa", "ega", "ria", "lost"]
    assert pairs["n"].tolist() == [20, 20, 20, 0] and pairs["missing"].tolist() == [0, 0, 0, 20]
    assert pairs.loc[3, MEASURES].isna().all() and pairs["wilcoxon_holm"].isna().tolist() == [False] * 3 + [True]
    for test in ("wilcoxon", "sign_flip"):
        ordered = pairs[test].dropna().sort_values()
        stepped = np.minimum(np.maximum.accumulate(ordered * [3, 2, 1]), 1)
        pd.testing.assert_series_equal(pairs.loc[ordered.index, f"{test}_holm"], stepped, check_names=False)


def test_what_too_few_or_equal_images_cannot_say_is_not_said():
    single, equal, zeros = compared([0.4]), compared([0.25] * 5), compared([0.0] * 5)
    for pair in (single, zeros):
        assert pair["wilcoxon"] == pair["sign_flip"] == 1
    assert np.isnan([pair[end] for pair in (single, equal, zeros) for end in ("low", "high")]).all()
    assert equal["wilcoxon"] == equal["sign_flip"] == 2 / 2**5
    assert np.isnan([pair["d_z"] for pair in (single, equal, zeros)]).all()
    assert [pair["rank_biserial"] for pair in (single, equal, zeros)] == [1, 1, 0]
    assert [pair["win_rate"] for pair in (single, equal, zeros)] == [1, 1, 0.5]
    assert compare(pd.DataFrame({"dea": [1.0]}), "dea", "tdd").empty


def test_the_same_inputs_give_the_same_bytes_and_a_pair_does_not_depend_on_the_others(few):
    table = graded(30)
    everyone = compare(table, "dea", "tdd")
    assert everyone.to_csv() == compare(table, "dea", "tdd").to_csv()
    own = [column for column in everyone.columns if not column.endswith("holm")]
    alone = compare(table, [("dea", "ria")], "tdd")
    assert alone.loc[0, own].equals(everyone.loc[2, own])
    assert not compare(table, "dea", "tdd", seed=1)["low"].equals(everyone["low"])


def test_an_unknown_method_is_refused_with_those_there_are():
    with pytest.raises(UserError, match=r"Unknown method 'ri' \(did you mean 'ria'\?\); valid are: dea, ega"):
        compare(graded(), [("dea", "ri")], "tdd")


def test_the_interval_plot_says_what_the_table_says(few):
    table = graded(40, seed=5).rename(columns={"gpa": "ria(grid=7)"}).assign(random=np.nan)
    pairs = compare(table, "dea", "odd_abs")
    (axes,) = interval_plot(pairs).axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == [
        "DEA − RIA (grid=7)",
        "DEA − EGA",
        "DEA − RIA",
        "DEA − random pixels",
    ]
    decided = pairs["sign_flip_holm"] < 0.05
    assert 0 < decided.sum() < (pairs["sign_flip"] < 0.05).sum()  # Holm takes one back
    dots = {artist.get_label(): artist for artist in axes.collections if isinstance(artist, PathCollection)}
    lines = [artist for artist in axes.collections if isinstance(artist, LineCollection)]
    for line, apart, colour in zip(lines, (True, False), ("tab:blue", "0.6"), strict=True):
        rows = pairs[(decided == apart) & (pairs["n"] > 0)]
        drawn = dots["p < .05" if apart else "p ≥ .05"]
        assert tuple(line.get_colors()[0]) == tuple(drawn.get_facecolors()[0]) == to_rgba(colour)
        places = drawn.get_offsets().compressed().reshape(-1, 2)
        np.testing.assert_allclose(places, np.stack([rows["difference"], rows.index], 1))
        ends = [segment[:, 0] for segment in line.get_segments() if segment.size]
        np.testing.assert_allclose(ends, rows[["low", "high"]])
    texts = [text.get_text() for text in axes.texts]
    assert [f"{rate:.0%}" for rate in pairs["win_rate"][:3]] == texts[:3] and texts[3] == "–"
    assert "← DEA better" in texts and "|ODD| ↓, 95% interval" in axes.get_xlabel()
