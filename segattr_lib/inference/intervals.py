"""How far may the mean lie from the one measured? Bootstrap intervals over images."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from segattr_lib.seeds import generator

RESAMPLES = 9999
FEWEST = 12  # images: of fewer no kind of interval covers what it promises, and nothing is decided
HELD = 2_000_000  # numbers of resampled data in memory at a time


def studentised_interval(
    values: Float[np.ndarray, " n"],
    level: float = 0.95,
    seed: int = 0,
    per: Float[np.ndarray, " n"] | None = None,
) -> tuple[float, float]:
    """Interval of the mean of n values: studentised bootstrap, no end nearer to the mean than Student's t has it.

    The bootstrap of (mean - truth) / standard error (Efron and Tibshirani 1993, ch. 12) follows skewed differences,
    where Student's t is too short on one side; few values of heavy tails hold too little of them to be resampled, and
    there Student's t is right. BCa covers less than either, see `simulated_coverage`. per: the interval is of the ratio
    mean(values) / mean(per) over the same images, by the standard error of its linearisation.

    No end lies beyond the least and the greatest value: resamples that lack a lone outlier have next to no spread, and
    would send an end far outside what any value is. Equal values give that point twice. NaN for fewer than FEWEST
    values, and where so many are equal that more than (1 - level) / 2 of the resamples have no spread: neither says
    how far the truth may lie.
    """
    if len(values) < FEWEST:
        return np.nan, np.nan
    shares = np.ones_like(values) if per is None else per
    low, high = _studentised(values, shares, level, RESAMPLES, generator(seed, "", "bootstrap"))
    return float(low), float(high)


def _studentised(
    values: Float[np.ndarray, "*repeats n"],
    per: Float[np.ndarray, "*repeats n"],
    level: float,
    resamples: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Interval ends of mean(values) / mean(per), each (*repeats); see `studentised_interval`, of any n above 1."""
    n, below = values.shape[-1], per.mean(axis=-1)
    ratio = values.mean(axis=-1) / below
    errors = values - ratio[..., None] * per
    squared, crossed, shares = errors**2, errors * per, per**2
    drawn = []
    for start in range(0, resamples, step := max(1, HELD // n)):
        places = (
            rng.integers(0, n, (min(step, resamples - start), n)) + n * np.arange(min(step, resamples - start))[:, None]
        )
        times = np.bincount(places.ravel(), minlength=places.size).reshape(places.shape).T / n  # a share of each draw
        with np.errstate(divide="ignore", invalid="ignore"):
            bottom = per @ times
            away = errors @ times / bottom
            spread = squared @ times - 2 * away * (crossed @ times) + away**2 * (shares @ times)
            spread[spread <= 1e-12 * squared.mean(axis=-1, keepdims=True)] = 0  # all equal, but for rounding
            drawn.append(away * np.abs(bottom) / np.sqrt(spread / (n - 1)))
    studentised = np.nan_to_num(np.concatenate(drawn, axis=-1), nan=0.0, posinf=np.inf, neginf=-np.inf)
    rank = max(int((resamples + 1) * (1 - level) / 2), 1)
    ordered = np.partition(studentised, [rank - 1, resamples - rank], axis=-1)
    student = stats.t.ppf((1 + level) / 2, n - 1)
    error = np.sqrt(squared.mean(axis=-1) / (n - 1)) / np.abs(below)
    low = ratio - np.maximum(ordered[..., resamples - rank], student) * error
    high = ratio - np.minimum(ordered[..., rank - 1], -student) * error
    known = np.isfinite(low) & np.isfinite(high)
    if (per > 0).all():  # a ratio of means lies among the ratios
        ratios = values / per
        low, high = np.maximum(low, ratios.min(axis=-1)), np.minimum(high, ratios.max(axis=-1))
    alike = np.ptp(values, axis=-1) + np.ptp(per, axis=-1) == 0
    with np.errstate(divide="ignore", invalid="ignore"):  # a first share of 0, where they are not alike
        first = values[..., 0] / per[..., 0]
    low, high = (np.where(alike, first, np.where(known, end, np.nan)) for end in (low, high))
    return low, high


def _bootstrap(
    data: np.ndarray,
    statistic: Callable,
    level: float,
    resamples: int,
    rng: np.random.Generator,
    batch: int,
    method: str = "BCa",
) -> Any:
    """scipy's interval; NaN where it has none, in place of its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return stats.bootstrap(
            (data,),
            statistic,
            vectorized=True,
            axis=-1,
            n_resamples=resamples,
            batch=max(1, batch),
            confidence_level=level,
            method=method,
            rng=rng,
        ).confidence_interval


def means(table: pd.DataFrame, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """Each column's mean over the images with its studentised interval: a row a column, with mean, low, high and n."""
    rows = []
    for name in table:
        values = table[name].dropna().to_numpy(float)
        low, high = studentised_interval(values, level, seed)
        mean = values.mean() if len(values) else np.nan
        rows.append({"method": name, "mean": mean, "low": low, "high": high, "n": len(values)})
    return pd.DataFrame(rows)
