"""Intervals: every resample by hand, the cases without one, and the level they are to hold in simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from segattr_lib.inference.intervals import RESAMPLES, bootstrap, studentised, studentised_interval
from segattr_lib.seeds import generator

pytestmark = pytest.mark.filterwarnings("error")  # none leaks, however odd the data


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
