"""Intervals: every resample by hand, the cases without one, and the level they are to hold in simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.descriptivestats import sign_test

from segattr_lib.inference.intervals import (
    RESAMPLES,
    bootstrap,
    means,
    median_interval,
    median_p,
    studentised,
    studentised_interval,
    studentised_test,
)
from segattr_lib.seeds import generator

pytestmark = pytest.mark.filterwarnings("error")  # none leaks, however odd the data


def p_of(values: np.ndarray) -> float:
    return studentised_test(values)[-1]


def test_the_interval_is_the_quantiles_of_every_resamples_t_no_nearer_than_students():
    values = np.random.default_rng(0).gamma(2, size=12)
    mean, error = values.mean(), values.std(ddof=1) / 12**0.5
    for level, seed in ((0.95, 0), (0.8, 5)):
        places = generator(seed, "", "bootstrap").integers(0, 12, (9999, 12))
        drawn = values[places]
        t = np.sort((drawn.mean(1) - mean) / (drawn.std(1, ddof=1) / 12**0.5))
        rank = round(10000 * (1 - level) / 2)  # the 250th, or 1000th, of 9999 from either end
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
    for alike in (0.0, 0.1):  # whose mean is rounded
        assert np.isnan(studentised_interval(np.array([alike] * 9 + [1.0, 2.0, 3.0]))).all()
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
    low, high = studentised(values, np.ones_like(values), 0.95, 1999, generator(0, "", "bootstrap"))
    covered = int(((low <= 0) & (high >= 0)).sum())
    assert stats.binom.ppf(0.0005, repeats, 0.95) <= covered <= stats.binom.ppf(0.9995, repeats, 0.95)


def test_the_interval_of_a_ratio_covers_at_the_stated_level():
    repeats, rng = 2000, np.random.default_rng(2)
    per = rng.gamma(4, size=(repeats, 14))
    values = per * rng.gamma(2, 0.25, size=per.shape)
    low, high = studentised(values, per, 0.95, 1999, generator(0, "", "bootstrap"))
    assert stats.binom.ppf(0.0005, repeats, 0.95) <= ((low <= 0.5) & (high >= 0.5)).sum()


def test_many_intervals_at_once_are_those_of_each_whatever_is_held_in_memory(monkeypatch):
    values = np.random.default_rng(1).gamma(4.0, size=(3, 25))
    rng = generator(0, "", "bootstrap")
    low, high = studentised(values, np.ones_like(values), 0.95, RESAMPLES, rng)
    monkeypatch.setattr("segattr_lib.inference.intervals.HELD", 1000)
    assert [studentised_interval(row) for row in values] == [
        pytest.approx(pair) for pair in zip(low, high, strict=True)
    ]


def test_the_bootstrap_of_units_that_weigh_as_often_as_drawn_is_scipys_of_copies(monkeypatch):
    values, seed = np.random.default_rng(3).gamma(2, size=15), 7

    def means(weights: np.ndarray) -> np.ndarray:
        assert (weights.sum(axis=1) >= 14).all() and weights.shape[0] <= 40
        return np.stack([weights @ side / weights.sum(axis=1) for side in (values, -(values**2))])

    monkeypatch.setattr("segattr_lib.inference.intervals.HELD", 600)
    for method in ("BCa", "percentile"):
        ours = bootstrap(means, 15, 499, generator(seed, "", "bootstrap"), 15, 0.9, method)
        for side, low, high in zip((values, -(values**2)), *ours.confidence_interval, strict=True):
            rng = generator(seed, "", "bootstrap")
            copies = stats.bootstrap((side,), np.mean, n_resamples=499, confidence_level=0.9, method=method, rng=rng)
            assert (low, high) == pytest.approx(tuple(copies.confidence_interval))
        assert ours.bootstrap_distribution.shape == (2, 499)


def test_a_statistic_without_spread_has_no_bca_interval_and_no_warning():
    ours = bootstrap(lambda weights: 0 * weights[:, 0], 15, 99, generator(0, "", "bootstrap"), 15)
    assert np.isnan(ours.confidence_interval).all()


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


DIFFERENCES = {  # as metrics of two methods may differ: (rng, n) to n values
    "normal": lambda rng, n: rng.normal(size=n),
    "skewed": lambda rng, n: rng.gamma(2.0, size=n) - 2,
    "skewed to the left": lambda rng, n: 2 - rng.gamma(2.0, size=n),
    "heavy tails": lambda rng, n: rng.standard_t(2, size=n),
    "tied": lambda rng, n: rng.integers(-1, 2, size=n).astype(float),
    "mostly 0": lambda rng, n: rng.normal(size=n) * (rng.random(n) < 0.3),
}


def test_the_p_of_a_mean_is_below_05_exactly_where_the_interval_leaves_0_out():
    rng = np.random.default_rng(0)
    decided, without = {True: 0, False: 0}, 0
    for repeat in range(180):
        draw = list(DIFFERENCES.values())[repeat % len(DIFFERENCES)]
        n = int(rng.integers(12, 40))
        values = draw(rng, n) + rng.choice([0.0, 0.2, 0.5, -0.4])
        low, high, p = studentised_test(values)
        np.testing.assert_array_equal((low, high), studentised_interval(values))
        assert np.isnan(p) == np.isnan(low)
        if np.isnan(p):
            without += 1
            continue
        excluded = low > 0 or high < 0
        decided[excluded] += 1
        # of 9999 resamples one more or less moves p by .0002
        assert excluded == (p < 0.0501) or (excluded and (values.min() > 0 or values.max() < 0)), values
        assert p < 0.0502 or not excluded or values.min() > 0 or values.max() < 0
    assert min(decided.values()) > 30


def test_the_p_of_a_mean_is_never_below_students_and_has_the_symmetries_of_the_mean():
    rng = np.random.default_rng(1)
    for draw in DIFFERENCES.values():
        values = draw(rng, 20) + 0.3
        p = p_of(values)
        assert p >= stats.ttest_1samp(values, 0).pvalue * (1 - 1e-9)
        assert [p_of(-values), p_of(7 * values)] == pytest.approx([p, p], rel=1e-9)
    normal = rng.normal(size=60) + 0.3
    assert p_of(normal) == pytest.approx(stats.ttest_1samp(normal, 0).pvalue, rel=0.25)


def test_the_p_of_a_mean_is_the_share_of_resamples_beyond_twice():
    values = np.random.default_rng(0).gamma(2, size=12) - 1.2
    mean, error = values.mean(), values.std(ddof=1) / 12**0.5
    drawn = values[generator(0, "", "bootstrap").integers(0, 12, (9999, 12))]
    t = (drawn.mean(1) - mean) / (drawn.std(1, ddof=1) / 12**0.5)
    beyond = (t >= mean / error).sum()
    by_hand = 2 * (beyond + 1) / 10000
    assert p_of(values) == pytest.approx(max(by_hand, stats.ttest_1samp(values, 0).pvalue))
    shifted = values - 2 * mean  # now below 0, where the long tail of t lies
    beyond = (t <= -mean / error).sum()
    by_hand = 2 * (beyond + 1) / 10000
    assert p_of(shifted) == pytest.approx(max(by_hand, stats.ttest_1samp(shifted, 0).pvalue))


def test_a_mean_has_no_p_where_it_has_no_interval_and_equal_values_decide_it():
    assert np.isnan(p_of(np.arange(11.0)))
    assert p_of(np.zeros(12)) == 1
    assert p_of(np.full(12, 0.1)) == p_of(np.full(12, -0.1)) == 0
    assert np.isnan(p_of(np.array([5.0] * 9 + [6.0, 7.0, 8.0])))  # 3 % of resamples have no spread


@pytest.mark.slow
@pytest.mark.parametrize("draw", ["normal", "skewed", "heavy tails"])
def test_the_p_of_a_mean_of_0_is_uniform_or_larger(draw, monkeypatch):
    monkeypatch.setattr("segattr_lib.inference.intervals.RESAMPLES", 499)
    rng, repeats = np.random.default_rng(4), 600
    drawing = {"heavy tails": lambda: rng.laplace(size=25)}.get(draw, lambda: DIFFERENCES[draw](rng, 25))
    p = np.array([p_of(drawing()) for _ in range(repeats)])
    for level in (0.05, 0.1, 0.2, 0.5):
        # 99.9 % of binomial counts above; below, room for Student's t, which is never undercut
        least, most = stats.binom.ppf([0.0005, 0.9995], repeats, level)
        assert 0.7 * least <= (p <= level).sum() <= most
    assert (p > 0.5).mean() > 0.4


@pytest.mark.parametrize("n", [12, 13, 40, 151])
def test_the_interval_of_a_median_is_scipys_and_its_p_the_sign_tests(n):
    rng = np.random.default_rng(n)
    for draw in DIFFERENCES.values():
        values = draw(rng, n)
        for level in (0.8, 0.95, 0.99):
            scipys = stats.quantile_test(values, q=0, p=0.5).confidence_interval(level)
            assert median_interval(values, level) == (scipys.low, scipys.high)
        low, high = median_interval(values)
        assert low <= np.median(values) <= high
        p = median_p(values)
        if values.all():
            assert p == pytest.approx(sign_test(values, 0)[1])
        assert (p < 0.05) == (low > 0 or high < 0)
        for shift in (0.5, -1.5):
            low, high = median_interval(values + shift)
            assert (median_p(values + shift) < 0.05) == (low > 0 or high < 0)


def test_a_median_solved_by_hand():
    # of 12 fair coins 2 or fewer are heads in 79 of 4096 cases, 1.9 %, 3 or fewer in 7.3 %: third from either end
    assert median_interval(np.arange(12.0)) == (2, 9)
    assert median_p(np.array([-1.0, -2.0] + [3.0] * 10)) == pytest.approx(2 * 79 / 4096)
    assert median_p(np.array([1.0, 2.0, 4.0] + [-3.0] * 9)) == pytest.approx(2 * 299 / 4096)
    # eight of twenty lie above 0 and none below, but the median is 0
    assert median_p(np.array([0.0] * 12 + [1.0] * 8)) == 1
    assert np.isnan(median_interval(np.arange(11.0))).all() and np.isnan(median_p(np.arange(11.0)))


@pytest.mark.parametrize("n", [12, 17, 60])
@pytest.mark.parametrize("draw", [*DIFFERENCES, "of few counts"])
def test_the_interval_of_a_median_covers_at_least_at_its_level(draw, n):
    rng, repeats = np.random.default_rng(n), 2000
    draws = {**DIFFERENCES, "of few counts": lambda rng, n: rng.poisson(1.2, size=n).astype(float)}
    middle = {"skewed": stats.gamma(2).median() - 2, "skewed to the left": 2 - stats.gamma(2).median()}
    truth = {**middle, "of few counts": 1.0}.get(draw, 0.0)
    intervals = np.array([median_interval(draws[draw](rng, n)) for _ in range(repeats)])
    covered = ((intervals[:, 0] <= truth) & (truth <= intervals[:, 1])).sum()
    assert covered >= stats.binom.ppf(0.0005, repeats, 0.95)
