"""Is one method better than another, or is it the images? Tests paired by image."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from segattr_lib.inference.holm import holm
from segattr_lib.inference.intervals import RESAMPLES, studentised_interval
from segattr_lib.inference.paired import check_units
from segattr_lib.metrics import metric_key
from segattr_lib.registry import unknown
from segattr_lib.seeds import generator

HOLDS, CONTRADICTED, UNDECIDED = "holds", "contradicted", "undecided"
TESTS = ["wilcoxon", "sign_flip"]
MEASURES = ["difference", "low", "high", *TESTS, "d_z", "rank_biserial", "win_rate", "win_low", "win_high"]


def compare(
    table: pd.DataFrame, pairs: Sequence[tuple[str, str]] | str, metric: str, level: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """Each pair (method, over) of a `paired` table tested: one row a pair. A single name stands against all others.

    n, missing: images with both values, and without. difference, low, high: mean of method - over in the metric's
    unit, with its `studentised_interval`; where direction is -1 a negative one is in favour of the method. wilcoxon:
    p of the signed-rank test, differences of zero ranked (Pratt 1959). sign_flip: p of the mean under flipped signs,
    all of them up to n = 13, else RESAMPLES drawn. Both are two-sided; *_holm are adjusted over these pairs (Holm
    1979; a pair without images is no test). Effects, signed as the difference: d_z, mean over standard deviation
    (n - 1; NaN where it is 0), and rank_biserial, the share of the rank sum in favour less that against, -1 to 1.
    win_rate, win_low, win_high: share of images on which the method is better as the direction has it, a tie
    being half a win, with Wilson's interval; NaN for a metric that has no better end.

    Raises UserError for a method the table lacks, and where an image stands in several rows.
    """
    check_units(table)
    methods = list(table.columns)
    if isinstance(pairs, str):
        pairs = [(pairs, other) for other in methods if other != pairs]
    for name in dict.fromkeys(name for pair in pairs for name in pair):
        if name not in methods:
            raise unknown("method", name, methods)
    rows = []
    for method, over in pairs:
        differences = (table[method] - table[over]).dropna().to_numpy(float)
        counts = {"n": len(differences), "missing": len(table) - len(differences)}
        rows.append({"method": method, "over": over, **counts, **_pair(differences, metric, level, seed)})
    compared = pd.DataFrame(rows, columns=["method", "over", "n", "missing", *MEASURES])
    for test in TESTS:
        compared[f"{test}_holm"] = holm(compared[test].to_numpy(float))
    return compared.assign(metric=metric, direction=metric_key(metric).entry.direction, level=level)


def _pair(differences: Float[np.ndarray, " n"], metric: str, level: float, seed: int) -> dict[str, float]:
    """What `compare` says of one pair; without images, nothing."""
    n = len(differences)
    if not n:
        return dict.fromkeys(MEASURES, np.nan)
    spread = differences.std(ddof=1) if n > 1 else 0.0
    ranks = stats.rankdata(np.abs(differences))
    # one difference, or none but zeros, says nothing: both tests are undefined in scipy, and their p is 1
    silent = n == 1 or not differences.any()
    tests = [1.0, 1.0]
    if not silent:
        flips = sign_flip_p(differences, RESAMPLES, seed)
        tests = [float(wilcoxon_p(differences)), float(flips)]
    wins = [np.nan] * 3
    if direction := metric_key(metric).entry.direction:
        won = float((np.sign(differences) * direction + 1).sum() / 2)
        wins = [won / n, *proportion_confint(won, n, alpha=1 - level, method="wilson")]
    mean = differences.mean()
    effects = [mean / spread if spread else np.nan, (np.sign(differences) @ ranks) / ranks.sum()]
    values = [mean, *studentised_interval(differences, level, seed), *tests, *effects, *wins]
    return dict(zip(MEASURES, map(float, values), strict=True))


def wilcoxon_p(differences: Float[np.ndarray, "*repeats n"]) -> Any:
    """Two-sided p (*repeats) of the signed-rank test, differences of zero ranked (Pratt 1959)."""
    return stats.wilcoxon(differences, zero_method="pratt", axis=-1).pvalue


def sign_flip_p(differences: Float[np.ndarray, "*repeats n"], resamples: int, seed: int) -> Any:
    """Two-sided p (*repeats) of the mean under flipped signs: all flips where they are no more than the resamples, else
    so many drawn, what was seen one more of them. scipy's permutation_test draws the same ones and says the same."""
    n = differences.shape[-1]
    exact = 2**n <= resamples
    flipped = differences @ _flips(n, resamples, seed).T / n
    mean = differences.mean(axis=-1, keepdims=True)
    same = np.abs(mean) * 100 * np.finfo(float).eps  # as far from 0, but for rounding
    further = [(flipped <= mean + same).sum(axis=-1), (flipped >= mean - same).sum(axis=-1)]
    p = 2 * (np.minimum(*further) + (not exact)) / (flipped.shape[-1] + (not exact))
    return np.clip(p, 0, 1)


@lru_cache(maxsize=4)
def _flips(n: int, resamples: int, seed: int) -> Float[np.ndarray, "flips n"]:
    """Signs of n values in every way there is, where these are no more than the resamples, else in so many drawn: the
    same for all comparisons of as many images, so that they are drawn once."""
    if 2**n <= resamples:
        return 1.0 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    rng = generator(seed, "", "sign flip")
    pairs = np.tile(np.arange(2), (resamples, n, 1))  # each value and its negative, in one order or the other
    return 1.0 - 2 * rng.permuted(pairs, axis=-1)[..., 0]
