"""Inference: cases solved by hand, every flip enumerated, scipy called directly, and what simulation must show."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgba
from scipy import stats

from segattr_lib.inference import comparison as comparison_
from segattr_lib.inference import correlation as correlation_
from segattr_lib.inference import coverage as coverage_
from segattr_lib.inference import intervals as intervals_
from segattr_lib.inference import ranks as ranks_
from segattr_lib.inference.comparison import CONTRADICTED, HOLDS, UNDECIDED, compare
from segattr_lib.inference.correlation import correlation
from segattr_lib.inference.coverage import simulated_coverage, simulated_rejections, standardised
from segattr_lib.inference.intervals import means, studentised_interval
from segattr_lib.inference.max_t import AllPairs, all_pairs, cross_fitted
from segattr_lib.inference.paired import paired, settled
from segattr_lib.inference.ranks import friedman_ranks
from segattr_lib.registry import UserError
from segattr_lib.report.charts import interval_plot
from segattr_lib.seeds import generator

pytestmark = pytest.mark.filterwarnings("error")  # none leaks, however odd the data

SYMMETRIC = ["n", "missing", "wilcoxon", "sign_flip", "wilcoxon_holm", "sign_flip_holm"]


@pytest.fixture(autouse=True)
def no_collection(monkeypatch):
    """statsmodels' multipletests collects garbage at each call: half a second where torch is loaded."""
    monkeypatch.setattr("gc.collect", lambda *_: 0)


@pytest.fixture
def few(monkeypatch):
    """Resamples that take no time, where what they are does not matter."""
    for module in (comparison_, intervals_, correlation_):
        monkeypatch.setattr(module, "RESAMPLES", 499)


def _rows(values: dict[tuple[str, int, str], dict[str, float]], metric: str = "tdd", k: float | None = 0.2) -> list:
    """Rows of (model, seed, image) to {method: value}; a NaN is undefined, {} a lost sample; `score` the model's."""
    rows = []
    for (model, seed, image), found in values.items():
        about = {"run_id": f"{model}{seed}", "dataset": "d", "model": model, "seed": seed, "sample_id": image}
        if not found:
            rows.append({**about, "status": "failed"})
        for key, value in found.items():
            method, _, variant = key.rstrip(")").partition("(")
            row = {**about, "metric": metric, "method": method, "variant": variant, "k": k, "fill": "mean"}
            if method == "score":
                row = {**about, "metric": "score"}
            rows.append({**row, "value": value, "status": "undefined" if value != value else "ok"})
    return rows


def _samples() -> pd.DataFrame:
    """Images a to d under models m and n; a under two seeds of m, b undefined once, c lost, d of low score in n."""
    return pd.DataFrame(
        _rows(
            {
                ("m", 0, "a"): {"score": 0.9, "ria": 0.1, "ria(grid=7)": 0.5, "ega": 0.2},
                ("m", 1, "a"): {"score": 0.9, "ria": 0.3, "ria(grid=7)": 0.7, "ega": 0.2},
                ("n", 0, "a"): {"score": 0.8, "ria": 0.8, "ria(grid=7)": 0.0, "ega": 0.5},
                ("m", 0, "b"): {"score": 0.7, "ria": np.nan, "ria(grid=7)": 0.1, "ega": 0.1},
                ("n", 0, "b"): {"score": 0.7, "ria": 0.2, "ria(grid=7)": 0.3, "ega": 0.2},
                ("m", 0, "c"): {},
                ("n", 0, "c"): {},
                ("m", 0, "d"): {"score": 0.3, "ria": 0.4, "ria(grid=7)": 0.4, "ega": 0.4},
                ("n", 0, "d"): {"score": 0.1, "ria": 9.0, "ria(grid=7)": 9.0, "ega": 9.0},
            }
        )
    )


def _of(differences, metric: str = "tdd", **options) -> pd.Series:
    """What compare says of two methods that differ by this."""
    table = pd.DataFrame({"dea": differences, "ega": 0.0}, dtype=float)
    return compare(table, [("dea", "ega")], metric, **options).loc[0]


def _table(n: int = 20, methods: tuple[str, ...] = ("gpa", "ega", "ria", "dea"), seed: int = 3) -> pd.DataFrame:
    """Methods that share the images' difficulty; each a little better than the one before."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 1)) + 0.5 * rng.normal(size=(n, len(methods))) + 0.2 * np.arange(len(methods))
    return pd.DataFrame(values, columns=list(methods), index=[f"image {i}" for i in range(n)])


def test_an_image_is_one_row_its_value_the_mean_over_the_seeds_and_models_that_saw_it():
    table = paired(_samples(), "tdd")
    assert table.index.names == ["dataset", "sample_id"]
    assert list(table.columns) == ["ria", "ria(grid=7)", "ega"]  # in the order of the rows
    assert list(table.index.get_level_values("sample_id")) == ["a", "b", "c", "d"]
    assert table.loc[("d", "a")].tolist() == pytest.approx([1.2 / 3, 1.2 / 3, 0.9 / 3])
    by_model = paired(_samples(), "tdd", by_model=True)
    assert by_model.index.names == ["dataset", "model", "sample_id"]
    assert by_model.loc[("d", "m", "a")].tolist() == pytest.approx([0.2, 0.6, 0.2])
    assert by_model.loc[("d", "n", "a")].tolist() == pytest.approx([0.8, 0.0, 0.5])


def test_values_that_are_missing_and_images_that_were_lost_are_counted():
    table = paired(_samples(), "tdd")
    # b's ria is undefined under m: its mean under n alone would be of other runs than ega's
    assert np.isnan(table.loc[("d", "b"), "ria"])
    assert table.loc[("d", "b"), "ega"] == pytest.approx(0.15)
    assert table.loc[("d", "c")].isna().all()
    found = compare(table, "ega", "tdd").set_index("over")
    assert found[["n", "missing"]].to_numpy().tolist() == [[2, 2], [3, 1]]
    assert paired(_samples(), "tdd", by_model=True)["ria"].isna().sum() == 3  # b under m, c under both


def test_the_floor_leaves_out_samples_the_model_scores_below_it():
    table = paired(_samples(), "tdd", floor=0.3)
    assert table.loc[("d", "d")].tolist() == pytest.approx([0.4, 0.4, 0.4])  # under n its score is .1
    assert "c" not in table.index.get_level_values("sample_id")  # it has no score
    assert len(paired(_samples(), "tdd", floor=0.31)) == 2


def test_the_table_depends_on_no_order_of_the_rows_and_folders_of_other_methods_join():
    samples = _samples()
    wanted = paired(samples, "tdd")
    categories = samples.sample(frac=1, random_state=1).astype({"run_id": "category", "method": "category"})
    pd.testing.assert_frame_equal(paired(categories, "tdd")[list(wanted.columns)], wanted, check_column_type=False)
    other = samples["method"] == "ega"
    folders = [samples[~other], samples[other].assign(run_id="other settings")]
    pd.testing.assert_frame_equal(paired(pd.concat(folders), "tdd"), wanted)
    with pytest.raises(ValueError, match="duplicate"):
        paired(pd.concat([samples, samples]), "tdd")


def test_values_that_are_not_of_one_k_and_fill_are_refused_with_what_there_is():
    image = {("m", 0, "a"): {"ria": 0.1}}
    samples = pd.DataFrame(_rows(image) + _rows(image, k=0.4) + _rows(image, metric="stability", k=None))
    with pytest.raises(UserError, match=r"'tdd' at k = None.* found k = 0.2, fill = mean; k = 0.4, fill = mean\."):
        paired(samples, "tdd")
    assert paired(samples, "tdd", k=0.4).shape == (1, 1)
    assert paired(samples, "stability", k=0.4).shape == (1, 1)  # it has no k
    for asked in (("odd", 0.4), ("tdd", 0.3), ("tdd", 0.4, "zeros")):
        with pytest.raises(UserError, match="found none"):
            paired(samples, *asked)


def test_an_image_under_two_models_does_not_count_twice():
    table = paired(_samples(), "tdd", by_model=True)
    with pytest.raises(UserError, match="8 rows hold 4 images; expected one row an image"):
        compare(table, "ega", "tdd")
    with pytest.raises(UserError, match="8 rows hold 4 images"):
        friedman_ranks(table, "tdd")
    assert compare(table.xs("n", level="model"), "ega", "tdd")["n"].tolist() == [3, 3]


def test_the_interval_is_the_quantiles_of_every_resamples_t_no_nearer_than_students():
    values = np.random.default_rng(0).gamma(2, size=12)
    mean, error = values.mean(), values.std(ddof=1) / 12**0.5
    for level, seed in ((0.95, 0), (0.8, 5)):
        places = generator(seed, "", "bootstrap").integers(0, 12, (9999, 12))
        drawn = values[places]
        t = np.sort((drawn.mean(1) - mean) / (drawn.std(1, ddof=1) / 12**0.5))
        rank = int(10000 * (1 - level) / 2)  # the 250th of 9999 from either end
        student = stats.t.ppf((1 + level) / 2, 11)
        wanted = mean - max(t[-rank], student) * error, mean - min(t[rank - 1], -student) * error
        assert studentised_interval(values, level, seed) == pytest.approx(wanted, rel=1e-9)
    low, high = studentised_interval(values)
    assert high - mean > 1.2 * (mean - low)  # the long tail is on the right
    assert studentised_interval(3 * values + 1) == pytest.approx((3 * low + 1, 3 * high + 1))
    assert studentised_interval(-values) == pytest.approx((-high, -low))
    assert studentised_interval(values[::-1]) != (low, high)  # another draw, as images in another order are


def test_the_interval_of_a_ratio_is_the_means_where_it_is_over_ones_and_scales_with_it():
    rng = np.random.default_rng(1)
    values, per = rng.gamma(2, size=20), rng.gamma(9, size=20)
    assert studentised_interval(values, per=np.ones(20)) == studentised_interval(values)
    low, high = studentised_interval(values, per=per)
    assert low < values.mean() / per.mean() < high
    assert studentised_interval(6 * values, per=2 * per) == pytest.approx((3 * low, 3 * high))
    assert studentised_interval(values, per=-per) == pytest.approx((-high, -low))
    assert studentised_interval(0.5 * per, per=per) == pytest.approx((0.5, 0.5))


def test_where_there_is_nothing_to_resample_the_interval_is_a_point_or_nothing():
    for n in (0, 1, 11):
        assert (
            np.isnan(studentised_interval(np.arange(float(n)))).all()
            and np.isnan(studentised_interval(np.ones(n))).all()
        )
    assert np.isfinite(studentised_interval(np.arange(12.0))).all()
    assert studentised_interval(np.full(12, 0.1)) == (0.1, 0.1)
    # nine of twelve alike: (9/12)^12 = 3 % of the resamples have no spread; eight: .8 %
    assert np.isnan(studentised_interval(np.array([0.0] * 9 + [1.0, 2.0, 3.0]))).all()
    assert np.isfinite(studentised_interval(np.array([0.0] * 8 + [1.0, 2.0, 3.0, 4.0]))).all()


@pytest.mark.parametrize("n", [12, 25])
@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, size: rng.normal(size=size),
        lambda rng, size: rng.gamma(4.0, size=size) - 4,  # of skewness 1
        lambda rng, size: 3 - rng.gamma(3.0, size=size),
        lambda rng, size: rng.laplace(size=size),  # of heavy tails
    ],
    ids=["normal", "skewed", "skewed to the left", "heavy tails"],
)
def test_the_interval_covers_at_the_stated_level(draw, n):
    # the bound: 99.9 % of binomial counts of 2000 at .95, which is .934 to .966
    repeats = 2000
    values = draw(np.random.default_rng(n), (repeats, n))
    low, high = intervals_._studentised(values, np.ones_like(values), 0.95, 1999, generator(0, "", "bootstrap"))
    covered = int(((low <= 0) & (high >= 0)).sum())
    assert stats.binom.ppf(0.0005, repeats, 0.95) <= covered <= stats.binom.ppf(0.9995, repeats, 0.95)


def test_the_interval_of_a_ratio_covers_at_the_stated_level():
    repeats, rng = 2000, np.random.default_rng(2)
    per = rng.gamma(4, size=(repeats, 14))
    values = per * rng.gamma(2, 0.25, size=per.shape)
    low, high = intervals_._studentised(values, per, 0.95, 1999, generator(0, "", "bootstrap"))
    assert stats.binom.ppf(0.0005, repeats, 0.95) <= ((low <= 0.5) & (high >= 0.5)).sum()


def test_many_intervals_at_once_are_those_of_each_whatever_is_held_in_memory(monkeypatch):
    values = np.random.default_rng(1).gamma(4.0, size=(3, 25))
    rng = generator(0, "", "bootstrap")
    low, high = intervals_._studentised(values, np.ones_like(values), 0.95, intervals_.RESAMPLES, rng)
    monkeypatch.setattr(intervals_, "HELD", 1000)
    assert [studentised_interval(row) for row in values] == [
        pytest.approx(pair) for pair in zip(low, high, strict=True)
    ]


def test_shapes_are_differences_of_mean_0_and_deviation_1_of_pairs_that_differ():
    table = pd.DataFrame({"a": [1.0, 2, 4, np.nan], "b": [0.0, 0, 0, 0], "c": [2.0, 3, 5, 0], "d": [0.0, 0, 0, 0]})
    found = standardised([table])
    assert len(found) == 4  # c is a + 1, and d is b
    np.testing.assert_allclose(found[0], np.array([-4, -1, 5]) / 21**0.5)  # 1, 2, 4 less 7/3, over the root of 7/3
    for shape in found:
        assert shape.mean() == pytest.approx(0) and shape.std(ddof=1) == pytest.approx(1)


def test_simulated_coverage_is_the_share_of_intervals_that_hold_0_and_ours_covers_where_others_do_not():
    shapes = [stats.expon.ppf((np.arange(100) + 0.5) / 100) - 1]
    found = simulated_coverage(shapes, 14, 2000, seed=1).set_index("interval")
    assert list(found.index) == list(coverage_.INTERVALS)
    assert set(found["n"]) == {14} and set(found["nominal"]) == {0.95}
    for row in found.to_dict("records"):
        count = round(row["reached"] * 2000)
        assert (row["low"], row["high"]) == pytest.approx(
            tuple(stats.binomtest(count, 2000).proportion_ci(0.95, "wilson"))
        )
    reached = found["reached"]
    assert reached["studentised bootstrap"] > 0.934 and reached["percentile"] < 0.9 and reached["Student's t"] < 0.934
    drawn = coverage_._drawn(shapes, 14, 2000, 1)
    assert np.isin(drawn, shapes[0]).all()
    t = stats.ttest_1samp(drawn, 0, axis=1).confidence_interval(0.95)
    assert reached["Student's t"] == np.mean((t.low <= 0) & (t.high >= 0))
    assert simulated_coverage(shapes, repeats=3)["n"].tolist() == [100] * 4
    pd.testing.assert_frame_equal(simulated_coverage(shapes, 14, 2000, seed=1).set_index("interval"), found)
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


def _ways(n: int, seed: int = 0, lead: float = 0.0, ways: int = 10) -> pd.DataFrame:
    """Ways that share the images' difficulty and are equal but for the first, which leads."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 1)) + rng.normal(size=(n, ways))
    values[:, 0] += lead
    return pd.DataFrame(values, columns=[f"way{place}" for place in range(ways)])


def test_the_p_of_one_pair_is_the_sign_flips():
    table = _ways(12, ways=2, lead=0.5)
    found = all_pairs(table)
    assert found.p.loc["way0", "way1"] == compare(table, "way0", "tdd")["sign_flip"][0]  # all flips, by enumeration
    assert found.p.loc["way1", "way0"] == found.p.loc["way0", "way1"]
    many = _ways(40, ways=2, lead=0.3)
    plain = compare(many, "way0", "tdd")["sign_flip"][0]
    assert all_pairs(many).p.loc["way0", "way1"] == pytest.approx(plain, abs=4 * (2 * plain / 9999) ** 0.5)


def test_max_t_lies_between_the_raw_p_and_bonferronis_and_falls_as_t_grows():
    table = _ways(13, lead=1.5, ways=5)
    found = all_pairs(table)
    names, pairs = list(table), list(combinations(table, 2))
    raw = pd.Series({pair: all_pairs(table[list(pair)]).p.loc[pair] for pair in pairs})
    adjusted = pd.Series({pair: found.p.loc[pair] for pair in pairs})
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
    np.testing.assert_allclose(adjusted, [(largest >= one - 1e-9).mean() for one in observed])
    assert names == list(found.p.index)
    pd.testing.assert_frame_equal(all_pairs(-table, -1).difference, found.difference)


def test_max_t_verdicts_by_hand():
    difference = pd.DataFrame([[0, 1, 1], [-1, 0, 1], [-1, -1, 0]], list("abc"), list("abc"), dtype=float)
    p = pd.DataFrame([[1, 0.01, 0.01], [0.01, 1, 0.2], [0.01, 0.2, 1]], list("abc"), list("abc"))
    found = AllPairs(difference, p, 12)
    assert found.highest == "a"
    assert [found.verdict(way) for way in "abc"] == [HOLDS, CONTRADICTED, CONTRADICTED]
    assert found.verdict("b", ["c"]) == UNDECIDED and found.verdict("a", level=0.995) == UNDECIDED
    assert [AllPairs(difference, p, 11).verdict(way) for way in "abc"] == [UNDECIDED] * 3
    assert AllPairs(difference.loc[["a"], ["a"]], p.loc[["a"], ["a"]], 50).verdict("a") == UNDECIDED  # of one way


def test_all_pairs_of_equal_constant_and_missing_values():
    table = _ways(14, ways=3).assign(same=lambda frame: frame["way0"], above=lambda frame: frame["way0"] + 1)
    table.loc[2, "way1"] = np.nan
    found = all_pairs(table)
    assert found.n == 13 and found.p.loc["way0", "same"] == 1
    assert found.p.loc["above", "way0"] == 2 / 2**13  # always above by 1: only all signs alike reach it
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
        found = all_pairs(_ways(n, seed), seed=seed)
        called += found.verdict(found.highest) != UNDECIDED
        decided += bool((found.p <= 0.05).any(axis=None))
    # of all verdicts on any pair at most 5 %: 99.9 % of binomial counts
    assert called <= decided <= stats.binom.ppf(0.9995, repeats, 0.05)
    assert all_pairs(_ways(n, lead=3.0)).verdict("way0") == HOLDS


def test_the_cross_fitted_value_of_the_best_of_ten_equal_ways_is_their_mean(few):
    repeats = 400
    away = np.array([[cross_fitted(table).mean(), table.mean().max()] for table in map(_equal, range(repeats))])
    error = away.std(axis=0, ddof=1) / repeats**0.5
    assert abs(away[:, 0].mean()) < 3.5 * error[0]
    assert away[:, 1].mean() > 20 * error[1]  # what is chosen and read on the same images is not


def _equal(seed: int) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(20, 10)))


def test_cross_fitting_by_hand():
    # a is best on every image but the last, whose half may choose b: on the others' halves a always is
    table = pd.DataFrame({"a": [1.0, 1.0, 1.0, 0.0], "b": [0.0, 0.0, 0.0, 0.5], "c": np.nan})
    found = cross_fitted(table[["a", "b"]])
    assert found[3] == 0.0 and list(found.index) == [0, 1, 2, 3]
    assert (found[:3] == 1).all()  # half of the last and another: .5 to .25 for a
    lower = cross_fitted(-table[["a", "b"]], -1)
    pd.testing.assert_series_equal(lower, -found, check_names=False)
    one = cross_fitted(table.loc[[0], ["a", "b"]])
    assert one.isna().all()
    pd.testing.assert_series_equal(found, cross_fitted(table[["a", "b"]]))


def test_a_composite_without_coherency_is_0_and_nothing_else_is_touched():
    metrics = ["arcc", "adcc", "arcc(background=blur)", "coherency", "arcc", "road", None]
    status = ["undefined", "undefined", "undefined", "undefined", "failed", "undefined", "failed"]
    rows = pd.DataFrame({"metric": metrics, "status": status, "value": np.nan})
    assert settled(rows)["value"].fillna(-1).tolist() == [0, 0, 0, -1, -1, -1, -1]
    assert rows["value"].isna().all()


def test_the_sign_flip_p_is_the_share_of_all_flips_at_least_as_far_from_zero():
    differences = np.array([0.5, -0.1, 0.9, 0.4, 0.3, -0.2, 0.8, 0.0])
    means = np.array([np.mean(differences * flips) for flips in product((-1, 1), repeat=8)])
    wanted = np.mean(np.abs(means) >= abs(differences.mean()) - 1e-12)
    assert _of(differences)["sign_flip"] == pytest.approx(wanted) and 0 < wanted < 0.1


def test_with_many_images_the_flips_are_drawn_and_the_exact_p_is_near():
    differences = np.random.default_rng(0).normal(size=14) + 0.4
    signs = 1 - 2 * ((np.arange(2**14)[:, None] >> np.arange(14)) & 1)
    exact = np.mean(np.abs(signs @ differences) >= abs(differences.sum()) - 1e-9)
    found = _of(differences)["sign_flip"]
    assert found != exact and found == pytest.approx(exact, abs=4 * (exact * (1 - exact) / 9999) ** 0.5 * 2**0.5)
    assert _of(differences, seed=1)["sign_flip"] != found


def test_the_tests_are_scipys_and_the_shares_add_up(few):
    table = _table()
    found = compare(table, [("dea", "ega"), ("ria", "gpa")], "tdd", level=0.9)
    for row in found.to_dict("records"):
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
    found = _of(differences)["wilcoxon"]
    assert found == stats.wilcoxon(differences, zero_method="pratt").pvalue
    assert found != stats.wilcoxon(differences).pvalue


def test_effects_and_wins_solved_by_hand(few):
    found = _of([3.0, 1.0, -2.0, 4.0])  # ranks 3, 1, -2, 4
    assert found["difference"] == 1.5
    assert found["d_z"] == pytest.approx(1.5 / 7**0.5)  # squared deviations 2.25, .25, 12.25, 6.25, over 3
    assert found["rank_biserial"] == pytest.approx((8 - 2) / 10)
    assert found["win_rate"] == 0.75
    tied = _of([0.0, 0.0, -1.0, 1.0, 2.0])  # ranks 1.5, 1.5, -3.5, 3.5, 5: ties count for neither
    assert tied["rank_biserial"] == pytest.approx((3.5 + 5 - 3.5) / 15)
    assert tied["win_rate"] == pytest.approx((2 + 2 / 2) / 5)


def test_a_win_is_a_better_value_in_the_metrics_direction_and_the_difference_stays_as_it_is(few):
    differences = [-0.3, -0.1, -0.2, 0.1]
    lower, higher, neither = (_of(differences, metric) for metric in ("odd_abs", "tdd", "odd"))
    assert (lower["win_rate"], higher["win_rate"]) == (0.75, 0.25)
    assert (lower["direction"], higher["direction"], neither["direction"]) == (-1, 1, 0)
    assert neither[["win_rate", "win_low", "win_high"]].isna().all()
    same = ["difference", "low", "high", "d_z", "rank_biserial", *SYMMETRIC]
    assert lower[same].equals(higher[same]) and lower[same].equals(neither[same])
    assert lower["difference"] < 0 and lower["rank_biserial"] < 0


def test_the_pair_the_other_way_round_says_the_opposite(few):
    table = _table(25)
    there, back = (compare(table, [pair], "tdd").loc[0] for pair in (("dea", "ega"), ("ega", "dea")))
    assert there[SYMMETRIC].equals(back[SYMMETRIC])
    for column in ("difference", "d_z", "rank_biserial"):
        assert there[column] == pytest.approx(-back[column])
    assert (there["low"], there["high"]) == pytest.approx((-back["high"], -back["low"]))
    assert there["win_rate"] == pytest.approx(1 - back["win_rate"])
    assert there["win_low"] == pytest.approx(1 - back["win_high"])


def test_holm_by_hand_over_the_pairs_that_are_tests():
    # sorted .005, .01, .03, .04 times 4, 3, 2, 1 and never falling: .02, .03, .06, .06
    adjusted = comparison_.holm(np.array([0.01, 0.04, np.nan, 0.03, 0.005]))
    np.testing.assert_allclose(adjusted, [0.03, 0.06, np.nan, 0.06, 0.02])
    assert np.isnan(comparison_.holm(np.array([np.nan, np.nan]))).all()


def test_each_tests_ps_are_adjusted_over_the_whole_family(few):
    table = _table().assign(lost=np.nan)
    found = compare(table, "dea", "tdd")
    assert found["over"].tolist() == ["gpa", "ega", "ria", "lost"]
    assert found["n"].tolist() == [20, 20, 20, 0] and found["missing"].tolist() == [0, 0, 0, 20]
    assert found.loc[3, comparison_.MEASURES].isna().all() and found["wilcoxon_holm"].isna().tolist() == [False] * 3 + [
        True
    ]
    for test in ("wilcoxon", "sign_flip"):
        ordered = found[test].dropna().sort_values()
        stepped = np.minimum(np.maximum.accumulate(ordered * [3, 2, 1]), 1)
        pd.testing.assert_series_equal(found.loc[ordered.index, f"{test}_holm"], stepped, check_names=False)


def test_what_too_few_or_equal_images_cannot_say_is_not_said():
    one, equal, zeros = _of([0.4]), _of([0.25] * 5), _of([0.0] * 5)
    for found in (one, zeros):
        assert found["wilcoxon"] == found["sign_flip"] == 1
    assert np.isnan([found[end] for found in (one, equal, zeros) for end in ("low", "high")]).all()
    assert equal["wilcoxon"] == equal["sign_flip"] == 2 / 2**5
    assert np.isnan([found["d_z"] for found in (one, equal, zeros)]).all()
    assert [found["rank_biserial"] for found in (one, equal, zeros)] == [1, 1, 0]
    assert [found["win_rate"] for found in (one, equal, zeros)] == [1, 1, 0.5]
    assert compare(pd.DataFrame({"dea": [1.0]}), "dea", "tdd").empty


def test_the_same_inputs_give_the_same_bytes_and_a_pair_does_not_depend_on_the_others(few):
    table = _table(30)
    everyone = compare(table, "dea", "tdd")
    assert everyone.to_csv() == compare(table, "dea", "tdd").to_csv()
    own = [column for column in everyone.columns if not column.endswith("holm")]
    alone = compare(table, [("dea", "ria")], "tdd")
    assert alone.loc[0, own].equals(everyone.loc[2, own])
    assert not compare(table, "dea", "tdd", seed=1)["low"].equals(everyone["low"])


def test_an_unknown_method_is_refused_with_those_there_are():
    with pytest.raises(UserError, match=r"Unknown method 'ri' \(did you mean 'ria'\?\); valid are: dea, ega"):
        compare(_table(), [("dea", "ri")], "tdd")


def test_friedman_is_scipys_over_complete_images_and_ranks_follow_the_direction():
    table = _table()
    table.iloc[3, 1] = np.nan
    complete = table.drop(index="image 3")
    found = friedman_ranks(table, "tdd")
    wanted = stats.friedmanchisquare(*(complete[name] for name in complete))
    assert (found.statistic, found.p) == pytest.approx(tuple(wanted)) and (found.n, found.missing) == (19, 1)
    ranks = {
        name: np.mean([sorted(row, reverse=True).index(row[name]) + 1 for _, row in complete.iterrows()])
        for name in complete
    }
    assert found.mean_rank.to_dict() == pytest.approx(ranks) and found.mean_rank.is_monotonic_increasing
    lower = friedman_ranks(table, "odd_abs")
    assert lower.mean_rank.to_dict() == pytest.approx({name: 5 - rank for name, rank in ranks.items()})
    assert lower.p == pytest.approx(found.p)


def test_equal_values_share_their_rank_and_methods_that_are_all_equal_have_no_p():
    table = pd.DataFrame({"gpa": [1.0, 2.0], "ega": [1.0, 1.0], "dea": [0.0, 3.0]})
    assert friedman_ranks(table, "tdd").mean_rank.to_dict() == {"gpa": 1.75, "dea": 2.0, "ega": 2.25}
    equal = friedman_ranks(table * 0, "tdd")
    assert np.isnan(equal.p) and set(equal.mean_rank) == {2.0}


def test_the_critical_difference_is_that_of_the_published_example():
    # four classifiers on 14 data sets: q = 2.569 at .05 (Demšar 2006, section 3.2.2 and table 5)
    found = friedman_ranks(_table(14), "tdd")
    assert found.critical_difference == pytest.approx(2.569 * (4 * 5 / (6 * 14)) ** 0.5, abs=1e-3)
    assert found.critical_difference == pytest.approx(1.25, abs=0.01)
    # with many images, two methods of three differ where a normal test at the level would have it
    assert friedman_ranks(_table(14), "tdd", level=0.9).critical_difference < found.critical_difference


@pytest.mark.parametrize("critical", [0.05, 0.5, 1.0, 1.3, 2.0, 9.0])
def test_alike_are_the_largest_sets_no_two_of_which_the_critical_difference_tells_apart(critical):
    ranks = pd.Series({"ria": 1.2, "dea": 1.6, "ega": 2.5, "gpa": 3.7, "random": 3.7, "edges": 5.6})
    sets = [set(some) for count in range(2, 7) for some in combinations(ranks.index, count)]
    close = [some for some in sets if ranks[list(some)].max() - ranks[list(some)].min() < critical]
    largest = [some for some in close if not any(some < other for other in close)]
    found = ranks_.Friedman(ranks, 9, 0, 1.0, 1.0, critical).alike()
    assert sorted(map(sorted, found)) == sorted(map(sorted, largest))


@pytest.mark.parametrize(
    ("table", "metric"),
    [(_table(), "odd"), (_table()[["dea", "ega"]], "tdd"), (_table().assign(half=np.nan), "tdd")],
    ids=["no direction", "two methods", "a method without values"],
)
def test_what_cannot_be_ranked_is_refused(table, metric):
    with pytest.raises(UserError, match=r"Nothing to rank: .*expected a direction, three methods, an image"):
        friedman_ranks(table, metric)


def _cloud(n: int = 25) -> tuple[np.ndarray, np.ndarray]:
    """Two related variables, with ties."""
    rng = np.random.default_rng(4)
    x = rng.integers(0, 8, n).astype(float)
    return x, np.round(x + 4 * rng.normal(size=n))


@pytest.mark.parametrize(("kind", "oracle"), [("spearman", stats.spearmanr), ("pearson", stats.pearsonr)])
def test_a_correlation_and_its_interval_are_scipys_over_paired_resamples(kind, oracle, few):
    x, y = _cloud()
    wanted = stats.bootstrap(
        (x, y),
        lambda a, b: oracle(a, b).statistic,
        paired=True,
        vectorized=False,
        n_resamples=499,
        confidence_level=0.9,
        rng=generator(3, "", "bootstrap"),
        method="BCa",
    ).confidence_interval
    found = correlation(x, y, kind, level=0.9, seed=3)
    assert found.value == pytest.approx(oracle(x, y).statistic)
    assert (found.low, found.high) == pytest.approx(tuple(wanted)) and found.n == 25
    holes = correlation(pd.Series([*x, np.nan, 1.0]), pd.Series([*y, 5.0, np.nan]), kind, level=0.9, seed=3)
    assert holes == pytest.approx(found)


@pytest.mark.parametrize("kind", ["spearman", "pearson"])
def test_maps_of_one_image_are_resampled_whole(kind, few):
    x, y = _cloud()
    alone = correlation(x, y, kind)
    images = np.repeat([f"image {i}" for i in range(25)], 4)
    fourfold = [np.repeat(values, 4) for values in (x, y)]
    # four equal maps an image say no more than one
    assert correlation(*fourfold, kind, groups=images)[:3] == pytest.approx(alone[:3])
    narrow = correlation(*fourfold, kind)
    assert narrow.high - narrow.low < 0.7 * (alone.high - alone.low)
    assert correlation(*fourfold, kind, groups=pd.Series(images)).n == 100


def test_what_has_no_correlation_has_none(few):
    x, y = _cloud()
    for kind in ("spearman", "pearson"):
        for constant in (np.full(25, 0.1), np.full(25, np.nan)):
            assert np.isnan(correlation(constant, y, kind)[:3]).all()
        few_images = correlation(x, y, kind, groups=np.arange(25) % 2)
        assert np.isfinite(few_images.value) and np.isnan(few_images.low)
        rare = correlation(np.array([0.1] * 9 + [0.7]), y[:10], kind)  # a third of the resamples are constant
        assert np.isfinite(rare.value) and np.isnan(rare.low)
    weights = np.random.default_rng(0).integers(0, 4, (50, 25)).astype(float)
    thirds = np.full(25, 1 / 3)  # its weighted means are rounded
    assert np.isnan(correlation_.weighted_pearson(thirds, y, weights)).all()
    assert np.isnan(correlation_.weighted_pearson(y, thirds, weights)).all()
    with pytest.raises(ValueError, match="same length"):
        correlation(x, y[:-1])


def test_the_interval_plot_says_what_the_table_says(few):
    table = _table(40, seed=5).rename(columns={"gpa": "ria(grid=7)"}).assign(random=np.nan)
    found = compare(table, "dea", "odd_abs")
    (axes,) = interval_plot(found).axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == [
        "DEA − RIA (grid=7)",
        "DEA − EGA",
        "DEA − RIA",
        "DEA − random pixels",
    ]
    told = found["sign_flip_holm"] < 0.05
    assert 0 < told.sum() < (found["sign_flip"] < 0.05).sum()  # Holm takes one back
    dots = {one.get_label(): one for one in axes.collections if isinstance(one, PathCollection)}
    lines = [one for one in axes.collections if isinstance(one, LineCollection)]
    for line, apart, colour in zip(lines, (True, False), ("tab:blue", "0.6"), strict=True):
        rows = found[(told == apart) & (found["n"] > 0)]
        drawn = dots["p < .05" if apart else "p ≥ .05"]
        assert tuple(line.get_colors()[0]) == tuple(drawn.get_facecolors()[0]) == to_rgba(colour)
        places = drawn.get_offsets().compressed().reshape(-1, 2)
        np.testing.assert_allclose(places, np.stack([rows["difference"], rows.index], 1))
        ends = [segment[:, 0] for segment in line.get_segments() if segment.size]
        np.testing.assert_allclose(ends, rows[["low", "high"]])
    texts = [text.get_text() for text in axes.texts]
    assert [f"{rate:.0%}" for rate in found["win_rate"][:3]] == texts[:3] and texts[3] == "–"
    assert "← DEA better" in texts and "|ODD| ↓, 95% interval" in axes.get_xlabel()


def test_means_leave_out_what_is_missing_and_count_the_rest():
    table = pd.DataFrame({"b": [0.1, np.nan, 0.5, 0.3], "a": [0.25, 0.25, 0.25, 0.25], "c": [1, 2, np.nan, np.nan]})
    table["none"] = np.nan
    by_name = means(table, 0.9, 5).set_index("method")
    assert list(by_name.index) == ["b", "a", "c", "none"] and by_name["n"].tolist() == [3, 4, 2, 0]
    assert by_name["mean"].tolist() == pytest.approx([0.3, 0.25, 1.5, np.nan], nan_ok=True)
    assert by_name[["low", "high"]].isna().all(axis=None)  # of so few images
    many = np.random.default_rng(0).random(15)
    (row,) = means(pd.DataFrame({"d": [*many, np.nan]}), 0.9, 5)[["low", "high"]].to_numpy()
    assert row.tolist() == list(studentised_interval(many, 0.9, 5))
