"""How far may the mean lie from the one measured? Bootstrap intervals over images."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from segattr_lib.seeds import generator

RESAMPLES = 9999
FEWEST = 12  # images: of fewer no kind of interval covers what it promises, and nothing is decided
HELD = 50_000  # numbers of resampled data in memory at a time; for larger arrays the system is asked anew each time


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
    low, high = studentised(values, shares, level, RESAMPLES, generator(seed, "", "bootstrap"))
    return float(low), float(high)


def studentised(
    values: Float[np.ndarray, "*repeats n"],
    per: Float[np.ndarray, "*repeats n"],
    level: float,
    resamples: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Interval ends of mean(values) / mean(per), each (*repeats); see `studentised_interval`, of any n above 1."""
    return _ends(values, per, level, *_resampled_t(values, per, level, resamples, rng))


def _ends(
    values: Float[np.ndarray, "*repeats n"],
    per: Float[np.ndarray, "*repeats n"],
    level: float,
    ratio: Any,
    error: Any,
    drawn: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """The same of what `_resampled_t` drew."""
    with np.errstate(invalid="ignore"):  # between two that are infinite
        least, most = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=-1, method="weibull")
    reach = stats.t.ppf((1 + level) / 2, values.shape[-1] - 1)
    low = ratio - np.maximum(most, reach) * error
    high = ratio - np.minimum(least, -reach) * error
    known = np.isfinite(low) & np.isfinite(high)
    if (per > 0).all():  # a ratio of means lies among the ratios
        ratios = values / per
        low, high = np.maximum(low, ratios.min(axis=-1)), np.minimum(high, ratios.max(axis=-1))
    alike = np.ptp(values, axis=-1) + np.ptp(per, axis=-1) == 0
    with np.errstate(divide="ignore", invalid="ignore"):  # a first share of 0, where they are not alike
        first = values[..., 0] / per[..., 0]
    low, high = (np.where(alike, first, np.where(known, end, np.nan)) for end in (low, high))
    return low, high


def studentised_test(values: Float[np.ndarray, " n"], level: float = 0.95, seed: int = 0) -> tuple[float, float, float]:
    """`studentised_interval` of a mean, and the two-sided p of a mean of 0, of the same resamples: low, high, p.

    p is the level at which an end of the interval reaches 0, so that it is at most .05 where the interval of 95 %
    leaves 0 out, but where that does so only because it is cut at the least or greatest value: there p says how far the
    resamples go. No smaller than Student's t has it, as the interval is no shorter. NaN where there is no such
    interval.
    """
    if len(values) < FEWEST:
        return np.nan, np.nan, np.nan
    ones = np.ones_like(values)
    mean, error, drawn = _resampled_t(values, ones, level, RESAMPLES, generator(seed, "", "bootstrap"))
    low, high = (float(end) for end in _ends(values, ones, level, mean, error, drawn))
    if not np.ptp(values):
        return low, high, 1.0 if values[0] == 0 else 0.0
    if max((drawn == np.inf).sum(), (drawn == -np.inf).sum()) >= (RESAMPLES + 1) // 40:  # 2.5 % on a side
        return low, high, np.nan
    t = mean / error
    near = abs(t) * (1 - 1e-9)  # resamples that lie as far, but for rounding, count as beyond
    beyond = (drawn >= near).sum() if t > 0 else (drawn <= -near).sum()
    p = max(min(1.0, 2 * (beyond + 1) / (RESAMPLES + 1)), 2 * stats.t.sf(abs(t), len(values) - 1))
    return low, high, float(p)


def median_interval(values: Float[np.ndarray, " n"], level: float = 0.95) -> tuple[float, float]:
    """Interval of the median between two of the values in order, as the sign test inverts: it holds the median at
    least so often whatever the distribution. NaN for fewer than FEWEST values."""
    n = len(values)
    if n < FEWEST:
        return np.nan, np.nan
    place = int(stats.binom.ppf((1 - level) / 2, n, 0.5))  # fewer than so many lie below the median in 2.5 % at most
    ordered = np.sort(values)
    return float(ordered[place - 1]), float(ordered[n - place])


def median_p(values: Float[np.ndarray, " n"]) -> float:
    """Two-sided p of a median of 0, of the sign test that `median_interval` inverts: below .05 exactly where the
    interval of 95 % leaves 0 out. Zeros speak for the median of 0: where they are many it is 0, however the others
    lie. NaN for fewer than FEWEST values."""
    n = len(values)
    if n < FEWEST:
        return np.nan
    fewer = min(int((values <= 0).sum()), int((values >= 0).sum()))
    return float(min(1.0, 2 * stats.binom.cdf(fewer, n, 0.5)))


def _resampled_t(
    values: Float[np.ndarray, "*repeats n"],
    per: Float[np.ndarray, "*repeats n"],
    level: float,
    resamples: int,
    rng: np.random.Generator,
) -> tuple[Any, Any, np.ndarray]:
    """mean(values) / mean(per) and its standard error, each (*repeats), and how many of its own standard errors each
    resample's ratio lies above it (*repeats, resamples)."""
    n, below = values.shape[-1], per.mean(axis=-1)
    ratio = values.mean(axis=-1) / below
    errors = values - ratio[..., None] * per
    squared, crossed, shares = errors**2, errors * per, per**2

    def t(weights: Float[np.ndarray, "draws n"]) -> Float[np.ndarray, "*repeats draws"]:
        times = weights.T / n  # a share of each draw
        with np.errstate(divide="ignore", invalid="ignore"):
            bottom = per @ times
            away = errors @ times / bottom
            spread = squared @ times - 2 * away * (crossed @ times) + away**2 * (shares @ times)
            spread[spread <= 1e-12 * squared.mean(axis=-1, keepdims=True)] = 0  # all equal, but for rounding
            return np.nan_to_num(away * np.abs(bottom) / np.sqrt(spread / (n - 1)), posinf=np.inf, neginf=-np.inf)

    drawn = bootstrap(t, n, resamples, rng, n + below.size, level, "percentile").bootstrap_distribution
    return ratio, np.sqrt(squared.mean(axis=-1) / (n - 1)) / np.abs(below), drawn


def bootstrap(
    statistic: Callable[[Float[np.ndarray, "draws units"]], Float[np.ndarray, "*several draws"]],
    units: int,
    resamples: int,
    rng: np.random.Generator,
    size: int,
    level: float = 0.95,
    method: Literal["BCa", "percentile"] = "BCa",
) -> Any:
    """scipy's bootstrap of two or more units that are drawn whole, such as images; NaN in place of its warnings.

    statistic: of weights, which say how often each unit stands in each draw, so that nothing is copied; any number
    of statistics may share the draws. size: numbers that it holds of a draw; no more draws are made at a time than
    hold HELD of them. Returns scipy's result: confidence_interval low and high (*several), and
    bootstrap_distribution (*several, resamples).
    """

    def of_places(places: np.ndarray, axis: int = -1) -> np.ndarray:
        """The statistic of the units at these places (draws, m), or of a single draw (m,); m is one less for BCa."""
        draws = places.reshape(-1, places.shape[-1]).astype(int)
        apart = draws + units * np.arange(len(draws))[:, None]
        weights = np.bincount(apart.ravel(), minlength=len(draws) * units).reshape(len(draws), units)
        values = statistic(weights.astype(float))
        return values if places.ndim > 1 else values[..., 0]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return stats.bootstrap(
            (np.arange(units),),
            of_places,
            vectorized=True,
            axis=-1,
            n_resamples=resamples,
            batch=max(1, HELD // size),
            confidence_level=level,
            method=method,
            rng=rng,
        )


def means(table: pd.DataFrame, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """Each column's mean over the images with its studentised interval: a row a column, with mean, low, high and n."""
    columns = {name: table[name].dropna().to_numpy(float) for name in table}
    ends: dict[Any, tuple[float, float]] = dict.fromkeys(columns, (np.nan, np.nan))
    for n in {len(values) for values in columns.values() if len(values) >= FEWEST}:
        alike = [name for name, values in columns.items() if len(values) == n]  # one set of draws is for all of them
        values = np.stack([columns[name] for name in alike])
        low, high = studentised(values, np.ones_like(values), level, RESAMPLES, generator(seed, "", "bootstrap"))
        ends |= dict(zip(alike, zip(low.tolist(), high.tolist(), strict=True), strict=True))
    rows = []
    for name, values in columns.items():
        mean = values.mean() if len(values) else np.nan
        rows.append({"method": name, "mean": mean, "low": ends[name][0], "high": ends[name][1], "n": len(values)})
    return pd.DataFrame(rows)
