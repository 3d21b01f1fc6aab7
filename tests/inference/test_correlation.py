"""Correlations and their intervals, held against scipy called directly."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from segattr_lib.inference.correlation import correlation, weighted_pearson
from segattr_lib.seeds import generator

pytestmark = pytest.mark.filterwarnings("error")  # none leaks, however odd the data


def cloud(n: int = 25) -> tuple[np.ndarray, np.ndarray]:
    """Two related variables, with ties."""
    rng = np.random.default_rng(4)
    x = rng.integers(0, 8, n).astype(float)
    return x, np.round(x + 4 * rng.normal(size=n))


@pytest.mark.parametrize(("kind", "oracle"), [("spearman", stats.spearmanr), ("pearson", stats.pearsonr)])
def test_a_correlation_and_its_interval_are_scipys_over_paired_resamples(kind, oracle, few):
    x, y = cloud()
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
    ours = correlation(x, y, kind, level=0.9, seed=3)
    assert ours.value == pytest.approx(oracle(x, y).statistic)
    assert (ours.low, ours.high) == pytest.approx(tuple(wanted)) and ours.n == 25
    holes = correlation(pd.Series([*x, np.nan, 1.0]), pd.Series([*y, 5.0, np.nan]), kind, level=0.9, seed=3)
    assert holes == pytest.approx(ours)


@pytest.mark.parametrize("kind", ["spearman", "pearson"])
def test_maps_of_one_image_are_resampled_whole(kind, few):
    x, y = cloud()
    alone = correlation(x, y, kind)
    images = np.repeat([f"image {i}" for i in range(25)], 4)
    fourfold = [np.repeat(values, 4) for values in (x, y)]
    # four equal maps an image say no more than one
    assert correlation(*fourfold, kind, groups=images)[:3] == pytest.approx(alone[:3])
    narrow = correlation(*fourfold, kind)
    assert narrow.high - narrow.low < 0.7 * (alone.high - alone.low)
    assert correlation(*fourfold, kind, groups=pd.Series(images)).n == 100


def test_what_has_no_correlation_has_none(few):
    x, y = cloud()
    for kind in ("spearman", "pearson"):
        for constant in (np.full(25, 0.1), np.full(25, np.nan)):
            assert np.isnan(correlation(constant, y, kind)[:3]).all()
        few_images = correlation(x, y, kind, groups=np.arange(25) % 2)
        assert np.isfinite(few_images.value) and np.isnan(few_images.low)
        rare = correlation(np.array([0.1] * 9 + [0.7]), y[:10], kind)  # a third of the resamples are constant
        assert np.isfinite(rare.value) and np.isnan(rare.low)
    weights = np.random.default_rng(0).integers(0, 4, (50, 25)).astype(float)
    thirds = np.full(25, 1 / 3)  # its weighted means are rounded
    assert np.isnan(weighted_pearson(thirds, y, weights)).all()
    assert np.isnan(weighted_pearson(y, thirds, weights)).all()
    with pytest.raises(ValueError, match="same length"):
        correlation(x, y[:-1])
